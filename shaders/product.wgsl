// y = act(W x + b) for a batch of latents and several maps at once: trunk layers, and linear heads when
// they are materialised; ${ 4 * latents * chunk + (1024 * shares if shares > 1 else 0) } bytes of workgroup memory.
//
// W is stored by input (k-major, rows of `length` vec4s, the last row is b). An invocation owns one vec4 of
// outputs for ${ latents } latents, so each weight read from memory is used ${ latents } times. It asks for ${ ahead } rows before it uses
// the first: memory is far away, and there may be few invocations.

//# include "include/maps.wgsl"
//# set page_binding = 2
//# include "include/page.wgsl"
//# if not in_place
@group(0) @binding(5) var<storage, read_write> destination: array<vec4<f32>>;
//# elif tape
// W x + b itself, in rows of the same shape: the backward pass needs it.
@group(0) @binding(5) var<storage, read_write> mapped: array<f32>;
//# endif

//# include "include/activate.wgsl"

// vec4s of output of a workgroup${ ", and invocations that share the inputs of each" if shares > 1 }.
const COLUMNS = 64u;
const SHARES = ${ shares }u;
const THREADS = COLUMNS * SHARES;
const CHUNK = ${ chunk }u;
const AHEAD = ${ ahead }u;
// A chunk of the inputs: [CHUNK][latents]${ ", four to a vec4" if latents > 1 }.
//# set quads = latents // 4
//# if quads
var<workgroup> x: array<vec4<f32>, ${ quads * chunk }>;
//# else
var<workgroup> x: array<f32, ${ chunk }>;
//# endif
//# if shares > 1
var<workgroup> parts: array<vec4<f32>, ${ 64 * shares }>;
//# endif

@compute @workgroup_size(${ 64 * shares })
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let map = maps[workgroup.z];
    // Workgroups side by side read the same weights, for other latents.
    let latent = batch.first + workgroup.x * ${ latents }u;
    let column = t % COLUMNS;
    let index = workgroup.y * COLUMNS + column;
    let inside = index < map.length;
//# for b in range(latents)
    var y_${ b } = vec4(0.0);
//# endfor
    for (var k0 = 0u; k0 < map.inputs; k0 += CHUNK) {
        let depth = min(CHUNK, map.inputs - k0);
        // Inputs beyond the last are 0.
        let padded = (depth + AHEAD - 1u) / AHEAD * AHEAD;
//# if quads
        for (var i = t; i < padded * ${ quads }u; i += THREADS) {
            let k = k0 + i / ${ quads }u;
            let first = latent + i % ${ quads }u * 4u;
            let last = batch.end - 1u;
            var four = vec4(0.0);
            if (k < map.inputs) {
                four = vec4(
//# for b in range(4)
                    map_input(map, min(first + ${ b }u, last), k),
//# endfor
                );
            }
            x[i] = four;
        }
//# else
        for (var k = t; k < padded; k += THREADS) {
            x[k] = select(0.0, map_input(map, latent, min(k0 + k, map.inputs - 1u)), k < depth);
        }
//# endif
        workgroupBarrier();
        if (inside) {
            for (var k = t / COLUMNS * AHEAD; k < depth; k += SHARES * AHEAD) {
//# for j in range(ahead)
                let w_${ j } = paged(map.matrix + min(k0 + k + ${ j }u, map.inputs) * map.length + index);
//# endfor
//# for j in range(ahead)
//# if not quads
                y_0 = fma(w_${ j }, vec4(x[k + ${ j }u]), y_0);
//# endif
//# for q in range(quads)
                let x_${ j }_${ q } = x[(k + ${ j }u) * ${ quads }u + ${ q }u];
//# for b in range(4)
                y_${ 4 * q + b } = fma(w_${ j }, vec4(x_${ j }_${ q }[${ b }]), y_${ 4 * q + b });
//# endfor
//# endfor
//# endfor
            }
        }
        workgroupBarrier();
    }
//# if shares > 1
    parts[t] = y_0;
    workgroupBarrier();
    y_0 = vec4(0.0);
    for (var share = 0u; share < SHARES; share++) {
        y_0 += parts[share * COLUMNS + column];
    }
//# endif
    if (inside && t < COLUMNS) {
        let bias = paged(map.matrix + map.inputs * map.length + index);
//# for b in range(latents)
        if (latent + ${ b }u < batch.end) {
            var y = PAGE_UNIT * (y_${ b } + bias);
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
