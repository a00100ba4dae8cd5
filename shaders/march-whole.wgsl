// Follows rays through an INR so small that all its weights lie in workgroup memory, ${ bytes } bytes of it${ ", the weights in halves of 16 bits" if packed }:
// an invocation takes its ray from the start to the end, and nothing goes to global memory in between. Each keeps a layer's
// inputs there, too, and its sums in registers: unrolled over the inputs, the kernel would be too long for drivers.

//# include "include/rays.wgsl"
// A workgroup's copy of the model, as `gpu/march/whole.rs` packs it. Vectors: of each hidden layer the activation's code and
// parameters; then of each the bias; then the last layer's weights; then its bias.
@group(0) @binding(2) var<storage, read> vectors: array<vec4<f32>>;
// [inputs][ROWS4] of the first layer, then of the other hidden layers.
@group(0) @binding(3) var<storage, read> weights: array<${ "vec2<u32>" if packed else "vec4<f32>" }>;
// By ray: where it ended, what it has become.
@group(0) @binding(4) var<storage, read_write> outcomes: array<vec2<u32>>;
//# include "walks/" ~ walk ~ ".wgsl"
//# include "include/activate.wgsl"

const THREADS = ${ threads }u;
const HIDDEN = ${ hidden }u;
//# if stream
// The layers that carry the residual stream, layer l as bit l.
const STREAM = ${ stream }u;
//# endif
// vec4s of a layer's outputs.
const ROWS4 = ${ rows4 }u;
const BIASES = HIDDEN;
const LAST = HIDDEN + HIDDEN * ROWS4;
const VECTORS = LAST + ROWS4 + 1u;
const WEIGHTS = (3u + (HIDDEN - 1u) * 4u * ROWS4) * ROWS4;
var<workgroup> local_vectors: array<vec4<f32>, ${ vectors }>;
var<workgroup> inputs: array<vec4<f32>, ${ threads * rows4 }>;
var<workgroup> local_weights: array<${ "vec2<u32>" if packed else "vec4<f32>" }, ${ weights }>;

fn weight(i: u32) -> vec4<f32> {
//# if packed
    let four = local_weights[i];
    return vec4(unpack2x16float(four.x), unpack2x16float(four.y));
//# else
    return local_weights[i];
//# endif
}

// The value at a place; an invocation's own inputs are every ${ threads }th from its number on.
fn value(t: u32, place: vec3<f32>) -> f32 {
//# if stream
    // The residual stream: the sums of the last layer that carries it.
//# for r in range(rows4)
    var stream_${ r } = vec4(0.0);
//# endfor
//# endif
    for (var l = 0u; l < HIDDEN; l++) {
        let code = local_vectors[l];
        let bias = BIASES + l * ROWS4;
//# for r in range(rows4)
        var c_${ r } = vec4(0.0);
//# endfor
        if (l == 0u) {
//# for k in range(3)
//# for r in range(rows4)
            c_${ r } = fma(vec4(place[${ k }]), weight(${ k * rows4 + r }u), c_${ r });
//# endfor
//# endfor
        } else {
            let first = (3u + (l - 1u) * 4u * ROWS4) * ROWS4;
            for (var quad = 0u; quad < ROWS4; quad++) {
                let x = inputs[quad * THREADS + t];
                let base = first + quad * 4u * ROWS4;
//# for k in range(4)
//# for r in range(rows4)
                c_${ r } = fma(vec4(x[${ k }]), weight(base + ${ k * rows4 + r }u), c_${ r });
//# endfor
//# endfor
            }
        }
//# for r in range(rows4)
        c_${ r } += local_vectors[bias + ${ r }u];
//# endfor
//# if stream
        if (((STREAM >> l) & 1u) == 1u) {
//# for r in range(rows4)
            c_${ r } += stream_${ r };
            stream_${ r } = c_${ r };
//# endfor
        }
//# endif
//# for r in range(rows4)
        inputs[${ r * threads }u + t] = activate(u32(code.x), c_${ r }, code.y, code.z);
//# endfor
    }
    var sum = vec4(0.0);
    for (var quad = 0u; quad < ROWS4; quad++) {
        sum = fma(inputs[quad * THREADS + t], local_vectors[LAST + quad], sum);
    }
    return (sum.x + sum.y) + (sum.z + sum.w) + local_vectors[VECTORS - 1u].x;
}

@compute @workgroup_size(${ threads })
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    for (var i = t; i < VECTORS; i += THREADS) { local_vectors[i] = vectors[i]; }
    for (var i = t; i < WEIGHTS; i += THREADS) { local_weights[i] = weights[i]; }
    workgroupBarrier();
    let ray = id.x;
    if (ray >= rules.rays) { return; }
    let track = tracks[ray];
    var walker = start();
    var end = 0u;
    while (end == 0u) {
        let found = value(t, track.origin + walker.at * track.direction);
        end = ENDED | BROKEN;
        if (is_finite(found)) { end = advance(track, &walker, rules.outwards * (found - rules.level)); }
    }
    outcomes[ray] = vec2(bitcast<u32>(walker.at), end | walker.steps);
}
