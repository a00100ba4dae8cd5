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
            race(session, &model, heads, latents)?;
        }
    }
    if session.scale.full {
        // SIREN's own hypernetwork: 200 MB of heads, which one latent reads once.
        let family = Family { features: 256, latent_dim: 256, seed: session.options.seed, ..Family::default() };
        let linear = HeadChoice { weight: WeightChoice::Linear, modulation: None };
        let model = Arc::new(family.build(Inr::siren(2, 256, 4, 3, 30.0), |_| linear));
        race(session, &model, "linear, 256 features", 1)?;
    }
    Ok(())
}

fn race(session: &mut Session<'_>, model: &Arc<Model>, heads: &str, latents: usize) -> Result<()> {
    let expected = Rc::new(expected(model, latents));
    for engine in session.engines {
        let entry = entry(engine, model, heads, latents, &expected);
        session.race(Suite::Generate, engine, vec![entry])?;
    }
    Ok(())
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

fn entry<'a>(
    engine: &'a Engine,
    model: &'a Arc<Model>,
    heads: &str,
    latents: usize,
    expected: &Rc<Expected>,
) -> Entry<'a> {
    let expected = Rc::clone(expected);
    let shape = Shape {
        heads: Some(heads.to_owned()),
        strategy: Some(Strategy::Materialised.name().to_owned()),
        latents: Some(latents),
        ..shape_of(&model.inr)
    };
    let work = Work {
        flop: 2.0 * (latents * model.hypernetwork.macs_per_latent()) as f64,
        // Parameters are read once, what is generated is written once.
        bytes: (model.bytes() + 4 * latents * generated(model)) as f64,
        items: latents as f64,
        unit: "latents".to_owned(),
    };
    let case = format!("{heads}, {} x {latents}", model.inr);
    let z = &model.latents.values()[..latents * model.latent_dim()];
    match engine.gpu() {
        Some(ctx) => Entry::new(case, shape, work, move || OnGpu::new(ctx, model, z, latents, expected)),
        None => Entry::new(case, shape, work, move || {
            let network = Network::new(model);
            let numbers = latents * network.theta_len();
            Ok(OnHost::new(numbers, &expected, move |theta: &mut [f32]| {
                let features = network.features(latents, z);
                network.hypernetwork().materialise(&model.inr, latents, &features, theta);
                Ok(())
            }))
        }),
    }
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
        let numbers = usize::try_from(buffer.raw().size() / 4).expect("what fits memory fits usize");
        poison(&self.ctx, buffer, numbers)
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let generation = &self.generation;
        pass(&self.ctx, &mut self.stopwatch, repeats, |pass| generation.record(pass))
    }

    fn check(&mut self) -> Result<Check> {
        Ok(self.expected.check(&self.field.theta(self.generation.codes())?))
    }
}
