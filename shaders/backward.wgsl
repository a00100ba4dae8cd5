// From the gradient with respect to the outputs back to that with respect to every layer's sums, all layers in one
// kernel; ${ tile_bytes } bytes of workgroup memory.
//
// The mirror image of `evaluate.wgsl`, with the same tile: an invocation owns ${ rows } rows x ${ quads * 4 // columns } points${ " x " ~ columns ~ " columns" if columns > 1 }, whose gradients
// stay in its registers from layer to layer. A step back is a product with the transposed weights over slabs of ${ slab } of the upper
// layer's rows, then the activation's slope at the sums on the tape. Where gradients go over them, the sums are no
// longer needed. Gradients with respect to biases, gains and shifts are sums over the workgroup's points, added up over
// workgroups by `theta-gradient.wgsl`.
//# if columns > 1
// Where points have derivatives, that slope is the chain rule's adjoint over a point's columns. Biases and shifts act on
// values alone, gains on all columns.
//# endif

struct Job {
    theta_stride: u32,
    // vec4s per row of the tape.
    tape_stride: u32,
    latents: u32,
    pad: u32,
}

//# include "include/layers.wgsl"
@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<uniform> layers: array<Layer, ${ hidden + 1 }>;
//# include "include/activate.wgsl"
//# if columns > 1
//# include "include/jets.wgsl"
//# endif
//# include "include/fill.wgsl"
//# include "include/tape.wgsl"
// [latents][workgroups][layers]: gradients with respect to the layer's bias, gain and shift, padded rows of each.
@group(0) @binding(4) var<storage, read_write> row_parts: array<vec4<f32>>;

const THREADS = ${ threads }u;
const POINT_GROUPS = ${ point_groups }u;
// vec4s of a row of gradients: ${ "quads of points" if columns == 1 else "the columns of all quads of points, one after another" }.
const POINTS4 = ${ point_groups * quads }u;
const SLAB = ${ slab }u;
const SLAB4 = ${ slab // 4 }u;
const ROWS4 = ${ rows4 }u;
const WIDTH = ${ rows4 * 4 }u;
const PART = ${ sum_rows * 3 // 4 }u;
// The tile: the upper layer's gradients [SLAB][POINTS4], its weights [SLAB4][WIDTH], then the layer's gain and shift.
const WEIGHTS = SLAB * POINTS4;
const GAIN = WEIGHTS + SLAB * ROWS4;
const SHIFT = GAIN + ROWS4;
//# if stream
// The layers that carry the residual stream, layer l as bit l.
const STREAM = ${ stream }u;
//# endif
var<workgroup> tile: array<vec4<f32>, ${ slots * tile_vec4s }>;

@compute @workgroup_size(${ slots * threads })
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
//# if slots > 1
    let t = invocation % THREADS;
    let base = invocation / THREADS * ${ tile_vec4s }u;
    let slot = workgroup.y * ${ slots }u + invocation / THREADS;
    let latent = min(slot, job.latents - 1u);
    let exists = slot < job.latents;
//# else
    let t = invocation;
    const base = 0u;
    let latent = workgroup.y;
    const exists = true;
//# endif
    let column = t % POINT_GROUPS;
    let row_group = t / POINT_GROUPS;
    let first_quad = workgroup.x * POINTS4;
    let part = (latent * workgroups.x + workgroup.x) * PART;

    // d: gradients with respect to the upper layer's sums, c: with respect to what this layer gives it.
//# for i in range(rows)
//# for q in range(quads)
    var d_${ i }_${ q } = vec4(0.0);
    var c_${ i }_${ q } = vec4(0.0);
//# endfor
//# endfor
//# if stream
    // The residual stream: the gradient with respect to the sums of the last layer that carries it, 0 above them all.
//# for i in range(rows)
//# for q in range(quads)
    var stream_${ i }_${ q } = vec4(0.0);
//# endfor
//# endfor
//# endif
    // The upper layer's first row on the tape.
    var row_above = ${ output_row }u;
    for (var l = ${ hidden }u; l > 0u; l--) {
        let rows = 4u * layers[l].rows4;
        let width = layers[l].previous;
        let rows4 = layers[l - 1u].rows4;
        let row = row_above - 4u * rows4;
//# for i in range(rows)
//# for q in range(quads)
        c_${ i }_${ q } = vec4(0.0);
//# endfor
//# endfor
        for (var r0 = 0u; r0 < rows; r0 += SLAB) {
            let depth = min(SLAB, rows - r0);
            if (l == ${ hidden }u) {
                for (var i = t; i < depth * POINTS4; i += THREADS) {
                    tile[base + i] = sums[sum_at(latent, row_above + r0 + i / POINTS4, first_quad + i % POINTS4)];
                }
            } else {
//# for i in range(rows)
                let r_${ i } = row_group * ${ rows }u + ${ i }u - r0;
                if (r_${ i } < depth) {
//# for q in range(quads)
                    tile[base + r_${ i } * POINTS4 + ${ q }u * POINT_GROUPS + column] = d_${ i }_${ q };
//# endfor
                }
//# endfor
            }
            // Only the weights of the previous layer's outputs: coordinates need no gradient.
            for (var i = t; i < SLAB4 * WIDTH; i += THREADS) {
                let r = i % SLAB4;
                let k = i / SLAB4;
                var w = vec4(0.0);
                if (k < width && 4u * r < depth) { w = fill(layers[l].weight, latent, k, r0 / 4u + r); }
                tile[base + WEIGHTS + r * WIDTH + k] = w;
            }
//# if modulated
            if (r0 == 0u) {
                for (var i = t; i < rows4; i += THREADS) {
                    tile[base + GAIN + i] = fill(layers[l - 1u].gain, latent, 0u, i);
                    tile[base + SHIFT + i] = layers[l - 1u].shift.scale * fill(layers[l - 1u].shift, latent, 0u, i);
                }
            }
//# endif
            workgroupBarrier();
            if (l == ${ hidden }u && exists) {
                // The last layer's bias: of values alone.
                for (var i = t; i < depth / 4u; i += THREADS) {
                    var sum = vec4(0.0);
                    for (var q = 0u; q < ${ point_groups * quads // columns }u; q++) {
//# for e in range(4)
                        sum[${ e }] += dot(tile[base + (4u * i + ${ e }u) * POINTS4 + q], vec4(1.0));
//# endfor
                    }
                    row_parts[part + row_above * 3u / 4u + r0 / 4u + i] = sum;
                }
            }
            for (var r = 0u; r < depth / 4u; r++) {
//# for i in range(rows)
                let w_${ i } = tile[base + WEIGHTS + r * WIDTH + row_group * ${ rows }u + ${ i }u];
//# endfor
//# for e in range(4)
//# for q in range(quads)
                let x_${ e }_${ q } = tile[base + (4u * r + ${ e }u) * POINTS4 + ${ q }u * POINT_GROUPS + column];
//# for i in range(rows)
                c_${ i }_${ q } = fma(vec4(w_${ i }[${ e }]), x_${ e }_${ q }, c_${ i }_${ q });
//# endfor
//# endfor
//# endfor
            }
            if (r0 + SLAB < rows) { workgroupBarrier(); }
        }

        let code = layers[l - 1u].activation;
        let a = layers[l - 1u].a;
        let b = layers[l - 1u].b;
//# if modulated
        let place = layers[l - 1u].place;
//# for r in range(rows // 4)
        let gain_${ r } = tile[base + GAIN + row_group * ${ rows // 4 }u + ${ r }u];
        let shift_${ r } = tile[base + SHIFT + row_group * ${ rows // 4 }u + ${ r }u];
        let gain_before_${ r } = select(vec4(1.0), gain_${ r }, place == 1u);
        let shift_before_${ r } = select(vec4(0.0), shift_${ r }, place == 1u);
        let gain_after_${ r } = select(vec4(1.0), gain_${ r }, place == 2u);
        // Sums over this invocation's points: gradients with respect to gains and shifts.
        var gains_${ r } = vec4(0.0);
        var shifts_${ r } = vec4(0.0);
//# endfor
//# endif
//# for r in range(rows // 4)
        var biases_${ r } = vec4(0.0);
//# endfor
        // A loop over arrays, not unrolled: nine slopes times ${ rows * quads } would be more code than drivers can take.
        var at: array<${ "vec4<f32>" if columns == 1 else "Jet" }, ${ rows * quads // columns }>;
//# for i in range(rows)
//# for q in range(quads)
//# set here = i * quads + q if columns == 1 else i ~ "][" ~ q
        at[${ here }] = vec4(0.0);
//# endfor
        if (row_group * ${ rows }u + ${ i }u < 4u * rows4) {
//# for q in range(quads)
//# set here = i * quads + q if columns == 1 else i ~ "][" ~ q
            at[${ here }] = sums[sum_at(latent, row + row_group * ${ rows }u + ${ i }u, first_quad + ${ q }u * POINT_GROUPS + column)];
//# endfor
        }
//# endfor
//# if modulated
        var values = at;
        if (place == 2u) {
            for (var n = 0u; n < ${ rows * quads // columns }u; n++) { values[n] = ${ "activate" if columns == 1 else "activate_jet" }(code, at[n], a, b); }
        }
//# for i in range(rows)
//# for q in range(quads)
//# if columns == 1
        at[${ i * quads + q }] = fma(at[${ i * quads + q }], vec4(gain_before_${ i // 4 }[${ i % 4 }]), vec4(shift_before_${ i // 4 }[${ i % 4 }]));
//# else
        at[${ i }][${ q }] = at[${ i }][${ q }] * gain_before_${ i // 4 }[${ i % 4 }]${ " + shift_before_" ~ i // 4 ~ "[" ~ i % 4 ~ "]" if q == 0 };
//# endif
//# endfor
//# endfor
//# endif
//# if columns == 1
        for (var n = 0u; n < ${ rows * quads }u; n++) { at[n] = slope(code, at[n], a, b); }
//# else
        // Gradients with respect to what the activation gives.
        var above: array<Jet, ${ rows }>;
//# for i in range(rows)
//# for q in range(quads)
        above[${ i }][${ q }] = c_${ i }_${ q }${ " * gain_after_" ~ i // 4 ~ "[" ~ i % 4 ~ "]" if modulated };
//# endfor
//# endfor
        for (var n = 0u; n < ${ rows }u; n++) { at[n] = activate_jet_vjp(code, at[n], above[n], a, b); }
//# endif
//# if stream
        let carries = ((STREAM >> (l - 1u)) & 1u) == 1u;
//# endif
//# for i in range(rows)
//# set r = i // 4
//# set e = i % 4
//# for q in range(quads)
//# set here = i * quads + q if columns == 1 else i ~ "][" ~ q
//# if modulated
        let v_${ i }_${ q } = ${ "c_" ~ i ~ "_" ~ q ~ " * gain_after_" ~ r ~ "[" ~ e ~ "] * " if columns == 1 }at[${ here }];
        let m_${ i }_${ q } = select(v_${ i }_${ q }, c_${ i }_${ q }, place == 2u);
//# if columns == 1 or q == 0
        shifts_${ r }[${ e }] += dot(m_${ i }_${ q }, vec4(1.0));
//# endif
        gains_${ r }[${ e }] += dot(m_${ i }_${ q }, values[${ here }]);
        d_${ i }_${ q } = v_${ i }_${ q } * gain_before_${ r }[${ e }];
//# else
        d_${ i }_${ q } = ${ "c_" ~ i ~ "_" ~ q ~ " * " if columns == 1 }at[${ here }];
//# endif
//# if stream
        d_${ i }_${ q } += select(vec4(0.0), stream_${ i }_${ q }, carries);
        stream_${ i }_${ q } = select(stream_${ i }_${ q }, d_${ i }_${ q }, carries);
//# endif
//# if columns == 1 or q == 0
        biases_${ r }[${ e }] += dot(d_${ i }_${ q }, vec4(1.0));
//# endif
//# endfor
//# endfor
        if (exists) {
//# for i in range(rows)
            if (row_group * ${ rows }u + ${ i }u < 4u * rows4) {
//# for q in range(quads)
                sums[sum_at(latent, row + row_group * ${ rows }u + ${ i }u, first_quad + ${ q }u * POINT_GROUPS + column)] = d_${ i }_${ q };
//# endfor
            }
//# endfor
        }
        // Sums over the workgroup's points.
//# for kind in (["biases", "gains", "shifts"] if modulated else ["biases"])
        workgroupBarrier();
//# for r in range(rows // 4)
        tile[base + column * ROWS4 + row_group * ${ rows // 4 }u + ${ r }u] = ${ kind }_${ r };
//# endfor
        workgroupBarrier();
        for (var i = t; i < rows4; i += THREADS) {
            var sum = vec4(0.0);
            for (var j = 0u; j < POINT_GROUPS; j++) { sum += tile[base + j * ROWS4 + i]; }
            if (exists) { row_parts[part + row * 3u / 4u + ${ loop.index0 }u * rows4 + i] = sum; }
        }
//# endfor
        workgroupBarrier();
        row_above = row;
    }
}
