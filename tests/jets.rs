//! Derivatives with respect to the coordinates: the f64 twin against central differences, the others against it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::list;
use common::random::{ACTIVATIONS, random_model};
use hypersine::cpu::Network;
use hypersine::engine::{Engine, Strategy};
use hypersine::math::Real;
use hypersine::model::{Domain, Jet, Model};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Steps by which f32 coordinates move without rounding, where they are multiples of 2^-10 and less than 1. The short one is
/// for points beside a corner (of ReLU, of FINER's slope).
const STEPS: [f32; 2] = [1.0 / 131_072.0, 1.0 / 2_097_152.0];

/// Random points of `inputs` coordinates, multiples of 2^-10.
fn random_points(rng: &mut ChaCha8Rng, count: usize, inputs: usize) -> Vec<f32> {
    (0..count * inputs).map(|_| f32::from(rng.random_range(-1023..=1023_i16)) / 1024.0).collect()
}

/// `[latents][points][columns][outputs]`
fn jets<T: Real>(network: &Network<T>, model: &Model, domain: &Domain<'_>, jet: Jet) -> Vec<T> {
    let z: Vec<T> = model.latents.values().iter().map(|&v| T::from_f32(v)).collect();
    let batch = z.len().checked_div(model.latent_dim()).unwrap_or(1);
    let theta = network.materialise(batch, &network.features(batch, &z));
    let numbers = batch * domain.len() * jet.columns(model.inr.inputs) * model.inr.outputs;
    let mut out = vec![T::from_f64(f64::NAN); numbers];
    network.jets(&theta, domain, jet, &mut out);
    out
}

/// A column's numbers.
fn column<T: Copy>(jets: &[T], columns: usize, outputs: usize, column: usize) -> impl Iterator<Item = T> {
    jets.chunks_exact(outputs).skip(column).step_by(columns).flatten().copied()
}

/// Largest difference, and the largest number.
fn error(got: impl Iterator<Item = f64>, exact: impl Iterator<Item = f64>) -> (f64, f64) {
    let larger = |m: f64, v: f64| if v.is_nan() { f64::INFINITY } else { m.max(v.abs()) };
    let mut size = 0.0;
    let error = got.zip(exact).fold(0.0, |m, (g, e)| {
        size = larger(size, e);
        larger(m, g - e)
    });
    (error, size)
}

#[test]
fn jets_equal_central_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut worst = [0.0_f64; 2];
    for case in 0..90 {
        let (model, _) = random_model(&mut rng, ACTIVATIONS[case % ACTIVATIONS.len()]);
        let (inputs, outputs) = (model.inr.inputs, model.inr.outputs);
        let points = random_points(&mut rng, 9, inputs);
        let network = Network::oracle(&model);
        let at = |axis: usize, by: f32| {
            let moved: Vec<f32> =
                points.iter().enumerate().map(|(i, x)| if i % inputs == axis { x + by } else { *x }).collect();
            jets(&network, &model, &Domain::Points { coordinates: &moved, inputs }, Jet::Laplacian)
        };
        let columns = inputs + 2;
        let here = at(0, 0.0);
        let take = |jets: &[f64], c: usize| column(jets, columns, outputs, c).collect::<Vec<f64>>();
        // Central differences of column c along an axis.
        let difference = |c: usize, axis: usize, step: f32| {
            let pairs = take(&at(axis, step), c).into_iter().zip(take(&at(axis, -step), c));
            pairs.map(|(a, b)| (a - b) / (2.0 * f64::from(step))).collect::<Vec<f64>>()
        };
        let laplacian = |step: f32| {
            let mut sum = vec![0.0; here.len() / columns];
            for axis in 0..inputs {
                sum.iter_mut().zip(difference(1 + axis, axis, step)).for_each(|(sum, second)| *sum += second);
            }
            sum
        };
        for c in 1..columns {
            let exact = take(&here, c);
            let [long, short] =
                STEPS.map(|step| if c <= inputs { difference(0, c - 1, step) } else { laplacian(step) });
            let better = |((a, b), e): ((f64, f64), &f64)| if (a - e).abs() < (b - e).abs() { a } else { b };
            let got = long.into_iter().zip(short).zip(&exact).map(better);
            let (error, size) = error(got, exact.iter().copied());
            let worst = &mut worst[usize::from(c > inputs)];
            *worst = worst.max(error / size.max(1e-3));
            let model = format!("{}, {} encoded", model.inr, model.inr.encoding.width(inputs));
            assert!(
                error <= 1e-5 * size.max(1e-3),
                "case {case}: {model}: column {c} is wrong by {error:.1e} of {size:.1e}"
            );
        }
        // Fewer columns are the first of many, and values alone are what evaluation gives.
        for jet in [Jet::Value, Jet::Gradient] {
            let fewer = jets(&network, &model, &Domain::Points { coordinates: &points, inputs }, jet);
            for c in 0..jet.columns(inputs) {
                let (error, size) = error(column(&fewer, jet.columns(inputs), outputs, c), take(&here, c).into_iter());
                assert!(error <= 1e-12 * size.max(1.0), "{}: column {c} of {jet:?} differs by {error:.1e}", model.inr);
            }
        }
    }
    println!("gradient and Laplacian: wrong by {} of the column's largest number at worst", list(worst));
}

#[test]
fn single_precision_equals_double() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut worst = [0.0_f64; 3];
    for case in 0..54 {
        let (model, _) = random_model(&mut rng, ACTIVATIONS[case % ACTIVATIONS.len()]);
        let (inputs, outputs) = (model.inr.inputs, model.inr.outputs);
        let points = random_points(&mut rng, [1, 65, 300][case % 3], inputs);
        let domain = Domain::Points { coordinates: &points, inputs };
        let exact = jets(&Network::oracle(&model), &model, &domain, Jet::Laplacian);
        let columns = inputs + 2;
        let cpu = Engine::cpu().load(&model).unwrap();
        for strategy in [Strategy::Fused, Strategy::Materialised] {
            let (got, _) = cpu.differentiate(model.latents.values(), &domain, Jet::Laplacian, strategy).unwrap();
            assert_eq!(got.len(), exact.len());
            for c in 0..columns {
                let got = column(&got, columns, outputs, c).map(f64::from);
                let (error, size) = error(got, column(&exact, columns, outputs, c));
                let kind = usize::from(c > 0) + usize::from(c > inputs);
                worst[kind] = worst[kind].max(error / size.max(1.0));
                assert!(
                    error <= 1e-4 * size.max(1.0),
                    "{}: column {c} is wrong by {error:.1e} of {size:.1e}",
                    model.inr
                );
            }
        }
    }
    println!("value, gradient and Laplacian in f32: wrong by {} of the column's largest number at worst", list(worst));
}
