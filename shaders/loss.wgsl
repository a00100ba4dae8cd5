// The loss of outputs against their targets, and its gradient with respect to them; 256 bytes of workgroup memory.
//
// One invocation per four points of a latent. The gradient goes to the tape's last rows; that of points beyond the end, and
// of rows that only pad, is 0, by which all that the backward pass makes of them is 0, too.

struct Job {
    // Points of the chunk, quads of points that the tape has for them, and vec4s per row of the tape.
    points: u32,
    quads: u32,
    tape_stride: u32,
    // How many points a latent has in the list of targets, and the first one here.
    samples: u32,
    first_sample: u32,
    // The first row of the gradients on the tape.
    row: u32,
    // Where the chunk's parts of the loss go.
    part: u32,
    // What each output's loss is multiplied by.
    scale: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
// [latents][points][outputs], and [latents][samples][outputs].
@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
//# if importance
// [latents][samples]: what each point weighs, and the mean of |y - t| over its outputs, which is left here.
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> errors: array<f32>;
//# endif
//# include "include/functions.wgsl"
//# include "include/tape.wgsl"
//# include "include/total.wgsl"

const OUTPUTS = ${ outputs }u;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let quad = workgroup.x * 64u + t;
    let latent = workgroup.y;
    var loss = 0.0;
    if (quad < job.quads) {
        let sample = job.first_sample + latent * job.samples + 4u * quad;
//# if importance
        var distance = vec4(0.0);
//# endif
        for (var o = 0u; o < ${ (outputs + 3) // 4 * 4 }u; o++) {
            // Where there is nothing to learn, output and target are alike.
            var y = vec4(0.0);
            var wanted = vec4(0.0);
            var counts = vec4(0.0);
            for (var j = 0u; j < 4u; j++) {
                let p = 4u * quad + j;
                if (p < job.points && o < OUTPUTS) {
                    y[j] = outputs[(latent * job.points + p) * OUTPUTS + o];
                    wanted[j] = targets[(sample + j) * OUTPUTS + o];
                    counts[j] = job.scale${ " * weights[sample + j]" if importance };
                }
            }
            let d = y - wanted;
//# if importance
            distance += abs(d);
//# endif
//# if loss == "mse"
            loss += dot(counts, d * d);
            let gradient = 2.0 * d;
//# elif loss == "l1"
            loss += dot(counts, abs(d));
            let gradient = sign(d);
//# else
            // Binary cross-entropy of logits: max(y, 0) - y t + ln(1 + exp(-|y|)).
            let e = exp(-abs(y));
            loss += dot(counts, max(y, vec4(0.0)) - y * wanted + ln_one_plus(e));
            let gradient = select(vec4(1.0), e, y < vec4(0.0)) / (1.0 + e) - wanted;
//# endif
            sums[sum_at(latent, job.row + o, quad)] = counts * gradient;
        }
//# if importance
        for (var j = 0u; j < 4u; j++) {
            if (4u * quad + j < job.points) { errors[sample + j] = distance[j] / f32(OUTPUTS); }
        }
//# endif
    }
    let sum = total(t, loss);
    if (t == 0u) { losses[job.part + latent * workgroups.x + workgroup.x] = sum; }
}
