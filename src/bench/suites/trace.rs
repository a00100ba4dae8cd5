//! `trace`: rays through a solid, a SIREN that learns a ball in a moment.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::field::shape_of;
use crate::Result;
use crate::bench::Suite;
use crate::bench::method::{Check, Lap, Subject};
use crate::bench::record::{Shape, Work};
use crate::bench::session::{Entry, Session, figures};
use crate::cpu::Network;
use crate::engine::{Body, Engine};
use crate::model::{Batch, Domain, Goal, Inr, Model, Solid, Supervised};
use crate::surface::{Cube, Implicit};
use crate::trace::{March, Outcome, Ray, Scene, Statistics};
use crate::train::{AdamConfig, Learner, Wanted};

/// The ball's radius.
const RADIUS: f32 = 0.6;
/// Steps of learning it, and points of each.
const STEPS: usize = 400;
const POINTS: usize = 1024;
/// Times the fastest rise of a value that was measured on the ball: a ball's is 1.
const BOUND: f32 = 1.5;
/// The largest value at a hit, in widths of a pixel: the march comes as near as a tenth by that bound, and f32 has its
/// roundings.
const NEAR: f64 = 0.1 * BOUND as f64 + 0.01;
/// Share of the rays that may be seen otherwise by the f64 twin: those that graze the ball.
const GRAZING: f64 = 0.005;

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let side = if session.scale.usual >= 1 << 16 { 512 } else { 64 };
    let widths: &[usize] = if session.scale.full { &[32, 64, 128] } else { &[32] };
    let scene = Scene { march: March::Spheres { bound: Some(BOUND), relaxation: 0.9 }, ..Scene::default() };
    let view = scene.camera.view(side, side)?;
    let pixels = (0..side * side).map(|i| (i % side, i / side));
    let rays: Vec<Ray> =
        pixels.filter_map(|(x, y)| view.ray(f64::from(x) + 0.5, f64::from(y) + 0.5, 1, &Cube::default())).collect();
    for &width in widths {
        let model = Arc::new(ball(width, session.options.seed)?);
        let mut twin = Twin(Network::oracle(&model));
        let (exact, statistics) = scene.trace(&mut twin, &rays)?;
        let shape = Shape { points: Some(rays.len()), ..shape_of(&model.inr) };
        let work = Work {
            // What the twin needed; another's roundings change a step here and there.
            flop: 2.0 * statistics.evaluations as f64 * model.inr.macs_per_point() as f64,
            bytes: 16.0 * statistics.evaluations as f64,
            items: rays.len() as f64,
            unit: "rays".to_owned(),
        };
        for engine in session.engines {
            let case = format!("ball, {}, {side} x {side} pixels", model.inr);
            let entry = Entry::new(case, shape.clone(), work.clone(), || {
                let body = Body::new(engine, &model, &[])?;
                let found = Vec::new();
                Ok(Rays {
                    scene: &scene,
                    rays: &rays,
                    exact: &exact,
                    twin: Twin(Network::oracle(&model)),
                    body,
                    found,
                    statistics: Statistics::default(),
                })
            });
            session.race(Suite::Trace, engine, vec![entry])?;
        }
    }
    Ok(())
}

/// A SIREN that has learned the signed distance of a ball.
fn ball(width: usize, seed: u64) -> Result<Model> {
    let inr = Inr::siren(3, width, 3, 1, 10.0);
    let mut model = Model::random_siren(inr, seed);
    model.solid = Some(Solid::default());
    let shared = Arc::new(model.clone());
    let mut learner = Learner::new(&Engine::cpu(), &shared, AdamConfig::default(), None)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for step in 0..STEPS {
        let points: Vec<f32> = (0..3 * POINTS).map(|_| rng.random_range(-1.0..=1.0)).collect();
        let length = |p: &[f32]| p.iter().map(|x| x * x).sum::<f32>().sqrt();
        let targets: Vec<f32> = points.chunks_exact(3).map(|p| length(p) - RADIUS).collect();
        let batch = Batch { count: 1, latents: &[], coordinates: &points };
        learner.backward(batch, &Goal::Supervised(Supervised::new(&targets, 1, 1)), Wanted::All)?;
        learner.step(1e-3 * (1.0 - step as f64 / STEPS as f64), 1.0)?;
    }
    model.hypernetwork = learner.hypernetwork()?;
    Ok(model)
}

/// The solid in double precision.
struct Twin(Network<f64>);

impl Twin {
    fn jets(&self, points: &[f32], jet: crate::model::Jet) -> Vec<f64> {
        let theta = self.0.materialise(1, &self.0.features(1, &[]));
        let mut out = vec![f64::NAN; points.len() / 3 * jet.columns(3)];
        self.0.jets(&theta, &Domain::Points { coordinates: points, inputs: 3 }, jet, &mut out);
        out
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a field's values are f32")]
impl Implicit for Twin {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let values = self.jets(points, crate::model::Jet::Value);
        out.iter_mut().zip(values).for_each(|(out, v)| *out = v as f32);
        Ok(())
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        let jets = self.jets(points, crate::model::Jet::Gradient);
        for (out, jet) in out.chunks_exact_mut(3).zip(jets.chunks_exact(4)) {
            out.iter_mut().zip(&jet[1..]).for_each(|(out, &v)| *out = v as f32);
        }
        Ok(())
    }
}

/// A picture's rays on a device.
struct Rays<'a> {
    scene: &'a Scene,
    rays: &'a [Ray],
    exact: &'a [Outcome],
    twin: Twin,
    body: Body,
    found: Vec<Outcome>,
    statistics: Statistics,
}

impl Subject for Rays<'_> {
    fn poison(&mut self) -> Result<()> {
        self.found.clear();
        Ok(())
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        Lap::wall(|| {
            for _ in 0..repeats {
                (self.found, self.statistics) = self.scene.trace(&mut self.body, self.rays)?;
            }
            Ok(())
        })
    }

    /// What was hit is a place of the surface, in widths of a pixel; and the twin's rays hit and miss as these do.
    fn check(&mut self) -> Result<Check> {
        let numbers = self.rays.len();
        let outcomes = self.found.iter().zip(self.exact);
        let otherwise = outcomes.filter(|(found, exact)| found.hit.is_some() != exact.hit.is_some()).count();
        if self.found.len() != numbers || otherwise as f64 > GRAZING * numbers as f64 {
            return Ok(Check { error: f64::INFINITY, bound: NEAR, numbers });
        }
        let hits = self.rays.iter().zip(&self.found).filter_map(|(ray, outcome)| Some((ray, outcome.hit?.distance)));
        let (places, widths): (Vec<[f32; 3]>, Vec<f32>) =
            hits.map(|(ray, distance)| (ray.at(distance).to_array(), ray.footprint(distance))).unzip();
        let values = self.twin.jets(places.as_flattened(), crate::model::Jet::Value);
        let errors = values.iter().zip(widths).map(|(value, width)| value.abs() / f64::from(width));
        let error = errors.fold(0.0, |worst, e| if e.is_nan() { f64::INFINITY } else { f64::max(worst, e) });
        Ok(Check { error, bound: NEAR, numbers })
    }

    fn figures(&self) -> std::collections::BTreeMap<String, f64> {
        let s = &self.statistics;
        figures([
            ("steps_per_ray", s.steps as f64 / s.traced.max(1) as f64),
            ("longest", f64::from(s.longest)),
            ("hits", s.hits as f64),
            ("evaluations", s.evaluations as f64),
            ("batches", s.batches as f64),
        ])
    }
}
