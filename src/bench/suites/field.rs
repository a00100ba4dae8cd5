//! A model's evaluation over a grid as a subject: generation is done beforehand and not timed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::device::{OnHost, Output, lap, pass};
use crate::bench::method::{Check, Lap, Subject};
use crate::bench::record::{Shape, Work};
use crate::bench::session::Entry;
use crate::bench::twin::Expected;
use crate::cpu::Network;
use crate::engine::{Engine, Field, Strategy};
use crate::gpu::{Codes, Context, Evaluation, Target};
use crate::model::{Domain, Grid, Inr, Jet, Model};
use crate::{Error, Result};

/// How long a slice may take: longer work is timed slice by slice.
const SLICE: Duration = Duration::from_millis(120);

/// A picture of about so many points, as nearly square as powers of two allow.
pub(super) fn picture(model: &Model, points: usize) -> Result<Grid> {
    let width = 1_usize << (points.max(1).ilog2().div_ceil(2));
    let side = |n: usize| u32::try_from(n.max(1)).map_err(|_| Error::invalid(format!("{points} points are too many")));
    model.coordinates.grid(side(width)?, side(points / width)?, None)
}

/// A model, the latents of it and the picture that are evaluated.
pub(super) struct Case<'a> {
    pub model: &'a Arc<Model>,
    /// Kind of its heads, if it has any.
    pub heads: Option<&'a str>,
    pub latents: usize,
    pub grid: Grid,
    pub jet: Jet,
    /// What is right, the same for every strategy and device.
    pub expected: Rc<Expected>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        model: &'a Arc<Model>,
        heads: Option<&'a str>,
        latents: usize,
        points: usize,
        jet: Jet,
    ) -> Result<Self> {
        let grid = picture(model, points)?;
        let z = &model.latents.values()[..latents * model.latent_dim()];
        let expected = Rc::new(Expected::pictures(model, z, latents, &grid, jet));
        Ok(Self { model, heads, latents, grid, jet, expected })
    }

    pub(super) fn z(&self) -> &'a [f32] {
        &self.model.latents.values()[..self.latents * self.model.latent_dim()]
    }

    /// Numbers of all outputs.
    pub(super) fn numbers(&self) -> usize {
        self.latents * self.grid.points() * self.jet.columns(self.model.inr.inputs) * self.model.inr.outputs
    }

    pub(super) fn shape(&self, strategy: Option<Strategy>) -> Shape {
        Shape {
            heads: self.heads.map(str::to_owned),
            strategy: strategy.map(|s| s.name().to_owned()),
            latents: Some(self.latents),
            points: Some(self.grid.points()),
            ..shape_of(&self.model.inr)
        }
    }

    /// What evaluation does at least: products of every column; weights read once, outputs written once.
    pub(super) fn work(&self) -> Work {
        let points = (self.latents * self.grid.points()) as f64;
        let columns = self.jet.columns(self.model.inr.inputs) as f64;
        let weights = self.latents * self.model.inr.weight_count();
        Work {
            flop: 2.0 * points * columns * self.model.inr.macs_per_point() as f64,
            bytes: 4.0 * (self.numbers() + weights) as f64,
            items: points,
            unit: "points".to_owned(),
        }
    }

    /// Evaluation under a strategy on a device.
    pub(super) fn entry<'e>(&'e self, engine: &'e Engine, strategy: Strategy, what: &str) -> Entry<'e> {
        let alone = self.model.latent_dim() == 0;
        let shape = self.shape((!alone).then_some(strategy));
        let mut case = format!("{what}, {}", self.grid.points());
        if !alone {
            case = format!("{case} x {}, {}", self.latents, strategy.name());
        }
        let fused = strategy == Strategy::Fused;
        match engine.gpu() {
            Some(ctx) => Entry::new(case, shape, self.work(), move || OnGpu::new(ctx, self, fused)),
            None => Entry::new(case, shape, self.work(), move || Ok(self.on_cpu(fused))),
        }
    }

    /// From latents to values on the host, generation and all.
    pub(super) fn whole<'e>(&'e self, field: &'e Field, strategy: Strategy) -> impl Subject + 'e {
        OnHost::new(self.numbers(), &self.expected, move |out: &mut [f32]| {
            let mut at = 0;
            field.evaluate_blocks(self.z(), &Domain::Grid(self.grid), strategy, &mut |block| {
                out[at..at + block.values.len()].copy_from_slice(block.values);
                at += block.values.len();
                Ok(())
            })?;
            Ok(())
        })
    }

    fn on_cpu(&self, fused: bool) -> OnHost<impl FnMut(&mut [f32]) -> Result<()> + 'a> {
        let network = Network::new(self.model);
        let features = network.features(self.latents, self.z());
        let theta = if fused { Vec::new() } else { network.materialise(self.latents, &features) };
        let (domain, jet) = (Domain::Grid(self.grid), self.jet);
        OnHost::new(self.numbers(), &self.expected, move |out| {
            if fused {
                network.jets_fused(&features, &domain, jet, out);
            } else {
                network.jets(&theta, &domain, jet, out);
            }
            Ok(())
        })
    }
}

/// The sizes of an INR.
pub(super) fn shape_of(inr: &Inr) -> Shape {
    Shape {
        inr: Some(inr.to_string()),
        width: Some(inr.max_width()),
        depth: Some(inr.hidden.len()),
        activation: inr.hidden.first().map(|l| l.activation.kind().to_owned()),
        ..Shape::default()
    }
}

/// An evaluation on a GPU.
struct OnGpu {
    ctx: Arc<Context>,
    evaluation: Evaluation,
    output: Output,
    _codes: Codes,
}

impl OnGpu {
    fn new(ctx: &Arc<Context>, case: &Case<'_>, fused: bool) -> Result<Self> {
        let field = crate::gpu::Field::new(ctx, case.model)?;
        let codes = field.prepare(case.z(), case.latents, fused)?;
        let output = Output::new(ctx, case.numbers(), Rc::clone(&case.expected))?;
        let target = Target::Jets(output.buffer.raw(), case.jet);
        let evaluation = field.evaluation(&codes, 0..case.latents, &Domain::Grid(case.grid), target)?;
        Ok(Self { ctx: Arc::clone(ctx), evaluation, output, _codes: codes })
    }
}

impl Subject for OnGpu {
    fn poison(&mut self) -> Result<()> {
        self.output.poison()
    }

    /// In one pass where a run fits a slice; else slice by slice, each in a pass of its own.
    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let Self { ctx, evaluation, output, .. } = self;
        let stopwatch = &mut output.stopwatch;
        let mut total = Duration::ZERO;
        let mut runs = 0;
        while runs < repeats {
            evaluation.rewind();
            let first = evaluation.next_slice(SLICE);
            if evaluation.is_done() {
                return pass(ctx, stopwatch, repeats - runs, |pass| evaluation.record(pass))
                    .map(|lap| Lap { seconds: lap.seconds + total.as_secs_f64(), ..lap });
            }
            let mut slice = first;
            while let Some(macs) = slice {
                let (ran, waited) = stopwatch.run(ctx, "bench", |pass| evaluation.record(pass))?;
                ctx.learn(macs, waited);
                total += ran;
                slice = evaluation.next_slice(SLICE);
            }
            runs += 1;
        }
        Ok(lap(total, stopwatch))
    }

    fn check(&mut self) -> Result<Check> {
        self.output.check()
    }
}
