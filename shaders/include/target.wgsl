// store: four outputs (4 o .. 4 o + 3) of one point's column, to a buffer [latent][point][column][output] or, of values, to a texture
// that holds one picture per latent, left to right and then down.
//# if texture_format
@group(0) @binding(6) var output: texture_storage_2d<${ texture_format }, write>;

fn store(latent: u32, p: u32, column: u32, o: u32, value: vec4<f32>) {
    let cell = vec2(latent % job.columns, latent / job.columns) * vec2(job.width, job.height);
    let pixel = cell + vec2(p % job.width, p / job.width);
    // Formats of bytes clip to 0 and 1 by themselves; floats stay as they are.
    var unit = (value - job.low) * job.inverse_range;
//# if outputs == 1
    unit = vec4(unit.xxx, 1.0);
//# elif outputs == 2
    unit = vec4(unit.xxx, unit.y);
//# elif outputs == 3
    unit.w = 1.0;
//# endif
    textureStore(output, pixel, unit);
}
//# else
@group(0) @binding(6) var<storage, read_write> output: array<f32>;

fn store(latent: u32, p: u32, column: u32, o: u32, value: vec4<f32>) {
    let at = ((latent * job.points + p) * ${ columns }u + column) * ${ outputs }u + 4u * o;
//# for c in range(4)
//# if c < outputs
    if (4u * o + ${ c }u < ${ outputs }u) { output[at + ${ c }u] = value[${ c }]; }
//# endif
//# endfor
}
//# endif
