// Matrices that are not linear in the features; must agree with `gpu/layout.rs`.
//# include "include/layers.wgsl"

struct Target {
    tensor: Tensor,
    // First vec4 of the weights in a latent's row: of what is generated, and of the gradients.
    destination: u32,
    inputs: u32,
    // 1 where rows are divided by their L2 norm.
    demodulate: u32,
    pad: u32,
}

@group(0) @binding(1) var<storage, read> targets: array<Target>;
