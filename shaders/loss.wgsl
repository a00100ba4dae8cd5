// The loss of outputs${ " and their derivatives" if columns > 1 }, and its gradient with respect to them; 256 bytes of workgroup memory.
//
// One invocation per four points of a latent. The gradient goes to the tape's last rows; that of points beyond the end, and
// of rows that only pad, is 0, by which all that the backward pass makes of them is 0, too.

// Must agree with `gpu/learn/objective.rs`.
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
    // Given values: outputs count within [-within, within] only.
    within: f32,
    // What gradients of a length other than 1 weigh.
    eikonal: f32,
    // Oriented points: how many of each latent's lie on the surface, the weights of values and of angles there and of values
    // near 0 elsewhere, and how fast these fall.
    on: u32,
    value: f32,
    normal: f32,
    off: f32,
    sharpness: f32,
    pad: u32,
}

// An output at four points: its columns, as in `include/jets.wgsl`.
alias Jet = array<vec4<f32>, ${ columns }>;

// What it costs, and the gradient of that.
struct Cost {
    loss: vec4<f32>,
    gradient: Jet,
//# if importance
    // The sum of |y - t|.
    distance: vec4<f32>,
//# endif
}

@group(0) @binding(0) var<uniform> job: Job;
// [latents][points][columns][outputs], and what the loss says.
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
const COLUMNS = ${ columns }u;
// Quads of points side by side in a workgroup's part of the tape.
const POINT_GROUPS = ${ point_groups }u;
//# include "losses/" ~ file ~ ".wgsl"

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
        // Points beyond the end are the last one again, and count for nothing.
        let four = 4u * quad + vec4(0u, 1u, 2u, 3u);
        let points = min(four, vec4(job.points - 1u));
        let samples = job.first_sample + latent * job.samples + points;
        var counts = select(vec4(0.0), vec4(job.scale), four < vec4(job.points));
//# if importance
        for (var j = 0u; j < 4u; j++) { counts[j] *= weights[samples[j]]; }
        var distance = vec4(0.0);
//# endif
        let lane = quad / POINT_GROUPS * POINT_GROUPS * COLUMNS + quad % POINT_GROUPS;
        for (var o = 0u; o < ${ (outputs + 3) // 4 * 4 }u; o++) {
            var gradient: Jet;
            if (o < OUTPUTS) {
                var jet: Jet;
                for (var j = 0u; j < 4u; j++) {
                    let at = (latent * job.points + points[j]) * COLUMNS * OUTPUTS + o;
//# for c in range(columns)
                    jet[${ c }][j] = outputs[at + ${ c }u * OUTPUTS];
//# endfor
                }
                let cost = cost_of(samples, o, jet);
                loss += dot(counts, cost.loss);
                gradient = cost.gradient;
//# if importance
                distance += cost.distance;
//# endif
            }
//# for c in range(columns)
            sums[sum_at(latent, job.row + o, lane + ${ c }u * POINT_GROUPS)] = counts * gradient[${ c }];
//# endfor
        }
//# if importance
        for (var j = 0u; j < 4u; j++) {
            if (four[j] < job.points) { errors[samples[j]] = distance[j] / f32(OUTPUTS * ${ compared }u); }
        }
//# endif
    }
    let sum = total(t, loss);
    if (t == 0u) { losses[job.part + latent * workgroups.x + workgroup.x] = sum; }
}
