// Where each layer's parameters are found. Shared by every kernel that asks a head for weights; must agree
// with `gpu/layout.rs`.
//
// All tensors are stored by input: the weights of four consecutive outputs for one input are one vec4,
// so a layer is [inputs][rows4] vec4s, its bias [rows4] vec4s, padded with zeros.

struct Tensor {
    // 0 materialised, 1 shared, 2 linear head, 3 low-rank head, 4 a constant.
    kind: u32,
    // First vec4: in the latent's row of `generated`, or among the parameters; of a constant, its bits.
    base: u32,
    // Length of the tensor in vec4s.
    length: u32,
    // Linear: the trunk's features, where they start in a latent's row and how many.
    // Low-rank: V in the latent's row of `generated`, and a quarter of the padded rank.
    features: u32,
    feature_count: u32,
    // Low-rank: U in the latent's row of `generated`.
    factors: u32,
    // vec4s of one input.
    rows4: u32,
    // Low-rank: 0 demodulated, 1 tanh, 2 sigmoid.
    multiplier: u32,
    // Low-rank: 1 / sqrt(rank), by which M is multiplied. A shift: what it is multiplied by.
    scale: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Layer {
    inputs: u32,
    // How many of the inputs are the previous layer's outputs; encoded coordinates follow.
    previous: u32,
    rows4: u32,
    activation: u32,
    // The activation's parameters.
    a: f32,
    b: f32,
    // Modulation: 0 none, 1 before the activation, 2 after it.
    place: u32,
    // 1 where rows are divided by their weights' L2 norm.
    demodulate: u32,
    weight: Tensor,
    bias: Tensor,
    gain: Tensor,
    shift: Tensor,
}
