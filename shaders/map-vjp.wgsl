// Gradients with respect to what affine maps read: dx += W^T dy, for all maps of one page that read it, in order; ${ 256 * latents * numbers }
// bytes of workgroup memory.
//
// A workgroup takes ${ numbers } of the numbers read and ${ latents } latents: its invocations share out the maps' outputs, and use each weight
// that they load ${ latents } times, each gradient ${ numbers } times.

struct Batch {
    end: u32,
    // vec4s per latent of the gradients of what was generated; numbers per latent of those of rows.
    target_stride: u32,
    gradient_stride: u32,
    pad: u32,
}

// Numbers that maps read: a trunk's features, say, or the latent.
struct Source {
    // Where their gradients start, how far those of the next latent are, and how many they are.
    start: u32,
    stride: u32,
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
const NUMBERS = ${ numbers }u;
var<workgroup> parts: array<f32, ${ 64 * latents * numbers }>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let source = sources[workgroup.z];
    let k0 = workgroup.x * NUMBERS;
    if (k0 >= source.count) {
        return;
    }
    let first = workgroup.y * ${ latents }u;
//# for b in range(latents)
    let b_${ b } = min(first + ${ b }u, batch.end - 1u);
//# for j in range(numbers)
    var s_${ b }_${ j } = 0.0;
//# endfor
//# endfor
    for (var m = source.first; m < source.end; m++) {
        let reader = readers[m];
//# for j in range(numbers)
        // Beyond the last number: the last once more, for nothing.
        let row_${ j } = reader.matrix + (reader.input + min(k0 + ${ j }u, source.count - 1u)) * reader.length;
//# endfor
        for (var i = t; i < reader.length; i += THREADS) {
//# for j in range(numbers)
            let w_${ j } = page[row_${ j } + i];
//# endfor
//# for b in range(latents)
//# if in_place
            let at_${ b } = b_${ b } * batch.gradient_stride + 4u * (reader.destination + i);
            let g_${ b } = vec4(row_gradients[at_${ b }], row_gradients[at_${ b } + 1u], row_gradients[at_${ b } + 2u], row_gradients[at_${ b } + 3u]);
//# else
            let g_${ b } = gradients[b_${ b } * batch.target_stride + reader.destination + i];
//# endif
//# for j in range(numbers)
            s_${ b }_${ j } += dot(w_${ j }, g_${ b });
//# endfor
//# endfor
        }
    }
//# for b in range(latents)
//# for j in range(numbers)
    parts[${ b * numbers + j }u * THREADS + t] = s_${ b }_${ j };
//# endfor
//# endfor
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) {
//# for n in range(latents * numbers)
            parts[${ n }u * THREADS + t] += parts[${ n }u * THREADS + t + half];
//# endfor
        }
        workgroupBarrier();
    }
    let latent = first + t / NUMBERS;
    let k = k0 + t % NUMBERS;
    if (t < ${ latents }u * NUMBERS && latent < batch.end && k < source.count) {
        row_gradients[latent * source.stride + source.start + k] += parts[t * THREADS];
    }
}
