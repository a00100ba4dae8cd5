//! The part of a step that grows with its points: forward, loss, backward, and the gradient with respect to theta.

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::objective::{LossJob, LossSpec, Objective};
use super::plan::Room;
use super::script::Script;
use crate::Result;
use crate::gpu::arena::index;
use crate::gpu::evaluate::{EvaluateSpec, Job, TapeSpec};
use crate::gpu::jets::Derivatives;
use crate::gpu::layout::{ActivationCode, Kind, Plan, Tensor};
use crate::gpu::tile::Tile;
use crate::gpu::{Field, Use};
use crate::model::{Inr, Jet, LayerShape};

/// Rows and inputs of a layer that a workgroup of `weight-gradient.wgsl` takes, at most.
const PIECE: usize = 64;
/// Quads of points that it stages at a time.
const PIECE_SLAB: usize = 4;
/// Workgroups that suffice to keep a GPU busy: fewer pieces share out the points.
const BUSY: usize = 512;
/// Fewest points of such a share.
const SHARE: usize = 256;

/// Where everything about the layers stands: on the tape, in the workgroups' parts, and in a latent's row of gradients.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub tape: TapeSpec,
    /// Of each layer: its first row on the tape.
    first: Vec<u32>,
    /// Of each layer: the first vec4 of its weights in a part.
    weights: Vec<u32>,
    /// vec4s of a part of the weights' gradients, and of the vectors'.
    weight_stride: u32,
    vector_stride: u32,
    /// vec4s of a latent's row of gradients: what was generated, then shared tensors.
    pub gradient_stride: u32,
    /// What a latent's gradients consist of, and those that are of shared tensors.
    segments: Vec<Segment>,
    pub shared: Vec<Shared>,
}

/// One tensor, as `theta-gradient.wgsl` takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Segment {
    tensor: Tensor,
    vector: u32,
    source: u32,
    destination: u32,
    scale: f32,
}

/// One shared tensor, as `shared-gradient.wgsl` takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Shared {
    source: u32,
    destination: u32,
    pub length: u32,
}

impl Rows {
    pub(super) fn new(inr: &Inr, plan: &Plan) -> Result<Self> {
        let shapes = inr.layers();
        let mut rows = Self {
            tape: TapeSpec { tape: true, ..TapeSpec::default() },
            first: Vec::new(),
            weights: Vec::new(),
            weight_stride: 0,
            vector_stride: 0,
            gradient_stride: plan.stride,
            segments: Vec::new(),
            shared: Vec::new(),
        };
        let mut next = 0;
        for (layer, shape) in plan.layers.iter().zip(&shapes) {
            rows.first.push(next);
            if shape.activation.is_none() {
                (rows.tape.output_row, rows.tape.encoded_row) = (next, next);
            }
            // Bias, gain and shift stand one after another in a part of the vectors.
            let vector = next * 3 / 4;
            let modulated = layer.place != 0;
            rows.push(&layer.weight, false, rows.weight_stride, 1.0);
            rows.push(&layer.bias, true, vector, 1.0);
            if modulated {
                rows.push(&layer.gain, true, vector + layer.rows4, 1.0);
                rows.push(&layer.shift, true, vector + 2 * layer.rows4, layer.shift.scale);
            }
            rows.weights.push(rows.weight_stride);
            rows.weight_stride += layer.weight.length;
            next += 4 * layer.rows4;
        }
        rows.tape.sum_rows = next;
        rows.vector_stride = next * 3 / 4;
        rows.tape.activation_rows = rows.tape.encoded_row + index(inr.encoding.width(inr.inputs))?;
        Ok(rows)
    }

    fn push(&mut self, tensor: &Tensor, vector: bool, source: u32, scale: f32) {
        if tensor.kind == Kind::Constant as u32 {
            return;
        }
        let mut destination = tensor.base;
        if tensor.kind == Kind::Shared as u32 {
            destination = self.gradient_stride;
            self.gradient_stride += tensor.length;
            self.shared.push(Shared { source: destination, destination: tensor.base, length: tensor.length });
        }
        self.segments.push(Segment { tensor: *tensor, vector: u32::from(vector), source, destination, scale });
    }

    /// The most vec4s of a tensor.
    fn longest(&self) -> u32 {
        self.segments.iter().map(|s| s.tensor.length).max().unwrap_or(0)
    }

    /// Numbers of the penalty that a block of latents leaves.
    pub(super) fn penalty_parts(&self, latents: usize) -> usize {
        self.segments.len() * latents * self.longest().div_ceil(64) as usize
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Piece {
    row: u32,
    input: u32,
    rows4: u32,
    inputs: u32,
    previous: u32,
    gradient: u32,
    activation: u32,
    destination: u32,
}

/// The template values of `weight-gradient.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PieceSpec {
    tile_rows: usize,
    tile_inputs: usize,
    slab: usize,
    threads: usize,
    #[serde(flatten)]
    tape: TapeSpec,
}

impl PieceSpec {
    pub(super) fn new(shapes: &[LayerShape], tape: TapeSpec) -> Self {
        let side = |widest: Option<usize>| widest.unwrap_or(1).next_multiple_of(8).min(PIECE);
        let tile_rows = side(shapes.iter().map(|s| s.outputs).max());
        let tile_inputs = side(shapes.iter().map(|s| s.inputs).max());
        Self { tile_rows, tile_inputs, slab: PIECE_SLAB, threads: tile_rows * tile_inputs / 64, tape }
    }

    /// Cuts every layer's weights.
    pub(super) fn pieces(&self, shapes: &[LayerShape], rows: &Rows) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        for (l, shape) in shapes.iter().enumerate() {
            for row in (0..shape.outputs).step_by(self.tile_rows) {
                for input in (0..shape.inputs).step_by(self.tile_inputs) {
                    pieces.push(Piece {
                        row: index(row)?,
                        input: index(input)?,
                        rows4: index(shape.outputs.div_ceil(4))?,
                        inputs: index(shape.inputs)?,
                        previous: index(shape.previous)?,
                        gradient: rows.first[l],
                        activation: if l == 0 { 0 } else { rows.first[l - 1] },
                        destination: rows.weights[l],
                    });
                }
            }
        }
        Ok(pieces)
    }
}

/// The template values of `backward.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BackwardSpec {
    hidden: usize,
    kinds: Vec<&'static str>,
    generated_access: &'static str,
    encoding: &'static str,
    activations: Vec<ActivationCode>,
    #[serde(flatten)]
    derivatives: Derivatives,
    modulated: bool,
    /// The layers that carry the residual stream, layer l as bit l.
    stream: u32,
    sum_rows: u32,
    output_row: u32,
    #[serde(flatten)]
    tile: Tile,
}

impl BackwardSpec {
    pub(super) fn new(inr: &Inr, plan: &Plan, jet: Jet, tile: Tile, tape: TapeSpec) -> Self {
        Self {
            hidden: inr.hidden.len(),
            kinds: plan.kinds().into_iter().map(Kind::file).collect(),
            generated_access: "read",
            encoding: "identity",
            activations: ActivationCode::list(inr.hidden.iter().map(|l| &l.activation)),
            derivatives: Derivatives::backward(jet),
            modulated: plan.layers.iter().any(|l| l.place != 0),
            stream: inr.stream_mask(),
            sum_rows: tape.sum_rows,
            output_row: tape.output_row,
            tile,
        }
    }
}

/// The template values of `theta-gradient.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ThetaGradientSpec {
    penalised: bool,
    kinds: Vec<&'static str>,
    generated_access: &'static str,
    encoding: &'static str,
}

impl ThetaGradientSpec {
    pub(super) fn new(plan: &Plan, penalised: bool) -> Self {
        let kinds = plan.kinds().into_iter().map(Kind::file).collect();
        Self { penalised, kinds, generated_access: "read", encoding: "identity" }
    }
}

/// A block of a step's latents, and a chunk of their points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// The first latent of the block in the batch, and how many there are.
    pub first_latent: usize,
    pub latents: usize,
    /// The first point of each, and how many there are.
    pub first_point: usize,
    pub points: usize,
    /// Points of each latent in the batch.
    pub samples: usize,
    /// The first number of the loss's and of the penalty's parts.
    pub loss_part: usize,
    pub penalty_part: usize,
}

impl Chunk {
    /// How many numbers of the loss it leaves, under a tile.
    pub(super) fn loss_parts(&self, tile: &Tile) -> usize {
        self.latents * self.quads(tile).div_ceil(64)
    }

    /// Quads of points on the tape.
    fn quads(&self, tile: &Tile) -> usize {
        self.points.div_ceil(tile.points_per_group) * tile.points_per_group / 4
    }
}

/// How many parts of a weight's gradient a chunk of so many points, or columns of points, leaves, for so many latents.
pub(super) fn weight_parts(pieces: usize, latents: usize, points: usize) -> usize {
    BUSY.div_ceil(pieces * latents).min(points.div_ceil(SHARE)).max(1)
}

/// Numbers of the buffers for parts, for so many parts of each latent.
pub(super) fn part_numbers(rows: &Rows, weight_parts: usize, vector_parts: usize) -> (usize, usize) {
    (weight_parts * rows.weight_stride as usize * 4, vector_parts * rows.vector_stride as usize * 4)
}

/// Writes down what the device does for a chunk.
pub(super) fn write(
    script: &mut Script,
    field: &Field,
    room: &Room,
    objective: &Objective,
    chunk: &Chunk,
) -> Result<()> {
    let (ctx, inr, plan) = (&field.ctx, &field.model.inr, &field.layout.materialised);
    let (rows, tile, shapes) = (&room.rows, &room.tile, inr.layers());
    let tiles = chunk.points.div_ceil(tile.points_per_group);
    let quads = index(chunk.quads(tile))?;
    let groups = chunk.latents.div_ceil(tile.slots);
    let latents = index(chunk.latents)?;
    let first_sample = index(chunk.first_latent * chunk.samples + chunk.first_point)?;

    // Forward, on tape.
    let spec = EvaluateSpec::on_tape(inr, plan, objective.jet, *tile, rows.tape);
    let total = tiles * groups;
    let mut job = Job {
        end: index(total)?,
        groups_x: index(total.min(1 << 15))?,
        tiles: index(tiles)?,
        points: index(chunk.points)?,
        latents,
        samples: index(chunk.samples)?,
        first_sample,
        tape_stride: room.tape_stride,
        ..Job::zeroed()
    };
    (job.theta_stride, job.frequencies) = (plan.stride, field.layout.frequencies);
    let uniform = ctx.uniform("forward", &[job])?;
    let layers = &field.materialised_layers;
    let mut bound = vec![(0, &uniform), (1, layers), (5, &room.coordinates), (6, &room.outputs)];
    bound.extend([(8, &room.sums), (9, &room.activations)]);
    // What `fill` reads.
    let kinds = plan.kinds();
    let filled = |encoded: bool| {
        let shared = (kinds.contains(&Kind::Shared) || encoded).then_some((2, &field.parameters));
        let generated = room.generated.as_ref().filter(|_| kinds.contains(&Kind::Materialised));
        shared.into_iter().chain(generated.map(|g| (3, g)))
    };
    bound.extend(filled(spec.is_fourier()));
    script.kernel(ctx, "evaluate.wgsl", &spec, &bound, [job.groups_x, job.end.div_ceil(job.groups_x), 1])?;
    script.hold(uniform);

    // Loss.
    let spec = LossSpec::new(inr, tile, objective.kind, rows.tape.sum_rows);
    let loss = LossJob {
        points: job.points,
        quads,
        tape_stride: room.tape_stride,
        samples: job.samples,
        first_sample,
        row: rows.tape.output_row,
        part: index(chunk.loss_part)?,
        weights: objective.weights,
        pad: 0,
    };
    let uniform = ctx.uniform("loss", &[loss])?;
    let mut bound = vec![(0, &uniform), (1, &room.outputs), (2, &room.targets), (3, &room.figures), (8, &room.sums)];
    if let Some([weights, errors]) = &room.importance {
        bound.extend([(4, weights), (5, errors)]);
    }
    script.kernel(ctx, "loss.wgsl", &spec, &bound, [quads.div_ceil(64), latents, 1])?;
    script.hold(uniform);

    // Backward.
    let spec = BackwardSpec::new(inr, plan, objective.jet, *tile, rows.tape);
    let uniform = ctx.uniform("backward", &[[plan.stride, room.tape_stride, latents, 0]])?;
    let mut bound = vec![(0, &uniform), (1, layers), (4, &room.vector_parts), (8, &room.sums)];
    bound.extend(filled(false));
    script.kernel(ctx, "backward.wgsl", &spec, &bound, [job.tiles, index(groups)?, 1])?;
    script.hold(uniform);

    // Products of both.
    let spec = PieceSpec::new(&shapes, rows.tape);
    let pieces = spec.pieces(&shapes, rows)?;
    let (parts, quads) =
        (weight_parts(pieces.len(), chunk.latents, chunk.points * tile.columns), quads * index(tile.columns)?);
    let parts = index(parts)?;
    let table = ctx.upload("pieces", &pieces, Use::Other)?;
    let words = [room.tape_stride, quads, quads.div_ceil(parts), rows.weight_stride];
    let uniform = ctx.uniform("weight gradients", &[words])?;
    let bound = [(0, &uniform), (1, &table), (2, &room.weight_parts), (8, &room.sums), (9, &room.activations)];
    script.kernel(ctx, "weight-gradient.wgsl", &spec, &bound, [index(pieces.len())?, parts, latents])?;
    script.hold(uniform);
    script.hold(table);

    // Parts added up.
    let penalised = objective.theta_penalty != 0.0;
    let spec = ThetaGradientSpec::new(plan, penalised);
    let table = ctx.upload("segments", &rows.segments, Use::Other)?;
    let words = [
        plan.stride,
        rows.gradient_stride,
        parts,
        rows.weight_stride,
        job.tiles,
        rows.vector_stride,
        u32::from(chunk.first_point > 0),
        index(chunk.penalty_part)?,
        objective.theta_penalty.to_bits(),
        0,
        0,
        0,
    ];
    let uniform = ctx.uniform("theta's gradients", &[words])?;
    let mut bound = vec![(0, &uniform), (1, &table), (4, &room.weight_parts), (5, &room.vector_parts)];
    bound.push((6, &room.gradients));
    if penalised {
        bound.push((7, &room.figures));
        bound.extend(filled(false));
    }
    let groups = [rows.longest().div_ceil(64), latents, index(rows.segments.len())?];
    script.kernel(ctx, "theta-gradient.wgsl", &spec, &bound, groups)?;
    script.hold(uniform);
    script.hold(table);
    Ok(())
}
