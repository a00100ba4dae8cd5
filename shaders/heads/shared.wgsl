// Learned weights that no latent changes: one load per vec4.
fn fill_shared(tensor: Tensor, index: u32) -> vec4<f32> {
    return parameters[tensor.base + index];
}
