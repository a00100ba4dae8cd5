// Gradients with respect to the weights of generated layers: products of the gradients with respect to a layer's sums and
// its inputs over the points, both from the tape; ${ 16 * (tile_rows + tile_inputs + 2) * slab } bytes of workgroup memory.
//
// A workgroup takes one piece of ${ tile_rows } rows x ${ tile_inputs } inputs of a layer and some of the points; an invocation 8 x 8 of it.
// `theta-gradient.wgsl` adds the parts up, in order.

struct Job {
    tape_stride: u32,
    // Quads of points in all, and of each part.
    quads: u32,
    part_quads: u32,
    // vec4s of one part of one latent.
    part_stride: u32,
}

struct Piece {
    // The piece's first row and input.
    row: u32,
    input: u32,
    // The layer's shape: padded rows by four, inputs, and how many of them are the previous layer's outputs.
    rows4: u32,
    inputs: u32,
    previous: u32,
    // First rows on the tape: of the gradients, and of the previous layer's activations.
    gradient: u32,
    activation: u32,
    // First vec4 of the layer's weights in a part.
    destination: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> pieces: array<Piece>;
// [latents][parts][layers][inputs][rows4]
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;
//# include "include/tape.wgsl"

const SLAB = ${ slab }u;
const ROWS = ${ tile_rows }u;
const INPUTS = ${ tile_inputs }u;
const ROW_GROUPS = ${ tile_rows // 8 }u;
const INPUT_GROUPS = ${ tile_inputs // 8 }u;
const THREADS = ${ threads }u;
// [SLAB] gradients of all rows, then [SLAB] inputs, each of four points. What neighbouring invocations read at a time lies side by
// side, and slabs are one vec4 apart: in other banks of the memory.
const INPUT_TILE = SLAB * (ROWS + 1u);
var<workgroup> tile: array<vec4<f32>, ${ (tile_rows + tile_inputs + 2) * slab }>;

// Where row n of a slab lies, and input n: each invocation owns eight.
fn row_at(q: u32, n: u32) -> u32 {
    return q * (ROWS + 1u) + n % 8u * ROW_GROUPS + n / 8u;
}

fn input_at(q: u32, n: u32) -> u32 {
    return INPUT_TILE + q * (INPUTS + 1u) + n % 8u * INPUT_GROUPS + n / 8u;
}

@compute @workgroup_size(${ threads })
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let piece = pieces[workgroup.x];
    let latent = workgroup.z;
    let rows = 4u * piece.rows4;
    let first_row = t % ROW_GROUPS * 8u;
    let first_input = t / ROW_GROUPS * 8u;
    let busy = piece.row + first_row < rows && piece.input + first_input < piece.inputs;
//# for j in range(8)
//# for i in range(8)
    var s_${ i }_${ j } = 0.0;
//# endfor
//# endfor
    let end = min(job.quads, (workgroup.y + 1u) * job.part_quads);
    for (var q0 = workgroup.y * job.part_quads; q0 < end; q0 += SLAB) {
        for (var n = t; n < ROWS * SLAB; n += THREADS) {
            let q = n % SLAB;
            let row = piece.row + n / SLAB;
            var d = vec4(0.0);
            if (q0 + q < end && row < rows) { d = sums[sum_at(latent, piece.gradient + row, q0 + q)]; }
            tile[row_at(q, n / SLAB)] = d;
        }
        for (var n = t; n < INPUTS * SLAB; n += THREADS) {
            let q = n % SLAB;
            let k = piece.input + n / SLAB;
            var x = vec4(0.0);
            if (q0 + q < end && k < piece.inputs) {
                let row = select(ENCODED_ROW + k - piece.previous, piece.activation + k, k < piece.previous);
                x = activations[activation_at(latent, row, q0 + q)];
            }
            tile[input_at(q, n / SLAB)] = x;
        }
        workgroupBarrier();
        if (busy) {
            for (var q = 0u; q < SLAB; q++) {
//# for i in range(8)
                let d_${ i } = tile[row_at(q, first_row + ${ i }u)];
//# endfor
//# for j in range(8)
                let x_${ j } = tile[input_at(q, first_input + ${ j }u)];
//# for i in range(8)
                s_${ i }_${ j } += dot(d_${ i }, x_${ j });
//# endfor
//# endfor
            }
        }
        workgroupBarrier();
    }
    if (!busy) { return; }
    let part = (latent * workgroups.y + workgroup.y) * job.part_stride + piece.destination;
    let r = (piece.row + first_row) / 4u;
//# for j in range(8)
    if (piece.input + first_input + ${ j }u < piece.inputs) {
        let at = part + (piece.input + first_input + ${ j }u) * piece.rows4 + r;
        parts[at] = vec4(s_0_${ j }, s_1_${ j }, s_2_${ j }, s_3_${ j });
        if (r + 1u < piece.rows4) { parts[at + 1u] = vec4(s_4_${ j }, s_5_${ j }, s_6_${ j }, s_7_${ j }); }
    }
//# endfor
}
