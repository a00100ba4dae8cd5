//! `train-step`: forward, backward and Adam of a family of linear heads, a trunk for each tensor; from values, and from
//! gradients with respect to the coordinates.

use std::rc::Rc;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::field::shape_of;
use crate::bench::Suite;
use crate::bench::method::{Check, Lap, Subject};
use crate::bench::peers::{self, Kind, Shared, Task};
use crate::bench::record::{Shape, Work};
use crate::bench::session::{Entry, Session};
use crate::cpu::{Gradients, Network};
use crate::engine::Engine;
use crate::model::{Batch, Goal, Hypernetwork, Inr, Jet, Model, Supervised};
use crate::train::{Adam, AdamConfig, Learner, Moments, Wanted, parameters};
use crate::{Error, Result};

const RATE: f64 = 5e-4;
/// How far a step may be from the f64 twin's, as a share of its length: Adam divides gradients by their size, which makes
/// of a small one's rounding a large one's.
const BOUND: f64 = 1e-2;
/// Steps after which the lesson begins anew: a network that has learned it by heart has gradients that are mostly rounding.
const MOST_STEPS: u64 = 50;

/// What is learned from: random points, and values or derivatives in [-1, 1].
struct Lesson {
    model: Arc<Model>,
    of: Jet,
    latents: usize,
    points: usize,
    coordinates: Vec<f32>,
    targets: Vec<f32>,
}

impl Lesson {
    fn new(width: usize, of: Jet, latents: usize, points: usize, seed: u64) -> Self {
        let inr = Inr::siren(2, width, 4, 3, 30.0);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut numbers = |n: usize| (0..n).map(|_| rng.random_range(-1.0..=1.0)).collect();
        let compared = if of == Jet::Gradient { inr.inputs } else { 1 };
        let (coordinates, targets) = (numbers(latents * points * 2), numbers(latents * points * 3 * compared));
        let model = Arc::new(Model::random_hyper_siren(inr, 64, 64, false, latents, seed));
        Self { model, of, latents, points, coordinates, targets }
    }

    /// One that has taken no step yet.
    fn learner(&self, engine: &Engine) -> Result<Learner> {
        Learner::new(engine, &self.model, AdamConfig::default(), None)
    }

    fn goal(&self) -> Goal<'_> {
        Goal::Supervised(Supervised { of: self.of, ..Supervised::new(&self.targets, self.latents, 3) })
    }

    /// Products of the forward pass, and twice as many of the backward pass; parameters, gradients and two moments read
    /// and written by Adam.
    fn work(&self) -> Work {
        let inr = &self.model.inr;
        let macs = self.points * self.of.columns(inr.inputs) * inr.macs_per_point();
        let macs = self.latents * (macs + self.model.hypernetwork.macs_per_latent());
        let (points, parameters) =
            ((self.latents * self.points) as f64, self.model.hypernetwork.parameter_count() as f64);
        Work { flop: 6.0 * macs as f64, bytes: 4.0 * 7.0 * parameters, items: points, unit: "points".to_owned() }
    }
}

impl Lesson {
    /// Whether a step from some state was right: `taken` steps had been taken before it.
    fn check(
        &self,
        mut before: Hypernetwork<f32>,
        moments: &[Moments<f32>],
        taken: u64,
        mut after: Hypernetwork<f32>,
    ) -> Check {
        let mut exact = self.exact(&before, moments, taken);
        let (mut wrong, mut length, mut numbers) = (0.0, 0.0, 0);
        let tensors = before.tensors_mut().into_iter().zip(after.tensors_mut()).zip(exact.tensors_mut());
        for (((_, before), (_, after)), (_, exact)) in tensors {
            for ((&b, &a), &e) in before.iter().zip(&*after).zip(&*exact) {
                wrong += (f64::from(a) - e).powi(2);
                length += (e - f64::from(b)).powi(2);
            }
            numbers += after.len();
        }
        let error = (wrong / length).sqrt();
        Check { error: if error.is_nan() { f64::INFINITY } else { error }, bound: BOUND, numbers }
    }

    /// The parameters after a step from those before, in f64.
    fn exact(&self, before: &Hypernetwork<f32>, moments: &[Moments<f32>], taken: u64) -> Hypernetwork<f64> {
        let Self { model, latents, coordinates, .. } = self;
        let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        let mut oracle = Network::oracle(&Model { hypernetwork: Arc::new(before.clone()), ..(**model).clone() });
        let mut gradients = Gradients::new(&oracle);
        let z = wide(model.latents.values());
        oracle.backward(Batch { count: *latents, latents: &z, coordinates }, &self.goal(), &mut gradients);
        let mut adam = Adam::new(AdamConfig::default());
        adam.steps = taken;
        let wider = |m: &Moments<f32>| Moments { name: m.name.clone(), first: wide(&m.first), second: wide(&m.second) };
        adam.moments = moments.iter().map(wider).collect();
        adam.step(parameters(oracle.hypernetwork_mut(), &mut gradients.hypernetwork, RATE));
        (**oracle.hypernetwork()).clone()
    }

    /// What a peer is told.
    fn task(&self) -> Task<'_> {
        Task {
            kind: Kind::TrainStep,
            model: &self.model,
            z: self.model.latents.values(),
            latents: self.latents,
            coordinates: self.coordinates.clone(),
            lesson: Some((&self.targets, RATE)),
        }
    }

    /// Whether the step was right that a peer took when it was asked to store: all parameters before it, both moments of
    /// each, and all parameters after it; it says how many steps it had taken before.
    fn judge(&self, numbers: &[f32], said: &serde_json::Value) -> Result<Check> {
        let each = self.model.hypernetwork.parameter_count();
        let taken = said.get("steps").and_then(serde_json::Value::as_u64);
        let (Some(taken), [before, first, second, after]) =
            (taken, &numbers.chunks_exact(each.max(1)).collect::<Vec<_>>()[..])
        else {
            return Err(Error::invalid("the peer did not store a step"));
        };
        let with = |values: &[f32]| {
            let (mut network, mut rest) = ((*self.model.hypernetwork).clone(), values);
            for (_, tensor) in network.tensors_mut() {
                let (own, others) = rest.split_at(tensor.len());
                tensor.copy_from_slice(own);
                rest = others;
            }
            network
        };
        let (mut first, mut second) = (with(first), with(second));
        let moments = first.tensors_mut().into_iter().zip(second.tensors_mut());
        let moments: Vec<Moments<f32>> =
            moments.map(|((name, m), (_, v))| Moments { name, first: m.to_vec(), second: v.to_vec() }).collect();
        Ok(self.check(with(before), &moments, taken, with(after)))
    }
}

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    // A step is some three evaluations, at each of whose points tensors of 32-bit floats are kept.
    let (latents, points) = if session.scale.usual >= 1 << 16 { (32, 1024) } else { (8, 128) };
    let widths: &[usize] = if session.scale.full { &[64, 256] } else { &[64] };
    let lessons = widths.iter().flat_map(|&width| [(width, Jet::Value, ""), (width, Jet::Gradient, " gradients,")]);
    for (width, of, what) in lessons {
        let lesson = Lesson::new(width, of, latents, points, session.options.seed);
        let shape = Shape {
            heads: Some("linear".to_owned()),
            latents: Some(latents),
            points: Some(points),
            ..shape_of(&lesson.model.inr)
        };
        for engine in session.engines {
            let case = format!("{} linear,{what} {points} x {latents}", lesson.model.inr);
            let mut entries =
                vec![Entry::new(case.clone(), shape.clone(), lesson.work(), || Steps::new(engine, &lesson))];
            if of == Jet::Value && !session.peers.is_empty() {
                let judge = Rc::new(|numbers: &[f32], said: &serde_json::Value| lesson.judge(numbers, said));
                let shared = Shared { case, shape: shape.clone(), work: lesson.work(), judge };
                entries.extend(peers::entries(&session.peers, engine, &lesson.task(), &shared)?);
            }
            session.race(Suite::TrainStep, engine, entries)?;
        }
    }
    Ok(())
}

/// A run of steps, and how many there were.
struct Steps<'a> {
    engine: &'a Engine,
    lesson: &'a Lesson,
    learner: Learner,
    taken: u64,
}

impl<'a> Steps<'a> {
    fn new(engine: &'a Engine, lesson: &'a Lesson) -> Result<Self> {
        Ok(Self { engine, lesson, learner: lesson.learner(engine)?, taken: 0 })
    }

    fn step(&mut self) -> Result<()> {
        let Lesson { model, latents, coordinates, .. } = self.lesson;
        let batch = Batch { count: *latents, latents: model.latents.values(), coordinates };
        self.learner.backward(batch, &self.lesson.goal(), Wanted::All)?;
        self.learner.step(RATE, 1.0)?;
        self.taken += 1;
        if let Some(ctx) = self.engine.gpu() {
            ctx.wait()?;
        }
        Ok(())
    }
}

impl Subject for Steps<'_> {
    /// Every step moves every parameter away from where the last one left it: one that does nothing is seen.
    fn poison(&mut self) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        if self.taken >= MOST_STEPS {
            (self.learner, self.taken) = (self.lesson.learner(self.engine)?, 0);
        }
        Lap::wall(|| (0..repeats).try_for_each(|_| self.step()))
    }

    /// Takes one more step, and the f64 twin takes the same from the same state.
    fn check(&mut self) -> Result<Check> {
        let before = (*self.learner.hypernetwork()?).clone();
        let (state, taken) = (self.learner.state()?, self.taken);
        self.step()?;
        let after = (*self.learner.hypernetwork()?).clone();
        Ok(self.lesson.check(before, &state.moments, taken, after))
    }
}
