// encoded: feature d of the points p .. p + 3 of a latent (the last one again beyond the end), either from the implicit
// pixel grid, from a list for all latents, or from a list for each.
//# if domain == "grid"
fn coordinate(latent: u32, p: u32, axis_in_order: u32) -> f32 {
    let pixel = vec2(p % job.width, p / job.width);
    let axis = axis_in_order ^ job.swap_axes;
    return fma(f32(pixel[axis]), job.step[axis], job.origin[axis]);
}
//# else
@group(0) @binding(5) var<storage, read> points: array<f32>;

fn coordinate(latent: u32, p: u32, axis: u32) -> f32 {
//# if domain == "samples"
    return points[(job.first_sample + latent * job.samples + p) * ${ inputs }u + axis];
//# else
    return points[p * ${ inputs }u + axis];
//# endif
}
//# endif

fn coordinates(latent: u32, p: u32, axis: u32) -> vec4<f32> {
    let last = job.points - 1u;
    return vec4(
        coordinate(latent, min(p, last), axis),
        coordinate(latent, min(p + 1u, last), axis),
        coordinate(latent, min(p + 2u, last), axis),
        coordinate(latent, min(p + 3u, last), axis),
    );
}

fn encoded(latent: u32, p: u32, d: u32) -> vec4<f32> {
//# if encoding == "identity"
    return coordinates(latent, p, d);
//# elif encoding == "fourier"
    // [sin(2 pi B x), cos(2 pi B x)]; a row of B is one vec4.
    let row = parameters[job.frequencies + d % ${ encoding_count }u];
    var t = vec4(0.0);
//# for axis in range(inputs)
    t = fma(vec4(row[${ axis }]), coordinates(latent, p, ${ axis }u), t);
//# endfor
    if (d < ${ encoding_count }u) { return sine_turns(t); }
    return cosine_turns(t);
//# else
    // x itself, if asked for, then per octave sin(2^k pi x) and cos(2^k pi x) over all coordinates.
    if (d < ${ encoding_plain }u) { return coordinates(latent, p, d); }
    let wave = (d - ${ encoding_plain }u) % ${ 2 * inputs }u;
    let octave = (d - ${ encoding_plain }u) / ${ 2 * inputs }u;
    let t = coordinates(latent, p, wave % ${ inputs }u) * (0.5 * f32(1u << octave));
    if (wave < ${ inputs }u) { return sine_turns(t); }
    return cosine_turns(t);
//# endif
}
//# if columns > 1

// encoded_jet: a column of feature d; 0 the value, then its derivatives along the coordinates, then its Laplacian. A
// wave's derivatives are multiples of its partner (a sine's of the cosine), its second derivatives of itself.
fn encoded_jet(latent: u32, p: u32, d: u32, column: u32) -> vec4<f32> {
    if (column == 0u) { return encoded(latent, p, d); }
    let axis = column - 1u;
//# if encoding == "identity"
    return vec4(select(0.0, 1.0, axis == d));
//# elif encoding == "fourier"
    let sine = d < ${ encoding_count }u;
    let slopes = select(-TURN, TURN, sine) * parameters[job.frequencies + d % ${ encoding_count }u];
    if (axis == ${ inputs }u) { return -dot(slopes, slopes) * encoded(latent, p, d); }
    return slopes[axis] * encoded(latent, p, select(d - ${ encoding_count }u, d + ${ encoding_count }u, sine));
//# else
    if (d < ${ encoding_plain }u) { return vec4(select(0.0, 1.0, axis == d)); }
    let wave = (d - ${ encoding_plain }u) % ${ 2 * inputs }u;
    let octave = (d - ${ encoding_plain }u) / ${ 2 * inputs }u;
    let turn = 0.5 * TURN * f32(1u << octave);
    if (axis == ${ inputs }u) { return -turn * turn * encoded(latent, p, d); }
    if (axis != wave % ${ inputs }u) { return vec4(0.0); }
    let sine = wave < ${ inputs }u;
    return select(-turn, turn, sine) * encoded(latent, p, select(d - ${ inputs }u, d + ${ inputs }u, sine));
//# endif
}
//# endif
