// Adjoint of low-rank heads, P = W0 f(M) with M = U V / sqrt(r): no workgroup memory.
//
//# if stage == "norms"
// First stage, where rows are divided by their norms, W = n P with n = (P P^T + eps)^(-1/2): dP = n (dW - W <W, dW>), in
// place; one invocation per four rows of a latent.
//# elif stage == "base"
// Second stage: dW0 = sum over latents of dP f(M), and dM / sqrt(r) = dP W0 f'(M) / sqrt(r) in the place of dP; one
// invocation per input and four rows.
//# else
// Third stage: dU = dM V^T, dV = U^T dM; one invocation per vec4 of either and latent.
//# endif

struct Job {
    // vec4s per latent of what was generated, and of the gradients.
    theta_stride: u32,
    gradient_stride: u32,
    latents: u32,
    // 1 where the sums over earlier latents stay.
    accumulate: u32,
}

//# include "include/targets.wgsl"
@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(4) var<storage, read_write> gradients: array<vec4<f32>>;
//# if stage == "base"
@group(0) @binding(5) var<storage, read_write> base_gradient: array<vec4<f32>>;
//# endif
//# if stage == "factors"
@group(0) @binding(3) var<storage, read> generated: array<vec4<f32>>;
//# else
//# include "include/fill.wgsl"
//# endif
//# if stage == "norms"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let tensor = targets[workgroup.z].tensor;
    let r = workgroup.x * 64u + t;
    let latent = workgroup.y;
    if (r >= tensor.rows4 || targets[workgroup.z].demodulate == 0u) {
        return;
    }
    let inputs = targets[workgroup.z].inputs;
    let at = latent * job.gradient_stride + targets[workgroup.z].destination + r;
    var squares = vec4(1e-8);
    var along = vec4(0.0);
    for (var k = 0u; k < inputs; k++) {
        let p = fill(tensor, latent, k, r);
        squares = fma(p, p, squares);
        along = fma(p, gradients[at + k * tensor.rows4], along);
    }
    let norm = inverseSqrt(squares);
    along *= norm * norm;
    for (var k = 0u; k < inputs; k++) {
        let d = gradients[at + k * tensor.rows4];
        gradients[at + k * tensor.rows4] = norm * (d - fill(tensor, latent, k, r) * along);
    }
}
//# elif stage == "base"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let tensor = targets[workgroup.z].tensor;
    let i = workgroup.x * 64u + t;
    if (i >= tensor.length) {
        return;
    }
    let k = i / tensor.rows4;
    let r = i % tensor.rows4;
    let base = parameters[tensor.base + i];
    var sum = vec4(0.0);
    if (job.accumulate == 1u) { sum = base_gradient[tensor.base + i]; }
    for (var b = 0u; b < job.latents; b++) {
        let at = b * job.gradient_stride + targets[workgroup.z].destination + i;
        let factor = low_rank_factor(tensor.multiplier, low_rank_product(tensor, b, k, r));
        // f' from f: 1 - tanh^2, and s (1 - s) where f = 1/2 + s.
        var slope = vec4(1.0);
        if (tensor.multiplier == 1u) {
            slope = 1.0 - (factor - 1.0) * (factor - 1.0);
        } else if (tensor.multiplier == 2u) {
            slope = (factor - 0.5) * (1.5 - factor);
        }
        let d = gradients[at];
        sum = fma(d, factor, sum);
        gradients[at] = d * base * slope * tensor.scale;
    }
    base_gradient[tensor.base + i] = sum;
}
//# else

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let tensor = targets[workgroup.z].tensor;
    let inputs = targets[workgroup.z].inputs;
    let latent = workgroup.y;
    let i = workgroup.x * 64u + t;
    let rank4 = tensor.feature_count;
    let u_length = 4u * rank4 * tensor.rows4;
    if (i >= u_length + inputs * rank4) {
        return;
    }
    let dm = latent * job.gradient_stride + targets[workgroup.z].destination;
    let row = latent * job.theta_stride;
    var sum = vec4(0.0);
    if (i < u_length) {
        let q = i / tensor.rows4;
        let r = i % tensor.rows4;
        for (var k = 0u; k < inputs; k++) {
            let v = generated[row + tensor.features + k * rank4 + q / 4u];
            sum = fma(gradients[dm + k * tensor.rows4 + r], vec4(v[q % 4u]), sum);
        }
    } else {
        let k = (i - u_length) / rank4;
        let q = (i - u_length) % rank4;
        for (var r = 0u; r < tensor.rows4; r++) {
            let d = gradients[dm + k * tensor.rows4 + r];
//# for e in range(4)
            sum[${ e }] += dot(d, generated[row + tensor.factors + (4u * q + ${ e }u) * tensor.rows4 + r]);
//# endfor
        }
    }
    // V follows U.
    gradients[latent * job.gradient_stride + tensor.factors + i] = sum;
}
//# endif
