// Gradients with respect to affine maps y = W x + b of a batch of latents, several maps at once: dW = sum over latents of
// dy x^T, db = sum of dy; ${ 4 * columns * chunk } bytes of workgroup memory.
//
// The counterpart of `product.wgsl`: an invocation owns one vec4 of outputs for ${ columns } inputs, so each gradient read from
// memory is used ${ columns } times.

//# include "include/maps.wgsl"
//# if in_place
@group(0) @binding(5) var<storage, read> row_gradients: array<f32>;
//# else
@group(0) @binding(5) var<storage, read> gradients: array<vec4<f32>>;
//# endif
@group(0) @binding(6) var<storage, read_write> page_gradient: array<vec4<f32>>;

const THREADS = 64u;
const CHUNK = ${ chunk }u;
// A chunk of latents: [CHUNK][columns] inputs.
var<workgroup> x: array<f32, ${ columns * chunk }>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let map = maps[workgroup.z];
    let index = workgroup.x * THREADS + t;
    let first = workgroup.y * ${ columns }u;
    if (first > map.inputs) {
        return;
    }
    let inside = index < map.length;
//# for c in range(columns)
    var s_${ c } = vec4(0.0);
//# endfor
    for (var b0 = 0u; b0 < batch.end; b0 += CHUNK) {
        let depth = min(CHUNK, batch.end - b0);
        for (var i = t; i < depth * ${ columns }u; i += THREADS) {
            let b = b0 + i / ${ columns }u;
            let j = first + i % ${ columns }u;
            // The last row of the matrix is the bias.
            var value = 1.0;
            if (j < map.inputs) { value = map_input(map, b, j); }
            x[i] = value;
        }
        workgroupBarrier();
        if (inside) {
            for (var b = 0u; b < depth; b++) {
//# if in_place
                let at = (b0 + b) * batch.gradient_stride + 4u * (map.destination + index);
                let d = vec4(row_gradients[at], row_gradients[at + 1u], row_gradients[at + 2u], row_gradients[at + 3u]);
//# else
                let d = gradients[(b0 + b) * batch.target_stride + map.destination + index];
//# endif
//# for c in range(columns)
                s_${ c } = fma(d, vec4(x[b * ${ columns }u + ${ c }u]), s_${ c });
//# endfor
            }
        }
        workgroupBarrier();
    }
    if (!inside) { return; }
//# for c in range(columns)
    if (first + ${ c }u <= map.inputs) {
        let at = map.matrix + (first + ${ c }u) * map.length + index;
        if (batch.accumulate == 1u) { s_${ c } += page_gradient[at]; }
        page_gradient[at] = s_${ c };
    }
//# endfor
}
