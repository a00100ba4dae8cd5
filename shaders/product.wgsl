// y = act(W x + b) for a batch of latents and several maps at once: trunk layers, and linear heads when
// they are materialised; ${ 16 * latents * chunk // 4 } bytes of workgroup memory.
//
// W is stored by input (k-major, rows of `length` vec4s, the last row is b). An invocation owns one vec4 of
// outputs for ${ latents } latents, so each weight read from memory is used ${ latents } times.

struct Batch {
    // The first latent of this slice and one past the last.
    first: u32,
    end: u32,
    // Numbers per latent: of the latent itself and of its row of trunk outputs; vec4s per latent in the target.
    latent_stride: u32,
    row_stride: u32,
    target_stride: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Map {
    // First vec4 of W on the page, vec4s per row, number of inputs, and how many of these stand in the row; entries of
    // the latent follow.
    matrix: u32,
    length: u32,
    inputs: u32,
    previous: u32,
    // Where the inputs start in the latent's row (numbers), and the outputs in the row or the target (vec4s).
    source: u32,
    destination: u32,
    // As in `include/activate.wgsl`, with its parameters; any other code: none.
    activation: u32,
    a: f32,
    b: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> maps: array<Map>;
@group(0) @binding(2) var<storage, read> page: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> latents: array<f32>;
//# if in_place
// Trunk layers: none reads what another one of the same dispatch writes.
@group(0) @binding(4) var<storage, read_write> rows: array<f32>;
//# else
@group(0) @binding(4) var<storage, read> rows: array<f32>;
@group(0) @binding(5) var<storage, read_write> destination: array<vec4<f32>>;
//# endif

//# include "include/activate.wgsl"

const THREADS = 64u;
const CHUNK = ${ chunk }u;
// A chunk of the inputs: [CHUNK][latents].
var<workgroup> x: array<f32, ${ latents * chunk }>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let map = maps[workgroup.z];
    let index = workgroup.x * THREADS + t;
    let latent = batch.first + workgroup.y * ${ latents }u;
    let inside = index < map.length;
//# for b in range(latents)
    var y_${ b } = vec4(0.0);
//# endfor
    for (var k0 = 0u; k0 < map.inputs; k0 += CHUNK) {
        let depth = min(CHUNK, map.inputs - k0);
        for (var i = t; i < depth * ${ latents }u; i += THREADS) {
            let row = min(latent + i % ${ latents }u, batch.end - 1u);
            let k = k0 + i / ${ latents }u;
            if (k < map.previous) {
                x[i] = rows[row * batch.row_stride + map.source + k];
            } else {
                x[i] = latents[row * batch.latent_stride + k - map.previous];
            }
        }
        workgroupBarrier();
        if (inside) {
            for (var k = 0u; k < depth; k++) {
                let w = page[map.matrix + (k0 + k) * map.length + index];
//# for b in range(latents)
                y_${ b } = fma(w, vec4(x[k * ${ latents }u + ${ b }u]), y_${ b });
//# endfor
            }
        }
        workgroupBarrier();
    }
    if (inside) {
        let bias = page[map.matrix + map.inputs * map.length + index];
//# for b in range(latents)
        if (latent + ${ b }u < batch.end) {
            var y = y_${ b } + bias;
            if (map.activation < ${ no_activation }u) { y = activate(map.activation, y, map.a, map.b); }
//# if in_place
            let at = (latent + ${ b }u) * batch.row_stride + 4u * (map.destination + index);
//# for c in range(4)
            rows[at + ${ c }u] = y[${ c }];
//# endfor
//# else
            destination[(latent + ${ b }u) * batch.target_stride + map.destination + index] = y;
//# endif
        }
//# endfor
    }
}
