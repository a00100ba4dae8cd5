// What of an evaluation a dispatch does; must agree with `gpu/evaluate.rs`.
struct Job {
    // Linear index of the first workgroup of this slice, and one past its last.
    first: u32,
    end: u32,
    // Workgroups per row of the dispatch.
    groups_x: u32,
    // Workgroups per latent, or for all that share one.
    tiles: u32,
    // The first latent, as a row of theta and features; outputs are numbered from it.
    first_latent: u32,
    points: u32,
    width: u32,
    height: u32,
    theta_stride: u32,
    feature_stride: u32,
    // 1 where y comes before x.
    swap_axes: u32,
    // Pictures per row of a texture.
    columns: u32,
    origin: vec2<f32>,
    step: vec2<f32>,
    low: f32,
    inverse_range: f32,
    // Fourier features: the first vec4 of B among the parameters.
    frequencies: u32,
    // Latents in all.
    latents: u32,
    // Where each latent has points of its own: how many the list has for each, and the first one evaluated.
    samples: u32,
    first_sample: u32,
    // vec4s per row of the tape.
    tape_stride: u32,
    pad: u32,
}
