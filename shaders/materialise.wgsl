// Writes the weights of heads that are not linear in the features, asked of the head's own fill: an invocation four of a layer
// and latent, or four rows' share where rows are divided by their norms; 1024 bytes of workgroup memory.

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

// Of a workgroup that divides rows by their norms: rows by four, and shares of the inputs.
const ROWS4 = ${ norm_rows4 }u;
const SHARES = ${ 64 // norm_rows4 }u;
var<workgroup> squares: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let rows4 = targets[workgroup.z].tensor.rows4;
    let latent = job.first + workgroup.x;
    let destination = latent * job.theta_stride + targets[workgroup.z].destination;
    if (targets[workgroup.z].demodulate == 0u) {
        let i = workgroup.y * 64u + t;
        if (i < targets[workgroup.z].tensor.length) {
            generated[destination + i] = fill(targets[workgroup.z].tensor, latent, i / rows4, i % rows4);
        }
        return;
    }
    let inputs = targets[workgroup.z].inputs;
    let r = workgroup.y * ROWS4 + t % ROWS4;
    var own = vec4(0.0);
    if (r < rows4) {
        for (var k = t / ROWS4; k < inputs; k += SHARES) {
            let w = fill(targets[workgroup.z].tensor, latent, k, r);
            own = fma(w, w, own);
            generated[destination + k * rows4 + r] = w;
        }
    }
    squares[t] = own;
    workgroupBarrier();
    if (r < rows4) {
        var all = vec4(1e-8);
        for (var share = 0u; share < SHARES; share++) {
            all += squares[share * ROWS4 + t % ROWS4];
        }
        let norm = inverseSqrt(all);
        // The very numbers that this invocation wrote.
        for (var k = t / ROWS4; k < inputs; k += SHARES) {
            generated[destination + k * rows4 + r] *= norm;
        }
    }
}
