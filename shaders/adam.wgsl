// One step of Adam (Kingma & Ba 2015) over a buffer of numbers, and their running means where the run keeps them; no
// workgroup memory. The CPU twin is `train/optimiser.rs`.

struct Step {
    keep1: f32,
    new1: f32,
    keep2: f32,
    new2: f32,
    // rate / (1 - beta1^t), and 1 / sqrt(1 - beta2^t).
    rate: f32,
    root: f32,
    epsilon: f32,
    // Weight decay: what of a number is added to its gradient, and what of it stays.
    penalty: f32,
    shrink: f32,
    // What gradients are multiplied by: less than 1 where they are clipped.
    clip: f32,
    // What is new in a running mean; 1 at the first adam.
    fresh: f32,
    // First vec4 that is learned.
    first: u32,
}

@group(0) @binding(0) var<uniform> adam: Step;
@group(0) @binding(1) var<storage, read_write> values: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> second: array<vec4<f32>>;
//# if means
@group(0) @binding(5) var<storage, read_write> means: array<vec4<f32>>;
//# endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    for (var i = adam.first + workgroup.x * 64u + t; i < arrayLength(&values); i += workgroups.x * 64u) {
        let value = values[i];
        let g = adam.clip * gradient[i] + adam.penalty * value;
        let m = adam.keep1 * first[i] + adam.new1 * g;
        let v = adam.keep2 * second[i] + adam.new2 * g * g;
        let now = adam.shrink * value - adam.rate * m / (sqrt(v) * adam.root + adam.epsilon);
        first[i] = m;
        second[i] = v;
        values[i] = now;
//# if means
        means[i] += adam.fresh * (now - means[i]);
//# endif
    }
}
