//! `generate`: from latents to weights, by each kind of head.

use std::rc::Rc;
use std::sync::Arc;

use super::field::shape_of;
use crate::Result;
use crate::bench::Suite;
use crate::bench::device::{OnHost, pass, poison};
use crate::bench::method::{Check, Lap, Subject};
use crate::bench::record::{Shape, Work};
use crate::bench::session::{Entry, Session};
use crate::bench::twin::Expected;
use crate::cpu::Network;
use crate::engine::{Engine, Strategy};
use crate::gpu::{Context, Field, Generation, Stopwatch};
use crate::model::heads::{Multiplier, Place};
use crate::model::{Family, HeadChoice, Inr, Model, Source, WeightChoice};

/// Kinds of head by name.
fn kinds() -> [(&'static str, HeadChoice); 5] {
    let of = |weight, modulation| HeadChoice { weight, modulation };
    let place = Place::BeforeOmega;
    [
        ("linear", of(WeightChoice::Linear, None)),
        ("rank 8", of(WeightChoice::LowRank(8, Multiplier::Tanh), None)),
        ("rank 3, demodulated", of(WeightChoice::LowRank(3, Multiplier::Demodulated), None)),
        ("shift", of(WeightChoice::Shared, Some((place, false, true)))),
        ("gain and shift", of(WeightChoice::Shared, Some((place, true, true)))),
    ]
}

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let batches: &[usize] = if session.scale.full { &[1, 64, 1024] } else { &[1, 64] };
    let most = batches.iter().copied().max().unwrap_or(1);
    let family = Family { latents: most, seed: session.options.seed, ..Family::default() };
    for (heads, choice) in kinds() {
        let model = Arc::new(family.build(Inr::siren(2, 64, 4, 3, 30.0), |_| choice));
        for &latents in batches {
            race(session, &Case::new(&model, heads, latents))?;
        }
    }
    if session.scale.full {
        // SIREN's own hypernetwork: 200 MB of heads, which one latent reads once.
        let family = Family { features: 256, latent_dim: 256, seed: session.options.seed, ..Family::default() };
        let linear = HeadChoice { weight: WeightChoice::Linear, modulation: None };
        let model = Arc::new(family.build(Inr::siren(2, 256, 4, 3, 30.0), |_| linear));
        race(session, &Case::new(&model, "linear, 256 features", 1))?;
    }
    Ok(())
}

/// Linear heads also as halves of 16 bits, which stay that on GPUs.
fn race(session: &mut Session<'_>, case: &Case<'_>) -> Result<()> {
    let is_linear = case.model.hypernetwork.heads.iter().all(|h| matches!(h.weight, Source::Linear(_)));
    let halves = (is_linear && session.engines.iter().any(|e| e.gpu().is_some())).then(|| case.of_halves());
    for engine in session.engines {
        let halves = halves.iter().filter(|_| engine.gpu().is_some());
        let entries = std::iter::once(case).chain(halves).map(|case| case.entry(engine)).collect();
        session.race(Suite::Generate, engine, entries)?;
    }
    Ok(())
}

/// What is generated: heads of a kind, for so many latents.
struct Case<'a> {
    heads: &'a str,
    model: Arc<Model>,
    latents: usize,
    half: bool,
    expected: Rc<Expected>,
}

impl<'a> Case<'a> {
    fn new(model: &Arc<Model>, heads: &'a str, latents: usize) -> Self {
        let expected = Rc::new(expected(model, latents));
        Self { heads, model: Arc::clone(model), latents, half: false, expected }
    }

    /// The same with every number of the heads rounded.
    fn of_halves(&self) -> Self {
        let hypernetwork = Arc::new(self.model.hypernetwork.in_halves());
        let model = Arc::new(Model { hypernetwork, ..(*self.model).clone() });
        Self { half: true, ..Self::new(&model, self.heads, self.latents) }
    }

    fn entry<'e>(&'e self, engine: &'e Engine) -> Entry<'e> {
        let Self { heads, model, latents, half, .. } = self;
        let shape = Shape {
            heads: Some((*heads).to_owned()),
            strategy: Some(Strategy::Materialised.name().to_owned()),
            latents: Some(*latents),
            precision: half.then(|| "f16".to_owned()),
            ..shape_of(&model.inr)
        };
        let saved = if *half { 2 * model.hypernetwork.parameter_count() } else { 0 };
        let work = Work {
            flop: 2.0 * (latents * model.hypernetwork.macs_per_latent()) as f64,
            // Parameters are read once, what is generated is written once.
            bytes: (model.bytes() - saved + 4 * latents * generated(model)) as f64,
            items: *latents as f64,
            unit: "latents".to_owned(),
        };
        let case = format!("{heads}, {} x {latents}{}", model.inr, if *half { ", f16" } else { "" });
        let z = &model.latents.values()[..latents * model.latent_dim()];
        let expected = Rc::clone(&self.expected);
        match engine.gpu() {
            Some(ctx) => Entry::new(case, shape, work, move || OnGpu::new(ctx, model, z, *latents, expected)),
            None => Entry::new(case, shape, work, move || {
                let network = Network::new(model);
                let numbers = latents * network.theta_len();
                Ok(OnHost::new(numbers, &expected, move |theta: &mut [f32]| {
                    let features = network.features(*latents, z);
                    network.hypernetwork().materialise(&model.inr, *latents, &features, theta);
                    Ok(())
                }))
            }),
        }
    }
}

/// The weights of the first, the middle and the last latent.
fn expected(model: &Model, latents: usize) -> Expected {
    let (oracle, twin) = (Network::oracle(model), Network::new(model));
    let (len, dim) = (twin.theta_len(), model.latent_dim());
    let mut those = vec![0, latents / 2, latents - 1];
    those.dedup();
    let (mut places, mut exact, mut rounded) = (Vec::new(), Vec::new(), Vec::new());
    for i in those {
        let z = &model.latents.values()[i * dim..][..dim];
        let wide: Vec<f64> = z.iter().map(|&v| v.into()).collect();
        places.extend(i * len..(i + 1) * len);
        exact.extend(oracle.materialise(1, &oracle.features(1, &wide)));
        rounded.extend(twin.materialise(1, &twin.features(1, z)));
    }
    Expected::beside(places, exact, rounded.into_iter())
}

/// Numbers of a latent's theta that are not the same for all.
fn generated(model: &Model) -> usize {
    let heads = model.hypernetwork.heads.iter().zip(model.inr.layers());
    let of = |source: &Source<f32>, numbers| if matches!(source, Source::Shared(_)) { 0 } else { numbers };
    heads
        .map(|(head, shape)| {
            let modulation = head.modulation.as_ref();
            let parts = modulation.map_or(0, |m| usize::from(m.gain.is_some()) + usize::from(m.shift.is_some()));
            of(&head.weight, shape.weights()) + of(&head.bias, shape.outputs) + parts * shape.outputs
        })
        .sum()
}

/// Generation on a GPU.
struct OnGpu {
    ctx: Arc<Context>,
    field: Field,
    generation: Generation,
    stopwatch: Stopwatch,
    expected: Rc<Expected>,
}

impl OnGpu {
    fn new(ctx: &Arc<Context>, model: &Arc<Model>, z: &[f32], latents: usize, expected: Rc<Expected>) -> Result<Self> {
        let field = Field::new(ctx, model)?;
        let generation = field.generation(z, latents, false)?;
        Ok(Self { ctx: Arc::clone(ctx), field, generation, stopwatch: Stopwatch::new(ctx)?, expected })
    }
}

impl Subject for OnGpu {
    fn poison(&mut self) -> Result<()> {
        let Some(buffer) = self.generation.codes().generated() else { return Ok(()) };
        poison(&self.ctx, buffer, buffer.numbers())
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let generation = &self.generation;
        pass(&self.ctx, &mut self.stopwatch, repeats, |pass| generation.record(pass))
    }

    fn check(&mut self) -> Result<Check> {
        Ok(self.expected.check(&self.field.theta(self.generation.codes())?))
    }
}
