//! Learning on a GPU: forward and backward pass, gradients of every parameter and latent, Adam.
//!
//! Parameters, gradients and moments stay on the device, in the order in which evaluation reads them. A step goes through
//! its latents in blocks (theta and its gradient exist for one block) and through their points in chunks (the tape exists
//! for one chunk): memory does not grow with the batch. Per chunk: the forward pass keeps every layer's sums and
//! activations (all columns of a jet, where the objective wants derivatives), the loss kernel starts the gradient, one kernel
//! takes it back through all layers, and products over the points give dL/dtheta in parts, which are added up in order. Per
//! block: heads and trunks, each map's adjoint beside the map. Sums have a fixed order and there are no atomics: the same
//! batch gives the same bits on the same device.

mod addresses;
mod heads;
mod kernels;
mod objective;
mod plan;
mod points;
mod script;

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use addresses::Addresses;
use objective::Objective;
use plan::{Plan, Shape, numbers};
use script::Script;

pub(super) use kernels::{general_kernels, kernels};

use super::arena::index;
use super::{Buffer, Context, Field};
use crate::model::{Batch, Encoding, Goal, Hypernetwork, Losses, Model};
use crate::{Error, Result};

/// Most workgroups of the kernels that walk over whole buffers: as many as keep enough of a large GPU's memory busy.
const WALKERS: u32 = 4096;
/// Numbers that each of them takes at least.
const WALK: usize = 512;

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
    /// With all gradients, and with the network frozen: a step of meta-learning takes both in turns.
    plans: [Option<Plan>; 2],
}

impl Learner {
    /// Puts a model on a GPU to learn there. `means`: keep running means of the parameters, too.
    ///
    /// # Errors
    /// Where it does not fit the adapter's limits or memory.
    pub fn new(ctx: &Arc<Context>, model: &Arc<Model>, means: bool) -> Result<Self> {
        let field = Field::of_floats(ctx, model)?;
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
        for (i, value) in field.buffers().enumerate() {
            let uniform = ctx.uniform("Adam's step", &[AdamStep::default()])?;
            let mut bound = vec![(0, &uniform), (1, value), (2, &gradients[i]), (3, &first[i]), (4, &second[i])];
            bound.extend(means.iter().map(|m: &Vec<Buffer>| (5, &m[i])));
            let walkers = index(gradients[i].numbers().div_ceil(WALK))?.clamp(1, WALKERS);
            adam.kernel(ctx, "adam.wgsl", &AdamSpec { means: means.is_some() }, &bound, [walkers, 1, 1])?;
            steps.push(uniform);
            let sums = numbers(ctx, "squares", parts)?;
            squares.kernel(ctx, "squares.wgsl", &(), &[(0, &gradients[i]), (1, &sums)], [walkers, 1, 1])?;
            squares.copy((&sums, 0), (&squared, i * parts), parts);
            squares.hold(sums);
        }
        Ok(Self {
            gradients,
            first,
            second,
            means,
            adam,
            steps,
            squares,
            squared,
            plans: [None, None],
            field,
            addresses,
        })
    }

    /// Forward, then backward: the value of `goal` on a batch. Gradients of the parameters stay on the device (unless
    /// `frozen`: then there are none); the latents' are added to `dz` (`[count][latent_dim]`). Penalties on latents are
    /// the caller's.
    ///
    /// # Errors
    /// Where memory does not suffice, or the device fails.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn backward(&mut self, batch: Batch<'_, f32>, goal: &Goal<'_>, frozen: bool, dz: &mut [f32]) -> Result<Losses> {
        let Batch { count, latents: z, coordinates } = batch;
        let (inr, dim) = (&self.field.model.inr, self.field.model.latent_dim());
        let points = coordinates.len() / (count * inr.inputs).max(1);
        assert_eq!(coordinates.len(), count * points * inr.inputs, "as many points for every latent");
        assert!(z.len() == count * dim && dz.len() == z.len(), "latents do not match the model");
        if count == 0 || points == 0 {
            return Err(Error::invalid("a step on a GPU needs at least one latent and one point"));
        }
        let theta_len = self.field.model.hypernetwork.theta_len(inr);
        let objective = Objective::new(goal, inr, (count, points), theta_len)?;
        let shape = Shape { latents: count, points, frozen, objective };
        let slot = &mut self.plans[usize::from(frozen)];
        let plan = match slot.take().filter(|p| p.shape == shape) {
            Some(plan) => plan,
            // The old plan's memory is free by now.
            None => Plan::new(&self.field, &self.gradients, shape)?,
        };
        slot.insert(plan).run(&self.field, batch, goal, dz)
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
        self.download(self.field.buffers())
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
