// Numbers that were generated before: one load per vec4, theta_stride vec4s a latent.
fn fill_materialised(tensor: Tensor, latent: u32, index: u32) -> vec4<f32> {
    return generated[latent * job.theta_stride + tensor.base + index];
}
