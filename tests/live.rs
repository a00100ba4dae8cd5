//! Learning as one watches it: searches that tell of their steps and can be stopped, rates that change under way.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use hypersine::engine::Engine;
use hypersine::math::Real;
use hypersine::model::{Coordinates, Inr, Model, ValueRange};
use hypersine::signal::Picture;
use hypersine::train::{
    BatchConfig, Config, EncodeConfig, FamilyConfig, InnerLoop, NetworkConfig, Observation, Observed, Search, Signals,
    Trainer, encode,
};

const DIM: usize = 6;

/// Slopes of 8x8 pixels, each in a direction of its own.
fn slopes(count: u16) -> Signals {
    let picture = |n: u16| {
        let (sine, cosine) = f32::from(n).sin_cos();
        let pixel = |i: u16| (f32::from(i % 8) - 3.5) / 5.0 * cosine + (f32::from(i / 8) - 3.5) / 5.0 * sine;
        let values = (0..64).map(pixel).collect();
        Picture { width: 8, height: 8, channels: 1, values, range: ValueRange::default() }
    };
    let names = (0..count).map(|n| n.to_string()).collect();
    Signals::new(names, (0..count).map(picture).collect(), Coordinates::default()).unwrap()
}

/// Both searches; the number of signals makes them take two blocks.
fn searches() -> [Search; 2] {
    let adam = EncodeConfig { steps: 5, ..EncodeConfig::default() };
    [Search::Adam(adam), Search::Inner(InnerLoop { steps: 4, lr: 0.5 })]
}

fn family() -> Arc<Model> {
    Arc::new(Model::random_hyper_siren(Inr::siren(2, 8, 2, 1, 10.0), DIM, 12, true, 3, 5))
}

#[test]
fn a_search_tells_of_every_step() {
    let (model, signals) = (family(), slopes(70));
    for search in searches() {
        let mut told = vec![0.0; 70 * DIM];
        let (mut next, mut steps_seen, mut losses) = (0, 0, Vec::new());
        let known = Observation::of_pictures(&signals, &Observed::All, 0).unwrap();
        let z = encode(&Engine::cpu(), &model, &known, &search, 0, &mut |p| {
            next = if p.step == 1 { 1 } else { next + 1 };
            assert!(p.step == next && p.step <= p.steps, "step {} of {} after {}", p.step, p.steps, next - 1);
            assert_eq!(p.latents.len(), p.signals.len() * DIM);
            for (&i, z) in p.signals.iter().zip(p.latents.chunks_exact(DIM)) {
                told[i * DIM..][..DIM].copy_from_slice(z);
            }
            steps_seen += 1;
            losses.push(p.loss);
            true
        });
        assert!(told == z.unwrap(), "the last report is the result");
        assert_eq!(steps_seen, 2 * next, "two blocks of as many steps");
        let last = usize::try_from(next).unwrap() - 1;
        assert!(losses[last] < losses[0] && losses[2 * last + 1] < losses[last + 1], "{losses:?}");
    }
}

#[test]
fn a_search_can_be_stopped() {
    let (model, signals) = (family(), slopes(70));
    for search in searches() {
        let (mut told, mut first) = (Vec::new(), Vec::new());
        let known = Observation::of_pictures(&signals, &Observed::All, 0).unwrap();
        let z = encode(&Engine::cpu(), &model, &known, &search, 0, &mut |p| {
            (told, first) = (p.latents.to_vec(), p.signals.to_vec());
            assert!(p.step <= 2, "the search goes on");
            p.step < 2
        });
        let z = z.unwrap();
        let start: Vec<f32> = match search {
            Search::Adam(_) => model.latents.mean().into_iter().map(f32::from_f64).collect(),
            Search::Inner(_) => vec![0.0; DIM],
        };
        assert!(first.len() < 70);
        let mut found = told.chunks_exact(DIM);
        for (i, row) in z.chunks_exact(DIM).enumerate() {
            let want = if first.contains(&i) { found.next().unwrap() } else { &start };
            assert!(row == want, "signal {i}");
        }
    }
}

#[test]
fn rates_change_under_way() {
    let config = Config {
        network: NetworkConfig { width: 8, layers: 2, ..NetworkConfig::default() },
        family: Some(FamilyConfig { latent_dim: DIM, features: 8, ..FamilyConfig::default() }),
        batch: BatchConfig { latents: 4, points: 16, ..BatchConfig::default() },
        ..Config::train()
    };
    let mut trainer = Trainer::new(config, slopes(4), 0, &Engine::cpu()).unwrap();
    let parts = |t: &Trainer| {
        let mut model = t.so_far().unwrap();
        let hypernetwork = Arc::make_mut(&mut model.hypernetwork);
        let weights: Vec<f32> = hypernetwork.tensors_mut().into_iter().flat_map(|(_, v)| v.to_vec()).collect();
        (weights, model.latents.values().to_vec())
    };
    trainer.step().unwrap();
    let (weights, latents) = parts(&trainer);
    trainer.set_rates(0.0, 1e-2);
    assert_eq!(trainer.step().unwrap().lr, 0.0);
    let (same, moved) = parts(&trainer);
    assert!(same == weights && moved != latents, "the network stands still");
    trainer.set_rates(1e-3, 0.0);
    trainer.step().unwrap();
    let (weights, latents) = parts(&trainer);
    assert!(weights != same && latents == moved, "the latents stand still");
}
