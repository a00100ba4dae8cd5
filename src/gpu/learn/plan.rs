//! A step written down for one shape of batch: how it is cut into blocks and chunks, its memory, and what the device does.

use std::sync::atomic::Ordering;

use super::heads::Block;
use super::objective::{Objective, importance, targets};
use super::points::{self, Chunk, PieceSpec, Rows};
use super::script::Script;
use crate::gpu::arena::index;
use crate::gpu::generate::{Buffers, dispatches};
use crate::gpu::tile::{Extent, Tier, Tile};
use crate::gpu::{Buffer, Context, Field, Use};
use crate::model::{Batch, Goal, Losses};
use crate::{Error, Result};

/// Most bytes of a tape's sums, and of its activations.
const TAPE_BYTES: usize = 64 << 20;
/// Most bytes of theta for a block of latents, and of its gradient.
const THETA_BYTES: usize = 64 << 20;
/// Most multiply-adds of a chunk's forward pass: a fraction of a second on the slowest GPUs.
const CHUNK_MACS: usize = 1 << 32;
/// Points of a latent that should find room in one chunk, at the expense of latents in a block.
const GOOD_CHUNK: usize = 1024;
/// Most latents of a block.
const MOST_LATENTS: usize = 4096;

/// Buffers of a step, all for one block or chunk, but for those of the whole batch.
#[derive(Debug)]
pub(super) struct Room {
    pub rows: Rows,
    pub tile: Tile,
    /// vec4s per row of the tape.
    pub tape_stride: u32,
    /// Of the whole batch: `[latents][points][inputs]`, and what the objective's targets are.
    pub coordinates: Buffer,
    pub targets: Buffer,
    /// Weights and errors, `[latents][points]`, where points have weights.
    pub importance: Option<[Buffer; 2]>,
    pub latents: Buffer,
    pub features: Buffer,
    pub mapped: Buffer,
    pub generated: Option<Buffer>,
    pub outputs: Buffer,
    pub sums: Buffer,
    pub activations: Buffer,
    pub vector_parts: Buffer,
    pub weight_parts: Buffer,
    /// dL/dtheta
    pub gradients: Buffer,
    /// With respect to all latents' trunks' outputs, then to the latents themselves.
    pub row_gradients: Buffer,
    /// Where the latter start.
    pub latent_gradients: u32,
    pub bias_gradients: Buffer,
    /// Parts of the loss and of the penalty.
    pub figures: Buffer,
}

/// A step written down, for one shape of batch.
#[derive(Debug)]
pub(super) struct Plan {
    pub shape: Shape,
    script: Script,
    room: Room,
    /// Of the whole batch.
    latents: Buffer,
    features: Option<Buffer>,
    staging: Buffer,
    loss_parts: usize,
    penalty_parts: usize,
}

/// What a step's plan depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub latents: usize,
    pub points: usize,
    pub frozen: bool,
    pub objective: Objective,
}

impl Shape {
    /// How many points' errors are read back.
    fn errors(&self) -> usize {
        if self.objective.kind.importance { self.latents * self.points } else { 0 }
    }
}

/// A buffer of so many f32 that kernels write.
pub(super) fn numbers(ctx: &Context, label: &str, numbers: usize) -> Result<Buffer> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    ctx.buffer(label, numbers as u64 * 4, usage, Use::Learning)
}

/// How a step is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Latents of a block, and points of a chunk.
    block: usize,
    chunk: usize,
    tile: Tile,
}

impl Cut {
    fn new(field: &Field, rows: &Rows, shape: &Shape) -> Self {
        let (inr, plan) = (&field.model.inr, &field.layout.materialised);
        let columns = shape.objective.jet.columns(inr.inputs);
        let tape_bytes = 4 * columns * rows.tape.sum_rows.max(rows.tape.activation_rows) as usize;
        let numbers = (4 * plan.stride.max(rows.gradient_stride)).max(field.layout.row_stride).max(1);
        let theta_bytes = 4 * numbers as usize;
        // Points of all latents together.
        let most = (TAPE_BYTES / tape_bytes).min(CHUNK_MACS / (columns * inr.macs_per_point()));
        let block = shape.latents.min(THETA_BYTES / theta_bytes).min(most / shape.points.min(GOOD_CHUNK));
        let block = block.clamp(1, MOST_LATENTS);
        let extent = Extent {
            width: inr.max_width(),
            dear: false,
            latents: block,
            points: shape.points,
            columns,
            half: false,
            tier: Tier::Portable,
        };
        let tile = Tile::choose(extent);
        let tiles = (most / block / tile.points_per_group).max(1);
        Self { block, chunk: shape.points.min(tiles * tile.points_per_group), tile }
    }

    /// The step's blocks, each a list of chunks, and how many numbers of the loss and of the penalty they leave.
    fn blocks(&self, shape: &Shape, rows: &Rows) -> (Vec<Vec<Chunk>>, [usize; 2]) {
        let (mut loss_parts, mut penalty_parts) = (0, 0);
        let mut blocks = Vec::new();
        for first_latent in (0..shape.latents).step_by(self.block) {
            let latents = self.block.min(shape.latents - first_latent);
            let mut chunks = Vec::new();
            for first_point in (0..shape.points).step_by(self.chunk) {
                let chunk = Chunk {
                    first_latent,
                    latents,
                    first_point,
                    points: self.chunk.min(shape.points - first_point),
                    samples: shape.points,
                    loss_part: loss_parts,
                    penalty_part: penalty_parts,
                };
                loss_parts += chunk.loss_parts(&self.tile);
                chunks.push(chunk);
            }
            if shape.objective.theta_penalty != 0.0 {
                penalty_parts += rows.penalty_parts(latents);
            }
            blocks.push(chunks);
        }
        // The penalty's follow the loss's.
        blocks.iter_mut().flatten().for_each(|chunk| chunk.penalty_part += loss_parts);
        (blocks, [loss_parts, penalty_parts])
    }
}

impl Room {
    fn new(field: &Field, rows: Rows, shape: &Shape, cut: &Cut, figures: usize) -> Result<Self> {
        let (model, layout) = (&field.model, &field.layout);
        let (inr, plan) = (&model.inr, &layout.materialised);
        let Cut { block, chunk, tile } = *cut;
        let tiles = chunk.div_ceil(tile.points_per_group);
        // Numbers of a row of the tape.
        let padded = tiles * tile.points_per_group * tile.columns;
        let shapes = inr.layers();
        let pieces = PieceSpec::new(&shapes, rows.tape).pieces(&shapes, &rows)?.len();
        // The last block or chunk may be cut into more parts, for it is smaller.
        let last = |all: usize, each: usize| [each.min(all), (all - 1) % each + 1];
        let weight_parts = (last(shape.latents, block).into_iter())
            .flat_map(|b| last(shape.points, chunk).map(|c| b * points::weight_parts(pieces, b, c * tile.columns)))
            .max()
            .unwrap_or(1);
        let (weight_numbers, vector_numbers) = points::part_numbers(&rows, weight_parts, block * tiles);

        let samples = shape.latents * shape.points;
        let per_latent = |stride: u32| block * stride as usize;
        let new = |label: &str, n: usize| numbers(&field.ctx, label, n);
        let importance = || Ok::<_, Error>([new("weights of points", samples)?, new("errors of points", samples)?]);
        let generated = || new("the generated weights", 4 * per_latent(plan.stride));
        Ok(Self {
            tile,
            tape_stride: index(padded / 4)?,
            coordinates: new("coordinates", samples * inr.inputs)?,
            targets: new("targets", shape.objective.targets.max(1))?,
            importance: shape.objective.kind.importance.then(importance).transpose()?,
            latents: new("latents of a block", per_latent(layout.latent_stride))?,
            features: new("features", per_latent(layout.row_stride))?,
            mapped: new("features before activation", per_latent(layout.row_stride))?,
            generated: (plan.stride > 0).then(generated).transpose()?,
            outputs: new("outputs", block * chunk * tile.columns * inr.outputs)?,
            sums: new("the tape's sums", block * rows.tape.sum_rows as usize * padded)?,
            activations: new("the tape's activations", block * rows.tape.activation_rows as usize * padded)?,
            vector_parts: new("parts of vectors", vector_numbers)?,
            weight_parts: new("parts of weights", weight_numbers)?,
            gradients: new("theta's gradients", 4 * per_latent(rows.gradient_stride))?,
            row_gradients: new("gradients of features", per_latent(layout.row_stride + layout.latent_stride))?,
            latent_gradients: index(per_latent(layout.row_stride))?,
            bias_gradients: new("gradients of norms", per_latent(layout.row_stride))?,
            figures: new("figures", figures)?,
            rows,
        })
    }
}

impl Plan {
    pub(super) fn new(field: &Field, gradients: &[Buffer], shape: Shape) -> Result<Self> {
        let (ctx, layout) = (&field.ctx, &field.layout);
        let rows = Rows::new(&field.model.inr, &layout.materialised)?;
        let cut = Cut::new(field, &rows, &shape);
        let (blocks, [loss_parts, penalty_parts]) = cut.blocks(&shape, &rows);
        let figures = loss_parts + penalty_parts;
        let room = Room::new(field, rows, &shape, &cut, figures)?;

        let stride = layout.latent_stride as usize;
        let new = |label: &str, stride: usize| numbers(ctx, label, shape.latents * stride);
        let latents = new("latents", layout.latent_stride as usize)?;
        let features = || new("features that are latents", layout.row_stride as usize);
        let features = (!layout.identity.is_empty()).then(features).transpose()?;
        let gradients_of_latents = new("gradients of all latents", stride)?;
        let mut script = Script::default();
        for (b, chunks) in blocks.iter().enumerate() {
            let Some(Chunk { first_latent, latents: count, .. }) = chunks.first().copied() else { continue };
            let identity = features.as_ref().map(|f| (f, &room.features, layout.row_stride));
            for (from, to, stride) in [(&latents, &room.latents, layout.latent_stride)].into_iter().chain(identity) {
                script.copy((from, first_latent * stride as usize), (to, 0), count * stride as usize);
            }
            if room.generated.is_some() {
                let buffers = Buffers {
                    latents: &room.latents,
                    rows: &room.features,
                    mapped: Some(&room.mapped),
                    generated: room.generated.as_ref(),
                };
                let mut kernels = dispatches(field, &layout.materialised, &buffers, count)?;
                let all = 0..index(count)?;
                kernels.iter_mut().for_each(|k| k.choose(ctx, all.clone()));
                script.generate(kernels);
            }
            for chunk in chunks {
                points::write(&mut script, field, &room, &shape.objective, chunk)?;
                script.submit();
            }
            let (latents, accumulate) = (index(count)?, b > 0);
            let script = &mut script;
            Block { script, field, room: &room, gradients, frozen: shape.frozen, latents, accumulate }.write()?;
            let from = (&room.row_gradients, room.latent_gradients as usize);
            script.copy(from, (&gradients_of_latents, first_latent * stride), count * stride);
            script.submit();
        }
        let numbers = figures + shape.latents * stride + shape.errors();
        let staging = ctx.staging(numbers as u64 * 4)?;
        script.copy((&room.figures, 0), (&staging, 0), figures);
        script.copy((&gradients_of_latents, 0), (&staging, figures), shape.latents * stride);
        script.hold(gradients_of_latents);
        if let Some([_, errors]) = &room.importance {
            script.copy((errors, 0), (&staging, figures + shape.latents * stride), shape.errors());
        }
        Ok(Self { shape, script, room, latents, features, staging, loss_parts, penalty_parts })
    }

    /// Plays the step; see [`super::Learner::backward`].
    pub(super) fn run(&self, field: &Field, batch: Batch<'_, f32>, goal: &Goal<'_>, dz: &mut [f32]) -> Result<Losses> {
        let (ctx, dim) = (&field.ctx, field.model.latent_dim());
        let write = |buffer: &Buffer, data: &[f32]| {
            ctx.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(data));
        };
        write(&self.room.coordinates, batch.coordinates);
        write(&self.room.targets, targets(goal));
        write(&self.latents, batch.latents);
        let importance = importance(goal);
        if let (Some([weights, _]), Some(importance)) = (&self.room.importance, importance) {
            write(weights, importance.weights);
        }
        if let Some(features) = &self.features {
            write(features, &field.layout.identity_rows(batch.latents, dim));
        }
        self.script.play(ctx);
        ctx.check()?;
        let figures = self.loss_parts + self.penalty_parts;
        let gradients = self.shape.latents * field.layout.latent_stride as usize;
        let errors = importance.map_or(&[][..], |i| i.errors);
        let numbers = figures + gradients + self.shape.errors();
        ctx.map(&self.staging, numbers as u64 * 4, |view| {
            let numbers: &[f32] = bytemuck::cast_slice(view);
            let sum = |part: &[f32]| part.iter().map(|&v| f64::from(v)).sum::<f64>();
            let (figures, others) = numbers.split_at(figures);
            let (gradients, measured) = others.split_at(gradients);
            for (place, error) in errors.iter().zip(measured) {
                place.store(error.to_bits(), Ordering::Relaxed);
            }
            if dim > 0 {
                dz.iter_mut().zip(gradients).for_each(|(d, g)| *d += g);
            }
            let (losses, penalties) = figures.split_at(self.loss_parts);
            Losses { outputs: sum(losses), theta: sum(penalties), latents: 0.0 }
        })
    }
}
