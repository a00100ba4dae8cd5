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
