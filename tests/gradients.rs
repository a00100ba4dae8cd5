//! Gradients: the f64 twin against central differences, the f32 backend against the f64 twin.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use common::random::{ACTIVATIONS, random_model, random_model_of};
use common::{gpu_engines, list};
use hypersine::cpu::{Gradients, Network};
use hypersine::engine::Engine;
use hypersine::gpu::Learner;
use hypersine::math::Real;
use hypersine::model::heads::{Multiplier, Place};
use hypersine::model::{
    Activation, Batch, Domain, Encoding, Family, Goal, Head, HeadChoice, HiddenLayer, Importance, Inr, Jet, Loss,
    Losses, Model, Objective, Oriented, OrientedWeights, Penalties, Supervised, WeightChoice,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A smooth objective in which every number of the outputs' jets, every weight and every latent has a say of its own.
struct Wavy {
    jet: Jet,
    /// What each of a point's numbers is multiplied by: Laplacians of thousands would drown all else in their rounding.
    /// Empty: by 1.
    scales: Vec<f64>,
}

impl Wavy {
    fn plain(jet: Jet) -> Self {
        Self { jet, scales: Vec::new() }
    }

    /// Derivatives over their root mean squares.
    fn new(network: &Network<f64>, inr: &Inr, z: &[f64], count: usize, coordinates: &[f32], jet: Jet) -> Self {
        if jet == Jet::Value {
            return Self::plain(jet);
        }
        let theta = network.materialise(count, &network.features(count, z));
        let numbers = jet.columns(inr.inputs) * inr.outputs;
        let mut scales = vec![0.0; numbers];
        let all = theta.chunks_exact(theta.len() / count).zip(coordinates.chunks_exact(coordinates.len() / count));
        for (theta, coordinates) in all {
            let domain = Domain::Points { coordinates, inputs: inr.inputs };
            let mut jets = vec![0.0; domain.len() * numbers];
            network.jets(theta, &domain, jet, &mut jets);
            for point in jets.chunks_exact(numbers) {
                scales.iter_mut().zip(point).for_each(|(sum, y)| *sum += y * y);
            }
        }
        let points = (coordinates.len() / inr.inputs) as f64;
        scales.iter_mut().for_each(|s| *s = 1.0 / (*s / points).sqrt().max(1.0));
        Self { jet, scales }
    }
}

const JETS: [Jet; 3] = [Jet::Value, Jet::Gradient, Jet::Laplacian];

impl<T: Real> Objective<T> for Wavy {
    fn jet(&self) -> Jet {
        self.jet
    }

    fn outputs(&self, latent: usize, points: Range<usize>, outputs: &[T], gradient: &mut [T]) -> f64 {
        let per_point = outputs.len() / points.len();
        let mut loss = 0.0;
        for (i, (y, g)) in outputs.iter().zip(gradient).enumerate() {
            let c = ((latent * 31 + points.start * per_point + i) as f64 * 0.7).sin();
            let scale = self.scales.get(i % per_point).unwrap_or(&1.0);
            let y = scale * y.to_f64();
            loss += c * y + 0.3 * y * y;
            *g = T::from_f64(scale * (c + 0.6 * y));
        }
        loss
    }

    fn theta(&self, theta: &[T], gradient: &mut [T]) -> f64 {
        theta
            .iter()
            .zip(gradient)
            .map(|(&t, g)| {
                *g += T::from_f64(0.02) * t;
                0.01 * t.to_f64() * t.to_f64()
            })
            .sum()
    }

    fn latent(&self, z: &[T], gradient: &mut [T]) -> f64 {
        z.iter()
            .zip(gradient)
            .map(|(&z, g)| {
                *g += T::from_f64(0.2) * z;
                0.1 * z.to_f64() * z.to_f64()
            })
            .sum()
    }
}

/// A model in double precision, its parameters moved off their special values, with latents and points.
struct Case {
    network: Network<f64>,
    z: Vec<f64>,
    count: usize,
    coordinates: Vec<f32>,
    objective: Wavy,
}

impl Case {
    fn new(model: &Model, count: usize, points: usize, jet: Jet, rng: &mut ChaCha8Rng) -> Self {
        let mut network = Network::oracle(model);
        for (_, values) in network.hypernetwork_mut().tensors_mut() {
            values.iter_mut().for_each(|v| *v += rng.random_range(-0.05..0.05));
        }
        let z: Vec<f64> = (0..count * model.latent_dim()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let numbers = count * points * model.inr.inputs;
        let coordinates: Vec<f32> = (0..numbers).map(|_| rng.random_range(-1.0..1.0)).collect();
        let objective = Wavy::new(&network, &model.inr, &z, count, &coordinates, jet);
        Self { network, z, count, coordinates, objective }
    }

    fn batch(&self) -> Batch<'_, f64> {
        Batch { count: self.count, latents: &self.z, coordinates: &self.coordinates }
    }

    fn loss(&self) -> f64 {
        self.network.backward(self.batch(), &self.objective, &mut Gradients::new(&self.network)).total()
    }

    /// The derivative along `direction` of tensor `t` (the latents come last), by central differences of step `h`.
    fn difference(&mut self, t: usize, direction: &[f64], h: f64) -> f64 {
        let mut moved = |by: f64| {
            let mut tensors = self.network.hypernetwork_mut().tensors_mut();
            let values = if t == tensors.len() { &mut self.z } else { &mut *tensors[t].1 };
            values.iter_mut().zip(direction).for_each(|(v, d)| *v += by * d);
            self.loss()
        };
        let ahead = moved(h);
        let behind = moved(-2.0 * h);
        moved(h);
        (ahead - behind) / (2.0 * h)
    }

    /// Largest error of a tensor's gradient along a random direction, as a part of the gradient's norm.
    fn check(&mut self, what: &str, rng: &mut ChaCha8Rng) -> f64 {
        let mut gradients = Gradients::new(&self.network);
        self.network.backward(self.batch(), &self.objective, &mut gradients);
        let latents = std::mem::take(&mut gradients.latents);
        let mut tensors: Vec<(String, Vec<f64>)> =
            gradients.hypernetwork.tensors_mut().into_iter().map(|(name, g)| (name, g.to_vec())).collect();
        tensors.push(("latents".to_owned(), latents));
        let mut worst = 0.0_f64;
        for (t, (name, gradient)) in tensors.iter().enumerate() {
            let direction: Vec<f64> = gradient.iter().map(|_| rng.random_range(-1.0..1.0)).collect();
            let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let norm = norm(gradient);
            // A long step where rounding counts, short ones where curvature or a corner does. What the loss's own rounding
            // makes of the difference is not held against the gradient: derivatives go through more products of
            // larger numbers.
            let roundings = if self.objective.jet == Jet::Value { 1.0 } else { 32.0 };
            let noise = roundings * self.loss().abs() * f64::EPSILON;
            let mut error = f64::INFINITY;
            for h in [1e-5, 1e-6, 1e-7, 1e-8] {
                let off = (self.difference(t, &direction, h) - along).abs() - noise / h;
                error = error.min(off.max(0.0) / norm.max(1e-3));
                if h <= 1e-6 && error <= 1e-6 {
                    break;
                }
            }
            assert!(error <= 1e-6, "{what}: {name} is wrong by {error:.1e} of its size {norm:.1e}");
            worst = worst.max(error);
        }
        worst
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn every_activation_head_and_modulation() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let weights = [
        WeightChoice::Shared,
        WeightChoice::Linear,
        WeightChoice::LowRank(2, Multiplier::Demodulated),
        WeightChoice::LowRank(3, Multiplier::Tanh),
        WeightChoice::LowRank(1, Multiplier::Sigmoid),
    ];
    let (mut worst, mut cases) = ([0.0_f64; 3], 0);
    for activation in ACTIVATIONS {
        let mut modulations = vec![None];
        for place in [Place::BeforeOmega, Place::AfterOmega, Place::AfterActivation] {
            if place != Place::AfterOmega || matches!(activation, Activation::Sine { .. }) {
                modulations.extend([(true, true), (true, false), (false, true)].map(|(g, s)| Some((place, g, s))));
            }
        }
        for weight in weights {
            for &modulation in &modulations {
                let mut hidden = vec![HiddenLayer::new(7, activation), HiddenLayer::new(5, activation)];
                if cases % 2 == 1 {
                    hidden.push(HiddenLayer { residual: true, ..hidden[0] });
                }
                let inr = Inr { inputs: 2, outputs: 3, encoding: Encoding::Identity, hidden };
                let family = Family {
                    latent_dim: 3,
                    features: 6,
                    shared_trunk: cases % 2 == 0,
                    latents: 0,
                    seed: cases,
                    ..Family::default()
                };
                let model = family.build(inr, |_| HeadChoice { weight, modulation });
                for (worst, jet) in worst.iter_mut().zip(JETS) {
                    let mut case = Case::new(&model, 2, 3, jet, &mut rng);
                    let what = format!("{activation}, {weight:?}, {modulation:?}, {jet:?}");
                    *worst = worst.max(case.check(&what, &mut rng));
                }
                cases += 1;
            }
        }
    }
    println!("{cases} combinations, {JETS:?}: largest error {} of a gradient's norm", list(worst));
}

#[test]
fn random_models_against_central_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut worst = [0.0_f64; 3];
    for i in 0..81 {
        let (model, latents) = random_model(&mut rng, ACTIVATIONS[i % ACTIVATIONS.len()]);
        let jet = i / ACTIVATIONS.len() % 3;
        let count = if model.latent_dim() == 0 { 1 } else { latents.min(4) };
        let points = [1, 2, 5][i % 3];
        let mut case = Case::new(&model, count, points, JETS[jet], &mut rng);
        worst[jet] = worst[jet].max(case.check(&format!("case {i}, {}, {:?}", model.inr, JETS[jet]), &mut rng));
    }
    println!("random models, {JETS:?}: largest error {} of a gradient's norm", list(worst));
}

/// The gradients of every tensor by name, the latents last.
fn gradients<T: Real>(
    network: &Network<T>,
    z: &[f32],
    count: usize,
    coordinates: &[f32],
    objective: &Wavy,
) -> Vec<(String, Vec<f64>)> {
    let z: Vec<T> = z.iter().map(|&v| T::from_f32(v)).collect();
    let mut gradients = Gradients::new(network);
    network.backward(Batch { count, latents: &z, coordinates }, objective, &mut gradients);
    let wide = |values: &[T]| values.iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
    let latents = wide(&gradients.latents);
    let tensors = gradients.hypernetwork.tensors_mut().into_iter().map(|(name, values)| (name, wide(values)));
    tensors.chain([("latents".to_owned(), latents)]).collect()
}

/// Largest relative L2 error of a tensor of the f32 backend.
fn single_error(model: &Arc<Model>, count: usize, points: usize, jet: Jet, rng: &mut ChaCha8Rng) -> f64 {
    let z = if model.latent_dim() == 0 {
        Vec::new()
    } else {
        model.latents.values()[..count * model.latent_dim()].to_vec()
    };
    let coordinates: Vec<f32> = (0..count * points * model.inr.inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
    let wide: Vec<f64> = z.iter().map(|&v| f64::from(v)).collect();
    let oracle = Network::oracle(model);
    let objective = Wavy::new(&oracle, &model.inr, &wide, count, &coordinates, jet);
    let exact = gradients(&oracle, &z, count, &coordinates, &objective);
    let got = gradients(&Network::new(model), &z, count, &coordinates, &objective);
    let whole = exact.iter().map(|(_, g)| norm(g).powi(2)).sum::<f64>().sqrt();
    let mut worst = 0.0_f64;
    for ((name, exact), (_, got)) in exact.iter().zip(&got) {
        let difference: Vec<f64> = exact.iter().zip(got).map(|(e, g)| e - g).collect();
        // A tensor whose gradient is nothing beside the others' is rounding.
        let error = norm(&difference) / norm(exact).max(1e-6 * whole);
        assert!(error <= 1e-3, "{}, {jet:?}: {name} is wrong by {error:.1e}", model.inr);
        worst = worst.max(error);
    }
    worst
}

#[test]
fn single_precision_equals_double() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut worst = [0.0_f64; 3];
    for i in 0..81 {
        let (model, latents) = random_model(&mut rng, ACTIVATIONS[i % ACTIVATIONS.len()]);
        let points = [1, 130, 257, 1100][i % 4];
        let jet = i / ACTIVATIONS.len() % 3;
        worst[jet] = worst[jet].max(single_error(&model, latents, points, JETS[jet], &mut rng));
    }
    println!("random models, {JETS:?}: relative L2 {} at worst", list(worst));
    for (width, latents) in [(64, 3), (256, 2)] {
        let inr = Inr::siren(2, width, 4, 3, 30.0);
        let model = Arc::new(Model::random_hyper_siren(inr, 64, 64, false, latents, 4));
        for jet in JETS {
            let error = single_error(&model, latents, 1024, jet, &mut rng);
            println!("{} with 64 features, {jet:?}: relative L2 {error:.1e}", model.inr);
        }
    }
}

#[test]
fn frozen_networks_give_the_same_latent_gradients() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for i in 0..54 {
        let (model, count) = random_model(&mut rng, ACTIVATIONS[i % ACTIVATIONS.len()]);
        let count = if model.latent_dim() == 0 { 1 } else { count };
        let z = &model.latents.values()[..count * model.latent_dim()];
        let coordinates: Vec<f32> = (0..count * 150 * model.inr.inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
        let batch = Batch { count, latents: z, coordinates: &coordinates };
        let network = Network::new(&model);
        let (mut all, mut latents) = (Gradients::new(&network), Gradients::of_latents(&network));
        let objective = Wavy::plain(JETS[i / ACTIVATIONS.len() % 3]);
        let losses = [&mut all, &mut latents].map(|gradients| network.backward(batch, &objective, gradients));
        assert!(losses[0] == losses[1] && all.latents == latents.latents, "{}", model.inr);
        assert!(latents.hypernetwork.tensors_mut().iter().all(|(_, gradient)| gradient.is_empty()));
    }
    println!("latents' gradients of 54 random models are the same bits");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let family = Family { latent_dim: 9, features: 40, shared_trunk: false, latents: 5, seed: 6, ..Family::default() };
    let model = family.build(Inr::siren(2, 70, 3, 3, 30.0), |l| HeadChoice {
        weight: if l == 1 { WeightChoice::LowRank(4, Multiplier::Demodulated) } else { WeightChoice::Linear },
        modulation: Some((Place::BeforeOmega, true, true)),
    });
    let network = Network::new(&model);
    let points: Vec<f32> = (0..5 * 1500 * 2).map(|_| rng.random_range(-1.0..1.0)).collect();
    for jet in JETS {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| gradients(&network, model.latents.values(), 5, &points, &Wavy::plain(jet)))
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(7));
    }
}

#[test]
fn no_latents_and_no_points() {
    let model = Model::random_hyper_siren(Inr::siren(2, 9, 2, 1, 30.0), 3, 5, true, 2, 8);
    let network = Network::new(&model);
    let mut gradients = Gradients::new(&network);
    let nothing = Batch { count: 0, latents: &[], coordinates: &[] };
    assert_eq!(network.backward(nothing, &Wavy::plain(Jet::Laplacian), &mut gradients), Losses::default());
    let pointless = Batch { count: 2, latents: model.latents.values(), coordinates: &[] };
    let losses = network.backward(pointless, &Wavy::plain(Jet::Laplacian), &mut gradients);
    assert!(losses.outputs == 0.0 && losses.theta > 0.0 && losses.latents > 0.0);
    assert_eq!(gradients.latents.len(), 6);
}

/// What a GPU is to learn from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aim {
    /// Values, or derivatives that are given; with an eikonal term, where these are of one output.
    Given(Jet),
    /// Values near a surface, and slopes of length one.
    Distance,
    /// Oriented points of a surface.
    Oriented,
}

impl Aim {
    /// What the targets are of.
    fn of(self) -> Jet {
        match self {
            Self::Given(jet) => jet,
            Self::Distance => Jet::Value,
            Self::Oriented => Jet::Gradient,
        }
    }
}

/// The numbers of a random objective over `count` latents and `points` of each.
struct Lesson {
    aim: Aim,
    count: usize,
    points: usize,
    outputs: usize,
    loss: Loss,
    /// The largest root mean square of what is compared, where it is more than 1.
    size: f64,
    targets: Vec<f32>,
    /// What points weigh, if they do not weigh alike.
    weights: Option<Vec<f32>>,
    penalties: Penalties,
}

impl Lesson {
    #[expect(clippy::cast_possible_truncation, reason = "targets are f32")]
    fn new(aim: Aim, inr: &Inr, scales: &[f64], (count, points): (usize, usize), rng: &mut ChaCha8Rng) -> Self {
        let loss = [Loss::Mse, Loss::L1, Loss::BceLogits][rng.random_range(0..3)];
        let size = 1.0 / scales.iter().fold(1.0_f64, |least, s| least.min(*s));
        // L1's slope jumps where an output meets its target: far targets keep rounding from deciding on which side it is.
        let reach = if loss == Loss::L1 { 1e3 * size } else { size };
        let mut random = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
        let targets = match aim {
            Aim::Oriented => {
                let normals = random(count * points.div_ceil(2) * 3);
                normals.chunks_exact(3).flat_map(|n| n.iter().map(|c| (c / norm(n)) as f32)).collect()
            }
            Aim::Given(_) | Aim::Distance => {
                let each = if aim.of() == Jet::Gradient { inr.inputs } else { 1 } * inr.outputs;
                random(count * points * each).iter().map(|t| (reach * t) as f32).collect()
            }
        };
        let weights = (0..count * points).map(|_| rng.random_range(0.2..2.0)).collect();
        let penalties = Penalties { latents: 0.0, theta: [0.0, 0.3][rng.random_range(0..2)] };
        let weights = (aim != Aim::Oriented && rng.random()).then_some(weights);
        Self { aim, count, points, outputs: inr.outputs, loss, size, targets, weights, penalties }
    }

    /// What is minimised; the points' errors are left in `errors`.
    fn goal<'a>(&'a self, errors: &'a [AtomicU32]) -> Goal<'a> {
        let Self { aim, count, points, outputs, loss, penalties, .. } = *self;
        match aim {
            Aim::Given(_) | Aim::Distance => {
                let derivatives = aim != Aim::Given(Jet::Value);
                #[expect(clippy::cast_possible_truncation, reason = "bounds are f32")]
                let within = 0.7 * self.size as f32;
                Goal::Supervised(Supervised {
                    loss,
                    of: aim.of(),
                    within: (derivatives && (loss != Loss::L1 || aim == Aim::Distance)).then_some(within),
                    eikonal: if derivatives && outputs == 1 { 0.1 } else { 0.0 },
                    penalties,
                    importance: self.weights.as_deref().map(|weights| Importance { weights, errors }),
                    ..Supervised::new(&self.targets, count, outputs)
                })
            }
            Aim::Oriented => {
                let (on, weights) = (points.div_ceil(2), OrientedWeights::default());
                Goal::Oriented(Oriented { latents: count, points, on, normals: &self.targets, weights, penalties })
            }
        }
    }
}

/// Relative L2 error of every tensor's gradient on a GPU, at worst; with the loss's.
fn gpu_error(
    engine: &Engine,
    model: &Arc<Model>,
    (count, points): (usize, usize),
    aim: Aim,
    rng: &mut ChaCha8Rng,
) -> (f64, f64) {
    let z = &model.latents.values()[..count * model.latent_dim()];
    let wide: Vec<f64> = z.iter().map(|&v| f64::from(v)).collect();
    let coordinates: Vec<f32> = (0..count * points * model.inr.inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
    let network = Network::oracle(model);
    let scales = Wavy::new(&network, &model.inr, &wide, count, &coordinates, aim.of()).scales;
    let lesson = Lesson::new(aim, &model.inr, &scales, (count, points), rng);
    let measured = [(); 2].map(|()| (0..count * points).map(|_| AtomicU32::default()).collect::<Vec<_>>());
    let objective = lesson.goal(&measured[0]);
    let mut exact = Gradients::new(&network);
    let want = network.backward(Batch { count, latents: &wide, coordinates: &coordinates }, &objective, &mut exact);

    let mut learner = Learner::new(engine.gpu().unwrap(), model, false).unwrap();
    let batch = Batch { count, latents: z, coordinates: &coordinates };
    let mut dz = vec![0.0; z.len()];
    let objective = lesson.goal(&measured[1]);
    let got = learner.backward(batch, &objective, false, &mut dz).unwrap();
    let [exact_errors, got_errors] = measured.each_ref().map(|m| m.iter().map(|e| f32::from_bits(e.load(Relaxed))));
    for (exact, got) in exact_errors.zip(got_errors) {
        let off = f64::from((exact - got).abs());
        assert!(off < 1e-3 * f64::from(exact).max(lesson.size), "{exact} {got}");
    }
    // The same bits again, with everything left over from before.
    let mut again = vec![0.0; z.len()];
    assert_eq!(learner.backward(batch, &objective, false, &mut again).unwrap(), got);
    assert_eq!(again, dz);
    let mut frozen = vec![0.0; z.len()];
    learner.backward(batch, &objective, true, &mut frozen).unwrap();
    assert_eq!(frozen, dz);

    let apart = (got.total() - want.total()).abs() / want.total();
    let mut gradients = learner.gradients().unwrap();
    let mut tensors: Vec<(String, Vec<f64>, Vec<f32>)> = (exact.hypernetwork.tensors_mut().into_iter())
        .zip(gradients.tensors_mut())
        .map(|((name, exact), (_, got))| (name, exact.to_vec(), got.to_vec()))
        .collect();
    tensors.push(("latents".into(), exact.latents.clone(), dz));
    let whole = tensors.iter().map(|(_, e, _)| norm(e).powi(2)).sum::<f64>().sqrt();
    let mut worst = 0.0_f64;
    for (name, exact, got) in &tensors {
        let difference: Vec<f64> = exact.iter().zip(got).map(|(e, &g)| e - f64::from(g)).collect();
        let error = norm(&difference) / norm(exact).max(1e-6 * whole);
        assert!(
            error <= 1e-3,
            "{} on {}, {count} latents, {points} points, {aim:?}, {:?}: {name} is wrong by {error:.1e}; heads {:?}",
            model.inr,
            engine.describe(),
            lesson.loss,
            model.hypernetwork.heads.iter().map(Head::kind).collect::<Vec<_>>(),
        );
        worst = worst.max(error);
    }
    let squares = learner.gradient_squares().unwrap();
    let network_only = tensors.iter().rev().skip(1).map(|(_, e, _)| norm(e).powi(2)).sum::<f64>();
    assert!((squares - network_only).abs() <= 1e-3 * network_only, "{squares} {network_only}");
    (worst, apart)
}

#[test]
fn gpus_equal_the_f64_twin() {
    for engine in gpu_engines() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut worst, mut loss) = (0.0_f64, 0.0_f64);
        for i in 0..18 {
            let (model, latents) = random_model(&mut rng, ACTIVATIONS[i % ACTIVATIONS.len()]);
            let points = [1, 65, 130, 257, 700][rng.random_range(0..5)];
            let (w, l) = gpu_error(&engine, &model, (latents, points), Aim::Given(Jet::Value), &mut rng);
            (worst, loss) = (worst.max(w), loss.max(l));
        }
        println!("{}: relative L2 {worst:.1e} at worst, losses {loss:.1e}", engine.describe());
        assert!(loss < 1e-5);
    }
}

#[test]
fn gpus_learn_from_derivatives_as_the_f64_twin() {
    for engine in gpu_engines() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for aim in [Aim::Given(Jet::Gradient), Aim::Given(Jet::Laplacian), Aim::Distance, Aim::Oriented] {
            let (mut worst, mut loss) = (0.0_f64, 0.0_f64);
            for (i, activation) in ACTIVATIONS.into_iter().enumerate() {
                // A distance in space; else any numbers, every other time of one output, whose slopes are to have length one.
                let numbers = match aim {
                    Aim::Distance | Aim::Oriented => Some((3, 1)),
                    Aim::Given(_) => (i % 2 == 0).then_some((1 + i / 2 % 3, 1)),
                };
                let (model, latents) = random_model_of(&mut rng, activation, numbers);
                let points = [1, 30, 65, 130, 300][rng.random_range(0..5)];
                let (w, l) = gpu_error(&engine, &model, (latents, points), aim, &mut rng);
                (worst, loss) = (worst.max(w), loss.max(l));
            }
            println!("{}, {aim:?}: relative L2 {worst:.1e} at worst, losses {loss:.1e}", engine.describe());
            // Derivatives in f32 may be off by so much themselves (`jets.rs`).
            assert!(loss < 1e-4);
        }
    }
}

/// More than the device takes at a time: of points, and of latents.
#[test]
fn blocks_and_chunks_add_up() {
    for engine in gpu_engines() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let single = Arc::new(Model::random_siren(Inr::siren(2, 512, 1, 1, 30.0), 1));
        let family = Family { latent_dim: 3, features: 4, latents: 200, latent_std: 1.0, ..Family::default() };
        let modulation = Some((Place::BeforeOmega, true, true));
        let family =
            family.build(Inr::siren(2, 301, 2, 1, 30.0), |_| HeadChoice { weight: WeightChoice::Linear, modulation });
        let (family, [value, laplacian]) = (Arc::new(family), [Jet::Value, Jet::Laplacian].map(Aim::Given));
        for (model, batch, aim) in [
            (&single, (1, 40_000), value),
            (&family, (200, 3), value),
            (&single, (1, 10_000), laplacian),
            (&family, (200, 3), laplacian),
        ] {
            let (error, _) = gpu_error(&engine, model, batch, aim, &mut rng);
            let what = format!("{}, latents and points {batch:?}, {aim:?}", model.inr);
            println!("{what} on {}: relative L2 {error:.1e}", engine.describe());
        }
    }
}
