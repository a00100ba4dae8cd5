// Adjoint of what trunk layers do after their maps, in place: from gradients with respect to a layer's outputs to those with
// respect to W x + b; one workgroup per latent and layer; 256 bytes of workgroup memory.
//
// A normalised layer also leaves what its weights and biases get from each latent, which `norm-gradient.wgsl` adds up: the
// gradient with respect to what the normalisation writes, and that times the normalised features.

struct Batch {
    // Numbers per latent.
    row_stride: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Finish {
    // Where the layer's outputs start in a row, and how many they are.
    start: u32,
    count: u32,
    // 1 where they are normalised: first vec4 of the weights and biases among the parameters.
    normalised: u32,
    weight: u32,
    bias: u32,
    // As in `include/activate.wgsl`, with its parameters; any other code: none.
    activation: u32,
    a: f32,
    b: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> finishes: array<Finish>;
// W x + b. Where it was normalised: the gradient with respect to the weights, then.
@group(0) @binding(2) var<storage, read_write> mapped: array<f32>;
@group(0) @binding(3) var<storage, read_write> row_gradients: array<f32>;
//# if norms
@group(0) @binding(4) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradients: array<f32>;
//# endif

//# include "include/activate.wgsl"
//# include "include/total.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let finish = finishes[workgroup.y];
    let row = workgroup.x * batch.row_stride + finish.start;
//# if norms
    if (finish.normalised == 1u) {
        let count = f32(finish.count);
        var sum = 0.0;
        for (var i = t; i < finish.count; i += THREADS) {
            sum += mapped[row + i];
        }
        let mean = total(t, sum) / count;
        sum = 0.0;
        for (var i = t; i < finish.count; i += THREADS) {
            let d = mapped[row + i] - mean;
            sum += d * d;
        }
        let scale = inverseSqrt(total(t, sum) / count + ${ epsilon });
        // With x the normalised features and g the gradient with respect to them: scale (g - mean(g) - x mean(g x)).
        var sum_g = 0.0;
        var sum_gx = 0.0;
        for (var i = t; i < finish.count; i += THREADS) {
            let x = (mapped[row + i] - mean) * scale;
            let weight = parameters[finish.weight + i / 4u][i % 4u];
            let y = fma(x, weight, parameters[finish.bias + i / 4u][i % 4u]);
            var d = row_gradients[row + i];
            if (finish.activation < ${ no_activation }u) { d *= slope(finish.activation, vec4(y), finish.a, finish.b).x; }
            bias_gradients[row + i] = d;
            row_gradients[row + i] = d * weight;
            sum_g += d * weight;
            sum_gx += d * weight * x;
        }
        let mean_g = total(t, sum_g) / count;
        let mean_gx = total(t, sum_gx) / count;
        for (var i = t; i < finish.count; i += THREADS) {
            let x = (mapped[row + i] - mean) * scale;
            row_gradients[row + i] = scale * (row_gradients[row + i] - mean_g - x * mean_gx);
            mapped[row + i] = bias_gradients[row + i] * x;
        }
        return;
    }
//# endif
    if (finish.activation >= ${ no_activation }u) {
        return;
    }
    for (var i = t; i < finish.count; i += THREADS) {
        row_gradients[row + i] *= slope(finish.activation, vec4(mapped[row + i]), finish.a, finish.b).x;
    }
}
