//! Evaluation of generated INRs over a grid or a list of points, cut into slices of bounded time.

use std::sync::Arc;
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::Context;
use super::context::Pace;
use super::field::{Codes, Field};
use super::generate::PageSpec;
use super::jets::Derivatives;
use super::layout::{ActivationCode, Kind, Plan};
use super::memory::{Buffer, Use};
use super::tile::{Asked, Tile};
use super::timing::Stopwatch;
use super::tuning::Tiling;
use crate::measure::{Phase, Timings};
use crate::model::{Domain, Encoding, Inr, Jet, Order};
use crate::{Error, Result};

/// How long one slice of headless work should take: far from the 2 s after which Windows resets a GPU.
pub(crate) const SLICE: Duration = Duration::from_millis(120);

/// Where evaluated values go.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A storage buffer of `[latents][points][outputs]` f32.
    Buffer(&'a wgpu::Buffer),
    /// A storage buffer of `[latents][points][columns][outputs]` f32: with derivatives, the columns as [`Jet`] has them.
    Jets(&'a wgpu::Buffer, Jet),
    /// A storage texture: one picture per latent, left to right and then down.
    Texture(TextureTarget<'a>),
}

impl Target<'_> {
    fn jet(&self) -> Jet {
        if let Self::Jets(_, jet) = self { *jet } else { Jet::Value }
    }
}

/// A texture to evaluate into; values are mapped from the model's range to [0, 1], to which rgba8unorm clips them.
#[derive(Clone, Copy, Debug)]
pub struct TextureTarget<'a> {
    /// A view with `STORAGE_BINDING` usage, large enough for all pictures.
    pub view: &'a wgpu::TextureView,
    /// rgba8unorm, rgba16float or rgba32float.
    pub format: wgpu::TextureFormat,
    /// Pictures per row.
    pub columns: u32,
}

/// Mirrors `include/job.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Job {
    pub first: u32,
    pub end: u32,
    pub groups_x: u32,
    pub tiles: u32,
    pub first_latent: u32,
    pub points: u32,
    pub width: u32,
    pub height: u32,
    pub theta_stride: u32,
    pub feature_stride: u32,
    pub swap_axes: u32,
    pub columns: u32,
    pub origin: [f32; 2],
    pub step: [f32; 2],
    pub low: f32,
    pub inverse_range: f32,
    pub frequencies: u32,
    pub latents: u32,
    pub samples: u32,
    pub first_sample: u32,
    pub tape_stride: u32,
    pub pad: u32,
}

/// The template values of `evaluate.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct EvaluateSpec {
    inputs: usize,
    outputs: usize,
    hidden: usize,
    kinds: Vec<&'static str>,
    #[serde(flatten)]
    page: PageSpec,
    generated_access: &'static str,
    activations: Vec<ActivationCode>,
    #[serde(flatten)]
    derivatives: Derivatives,
    /// Whether any layer is modulated, and whether any divides its rows by their norms.
    modulated: bool,
    demodulated: bool,
    /// The layers that carry the residual stream, layer l as bit l.
    stream: u32,
    encoding: &'static str,
    /// Fourier features: rows of B. Octaves: of the coordinates, how many come first as they are.
    encoding_count: usize,
    encoding_plain: usize,
    domain: &'static str,
    /// Empty for a buffer.
    texture_format: &'static str,
    #[serde(flatten)]
    pub(super) tile: Tile,
    #[serde(flatten)]
    tape: TapeSpec,
}

/// Rows of a latent's tape, see `include/tape.wgsl`; for the forward pass of training.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct TapeSpec {
    /// Whether there is one.
    pub tape: bool,
    /// Rows of sums, and the first of those for the outputs.
    pub sum_rows: u32,
    pub output_row: u32,
    /// Rows of activations, and the first of the encoded coordinates.
    pub activation_rows: u32,
    pub encoded_row: u32,
}

impl EvaluateSpec {
    /// For training, with other points for each latent: within that tile and onto that tape.
    pub(super) fn on_tape(inr: &Inr, plan: &Plan, jet: Jet, tile: Tile, tape: TapeSpec) -> Self {
        Self { tile, tape, ..Self::new(inr, plan, "samples", "", jet, (1, 1), &Tiling::default()) }
    }

    pub(super) fn is_fourier(&self) -> bool {
        self.encoding == "fourier"
    }

    /// For so many latents and points of each.
    pub(super) fn new(
        inr: &Inr,
        plan: &Plan,
        domain: &'static str,
        texture_format: &'static str,
        jet: Jet,
        (latents, points): (usize, usize),
        tiling: &Tiling,
    ) -> Self {
        let kinds: Vec<&str> = plan.kinds().into_iter().map(Kind::file).collect();
        let (encoding, encoding_count, encoding_plain) = match &inr.encoding {
            Encoding::Identity => ("identity", 0, 0),
            Encoding::Fourier { features, .. } => ("fourier", *features, 0),
            Encoding::Octaves { input, .. } => ("octaves", 0, if *input { inr.inputs } else { 0 }),
        };
        Self {
            inputs: inr.inputs,
            outputs: inr.outputs,
            hidden: inr.hidden.len(),
            kinds,
            page: PageSpec::new(plan.packed),
            generated_access: "read",
            activations: ActivationCode::list(inr.hidden.iter().map(|l| &l.activation)),
            derivatives: Derivatives::forward(jet),
            modulated: plan.layers.iter().any(|l| l.place != 0),
            demodulated: plan.layers.iter().any(|l| l.demodulate != 0),
            stream: inr.stream_mask(),
            encoding,
            encoding_count,
            encoding_plain,
            domain,
            texture_format,
            // Only pictures may be of halves: surfaces and rays look at the last digits of what they find at points.
            tile: tiling.tile(inr, plan, Asked { latents, points, jet, half: domain == "grid" }),
            tape: TapeSpec::default(),
        }
    }

    fn uses(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind.file())
    }
}

/// An evaluation under way: every call of [`Evaluation::next_slice`] records a part of it.
#[derive(Debug)]
pub struct Evaluation {
    ctx: Arc<Context>,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    job: Job,
    uniform: Buffer,
    /// All workgroups, and the multiply-adds of each.
    total: u32,
    macs_per_group: f64,
    pace: Pace,
    _points: Option<Buffer>,
}

/// The name of a storage texture format in WGSL.
fn wgsl_format(format: wgpu::TextureFormat) -> Result<&'static str> {
    match format {
        wgpu::TextureFormat::Rgba8Unorm => Ok("rgba8unorm"),
        wgpu::TextureFormat::Rgba16Float => Ok("rgba16float"),
        wgpu::TextureFormat::Rgba32Float => Ok("rgba32float"),
        other => Err(Error::invalid(format!(
            "{other:?} textures cannot be evaluated into; use Rgba8Unorm, Rgba16Float or Rgba32Float"
        ))),
    }
}

impl Field {
    /// Plans the evaluation of the latents `latents` of `codes` over `domain` into `target`.
    ///
    /// # Errors
    /// Where domain or target do not fit the model, or the device fails.
    pub fn evaluation(
        &self,
        codes: &Codes,
        latents: std::ops::Range<usize>,
        domain: &Domain<'_>,
        target: Target<'_>,
    ) -> Result<Evaluation> {
        domain.check(self.model.inr.inputs)?;
        let (ctx, inr) = (&self.ctx, &self.model.inr);
        let (plan, _) = self.plan(codes.fused);
        let texture_format = match target {
            Target::Buffer(_) | Target::Jets(..) => "",
            Target::Texture(_) if inr.outputs > 4 => {
                return Err(Error::invalid(format!(
                    "an INR of {} outputs is no picture: evaluate it into a buffer",
                    inr.outputs
                )));
            }
            Target::Texture(_) if !matches!(domain, Domain::Grid(_)) => {
                return Err(Error::invalid("a list of points is no picture: evaluate it into a buffer"));
            }
            Target::Texture(t) => wgsl_format(t.format)?,
        };
        let (name, points) = match domain {
            Domain::Grid(_) => ("grid", None),
            Domain::Points { coordinates, .. } => ("points", Some(ctx.upload("points", coordinates, Use::Other)?)),
        };
        let many = (latents.len(), domain.len());
        let spec = EvaluateSpec::new(inr, plan, name, texture_format, target.jet(), many, &ctx.tiling());
        let pipeline = ctx.pipeline("evaluate.wgsl", &spec)?;

        let count = |n: usize| {
            u32::try_from(n)
                .map_err(|_| Error::invalid(format!("{n} points or latents are too many for one evaluation")))
        };
        let tiles = count(domain.len().div_ceil(spec.tile.points_per_group))?;
        let total = count(tiles as usize * latents.len().div_ceil(spec.tile.slots))?;
        let mut job = Job {
            tiles,
            first_latent: count(latents.start)?,
            latents: count(latents.len())?,
            points: count(domain.len())?,
            ..self.job(plan)
        };
        if let Domain::Grid(grid) = domain {
            (job.width, job.height, job.swap_axes) = (grid.width, grid.height, u32::from(grid.order == Order::Yx));
            #[expect(clippy::cast_possible_truncation, reason = "kernels compute in f32")]
            {
                job.origin = grid.origin.map(|v| v as f32);
                job.step = grid.step.map(|v| v as f32);
            }
        }
        let output = match target {
            Target::Buffer(buffer) | Target::Jets(buffer, _) => {
                let numbers = target.jet().columns(inr.inputs) * inr.outputs;
                let needed = latents.len() as u64 * domain.len() as u64 * numbers as u64 * 4;
                if buffer.size() < needed {
                    return Err(Error::invalid(format!(
                        "the output buffer holds {} bytes, {needed} are needed",
                        buffer.size()
                    )));
                }
                buffer.as_entire_binding()
            }
            Target::Texture(t) => {
                job.columns = t.columns.max(1);
                wgpu::BindingResource::TextureView(t.view)
            }
        };
        let uniform = ctx.uniform("evaluation", &[job])?;
        let bound = self.bound(codes, &spec, &uniform, points.as_ref(), output);
        let bind_group = ctx.bind_group("evaluation", &pipeline, bound.into_iter());
        ctx.check()?;
        // Weights that are generated in the kernel are so for each tile.
        let filled: f64 =
            plan.layers.iter().map(|l| 4.0 * f64::from(l.weight.length) * l.weight.macs_per_weight()).sum();
        let macs = (spec.tile.points_per_group * spec.tile.columns * inr.macs_per_point()) as f64;
        let macs_per_group = spec.tile.slots as f64 * (macs + filled);
        Ok(Evaluation {
            ctx: Arc::clone(ctx),
            pipeline,
            bind_group,
            job,
            uniform,
            total,
            macs_per_group,
            pace: if filled > 0.0 { Pace::Fused } else { Pace::Evaluation },
            _points: points,
        })
    }
}

impl Field {
    /// What of an evaluation depends on the model alone.
    pub(super) fn job(&self, plan: &Plan) -> Job {
        let values = self.model.values;
        Job {
            theta_stride: plan.stride,
            feature_stride: self.layout.row_stride,
            frequencies: self.layout.frequencies,
            low: values.low,
            inverse_range: 1.0 / (values.high - values.low),
            ..Job::zeroed()
        }
    }

    /// What `evaluate.wgsl` binds, by number: the model, what was generated, points where there is a list of them.
    pub(super) fn bound<'a>(
        &'a self,
        codes: &'a Codes,
        spec: &EvaluateSpec,
        job: &'a Buffer,
        points: Option<&'a Buffer>,
        output: wgpu::BindingResource<'a>,
    ) -> Vec<(usize, wgpu::BindingResource<'a>)> {
        let (_, table) = self.plan(codes.fused);
        let mut bound = vec![(0, job.binding()), (1, table.binding()), (6, output)];
        if spec.uses(Kind::Shared) || spec.uses(Kind::LowRank) || spec.is_fourier() {
            bound.push((2, self.parameters.binding()));
        }
        if let (Some(generated), true) = (&codes.generated, spec.uses(Kind::Materialised) || spec.uses(Kind::LowRank)) {
            bound.push((3, generated.binding()));
        }
        if let (Some(features), [heads], true) = (&codes.features, &self.pages[..], spec.uses(Kind::Linear)) {
            bound.extend([(4, features.binding()), (7, heads.buffer.binding())]);
        }
        if let Some(points) = points {
            bound.push((5, points.binding()));
        }
        bound
    }

    /// Evaluates into a buffer of `[latents][points][outputs]` f32 and waits.
    ///
    /// # Errors
    /// As [`Field::evaluation`].
    pub fn run(
        &self,
        codes: &Codes,
        latents: std::ops::Range<usize>,
        domain: &Domain<'_>,
        target: &wgpu::Buffer,
    ) -> Result<Timings> {
        self.differentiate(codes, latents, domain, Jet::Value, target)
    }

    /// As [`Field::run`], with derivatives: into a buffer of `[latents][points][columns][outputs]` f32.
    ///
    /// # Errors
    /// As [`Field::evaluation`].
    pub fn differentiate(
        &self,
        codes: &Codes,
        latents: std::ops::Range<usize>,
        domain: &Domain<'_>,
        jet: Jet,
        target: &wgpu::Buffer,
    ) -> Result<Timings> {
        let mut evaluation = self.evaluation(codes, latents, domain, Target::Jets(target, jet))?;
        let mut stopwatch = Stopwatch::new(&self.ctx)?;
        let mut timings = Timings { clock: stopwatch.clock(), ..Timings::default() };
        while let Some(macs) = evaluation.next_slice(SLICE) {
            let (ran, waited) = stopwatch.run(&self.ctx, "evaluate", |pass| evaluation.record(pass))?;
            evaluation.learn(macs, waited);
            timings.add(Phase::Evaluate, ran);
        }
        Ok(timings)
    }
}

impl Evaluation {
    /// Whether everything has been recorded.
    pub fn is_done(&self) -> bool {
        self.job.end >= self.total
    }

    /// Starts again from the first slice, into the same target.
    pub fn rewind(&mut self) {
        (self.job.first, self.job.end) = (0, 0);
    }

    /// The part recorded so far, 0 to 1.
    pub fn progress(&self) -> f64 {
        f64::from(self.job.end) / f64::from(self.total.max(1))
    }

    /// Chooses the next slice to take about `budget` on this device and uploads its bounds; returns its
    /// multiply-adds, or None when all is done. Record it with [`Evaluation::record`] and submit that
    /// before asking for the next.
    pub fn next_slice(&mut self, budget: Duration) -> Option<f64> {
        if self.is_done() {
            return None;
        }
        let left = self.total - self.job.end;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating; bounded right away")]
        let affordable = (self.ctx.affordable_macs(self.pace, budget) / self.macs_per_group) as u32;
        let groups = affordable.clamp(1, left);
        // A dispatch may be 65,535 groups wide: longer slices are folded into rows.
        self.job.groups_x = groups.min(1 << 15);
        let groups = groups.min(self.job.groups_x.saturating_mul(65_535));
        self.job.first = self.job.end;
        self.job.end += groups;
        self.ctx.queue().write_buffer(self.uniform.raw(), 0, bytemuck::bytes_of(&self.job));
        Some(f64::from(groups) * self.macs_per_group)
    }

    /// Tells how long a slice of so many multiply-adds took: the next ones are chosen by it.
    pub fn learn(&self, macs: f64, time: Duration) {
        self.ctx.learn(self.pace, macs, time);
    }

    /// Records the slice chosen last.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.job.groups_x, (self.job.end - self.job.first).div_ceil(self.job.groups_x), 1);
    }
}
