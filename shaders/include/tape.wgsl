// The tape: what the forward pass leaves to the backward pass, for every latent rows of the points' numbers, in vec4s
// of four points; 4 bytes for each sum and each activation. A workgroup's part of a row is as in its tile: where points have
// derivatives, too, their columns one after another.
//
// sums: W x + b (and the residual stream, where a layer carries it) of every hidden layer (rows padded to vec4s), then the gradients with respect to the outputs. The backward
// pass replaces the sums by the gradients with respect to them.
@group(0) @binding(8) var<storage, read_write> sums: array<vec4<f32>>;
const SUM_ROWS = ${ sum_rows }u;

fn sum_at(latent: u32, row: u32, quad: u32) -> u32 {
    return (latent * SUM_ROWS + row) * job.tape_stride + quad;
}
//# if activation_rows

// activations: what every hidden layer makes of its sums, then the encoded coordinates.
@group(0) @binding(9) var<storage, read_write> activations: array<vec4<f32>>;
const ENCODED_ROW = ${ encoded_row }u;
const ACTIVATION_ROWS = ${ activation_rows }u;

fn activation_at(latent: u32, row: u32, quad: u32) -> u32 {
    return (latent * ACTIVATION_ROWS + row) * job.tape_stride + quad;
}
//# endif
