// Gradients with respect to what affine maps read: dx += W^T dy, for all maps of one page that read it, in order; ${ 256 * latents } bytes
// of workgroup memory.
//
// One workgroup per number read and ${ latents } latents: its invocations share out the maps' outputs.

struct Batch {
    end: u32,
    // vec4s per latent of the gradients of what was generated; numbers per latent of those of rows.
    target_stride: u32,
    gradient_stride: u32,
    pad: u32,
}

// Numbers that maps read: a trunk's features, say, or the latent.
struct Source {
    // Where their gradients start in a row of them, and how many they are.
    start: u32,
    count: u32,
    // The maps that read them.
    first: u32,
    end: u32,
}

struct Reader {
    // As in `Map`.
    matrix: u32,
    length: u32,
    destination: u32,
    // The map's input that is the source's first number.
    input: u32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> sources: array<Source>;
@group(0) @binding(2) var<storage, read> readers: array<Reader>;
@group(0) @binding(3) var<storage, read> page: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> row_gradients: array<f32>;
//# if not in_place
@group(0) @binding(5) var<storage, read> gradients: array<vec4<f32>>;
//# endif

const THREADS = 64u;
var<workgroup> parts: array<f32, ${ 64 * latents }>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let source = sources[workgroup.z];
    if (workgroup.x >= source.count) {
        return;
    }
    let first = workgroup.y * ${ latents }u;
//# for b in range(latents)
    let b_${ b } = min(first + ${ b }u, batch.end - 1u);
    var s_${ b } = 0.0;
//# endfor
    for (var m = source.first; m < source.end; m++) {
        let reader = readers[m];
        let row = reader.matrix + (reader.input + workgroup.x) * reader.length;
        for (var i = t; i < reader.length; i += THREADS) {
            let w = page[row + i];
//# for b in range(latents)
//# if in_place
            let at_${ b } = b_${ b } * batch.gradient_stride + 4u * (reader.destination + i);
            s_${ b } += dot(w, vec4(row_gradients[at_${ b }], row_gradients[at_${ b } + 1u], row_gradients[at_${ b } + 2u], row_gradients[at_${ b } + 3u]));
//# else
            s_${ b } += dot(w, gradients[b_${ b } * batch.target_stride + reader.destination + i]);
//# endif
//# endfor
        }
    }
//# for b in range(latents)
    parts[${ b }u * THREADS + t] = s_${ b };
//# endfor
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) {
//# for b in range(latents)
            parts[${ b }u * THREADS + t] += parts[${ b }u * THREADS + t + half];
//# endfor
        }
        workgroupBarrier();
    }
    if (t < ${ latents }u && first + t < batch.end) {
        row_gradients[(first + t) * batch.gradient_stride + source.start + workgroup.x] += parts[t * THREADS];
    }
}
