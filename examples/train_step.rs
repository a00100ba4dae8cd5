//! Trains a random family on random values and prints what a step costs, as JSON:
//! `cargo run --release --example train_step [WIDTH]`. `scripts/peers/train_step.py` does the same in PyTorch.

use std::time::Instant;

use hypersine::cpu::{Gradients, Network};
use hypersine::model::{Batch, Inr, Loss, Model, Penalties, Supervised};
use hypersine::train::{Adam, AdamConfig, Parameter, parameters};

const LATENTS: usize = 32;
const POINTS: usize = 1024;
const STEPS: usize = 20;

fn main() -> anyhow::Result<()> {
    let width = std::env::args().nth(1).map_or(Ok(64), |w| w.parse())?;
    let model = Model::random_hyper_siren(Inr::siren(2, width, 4, 3, 30.0), 64, 64, false, LATENTS, 1);
    let mut network = Network::new(&model);
    let mut latents = model.latents.values().to_vec();
    // Coordinates and values in [-1, 1] without order: what they are does not change the time.
    let values = |n: usize| (0..n).map(|i| (i as f32 * 0.618_034 + 0.3).fract() * 2.0 - 1.0).collect::<Vec<f32>>();
    let (coordinates, targets) = (values(LATENTS * POINTS * 2), values(LATENTS * POINTS * 3));
    let objective = Supervised {
        loss: Loss::Mse,
        targets: &targets,
        latents: LATENTS,
        outputs: 3,
        penalties: Penalties { latents: 1e-4, theta: 0.0 },
        importance: None,
    };
    let mut gradients = Gradients::new(&network);
    let mut adam = Adam::new(AdamConfig::default());
    let (mut times, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        let start = Instant::now();
        let batch = Batch { count: LATENTS, latents: &latents, coordinates: &coordinates };
        losses.push(network.backward(batch, &objective, &mut gradients).total());
        let back = start.elapsed();
        let mut all = parameters(network.hypernetwork_mut(), &mut gradients.hypernetwork, 5e-4);
        all.push(Parameter { name: "latents".into(), value: &mut latents, gradient: &gradients.latents, rate: 2e-3 });
        adam.step(all);
        times.push((start.elapsed(), back));
    }
    // The median step.
    times.sort_unstable();
    let (whole, back) = times[STEPS / 2];
    let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    let report = serde_json::json!({
        "inr": model.inr.to_string(), "latents": LATENTS, "points": POINTS, "step_ms": ms(whole), "gradients_ms": ms(back),
        "threads": hypersine::cpu::threads(), "first_loss": losses[0], "last_loss": losses[STEPS - 1],
    });
    println!("{report}");
    Ok(())
}
