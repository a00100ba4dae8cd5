// y = act(W x + b) for a batch of latents and several maps at once: trunk layers, and linear heads when
// they are materialised; ${ 16 * latents * chunk // 4 } bytes of workgroup memory.
//
// W is stored by input (k-major, rows of `length` vec4s, the last row is b). An invocation owns one vec4 of
// outputs for ${ latents } latents, so each weight read from memory is used ${ latents } times.

//# include "include/maps.wgsl"
@group(0) @binding(2) var<storage, read> page: array<vec4<f32>>;
//# if not in_place
@group(0) @binding(5) var<storage, read_write> destination: array<vec4<f32>>;
//# elif tape
// W x + b itself, in rows of the same shape: the backward pass needs it.
@group(0) @binding(5) var<storage, read_write> mapped: array<f32>;
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
            x[i] = map_input(map, row, k0 + i / ${ latents }u);
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
//# if in_place and tape
            let raw = y;
//# endif
            if (map.activation < ${ no_activation }u) { y = activate(map.activation, y, map.a, map.b); }
//# if in_place
            let at = (latent + ${ b }u) * batch.row_stride + 4u * (map.destination + index);
//# for c in range(4)
            rows[at + ${ c }u] = y[${ c }];
//# if tape
            mapped[at + ${ c }u] = raw[${ c }];
//# endif
//# endfor
//# else
            destination[(latent + ${ b }u) * batch.target_stride + map.destination + index] = y;
//# endif
        }
//# endfor
    }
}
