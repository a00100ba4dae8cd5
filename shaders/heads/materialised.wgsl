// Weights that were generated before and lie in theta: one load per vec4, theta_stride vec4s a latent.
@group(0) @binding(3) var<storage, read> theta: array<vec4<f32>>;

fn fill_materialised(tensor: Tensor, latent: u32, index: u32) -> vec4<f32> {
    return theta[latent * job.theta_stride + tensor.base + index];
}
