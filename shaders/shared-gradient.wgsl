// Gradients with respect to tensors that all latents share: those of each latent, added up in order; no workgroup memory.

struct Job {
    latents: u32,
    // vec4s per latent of the gradients.
    gradient_stride: u32,
    // 1 where the sums over earlier latents stay.
    accumulate: u32,
    pad: u32,
}

struct Segment {
    // First vec4 in the gradients of a latent, and among the parameters.
    source: u32,
    destination: u32,
    length: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> segments: array<Segment>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let segment = segments[workgroup.y];
    let i = workgroup.x * 64u + t;
    if (i >= segment.length) {
        return;
    }
    var sum = vec4(0.0);
    if (job.accumulate == 1u) { sum = parameters[segment.destination + i]; }
    for (var b = 0u; b < job.latents; b++) {
        sum += gradients[b * job.gradient_stride + segment.source + i];
    }
    parameters[segment.destination + i] = sum;
}
