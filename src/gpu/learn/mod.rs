//! Learning on a GPU: forward and backward pass, gradients of every parameter and latent, Adam.
//!
//! Parameters, gradients and moments stay on the device, in the order in which evaluation reads them. A step goes through
//! its latents in blocks (theta and its gradient exist for one block) and through their points in chunks (the tape exists
//! for one chunk): memory does not grow with the batch. Per chunk: the forward pass keeps every layer's sums and
//! activations, the loss kernel starts the gradient, one kernel takes it back through all layers, and products over the
//! points give dL/dtheta in parts, which are added up in order. Per block: heads and trunks, each map's adjoint beside the
//! map. Sums have a fixed order and there are no atomics: the same batch gives the same bits on the same device.

mod addresses;
mod heads;
mod kernels;
mod points;
mod script;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use addresses::Addresses;
use heads::Block;
use points::{Chunk, Rows, piece_count};
use script::Script;

pub(super) use kernels::{general_kernels, kernels};

use super::arena::index;
use super::generate::{Buffers, dispatches};
use super::tile::{Extent, Tile};
use super::{Buffer, Context, Field, Use};
use crate::Result;
use crate::model::{Batch, Encoding, Hypernetwork, Losses, Model, Supervised};

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
/// Workgroups of the kernels that walk over whole buffers.
const WALKERS: u32 = 256;

/// What Adam does in a step, as `adam.wgsl` takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct AdamStep {
    /// `beta1` and `1 - beta1`.
    pub keep1: f32,
    /// See [`AdamStep::keep1`].
    pub new1: f32,
    /// `beta2` and `1 - beta2`.
    pub keep2: f32,
    /// See [`AdamStep::keep2`].
    pub new2: f32,
    /// The learning rate over `1 - beta1^t`.
    pub rate: f32,
    /// `1 / sqrt(1 - beta2^t)`
    pub root: f32,
    /// Added to the root of the corrected mean of squares.
    pub epsilon: f32,
    /// Weight decay: what of a number is added to its gradient.
    pub penalty: f32,
    /// Decoupled weight decay: what of a number stays.
    pub shrink: f32,
    /// What gradients are multiplied by.
    pub clip: f32,
    /// What is new in a running mean of the numbers.
    pub fresh: f32,
    /// The first vec4 of a buffer that is learned: the learner's own business.
    pub first: u32,
}

/// What is minimised, as the kernels take it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Objective {
    loss: &'static str,
    /// Of each output's loss.
    scale: f32,
    /// Of theta's squares.
    theta_penalty: f32,
    /// Whether points have weights.
    importance: bool,
}

/// A model in training on a GPU.
#[derive(Debug)]
pub struct Learner {
    field: Field,
    addresses: Addresses,
    /// What evaluation reads, then the pages; gradients and moments alike.
    gradients: Vec<Buffer>,
    first: Vec<Buffer>,
    second: Vec<Buffer>,
    means: Option<Vec<Buffer>>,
    /// Adam, and its uniform for each buffer.
    adam: Script,
    steps: Vec<Buffer>,
    /// Sums of squares of the gradients, and where they end up.
    squares: Script,
    squared: Buffer,
    plan: Option<Plan>,
}

/// Buffers of a step, all for one block or chunk, but for those of the whole batch.
#[derive(Debug)]
struct Room {
    rows: Rows,
    tile: Tile,
    /// vec4s per row of the tape.
    tape_stride: u32,
    row_gradient_stride: u32,
    /// Of the whole batch: `[latents][points][inputs]` and `[latents][points][outputs]`.
    coordinates: Buffer,
    targets: Buffer,
    /// Weights and errors, `[latents][points]`, where points have weights.
    importance: Option<[Buffer; 2]>,
    latents: Buffer,
    features: Buffer,
    mapped: Buffer,
    generated: Option<Buffer>,
    outputs: Buffer,
    sums: Buffer,
    activations: Buffer,
    vector_parts: Buffer,
    weight_parts: Buffer,
    /// dL/dtheta
    gradients: Buffer,
    /// With respect to trunks' outputs, then to the latent.
    row_gradients: Buffer,
    bias_gradients: Buffer,
    /// Parts of the loss and of the penalty.
    figures: Buffer,
}

/// A step written down, for one shape of batch.
#[derive(Debug)]
struct Plan {
    shape: Shape,
    script: Script,
    room: Room,
    /// Of the whole batch.
    latents: Buffer,
    features: Option<Buffer>,
    staging: Buffer,
    loss_parts: usize,
    penalty_parts: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    latents: usize,
    points: usize,
    frozen: bool,
    objective: Objective,
}

impl Learner {
    /// Puts a model on a GPU to learn there. `means`: keep running means of the parameters, too.
    ///
    /// # Errors
    /// Where it does not fit the adapter's limits or memory.
    pub fn new(ctx: &Arc<Context>, model: &Arc<Model>, means: bool) -> Result<Self> {
        let field = Field::new(ctx, model)?;
        let addresses = Addresses::new(model, ctx.largest_binding())?;
        let zeros = || -> Result<Vec<Buffer>> {
            // wgpu's buffers start with zeros.
            addresses.lengths().map(|n| numbers(ctx, "gradients and moments", n)).collect()
        };
        let (gradients, first, second) = (zeros()?, zeros()?, zeros()?);
        let means = means.then(zeros).transpose()?;
        let parts = WALKERS as usize;
        let squared = ctx.staging(parts as u64 * 4 * gradients.len() as u64)?;
        let (mut adam, mut squares, mut steps) = (Script::default(), Script::default(), Vec::new());
        for (i, value) in std::iter::once(&field.parameters).chain(&field.pages).enumerate() {
            let uniform = ctx.uniform("Adam's step", &[AdamStep::default()])?;
            let mut bound = vec![(0, &uniform), (1, value), (2, &gradients[i]), (3, &first[i]), (4, &second[i])];
            bound.extend(means.iter().map(|m: &Vec<Buffer>| (5, &m[i])));
            adam.kernel(ctx, "adam.wgsl", &AdamSpec { means: means.is_some() }, &bound, [WALKERS, 1, 1])?;
            steps.push(uniform);
            let sums = numbers(ctx, "squares", parts)?;
            squares.kernel(ctx, "squares.wgsl", &(), &[(0, &gradients[i]), (1, &sums)], [WALKERS, 1, 1])?;
            squares.copy((&sums, 0), (&squared, i * parts), parts);
            squares.hold(sums);
        }
        Ok(Self { gradients, first, second, means, adam, steps, squares, squared, plan: None, field, addresses })
    }

    /// The device.
    pub fn context(&self) -> &Arc<Context> {
        &self.field.ctx
    }

    /// Forward, then backward: the value of `objective` on a batch. Gradients of the parameters stay on the device (unless
    /// `frozen`: then there are none); the latents' are added to `dz` (`[count][latent_dim]`). Penalties on latents are
    /// the caller's.
    ///
    /// # Errors
    /// Where memory does not suffice, or the device fails.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn backward(
        &mut self,
        batch: Batch<'_, f32>,
        objective: &Supervised<'_>,
        frozen: bool,
        dz: &mut [f32],
    ) -> Result<Losses> {
        let Batch { count, latents: z, coordinates } = batch;
        let (inr, dim) = (&self.field.model.inr, self.field.model.latent_dim());
        let points = coordinates.len() / (count * inr.inputs).max(1);
        assert_eq!(coordinates.len(), count * points * inr.inputs, "as many points for every latent");
        assert_eq!(objective.targets.len(), count * points * inr.outputs, "a target for every output");
        assert!(z.len() == count * dim && dz.len() == z.len(), "latents do not match the model");
        if count == 0 || points == 0 {
            return Err(crate::Error::invalid("a step on a GPU needs at least one latent and one point"));
        }
        let theta_len = self.field.model.hypernetwork.theta_len(inr);
        #[expect(clippy::cast_possible_truncation, reason = "kernels compute in f32")]
        let shape = Shape {
            latents: count,
            points,
            frozen,
            objective: Objective {
                loss: objective.loss.name(),
                scale: (1.0 / objective.targets.len() as f64) as f32,
                theta_penalty: (objective.penalties.theta / (count * theta_len) as f64) as f32,
                importance: objective.importance.is_some(),
            },
        };
        if self.plan.as_ref().is_none_or(|p| p.shape != shape) {
            // The old plan's memory is free before the new one's is taken.
            self.plan = None;
            self.plan = Some(Plan::new(&self.field, &self.gradients, shape)?);
        }
        let Some(plan) = &self.plan else { unreachable!("it was just made") };
        plan.run(&self.field, batch, objective, dz)
    }

    /// The sum of squares of the last gradients of all parameters.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn gradient_squares(&self) -> Result<f64> {
        self.squares.play(&self.field.ctx);
        let bytes = u64::from(WALKERS) * 4 * self.gradients.len() as u64;
        self.field
            .ctx
            .map(&self.squared, bytes, |view| bytemuck::cast_slice::<u8, f32>(view).iter().map(|&s| f64::from(s)).sum())
    }

    /// One step of Adam on the last gradients, without waiting for it.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn step(&mut self, mut step: AdamStep) -> Result<()> {
        // The encoding's frequencies come first; they are not learned.
        step.first = match &self.field.model.inr.encoding {
            Encoding::Fourier { features, .. } => index(*features)?,
            _ => 0,
        };
        for uniform in &self.steps {
            self.field.ctx.queue().write_buffer(uniform.raw(), 0, bytemuck::bytes_of(&step));
            step.first = 0;
        }
        self.adam.play(&self.field.ctx);
        self.field.ctx.check()
    }

    /// The parameters as they are.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn hypernetwork(&self) -> Result<Hypernetwork<f32>> {
        self.download(std::iter::once(&self.field.parameters).chain(&self.field.pages))
    }

    /// The last gradients of the parameters.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn gradients(&self) -> Result<Hypernetwork<f32>> {
        self.download(self.gradients.iter())
    }

    /// Adam's means of gradients and of their squares.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn moments(&self) -> Result<[Hypernetwork<f32>; 2]> {
        Ok([self.download(self.first.iter())?, self.download(self.second.iter())?])
    }

    /// The parameters' running means, if they are kept.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn means(&self) -> Result<Option<Hypernetwork<f32>>> {
        self.means.as_ref().map(|m| self.download(m.iter())).transpose()
    }

    /// Sets moments and means: of each tensor, in the order of [`Hypernetwork::tensors_mut`].
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn restore(&mut self, first: &[Vec<f32>], second: &[Vec<f32>], means: &[Vec<f32>]) {
        let no_means = Vec::new();
        let kept = self.means.as_ref().unwrap_or(&no_means);
        for (tensors, buffers) in [(first, &self.first), (second, &self.second), (means, kept)] {
            if !buffers.is_empty() {
                let all = self.addresses.scatter(tensors.iter().map(Vec::as_slice));
                for (numbers, buffer) in all.iter().zip(buffers) {
                    self.field.ctx.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(numbers));
                }
            }
        }
    }

    fn download<'a>(&self, buffers: impl Iterator<Item = &'a Buffer>) -> Result<Hypernetwork<f32>> {
        let ctx = &self.field.ctx;
        let read = |(buffer, length): (&Buffer, usize)| {
            let mut numbers = vec![0.0; length];
            ctx.read_back(buffer, &ctx.staging(length as u64 * 4)?, &mut numbers)?;
            Ok(numbers)
        };
        let all: Vec<Vec<f32>> = buffers.zip(self.addresses.lengths()).map(read).collect::<Result<_>>()?;
        Ok(self.addresses.gather(&all))
    }
}

/// The template values of `adam.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
struct AdamSpec {
    means: bool,
}

/// A buffer of so many f32 that kernels write.
fn numbers(ctx: &Context, label: &str, numbers: usize) -> Result<Buffer> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    ctx.buffer(label, numbers as u64 * 4, usage, Use::Learning)
}

impl Plan {
    fn new(field: &Field, gradients: &[Buffer], shape: Shape) -> Result<Self> {
        let (ctx, model, layout) = (&field.ctx, &field.model, &field.layout);
        let (inr, plan) = (&model.inr, &layout.materialised);
        let Shape { latents, points, frozen, objective } = shape;
        let rows = Rows::new(inr, plan)?;

        // Blocks of latents, chunks of points.
        let tape_bytes = 16 * rows.tape.sum_rows.max(rows.tape.activation_rows) as usize / 4;
        let theta_bytes = 16 * plan.stride.max(rows.gradient_stride).max(1) as usize;
        let together = (TAPE_BYTES / tape_bytes).min(CHUNK_MACS / inr.macs_per_point());
        let block =
            latents.min(THETA_BYTES / theta_bytes).min(together / points.min(GOOD_CHUNK)).clamp(1, MOST_LATENTS);
        let extent = Extent { width: inr.max_width(), dear: false, latents: block, points };
        let tile = Tile::choose(extent);
        let most = (together / block) / tile.points_per_group * tile.points_per_group;
        let chunk = points.min(most.max(tile.points_per_group));
        let tiles = chunk.div_ceil(tile.points_per_group);
        let padded = tiles * tile.points_per_group;

        let pieces = piece_count(&inr.layers(), rows.tape);
        // The last block or chunk may be cut into more parts, for it is smaller.
        let last = |all: usize, each: usize| [each.min(all), (all - 1) % each + 1];
        let weight_parts = (last(latents, block).into_iter())
            .flat_map(|b| last(points, chunk).map(|c| b * points::weight_parts(pieces, b, c)))
            .max()
            .unwrap_or(1);
        let (weight_numbers, vector_numbers) = points::part_numbers(&rows, weight_parts, block * tiles);

        let row_gradient_stride = layout.row_stride + index(model.latent_dim().next_multiple_of(4))?;
        let per_block = |stride: u32| block * stride as usize;
        let new = |label: &str, n: usize| numbers(ctx, label, n);
        let mut room = Room {
            tile,
            tape_stride: index(padded / 4)?,
            row_gradient_stride,
            coordinates: new("coordinates", latents * points * inr.inputs)?,
            targets: new("targets", latents * points * inr.outputs)?,
            importance: match objective.importance {
                true => Some([new("weights of points", latents * points)?, new("errors of points", latents * points)?]),
                false => None,
            },
            latents: new("latents of a block", per_block(layout.latent_stride))?,
            features: new("features", per_block(layout.row_stride))?,
            mapped: new("features before activation", per_block(layout.row_stride))?,
            generated: match plan.stride {
                0 => None,
                stride => Some(new("the generated weights", 4 * per_block(stride))?),
            },
            outputs: new("outputs", block * chunk * inr.outputs)?,
            sums: new("the tape's sums", block * rows.tape.sum_rows as usize * padded)?,
            activations: new("the tape's activations", block * rows.tape.activation_rows as usize * padded)?,
            vector_parts: new("parts of vectors", vector_numbers)?,
            weight_parts: new("parts of weights", weight_numbers)?,
            gradients: new("theta's gradients", 4 * per_block(rows.gradient_stride))?,
            row_gradients: new("gradients of features", per_block(row_gradient_stride))?,
            bias_gradients: new("gradients of norms", per_block(layout.row_stride))?,
            figures: new("figures", 0)?,
            rows,
        };

        // What there is to do, and where each part of the loss goes.
        let (mut loss_parts, mut penalty_parts) = (0, 0);
        let mut blocks: Vec<Vec<Chunk>> = Vec::new();
        for first_latent in (0..latents).step_by(block) {
            let in_block = block.min(latents - first_latent);
            let mut chunks = Vec::new();
            for first_point in (0..points).step_by(chunk) {
                let mut next = Chunk {
                    first_latent,
                    latents: in_block,
                    first_point,
                    points: chunk.min(points - first_point),
                    samples: points,
                    loss_part: loss_parts,
                    penalty_part: 0,
                };
                loss_parts += next.loss_parts(&room.tile);
                next.penalty_part = penalty_parts;
                chunks.push(next);
            }
            if objective.theta_penalty != 0.0 {
                penalty_parts += room.rows.penalty_parts(in_block);
            }
            blocks.push(chunks);
        }
        for chunk in blocks.iter_mut().flatten() {
            chunk.penalty_part += loss_parts;
        }
        let figures = loss_parts + penalty_parts;
        room.figures = new("figures", figures)?;

        let all_latents = new("latents", latents * layout.latent_stride as usize)?;
        let all_features = match layout.identity.is_empty() {
            true => None,
            false => Some(new("features that are latents", latents * layout.row_stride as usize)?),
        };
        let all_gradients = new("gradients of all features", latents * row_gradient_stride as usize)?;
        let mut script = Script::default();
        for (b, chunks) in blocks.iter().enumerate() {
            let Some(Chunk { first_latent, latents, .. }) = chunks.first().copied() else { continue };
            let whole = |script: &mut Script, from: &Buffer, to: &Buffer, stride: u32| {
                script.copy((from, first_latent * stride as usize), (to, 0), latents * stride as usize);
            };
            whole(&mut script, &all_latents, &room.latents, layout.latent_stride);
            if let Some(features) = &all_features {
                whole(&mut script, features, &room.features, layout.row_stride);
            }
            let buffers = Buffers {
                latents: &room.latents,
                rows: &room.features,
                mapped: Some(&room.mapped),
                generated: room.generated.as_ref(),
            };
            if room.generated.is_some() {
                let mut kernels = dispatches(field, plan, &buffers, latents)?;
                let all = 0..index(latents)?;
                kernels.iter_mut().for_each(|k| k.choose(ctx, all.clone()));
                script.generate(kernels);
            }
            for chunk in chunks {
                points::write(&mut script, field, &room, &objective, chunk)?;
                script.submit();
            }
            let latents_in_block = index(latents)?;
            Block {
                script: &mut script,
                field,
                room: &room,
                gradients,
                frozen,
                latents: latents_in_block,
                accumulate: b > 0,
            }
            .write()?;
            let stride = row_gradient_stride as usize;
            script.copy((&room.row_gradients, 0), (&all_gradients, first_latent * stride), latents * stride);
            script.submit();
        }
        let read = latents * row_gradient_stride as usize;
        let errors = if objective.importance { latents * points } else { 0 };
        let staging = ctx.staging(((figures + read + errors) * 4) as u64)?;
        script.copy((&room.figures, 0), (&staging, 0), figures);
        script.copy((&all_gradients, 0), (&staging, figures), read);
        script.hold(all_gradients);
        if let Some([_, from]) = &room.importance {
            script.copy((from, 0), (&staging, figures + read), errors);
        }
        Ok(Self {
            shape,
            script,
            room,
            latents: all_latents,
            features: all_features,
            staging,
            loss_parts,
            penalty_parts,
        })
    }

    fn run(&self, field: &Field, batch: Batch<'_, f32>, objective: &Supervised<'_>, dz: &mut [f32]) -> Result<Losses> {
        let (ctx, dim) = (&field.ctx, field.model.latent_dim());
        let write = |buffer: &Buffer, data: &[f32]| {
            ctx.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(data));
        };
        write(&self.room.coordinates, batch.coordinates);
        write(&self.room.targets, objective.targets);
        write(&self.latents, batch.latents);
        if let (Some([weights, _]), Some(importance)) = (&self.room.importance, objective.importance) {
            write(weights, importance.weights);
        }
        if let Some(features) = &self.features {
            write(features, &field.layout.identity_rows(batch.latents, dim));
        }
        self.script.play(ctx);
        ctx.check()?;
        let stride = self.room.row_gradient_stride as usize;
        let figures = self.loss_parts + self.penalty_parts;
        let rows = self.shape.latents * stride;
        let errors = objective.importance.map_or(&[][..], |i| i.errors);
        let numbers =
            figures + rows + if self.shape.objective.importance { self.shape.latents * self.shape.points } else { 0 };
        ctx.map(&self.staging, numbers as u64 * 4, |view| {
            let numbers: &[f32] = bytemuck::cast_slice(view);
            let sum = |part: &[f32]| part.iter().map(|&v| f64::from(v)).sum::<f64>();
            let (figures, others) = numbers.split_at(figures);
            let (rows, measured) = others.split_at(rows);
            for (place, error) in errors.iter().zip(measured) {
                place.store(error.to_bits(), Ordering::Relaxed);
            }
            if dim > 0 {
                let first = field.layout.row_stride as usize;
                for (row, dz) in rows.chunks_exact(stride).zip(dz.chunks_exact_mut(dim)) {
                    dz.iter_mut().zip(&row[first..]).for_each(|(d, r)| *d += r);
                }
            }
            let (losses, penalties) = figures.split_at(self.loss_parts);
            Losses { outputs: sum(losses), theta: sum(penalties), latents: 0.0 }
        })
    }
}
