//! Meta-learning: the inner loop against explicit steps in double precision, and what it is for.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use hypersine::cpu::{Gradients, Network};
use hypersine::engine::{Engine, Strategy};
use hypersine::model::{Batch, Coordinates, Domain, Inr, Model, Supervised, ValueRange};
use hypersine::signal::{Picture, psnr};
use hypersine::train::{
    AdamConfig, BatchConfig, Config, EncodeConfig, FamilyConfig, InnerLoop, Learner, NetworkConfig, Observation,
    Observed, OptimiserConfig, Samples, Search, Signals, StopConfig, Trainer, encode,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pictures of 16x16 pixels: a soft spot of any place, size and colour on a ground of any colour.
fn spots(count: usize, seed: u64) -> Signals {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pictures = (0..count).map(|_| {
        let [x0, y0, size] = [rng.random_range(5.0..11.0), rng.random_range(5.0..11.0), rng.random_range(2.0..5.0_f32)];
        let [spot, ground]: [[f32; 3]; 2] =
            std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0)));
        let pixel = |i: u16| {
            let (x, y) = (f32::from(i % 16) - x0, f32::from(i / 16) - y0);
            let share = (-(x * x + y * y) / (size * size)).exp();
            std::array::from_fn::<f32, 3, _>(|c| ground[c] + share * (spot[c] - ground[c]))
        };
        let values = (0..256).flat_map(pixel).collect();
        Picture { width: 16, height: 16, channels: 3, values, range: ValueRange::default() }
    });
    let names = (0..count).map(|i| format!("spot{i}")).collect();
    Signals::new(names, pictures.collect(), Coordinates::default()).unwrap()
}

/// A small family, trained for a second.
fn trained(inner_steps: u64, signals: &Signals) -> Model {
    let config = Config {
        network: NetworkConfig { width: 24, layers: 2, ..NetworkConfig::default() },
        family: Some(FamilyConfig {
            latent_dim: 16,
            features: 24,
            inner_steps,
            inner_lr: 0.3,
            ..FamilyConfig::default()
        }),
        batch: BatchConfig { latents: 16, points: 64, ..BatchConfig::default() },
        optimiser: OptimiserConfig { lr: 2e-3, ..Config::train().optimiser },
        stop: StopConfig { steps: Some(600), ..StopConfig::default() },
        ..Config::train()
    };
    let mut trainer = Trainer::new(config, signals.clone(), 0, &Engine::cpu()).unwrap();
    while trainer.end().is_none() {
        trainer.step().unwrap();
    }
    trainer.model().unwrap()
}

fn find(model: &Model, signals: &Signals, search: &Search) -> Vec<f32> {
    let model = Arc::new(model.clone());
    let known = Observation::of_pictures(signals, &Observed::All, 0).unwrap();
    encode(&Engine::cpu(), &model, &known, search, 0, &mut |_| true).unwrap()
}

/// The mean PSNR of what a search finds.
fn found(model: &Model, signals: &Signals, search: &Search) -> f64 {
    let z = find(model, signals, search);
    let field = Engine::cpu().load(&model.clone().into()).unwrap();
    let each = signals.pictures().iter().zip(z.chunks_exact(model.latent_dim())).map(|(truth, z)| {
        let grid = model.coordinates.grid(truth.width, truth.height, None).unwrap();
        let (values, _) = field.evaluate(z, &Domain::Grid(grid), Strategy::Auto).unwrap();
        psnr(&Picture { values, ..truth.clone() }, truth).unwrap()
    });
    each.sum::<f64>() / signals.names().len() as f64
}

#[test]
fn the_inner_loop_is_gradient_descent_on_each_latent() {
    const COUNT: usize = 3;
    let inr = Inr::siren(2, 16, 2, 3, 30.0);
    let model = Model::random_hyper_siren(inr, 8, 16, false, COUNT, 5);
    let signals = spots(COUNT, 3);
    let mut samples = Samples::default();
    signals.sample(&[0, 1, 2], 50, &mut ChaCha8Rng::seed_from_u64(1), &mut samples).unwrap();
    let inner = InnerLoop { steps: 4, lr: 0.5 };
    let mut learner = Learner::new(&Engine::cpu(), &Arc::new(model.clone()), AdamConfig::default(), None).unwrap();
    let got = inner.adapt(&mut learner, COUNT, 8, 2, &samples, &mut |_, _, _| true).unwrap();

    let oracle = Network::oracle(&model);
    let mut gradients = Gradients::new(&oracle);
    for (i, got) in got.chunks_exact(8).enumerate() {
        let (coordinates, targets) = (&samples.coordinates[i * 100..][..100], &samples.values[i * 150..][..150]);
        let objective = Supervised::new(targets, 1, 3);
        let mut z = vec![0.0; 8];
        for _ in 0..4 {
            oracle.backward(Batch { count: 1, latents: &z, coordinates }, &objective, &mut gradients);
            z.iter_mut().zip(&gradients.latents).for_each(|(z, g)| *z -= 0.5 * g);
        }
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
        let length = norm(&mut z.iter().copied());
        let error = norm(&mut z.iter().zip(got).map(|(z, &g)| z - f64::from(g))) / length;
        println!("latent {i}: length {length:.2e}, relative error {error:.1e}");
        assert!(length > 1e-6 && error < 1e-4);
    }
}

#[test]
fn three_steps_find_more_where_training_was_for_three_steps() {
    let (seen, unseen) = (spots(16, 1), spots(8, 2));
    let (decoder, meta) = (trained(0, &seen), trained(3, &seen));

    let inner = InnerLoop::of(&meta).unwrap();
    assert_eq!(inner, InnerLoop { steps: 3, lr: 0.3 });
    assert!(InnerLoop::of(&decoder).is_none());
    assert!(meta.latents.values() == find(&meta, &seen, &Search::Inner(inner)), "the table is what encode finds");

    let meta = found(&meta, &unseen, &Search::Inner(inner));
    let rates = [0.03, 0.1, 0.3, 1.0, 3.0];
    let adam = |lr| Search::Adam(EncodeConfig { steps: 3, lr, ..EncodeConfig::default() });
    let decoder = rates.map(|lr| found(&decoder, &unseen, &adam(lr)));
    println!("three steps on unseen pictures: meta-learned {meta:.2} dB; auto-decoder, rates {rates:?}: {decoder:.2?}");
    assert!(meta > decoder.into_iter().fold(0.0, f64::max) + 1.0);
}
