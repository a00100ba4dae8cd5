// Where each layer's weights are found. Shared by every kernel that asks a head for weights; must agree
// with `gpu/layout.rs`.
//
// All tensors are stored by input: the weights of four consecutive outputs for one input are one vec4,
// so a layer is [inputs][rows4] vec4s, its bias [rows4] vec4s, padded with zeros.

struct Tensor {
    // 0: materialised theta, 1: shared, 2: linear head.
    kind: u32,
    // First vec4: in the latent's row of theta, or in the arena of parameters.
    base: u32,
    // Length of the tensor in vec4s.
    length: u32,
    // The trunk's features: where they start in a latent's row, and how many.
    features: u32,
    feature_count: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Layer {
    inputs: u32,
    rows4: u32,
    // omega / 2 pi: turns per unit of pre-activation.
    scale: f32,
    pad: u32,
    weight: Tensor,
    bias: Tensor,
}
