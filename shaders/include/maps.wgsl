// Affine maps of latents' rows, as generation computes them; must agree with `gpu/generate.rs` and `gpu/layout.rs`.

struct Batch {
    // The first latent of this slice and one past the last.
    first: u32,
    end: u32,
    // Numbers per latent: of the latent itself and of its row of trunk outputs; vec4s per latent in the target.
    latent_stride: u32,
    row_stride: u32,
    target_stride: u32,
    // Numbers per latent of the rows' gradients: a row's, then the latent's.
    gradient_stride: u32,
    // Gradients: 1 where those of earlier latents stay.
    accumulate: u32,
    pad: u32,
}

struct Map {
    // First vec4 of W on the page, vec4s per row, number of inputs, and how many of these stand in the row; entries of
    // the latent follow.
    matrix: u32,
    length: u32,
    inputs: u32,
    previous: u32,
    // Where the inputs start in the latent's row (numbers), and the outputs in the row or the target (vec4s).
    source: u32,
    destination: u32,
    // As in `include/activate.wgsl`, with its parameters; any other code: none.
    activation: u32,
    a: f32,
    b: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> maps: array<Map>;
@group(0) @binding(3) var<storage, read> latents: array<f32>;
//# if in_place and not gradients
// Trunk layers: none reads what another one of the same dispatch writes.
@group(0) @binding(4) var<storage, read_write> rows: array<f32>;
//# else
@group(0) @binding(4) var<storage, read> rows: array<f32>;
//# endif

fn map_input(map: Map, latent: u32, k: u32) -> f32 {
    if (k < map.previous) { return rows[latent * batch.row_stride + map.source + k]; }
    return latents[latent * batch.latent_stride + k - map.previous];
}
