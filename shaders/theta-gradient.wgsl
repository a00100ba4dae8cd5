// Gradients with respect to generated and shared tensors of each latent: the parts that workgroups left, added up in order,
// and the gradient of a penalty on theta's squares; 256 bytes of workgroup memory.

struct Job {
    // vec4s per latent of what was generated, and of the gradients.
    theta_stride: u32,
    gradient_stride: u32,
    // Parts of weights over points, and vec4s of one; parts of vectors over workgroups, and vec4s of one.
    weight_parts: u32,
    weight_stride: u32,
    row_parts: u32,
    row_stride: u32,
    // 1 where the gradients of earlier chunks stay.
    accumulate: u32,
    // Where the penalty's parts go.
    part: u32,
    // The penalty's weight: of the squares of theta's numbers.
    penalty: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

//# include "include/layers.wgsl"

struct Segment {
    tensor: Tensor,
    // 1 for vectors: their parts are those of rows.
    vector: u32,
    // First vec4 in a part, and in the gradients of a latent.
    source: u32,
    destination: u32,
    // What a gradient is multiplied by.
    scale: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> segments: array<Segment>;
@group(0) @binding(4) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> vectors: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec4<f32>>;
//# if penalised
@group(0) @binding(7) var<storage, read_write> penalties: array<f32>;
//# include "include/fill.wgsl"
//# include "include/total.wgsl"
//# endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = workgroup.x * 64u + t;
    let latent = workgroup.y;
    let segment = segments[workgroup.z];
    let inside = i < segment.tensor.length;
    if (inside) {
        var sum = vec4(0.0);
        if (segment.vector == 1u) {
            for (var n = 0u; n < job.row_parts; n++) {
                sum += vectors[(latent * job.row_parts + n) * job.row_stride + segment.source + i];
            }
        } else {
            for (var n = 0u; n < job.weight_parts; n++) {
                sum += weights[(latent * job.weight_parts + n) * job.weight_stride + segment.source + i];
            }
        }
        sum *= segment.scale;
        let at = latent * job.gradient_stride + segment.destination + i;
        if (job.accumulate == 1u) { sum += gradients[at]; }
        gradients[at] = sum;
    }
//# if penalised
    // With the first chunk only.
    if (job.accumulate == 1u) { return; }
    var squares = 0.0;
    if (inside) {
        let rows4 = segment.tensor.rows4;
        let theta = fill(segment.tensor, latent, i / rows4, i % rows4);
        gradients[latent * job.gradient_stride + segment.destination + i] += 2.0 * job.penalty * theta;
        squares = job.penalty * dot(theta, theta);
    }
    let sum = total(t, squares);
    if (t == 0u) {
        penalties[job.part + (workgroup.z * workgroups.y + latent) * workgroups.x + workgroup.x] = sum;
    }
//# endif
}
