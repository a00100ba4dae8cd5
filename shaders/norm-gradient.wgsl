// Gradients with respect to the weights and biases of layer normalisations: those of each latent, which `trunk-vjp.wgsl`
// left, added up in order; no workgroup memory.

struct Job {
    latents: u32,
    // Numbers per latent.
    row_stride: u32,
    // 1 where the sums over earlier latents stay.
    accumulate: u32,
    pad: u32,
}

struct Norm {
    start: u32,
    count: u32,
    weight: u32,
    bias: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> norms: array<Norm>;
@group(0) @binding(2) var<storage, read> weight_gradients: array<f32>;
@group(0) @binding(3) var<storage, read> bias_gradients: array<f32>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let norm = norms[workgroup.y];
    let i = workgroup.x * 64u + t;
    if (i >= norm.count) {
        return;
    }
    var weight = 0.0;
    var bias = 0.0;
    if (job.accumulate == 1u) {
        weight = parameters[4u * norm.weight + i];
        bias = parameters[4u * norm.bias + i];
    }
    for (var b = 0u; b < job.latents; b++) {
        weight += weight_gradients[b * job.row_stride + norm.start + i];
        bias += bias_gradients[b * job.row_stride + norm.start + i];
    }
    parameters[4u * norm.weight + i] = weight;
    parameters[4u * norm.bias + i] = bias;
}
