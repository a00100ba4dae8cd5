//! A model on a device: generate and evaluate, in blocks of bounded memory.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{CostModel, Engine, Strategy};
use crate::gpu::Use;
use crate::measure::{Clock, Memory, Phase, Timings, Work};
use crate::model::{Domain, Jet, Model};
use crate::{Error, Result, cpu, gpu};

/// Most bytes of evaluated values that are held at a time.
const OUTPUT_BYTES: usize = 32 << 20;
/// Most bytes of theta that one batch writes on the CPU.
const CPU_THETA_BYTES: usize = 256 << 20;

/// A model ready to be evaluated.
#[derive(Debug)]
pub struct Field {
    model: Arc<Model>,
    backend: Backend,
    costs: Option<CostModel>,
}

#[derive(Debug)]
enum Backend {
    Cpu(cpu::Network<f32>),
    Gpu(Box<gpu::Field>),
}

/// A part of the result, in order: whole pictures of several latents, or a part of one latent's points.
#[derive(Debug)]
pub struct Block<'a> {
    /// Which latents.
    pub latents: Range<usize>,
    /// Which points of each; whole rows of a grid.
    pub points: Range<usize>,
    /// `[latents][points][outputs]`; with derivatives `[latents][points][columns][outputs]`.
    pub values: &'a [f32],
}

/// What an evaluation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// `fused` or `materialized`.
    pub strategy: &'static str,
    /// Time per phase.
    #[serde(flatten)]
    pub timings: Timings,
    /// The engine's allocations, at their highest since the model was loaded.
    pub memory: Memory,
}

impl Report {
    /// Adds what another part of the same work took.
    pub fn merge(&mut self, other: &Self) {
        self.strategy = other.strategy;
        self.timings.merge(&other.timings);
        self.memory.merge(&other.memory);
    }
}

impl Field {
    pub(super) fn new(engine: &Engine, model: &Arc<Model>) -> Result<Self> {
        let backend = match engine.gpu() {
            Some(ctx) => Backend::Gpu(Box::new(gpu::Field::new(ctx, model)?)),
            None => Backend::Cpu(cpu::Network::new(model)),
        };
        Ok(Self { model: Arc::clone(model), backend, costs: engine.costs().copied() })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The GPU side, if this is on a GPU: for evaluation into buffers and textures of the caller's.
    pub fn gpu(&self) -> Option<&gpu::Field> {
        match &self.backend {
            Backend::Gpu(field) => Some(field),
            Backend::Cpu(_) => None,
        }
    }

    /// Whether a strategy fuses so many latents with so many points each. `auto` asks the device's measured costs; where
    /// there are none it does not, and nor where the heads are too large to be fused or there is nothing to generate.
    pub fn is_fused(&self, strategy: Strategy, latents: usize, points: usize) -> bool {
        match (strategy, &self.costs) {
            (Strategy::Fused, _) => true,
            (Strategy::Materialised, _) | (Strategy::Auto, None) => false,
            (Strategy::Auto, Some(_)) if self.model.latent_dim() == 0 || !self.fusible() => false,
            (Strategy::Auto, Some(costs)) => {
                let seconds = |fused| costs.predict(&self.work(latents, points, fused));
                seconds(true) < seconds(false)
            }
        }
    }

    /// The work of evaluating so many latents at so many points each under a strategy.
    pub fn work(&self, latents: usize, points: usize, fused: bool) -> Work {
        match &self.backend {
            Backend::Cpu(network) => network.work(latents, points, fused),
            Backend::Gpu(field) => field.work(latents, points, fused),
        }
    }

    fn fusible(&self) -> bool {
        self.gpu().is_none_or(gpu::Field::fusible)
    }

    /// The number of latents in `z`. A single INR takes no latent: its batch is one.
    fn batch(&self, z: &[f32]) -> Result<usize> {
        match self.model.latent_dim() {
            0 if z.is_empty() => Ok(1),
            dim if dim > 0 && z.len().is_multiple_of(dim) => Ok(z.len() / dim),
            dim => Err(Error::invalid(format!("{} numbers are not whole latents of {dim} entries", z.len()))),
        }
    }

    /// The latents `range` of `z`.
    fn latents<'a>(&self, z: &'a [f32], range: &Range<usize>) -> &'a [f32] {
        let dim = self.model.latent_dim();
        &z[range.start * dim..range.end * dim]
    }

    /// The generated parameters of every latent in `z`: `[latents][theta_len]`, layer by layer: weights
    /// `[out, in]`, biases, then gains and shifts where there are any.
    ///
    /// # Errors
    /// Where `z` is no whole number of latents, or the device fails.
    pub fn generate(&self, z: &[f32]) -> Result<Vec<f32>> {
        let batch = self.batch(z)?;
        match &self.backend {
            Backend::Cpu(network) => Ok(network.materialise(batch, &network.features(batch, z))),
            Backend::Gpu(field) => field.theta(&field.prepare(z, batch, false)?),
        }
    }

    /// Evaluates every latent in `z` at every point: `[latents][points][outputs]`.
    ///
    /// # Errors
    /// Where sizes do not fit the model, or the device fails.
    pub fn evaluate(&self, z: &[f32], domain: &Domain<'_>, strategy: Strategy) -> Result<(Vec<f32>, Report)> {
        self.differentiate(z, domain, Jet::Value, strategy)
    }

    /// Evaluates every latent in `z` at every point, with derivatives with respect to the coordinates:
    /// `[latents][points][columns][outputs]`, the columns as [`Jet`] has them.
    ///
    /// # Errors
    /// As [`Field::evaluate`].
    pub fn differentiate(
        &self,
        z: &[f32],
        domain: &Domain<'_>,
        jet: Jet,
        strategy: Strategy,
    ) -> Result<(Vec<f32>, Report)> {
        domain.check(self.model.inr.inputs)?;
        let mut all = vec![0.0; self.batch(z)? * domain.len() * self.numbers(jet)];
        let mut at = 0;
        let report = self.differentiate_blocks(z, domain, jet, strategy, &mut |block| {
            all[at..at + block.values.len()].copy_from_slice(block.values);
            at += block.values.len();
            Ok(())
        })?;
        Ok((all, report))
    }

    /// As [`Field::evaluate`], handing the values to `sink` block by block, latents and points in order.
    ///
    /// # Errors
    /// As [`Field::evaluate`], or what `sink` returns.
    pub fn evaluate_blocks(
        &self,
        z: &[f32],
        domain: &Domain<'_>,
        strategy: Strategy,
        sink: &mut dyn FnMut(Block<'_>) -> Result<()>,
    ) -> Result<Report> {
        self.differentiate_blocks(z, domain, Jet::Value, strategy, sink)
    }

    /// As [`Field::differentiate`], handing the jets to `sink` block by block, latents and points in order.
    ///
    /// # Errors
    /// As [`Field::evaluate`], or what `sink` returns.
    pub fn differentiate_blocks(
        &self,
        z: &[f32],
        domain: &Domain<'_>,
        jet: Jet,
        strategy: Strategy,
        sink: &mut dyn FnMut(Block<'_>) -> Result<()>,
    ) -> Result<Report> {
        domain.check(self.model.inr.inputs)?;
        let batch = self.batch(z)?;
        // A jet's columns are as many points to the products.
        let fused = self.is_fused(strategy, batch, domain.len() * jet.columns(self.model.inr.inputs));
        if domain.is_empty() || batch == 0 {
            return Ok(Report { strategy: Strategy::taken(fused).name(), ..Report::default() });
        }
        let job = Job { z, domain, jet, fused, blocks: Blocks::new(domain, self.numbers(jet), batch) };
        match &self.backend {
            Backend::Cpu(network) => self.on_cpu(network, &job, sink),
            Backend::Gpu(field) => self.on_gpu(field, &job, sink),
        }
    }

    /// Numbers of a point's outputs.
    fn numbers(&self, jet: Jet) -> usize {
        jet.columns(self.model.inr.inputs) * self.model.inr.outputs
    }

    fn on_cpu(
        &self,
        network: &cpu::Network<f32>,
        job: &Job<'_>,
        sink: &mut dyn FnMut(Block<'_>) -> Result<()>,
    ) -> Result<Report> {
        let Job { z, domain, jet, fused, ref blocks } = *job;
        let mut report = Report { strategy: Strategy::taken(fused).name(), ..Report::default() };
        report.timings.clock = Clock::Wall;
        let each = network.theta_len();
        let theta_bytes = each * size_of::<f32>();
        let at_once = if fused { blocks.batch } else { (CPU_THETA_BYTES / theta_bytes).max(1) };
        let mut values = vec![0.0; blocks.largest()];
        let mut theta = Vec::new();
        let memory = &mut report.memory;
        memory.model = self.model.bytes() as u64;
        memory.output = size_of_val(&values[..]) as u64;
        for batch in chunks(0..blocks.batch, at_once) {
            let started = Instant::now();
            let features = network.features(batch.len(), self.latents(z, &batch));
            if !fused {
                network.materialise_into(batch.len(), &features, &mut theta);
            }
            report.timings.add(Phase::Generate, started.elapsed());
            let held =
                if fused { theta_bytes * network.latents_together() * cpu::threads() } else { size_of_val(&theta[..]) };
            memory.theta = memory.theta.max(held as u64);
            memory.features =
                memory.features.max((size_of_val(&features.data[..]) + size_of_val(self.latents(z, &batch))) as u64);
            blocks.each(&batch, |latents, points| {
                let values = &mut values[..latents.len() * points.len() * blocks.numbers];
                let part = blocks.part(domain, &points);
                let local = latents.start - batch.start..latents.end - batch.start;
                let started = Instant::now();
                if fused {
                    network.jets_fused(&features.rows(local), &part, jet, values);
                } else {
                    network.jets(&theta[local.start * each..local.end * each], &part, jet, values);
                }
                report.timings.add(Phase::Evaluate, started.elapsed());
                sink(Block { latents, points, values })
            })?;
        }
        memory.peak = memory.model + memory.features + memory.theta + memory.output;
        Ok(report)
    }

    fn on_gpu(
        &self,
        field: &gpu::Field,
        job: &Job<'_>,
        sink: &mut dyn FnMut(Block<'_>) -> Result<()>,
    ) -> Result<Report> {
        let Job { z, domain, jet, fused, ref blocks } = *job;
        let ctx = field.context();
        let mut report = Report { strategy: Strategy::taken(fused).name(), ..Report::default() };
        let mut values = vec![0.0; blocks.largest()];
        let bytes = size_of_val(&values[..]) as u64;
        let output =
            ctx.buffer("the output", bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC, Use::Output)?;
        let staging = ctx.staging(bytes)?;
        for batch in chunks(0..blocks.batch, field.latents_at_once(fused)) {
            let codes = field.prepare(self.latents(z, &batch), batch.len(), fused)?;
            report.timings.merge(&codes.timings);
            blocks.each(&batch, |latents, points| {
                let values = &mut values[..latents.len() * points.len() * blocks.numbers];
                let local = latents.start - batch.start..latents.end - batch.start;
                let part = blocks.part(domain, &points);
                let timings = field.differentiate(&codes, local, &part, jet, output.raw())?;
                report.timings.merge(&timings);
                ctx.read_back(&output, &staging, values)?;
                sink(Block { latents, points, values })
            })?;
        }
        report.memory = ctx.memory();
        Ok(report)
    }
}

/// What is to be evaluated, and how.
struct Job<'a> {
    z: &'a [f32],
    domain: &'a Domain<'a>,
    jet: Jet,
    fused: bool,
    blocks: Blocks,
}

/// `range` in pieces of at most `size`.
pub(super) fn chunks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |start| start..(start + size).min(end))
}

/// How a result is cut so that no block exceeds [`OUTPUT_BYTES`]: many latents where their pictures are
/// small, parts of one picture where it is large.
struct Blocks {
    batch: usize,
    points: usize,
    /// Numbers of a point.
    numbers: usize,
    latents_per_block: usize,
    points_per_block: usize,
}

impl Blocks {
    fn new(domain: &Domain<'_>, numbers: usize, batch: usize) -> Self {
        let points = domain.len();
        let affordable = OUTPUT_BYTES / (numbers * size_of::<f32>());
        // A picture is cut between rows, so that a part of it is a grid again.
        let unit = match domain {
            Domain::Grid(grid) => grid.width as usize,
            Domain::Points { .. } => 1,
        };
        let points_per_block = if points <= affordable { points } else { (affordable / unit).max(1) * unit };
        let latents_per_block = (affordable / points).clamp(1, batch);
        Self { batch, points, numbers, latents_per_block, points_per_block }
    }

    /// Numbers of the largest block.
    fn largest(&self) -> usize {
        self.latents_per_block * self.points_per_block * self.numbers
    }

    /// Calls `f` for every block of the latents `batch`, in order.
    fn each(&self, batch: &Range<usize>, mut f: impl FnMut(Range<usize>, Range<usize>) -> Result<()>) -> Result<()> {
        for latents in chunks(batch.clone(), self.latents_per_block) {
            for points in chunks(0..self.points, self.points_per_block) {
                f(latents.clone(), points)?;
            }
        }
        Ok(())
    }

    /// The points `points` of `domain` as a domain of their own.
    fn part<'a>(&self, domain: &Domain<'a>, points: &Range<usize>) -> Domain<'a> {
        match domain {
            Domain::Grid(grid) => {
                let width = grid.width as usize;
                let row = |p: usize| u32::try_from(p / width).expect("a grid has u32 rows");
                Domain::Grid(grid.rows(row(points.start), row(points.len())))
            }
            Domain::Points { coordinates, inputs } => Domain::Points {
                coordinates: &coordinates[points.start * inputs..points.end * inputs],
                inputs: *inputs,
            },
        }
    }
}
