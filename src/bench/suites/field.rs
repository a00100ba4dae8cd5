//! A model's evaluation over a grid as a subject: generation is done beforehand and not timed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::device::{OnHost, Output, lap, pass};
use crate::bench::method::{Check, Lap, Subject};
use crate::bench::peers::{Kind, Shared, Task};
use crate::bench::record::{Shape, Work};
use crate::bench::session::{Entry, figures};
use crate::bench::twin::Expected;
use crate::cpu::Network;
use crate::engine::{Engine, Field, Strategy};
use crate::gpu::{Context, Evaluation, Generation, SLICE, Target};
use crate::model::{Domain, Grid, Inr, Jet, Model};
use crate::{Error, Result};

/// A picture of about so many points, as nearly square as powers of two allow.
pub(super) fn picture(model: &Model, points: usize) -> Result<Grid> {
    let width = 1_usize << (points.max(1).ilog2().div_ceil(2));
    let side = |n: usize| u32::try_from(n.max(1)).map_err(|_| Error::invalid(format!("{points} points are too many")));
    model.coordinates.grid(side(width)?, side(points / width)?, None)
}

/// A model, the latents of it and the picture that are evaluated.
#[derive(Clone)]
pub(super) struct Case<'a> {
    pub model: &'a Arc<Model>,
    /// Kind of its heads, if it has any.
    pub heads: Option<&'a str>,
    pub latents: usize,
    pub grid: Grid,
    pub jet: Jet,
    /// Whether activations and weights are halves of 16 bits, where a GPU has such.
    pub half: bool,
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
        Ok(Self { model, heads, latents, grid, jet, half: false, expected })
    }

    /// The same with halves of 16 bits.
    pub(super) fn of_halves(&self) -> Self {
        Self { half: true, expected: Rc::new(self.expected.of_halves()), ..self.clone() }
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
            precision: self.half.then(|| "f16".to_owned()),
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

    /// What a peer is told.
    pub(super) fn task(&self, kind: Kind) -> Task<'_> {
        let grid = &self.grid;
        #[expect(clippy::cast_possible_truncation, reason = "coordinates are f32 in every program")]
        let coordinates = (0..grid.height)
            .flat_map(|j| (0..grid.width).map(move |i| (i, j)))
            .flat_map(|(i, j)| grid.point(i, j).map(|v| v as f32))
            .collect();
        Task { kind, model: self.model, z: self.z(), latents: self.latents, coordinates, lesson: None }
    }

    /// What a peer's row has.
    pub(super) fn shared(&self, case: &str, work: Work) -> Shared<'static> {
        let expected = Rc::clone(&self.expected);
        let judge = Rc::new(move |values: &[f32], _: &_| Ok(expected.check(values)));
        Shared { case: case.to_owned(), shape: self.shape(None), work, judge }
    }

    /// Evaluation under a strategy on a device.
    pub(super) fn entry<'e>(&'e self, engine: &'e Engine, strategy: Strategy, what: &str) -> Entry<'e> {
        let alone = self.model.latent_dim() == 0;
        let shape = self.shape((!alone).then_some(strategy));
        let mut case = format!("{what}, {}", self.grid.points());
        if !alone {
            case = format!("{case} x {}, {}", self.latents, strategy.name());
        }
        if self.half {
            case += ", f16";
        }
        self.made(engine, (case, shape, self.work()), strategy, false)
    }

    /// From latents to values on a device, where they stay: generation and all.
    pub(super) fn entry_with_generation<'e>(&'e self, engine: &'e Engine, strategy: Strategy, what: &str) -> Entry<'e> {
        let row = (format!("{what}, {}", strategy.name()), self.shape(Some(strategy)), self.whole_work());
        self.made(engine, row, strategy, true)
    }

    /// An evaluation on a device; `all`: after the generation that it reads, in every run.
    fn made<'e>(
        &'e self,
        engine: &'e Engine,
        (case, shape, work): (String, Shape, Work),
        strategy: Strategy,
        all: bool,
    ) -> Entry<'e> {
        let fused = strategy == Strategy::Fused;
        match engine.gpu() {
            Some(ctx) => {
                Entry::new(case, shape, work, move || ctx.with_half(self.half, || OnGpu::new(ctx, self, fused, all)))
            }
            None => Entry::new(case, shape, work, move || Ok(self.on_cpu(fused, all))),
        }
    }

    /// What that does at least: parameters read once, outputs written once.
    pub(super) fn whole_work(&self) -> Work {
        let generated = 2.0 * (self.latents * self.model.hypernetwork.macs_per_latent()) as f64;
        let work = self.work();
        Work { flop: work.flop + generated, bytes: (self.model.bytes() + 4 * self.numbers()) as f64, ..work }
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

    /// What is generated beforehand is not timed, unless all is.
    fn on_cpu(&self, fused: bool, all: bool) -> OnHost<impl FnMut(&mut [f32]) -> Result<()> + 'a> {
        let (network, latents) = (Network::new(self.model), self.latents);
        let z = &self.model.latents.values()[..latents * self.model.latent_dim()];
        let generate = move |network: &Network<f32>, theta: &mut Vec<f32>| {
            let features = network.features(latents, z);
            if !fused {
                network.materialise_into(latents, &features, theta);
            }
            features
        };
        let mut theta = Vec::new();
        let mut features = generate(&network, &mut theta);
        let (domain, jet) = (Domain::Grid(self.grid), self.jet);
        OnHost::new(self.numbers(), &self.expected, move |out| {
            if all {
                features = generate(&network, &mut theta);
            }
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

/// An evaluation on a GPU, after the generation that it reads where that is part of a run.
struct OnGpu {
    ctx: Arc<Context>,
    generation: Generation,
    all: bool,
    evaluation: Evaluation,
    output: Output,
    _field: crate::gpu::Field,
    /// Bytes of the device that all this takes.
    held: u64,
}

impl OnGpu {
    fn new(ctx: &Arc<Context>, case: &Case<'_>, fused: bool, all: bool) -> Result<Self> {
        let before = ctx.held();
        let field = crate::gpu::Field::new(ctx, case.model)?;
        let generation = field.generation(case.z(), case.latents, fused)?;
        let output = Output::new(ctx, case.numbers(), Rc::clone(&case.expected))?;
        let target = Target::Jets(output.buffer.raw(), case.jet);
        let evaluation = field.evaluation(generation.codes(), 0..case.latents, &Domain::Grid(case.grid), target)?;
        let held = ctx.held() - before;
        let mut subject = Self { ctx: Arc::clone(ctx), generation, all, evaluation, output, _field: field, held };
        if !all {
            let Self { ctx, generation, output, .. } = &mut subject;
            pass(ctx, &mut output.stopwatch, 1, |pass| generation.record(pass))?;
        }
        Ok(subject)
    }
}

impl Subject for OnGpu {
    fn poison(&mut self) -> Result<()> {
        self.output.poison()
    }

    /// In one pass where a run fits a slice; else slice by slice, each in a pass of its own.
    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let Self { ctx, generation, all, evaluation, output, .. } = self;
        let stopwatch = &mut output.stopwatch;
        let mut total = Duration::ZERO;
        let mut runs = 0;
        while runs < repeats {
            evaluation.rewind();
            let mut slice = evaluation.next_slice(SLICE);
            if evaluation.is_done() {
                return pass(ctx, stopwatch, repeats - runs, |pass| {
                    if *all {
                        generation.record(pass);
                    }
                    evaluation.record(pass);
                })
                .map(|lap| Lap { seconds: lap.seconds + total.as_secs_f64(), ..lap });
            }
            if *all {
                let (ran, _) = stopwatch.run(ctx, "bench", |pass| generation.record(pass))?;
                total += ran;
            }
            while let Some(macs) = slice {
                let (ran, waited) = stopwatch.run(ctx, "bench", |pass| evaluation.record(pass))?;
                evaluation.learn(macs, waited);
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

    /// The device's bytes, as PyTorch's rows have them: nothing is allocated in a run.
    fn figures(&self) -> BTreeMap<String, f64> {
        figures([("peak_bytes", self.held as f64)])
    }
}
