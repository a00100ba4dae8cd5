// Evaluates generated INRs at every point, all layers in one kernel; ${ tile_bytes } bytes of workgroup memory.
//# if half
enable f16;
//# endif
//
// A workgroup takes ${ points_per_group } points of ${ slots } latent${ "s side by side" if slots > 1 }. An invocation owns ${ rows } outputs x ${ points_per_group // point_groups } points${ " x " ~ columns ~ " columns" if columns > 1 }: their
// activations stay in its registers from layer to layer. A layer is a product over slabs of ${ slab } inputs:
// the slab's activations are published through workgroup memory, its weights are filled there by the head
// (`fill`: a load where theta was materialised, the head's own arithmetic where it is fused), and every
// invocation adds the slab's outer products to its register tile.
//# if half
// Activations, and the weights that multiply them, are halves of 16 bits in workgroup memory. Encoded coordinates and their weights,
// sums, vectors and the linear layer have 32 bits.
//# endif
//# if columns > 1
// A point's columns are its value, its derivative along each coordinate${ " and its Laplacian" if laplacian }. They go through the products
// as other points do: only the bias, which has no derivatives, and the activation tell them apart.
//# endif
//# if tape
// On its way it leaves on the tape what the backward pass needs; see `include/tape.wgsl`.
//# endif

//# include "include/job.wgsl"
//# include "include/layers.wgsl"
@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<uniform> layers: array<Layer, ${ hidden + 1 }>;
//# include "include/activate.wgsl"
//# if columns > 1
//# include "include/jets.wgsl"
//# endif
//# include "include/fill.wgsl"
//# include "include/points.wgsl"
//# include "include/target.wgsl"
//# if tape
//# include "include/tape.wgsl"
//# endif

// Invocations of each latent.
const THREADS = ${ threads }u;
// Invocations side by side along points, and along rows.
const POINT_GROUPS = ${ point_groups }u;
const ROW_GROUPS = ${ row_groups }u;
const POINTS = ${ points_per_group }u;
// vec4s of a row of activations: ${ "quads of points" if columns == 1 else "the columns of all quads of points, one after another" }.
const LANES4 = ${ point_groups * quads }u;
const SLAB = ${ slab }u;
// Inputs of a slab of encoded coordinates.
const EXACT_SLAB = ${ exact_slab }u;
//# if half
// Weights are multiplied by a power of two before they are rounded to halves, and sums by its inverse, so that those around 1e-5, of
// which SIRENs have many, keep their digits on GPUs that take the smallest halves for 0. Up to 4,000 they stay finite.
const UP = 16.0;
const DOWN = 1.0 / UP;
//# endif
// vec4s of the widest layer's outputs.
const ROWS4 = ${ rows4 }u;
// The tile: inputs [EXACT_SLAB][LANES4], then weights [EXACT_SLAB][ROWS4], then the layer's bias (and gain and shift,
// where it is modulated), [ROWS4] each.
const WEIGHTS = EXACT_SLAB * LANES4;
const BIAS = WEIGHTS + EXACT_SLAB * ROWS4;
const GAIN = BIAS + ROWS4;
const SHIFT = GAIN + ROWS4;
//# if stream
// The layers that carry the residual stream, layer l as bit l.
const STREAM = ${ stream }u;
//# endif
var<workgroup> tile: array<vec4<f32>, ${ slots * tile_vec4s }>;
//# if half
// Activations [SLAB][LANES4], then weights [SLAB][ROWS4].
const HALF_WEIGHTS = SLAB * LANES4;
var<workgroup> halves: array<vec4<f16>, ${ slots * half_vec4s }>;
//# endif

@compute @workgroup_size(${ slots * threads })
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let group = job.first + workgroup.y * job.groups_x + workgroup.x;
    if (group >= job.end) {
        return;
    }
//# if slots > 1
    // Each latent has its own part of the tile; those beyond the last one work for nothing, as all must meet at the
    // barriers.
    let t = invocation % THREADS;
    let base = invocation / THREADS * ${ tile_vec4s }u;
//# if half
    let half_base = invocation / THREADS * ${ half_vec4s }u;
//# endif
    let picture = group / job.tiles * ${ slots }u + invocation / THREADS;
    let asked = min(picture, job.latents - 1u);
//# else
    let t = invocation;
    const base = 0u;
//# if half
    const half_base = 0u;
//# endif
    let picture = group / job.tiles;
    let asked = picture;
//# endif
    let latent = job.first_latent + asked;
    let first_point = (group % job.tiles) * POINTS;
    let column = t % POINT_GROUPS;
    let row_group = t / POINT_GROUPS;

    // a: this invocation's activations, c: the sums of the layer at hand; row i, ${ "four points" if columns == 1 else "its four points' column" } q.
//# for i in range(rows)
//# for q in range(quads)
    var a_${ i }_${ q } = vec4(0.0);
    var c_${ i }_${ q } = vec4(0.0);
//# endfor
//# endfor
//# if stream
    // The residual stream: the sums of the last layer that carries it, 0 before the first.
//# for i in range(rows)
//# for q in range(quads)
    var stream_${ i }_${ q } = vec4(0.0);
//# endfor
//# endfor
//# endif

//# if tape
    // The layer's first row on the tape, and where this workgroup's part of a row and this invocation's quads start.
    var tape_row = 0u;
    let first_lane = group % job.tiles * LANES4;
    let tape_quad = first_lane + column;
//# endif
    for (var l = 0u; l < ${ hidden }u; l++) {
        let inputs = layers[l].inputs;
        let rows4 = layers[l].rows4;
//# for i in range(rows)
//# for q in range(quads)
        c_${ i }_${ q } = vec4(0.0);
//# endfor
//# endfor
//# if demodulated
//# for r in range(rows // 4)
        var squares_${ r } = vec4(1e-8);
//# endfor
//# endif
        let previous = layers[l].previous;
        for (var k0 = 0u; k0 < inputs; ) {
            // Inputs beyond the previous layer's activations are encoded coordinates: a slab has the ones or the others.
            let is_encoded = k0 >= previous;
            let depth = select(min(SLAB, previous - k0), min(EXACT_SLAB, inputs - k0), is_encoded);
            if (is_encoded) {
                for (var i = t; i < depth * LANES4; i += THREADS) {
                    let row = k0 + i / LANES4 - previous;
//# if columns > 1
                    let lane = i % LANES4;
                    let x = encoded_jet(asked, first_point + 4u * (lane % POINT_GROUPS), row, lane / POINT_GROUPS);
//# else
                    let x = encoded(asked, first_point + 4u * (i % LANES4), row);
//# endif
                    tile[base + i] = x;
//# if tape
                    if (l == 0u${ " && picture < job.latents" if slots > 1 }) {
                        activations[activation_at(picture, ENCODED_ROW + row, first_lane + i % LANES4)] = x;
                    }
//# endif
                }
            }
            // Publish the slab's activations. (Unsigned: rows before the slab wrap round to large numbers.)
//# for i in range(rows)
            let k_${ i } = row_group * ${ rows }u + ${ i }u - k0;
            if (k_${ i } < SLAB && k_${ i } + k0 < previous) {
//# for q in range(quads)
                ${ "halves[half_base" if half else "tile[base" } + k_${ i } * LANES4 + ${ q }u * POINT_GROUPS + column] = ${ "vec4<f16>" if half }(a_${ i }_${ q });
//# endfor
            }
//# endfor
            // Fill the slab's weights, and with the first slab the vectors.
            for (var i = t; i < depth * rows4; i += THREADS) {
                let k = i / rows4;
                let r = i - k * rows4;
                let w = ${ "UP * " if half }fill(layers[l].weight, latent, k0 + k, r);
//# if half
                if (!is_encoded) {
                    halves[half_base + HALF_WEIGHTS + k * ROWS4 + r] = vec4<f16>(w);
                    continue;
                }
//# endif
                tile[base + WEIGHTS + k * ROWS4 + r] = w;
            }
//# if share > 1
            // Inputs are taken ${ share } at a time: those beyond the last are 0.
            let padded = (depth + ${ share - 1 }u) / ${ share }u * ${ share }u;
            for (var i = depth * LANES4 + t; i < padded * LANES4; i += THREADS) {
                tile[base + i] = vec4(0.0);
            }
            for (var i = depth * ROWS4 + t; i < padded * ROWS4; i += THREADS) {
                tile[base + WEIGHTS + i] = vec4(0.0);
            }
//# endif
            if (k0 == 0u) {
                for (var i = t; i < rows4; i += THREADS) {
                    tile[base + BIAS + i] = fill(layers[l].bias, latent, 0u, i);
//# if modulated
                    tile[base + GAIN + i] = fill(layers[l].gain, latent, 0u, i);
                    tile[base + SHIFT + i] = layers[l].shift.scale * fill(layers[l].shift, latent, 0u, i);
//# endif
                }
            }
            workgroupBarrier();

//# for memory in (["halves", "tile"] if half else ["tile"])
//# set inputs_at = "halves[half_base" if memory == "halves" else "tile[base"
//# set weights_at = inputs_at ~ (" + HALF_WEIGHTS" if memory == "halves" else " + WEIGHTS")
//# if half
            if (${ "!" if memory == "halves" }is_encoded) {
//# endif
            for (var k = 0u; k < depth; k += ${ share }u) {
//# if share > 1
                // The invocations of a subgroup all need the same weights: each loads those of another input.
//# for r in range(rows // 4)
                let own_${ r } = ${ weights_at } + (k + t % ${ share }u) * ROWS4 + row_group * ${ rows // 4 }u + ${ r }u];
//# endfor
//# endif
//# for j in range(share)
                {
//# for q in range(quads)
                    let x_${ q } = vec4<f32>(${ inputs_at } + (k + ${ j }u) * LANES4 + ${ q }u * POINT_GROUPS + column]);
//# endfor
//# for r in range(rows // 4)
//# if share > 1
                    let w_${ r } = subgroupBroadcast(own_${ r }, ${ j }u);
//# else
                    let w_${ r } = vec4<f32>(${ weights_at } + k * ROWS4 + row_group * ${ rows // 4 }u + ${ r }u]);
//# endif
//# if demodulated
                    let s_${ r } = ${ "DOWN * " if half }w_${ r };
                    squares_${ r } = fma(s_${ r }, s_${ r }, squares_${ r });
//# endif
//# endfor
//# for i in range(rows)
//# for q in range(quads)
                    c_${ i }_${ q } = fma(vec4(w_${ i // 4 }[${ i % 4 }]), x_${ q }, c_${ i }_${ q });
//# endfor
//# endfor
                }
//# endfor
            }
//# if half
            }
//# endif
//# endfor
            if (k0 + depth >= inputs) {
                // Epilogue: norm, bias, ${ "residual stream, " if stream }modulation and activation, before the barrier after which the vectors may
                // be overwritten.
//# if tape
                // Rows that are written: none for latents beyond the last one.
                let tape_rows = ${ "select(0u, 4u * rows4, picture < job.latents)" if slots > 1 else "4u * rows4" };
//# endif
                let code = layers[l].activation;
                let a = layers[l].a;
                let b = layers[l].b;
//# for r in range(rows // 4)
                let bias_${ r } = tile[base + BIAS + row_group * ${ rows // 4 }u + ${ r }u];
//# if demodulated
                let norm_${ r } = select(vec4(1.0), inverseSqrt(squares_${ r }), layers[l].demodulate == 1u);
//# endif
//# if modulated
                // Without branches: where the modulation does not act, the gain is 1 and the shift 0.
                let gain_${ r } = tile[base + GAIN + row_group * ${ rows // 4 }u + ${ r }u];
                let shift_${ r } = tile[base + SHIFT + row_group * ${ rows // 4 }u + ${ r }u];
                let gain_before_${ r } = select(vec4(1.0), gain_${ r }, layers[l].place == 1u);
                let shift_before_${ r } = select(vec4(0.0), shift_${ r }, layers[l].place == 1u);
                let gain_after_${ r } = select(vec4(1.0), gain_${ r }, layers[l].place == 2u);
                let shift_after_${ r } = select(vec4(0.0), shift_${ r }, layers[l].place == 2u);
//# endif
//# endfor
//# if activations | length > 1
                // Several activations unrolled over the tile would make more code than drivers can take: a loop
                // over an array costs such mixed models some speed instead.
                var mixed: array<${ "vec4<f32>" if columns == 1 else "Jet" }, ${ rows * quads // columns }>;
//# endif
//# for i in range(rows)
//# set r = i // 4
//# set e = i % 4
//# for q in range(quads)
//# if half
                c_${ i }_${ q } *= DOWN;
//# endif
//# if demodulated
                c_${ i }_${ q } *= norm_${ r }[${ e }];
//# endif
//# if columns == 1 or q == 0
                c_${ i }_${ q } += bias_${ r }[${ e }];
//# endif
//# endfor
//# endfor
//# if stream
                if (((STREAM >> l) & 1u) == 1u) {
//# for i in range(rows)
//# for q in range(quads)
                    c_${ i }_${ q } += stream_${ i }_${ q };
                    stream_${ i }_${ q } = c_${ i }_${ q };
//# endfor
//# endfor
                }
//# endif
//# if tape
//# for i in range(rows)
                if (row_group * ${ rows }u + ${ i }u < tape_rows) {
//# for q in range(quads)
                    sums[sum_at(picture, tape_row + row_group * ${ rows }u + ${ i }u, tape_quad + ${ q }u * POINT_GROUPS)] = c_${ i }_${ q };
//# endfor
                }
//# endfor
//# endif
//# for i in range(rows)
//# set r = i // 4
//# set e = i % 4
//# if columns > 1 and activations | length <= 1
                var jet_${ i }: Jet;
//# endif
//# for q in range(quads)
//# if modulated
//# if columns == 1 or q == 0
                c_${ i }_${ q } = fma(c_${ i }_${ q }, vec4(gain_before_${ r }[${ e }]), vec4(shift_before_${ r }[${ e }]));
//# else
                c_${ i }_${ q } *= gain_before_${ r }[${ e }];
//# endif
//# endif
//# if columns > 1
                ${ "mixed[" ~ i ~ "]" if activations | length > 1 else "jet_" ~ i }[${ q }] = c_${ i }_${ q };
//# elif activations | length > 1
                mixed[${ i * quads + q }] = c_${ i }_${ q };
//# else
                a_${ i }_${ q } = activate(code, c_${ i }_${ q }, a, b);
//# endif
//# endfor
//# if columns > 1 and activations | length <= 1
                jet_${ i } = activate_jet(code, jet_${ i }, a, b);
//# for q in range(quads)
                a_${ i }_${ q } = jet_${ i }[${ q }];
//# endfor
//# endif
//# endfor
//# if activations | length > 1
                for (var n = 0u; n < ${ rows * quads // columns }u; n++) {
                    mixed[n] = ${ "activate" if columns == 1 else "activate_jet" }(code, mixed[n], a, b);
                }
//# endif
//# for i in range(rows)
//# for q in range(quads)
//# if activations | length > 1
                a_${ i }_${ q } = mixed${ "[" ~ (i * quads + q) ~ "]" if columns == 1 else "[" ~ i ~ "][" ~ q ~ "]" };
//# endif
//# if modulated
//# if columns == 1 or q == 0
                a_${ i }_${ q } = fma(a_${ i }_${ q }, vec4(gain_after_${ i // 4 }[${ i % 4 }]), vec4(shift_after_${ i // 4 }[${ i % 4 }]));
//# else
                a_${ i }_${ q } *= gain_after_${ i // 4 }[${ i % 4 }];
//# endif
//# endif
//# endfor
//# if tape
                if (row_group * ${ rows }u + ${ i }u < tape_rows) {
//# for q in range(quads)
                    activations[activation_at(picture, tape_row + row_group * ${ rows }u + ${ i }u, tape_quad + ${ q }u * POINT_GROUPS)] = a_${ i }_${ q };
//# endfor
                }
//# endif
//# endfor
            }
            workgroupBarrier();
            k0 += depth;
        }
//# if tape
        tape_row += 4u * rows4;
//# endif
    }

    // The linear layer has few outputs: each invocation takes the rows it owns as inputs, four outputs at a
    // time, and the row groups' parts are added in a tree of fixed order.
    let linear = layers[${ hidden }];
    for (var o = 0u; o < linear.rows4; o++) {
        for (var i = t; i < linear.inputs; i += THREADS) {
            tile[base + i] = fill(linear.weight, latent, i, o);
        }
        workgroupBarrier();
//# if demodulated
        var squares = vec4(1e-8);
        for (var i = 0u; i < linear.inputs; i++) {
            squares = fma(tile[base + i], tile[base + i], squares);
        }
        let norm = select(vec4(1.0), inverseSqrt(squares), linear.demodulate == 1u);
//# endif
//# for i in range(rows)
        let w_${ i } = tile[base + row_group * ${ rows }u + ${ i }u];
//# endfor
        workgroupBarrier();
//# set reduced = quads // columns
//# for part in range(columns)
        {
//# for p in range(reduced * 4)
            var s_${ p } = vec4(0.0);
//# endfor
//# for i in range(rows)
            if (row_group * ${ rows }u + ${ i }u < linear.inputs) {
//# for p in range(reduced * 4)
                s_${ p } = fma(w_${ i }, vec4(a_${ i }_${ part + p // 4 }[${ p % 4 }]), s_${ p });
//# endfor
            }
//# endfor
            var count = ROW_GROUPS;
            while (count > 1u) {
                let half = (count + 1u) / 2u;
                let stride = half * POINT_GROUPS;
                if (row_group >= half && row_group < count) {
                    let at = (row_group - half) * POINT_GROUPS + column;
//# for p in range(reduced * 4)
                    tile[base + at + ${ p }u * stride] = s_${ p };
//# endfor
                }
                workgroupBarrier();
                if (row_group < count - half) {
                    let at = row_group * POINT_GROUPS + column;
//# for p in range(reduced * 4)
                    s_${ p } += tile[base + at + ${ p }u * stride];
//# endfor
                }
                workgroupBarrier();
                count = half;
            }
            if (row_group == 0u) {
//# if part == 0
                let b = fill(linear.bias, latent, 0u, o);
//# endif
                let p = first_point + 4u * column;
//# for q in range(reduced)
//# for j in range(4)
                if (p + ${ q * 4 }u * POINT_GROUPS + ${ j }u < job.points${ " && picture < job.latents" if slots > 1 }) {
                    store(picture, p + ${ q * 4 }u * POINT_GROUPS + ${ j }u, ${ part }u, o, s_${ q * 4 + j }${ " * norm" if demodulated }${ " + b" if part == 0 });
                }
//# endfor
//# endfor
            }
        }
//# endfor
    }
}
