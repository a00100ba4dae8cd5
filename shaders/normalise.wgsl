// Layer normalisation of trunk features, then their activation, in place: one workgroup per latent and trunk
// layer; 256 bytes of workgroup memory.

struct Batch {
    // The first latent of this slice and one past the last.
    first: u32,
    end: u32,
    // Numbers per latent.
    stride: u32,
    pad: u32,
}

struct Norm {
    // Where the features start in a latent's row, and how many they are.
    start: u32,
    count: u32,
    // First vec4 of the weights among the parameters; the biases follow, both padded to vec4s.
    weight: u32,
    bias: u32,
    // As in `include/activate.wgsl`, with its parameters; any other code: none.
    activation: u32,
    a: f32,
    b: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> norms: array<Norm>;
@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> rows: array<f32>;

//# include "include/activate.wgsl"
//# include "include/total.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let norm = norms[workgroup.z];
    let row = (batch.first + workgroup.x) * batch.stride + norm.start;
    var sum = 0.0;
    for (var i = t; i < norm.count; i += THREADS) {
        sum += rows[row + i];
    }
    let mean = total(t, sum) / f32(norm.count);
    sum = 0.0;
    for (var i = t; i < norm.count; i += THREADS) {
        let d = rows[row + i] - mean;
        sum += d * d;
    }
    let scale = inverseSqrt(total(t, sum) / f32(norm.count) + ${ epsilon });
    for (var i = t; i < norm.count; i += THREADS) {
        let v = (rows[row + i] - mean) * scale * parameters[norm.weight + i / 4u][i % 4u] + parameters[norm.bias + i / 4u][i % 4u];
        rows[row + i] = select(v, activate(norm.activation, vec4(v), norm.a, norm.b).x, norm.activation < ${ no_activation }u);
    }
}
