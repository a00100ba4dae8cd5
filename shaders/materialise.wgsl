// Writes the weights of heads that are not linear in the features, asked of the head's own fill: one invocation per
// four rows of one layer and latent; no workgroup memory.

struct Job {
    // The first latent of this slice and one past the last.
    first: u32,
    end: u32,
    // vec4s per latent.
    theta_stride: u32,
    pad: u32,
}

//# include "include/targets.wgsl"
@group(0) @binding(0) var<uniform> job: Job;
//# include "include/fill.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let rows4 = targets[workgroup.z].tensor.rows4;
    let r = workgroup.x * 64u + t;
    if (r >= rows4) {
        return;
    }
    let inputs = targets[workgroup.z].inputs;
    let latent = job.first + workgroup.y;
    let destination = latent * job.theta_stride + targets[workgroup.z].destination + r;
    var squares = vec4(1e-8);
    for (var k = 0u; k < inputs; k++) {
        let w = fill(targets[workgroup.z].tensor, latent, k, r);
        squares = fma(w, w, squares);
        generated[destination + k * rows4] = w;
    }
    if (targets[workgroup.z].demodulate == 1u) {
        let norm = inverseSqrt(squares);
        for (var k = 0u; k < inputs; k++) {
            generated[destination + k * rows4] *= norm;
        }
    }
}
