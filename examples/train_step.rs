//! Trains a random family on random values and prints what a step costs, and how much memory, as JSON:
//! `cargo run --release --example train_step [WIDTH] [DEVICE]`. `hypersine bench train-step --peers` measures it beside PyTorch.

use std::sync::Arc;
use std::time::Instant;

use hypersine::engine::{DeviceChoice, Engine};
use hypersine::model::{Batch, Goal, Inr, Model, Penalties, Supervised};
use hypersine::train::{Adam, AdamConfig, Learner, Parameter, Wanted};

const LATENTS: usize = 32;
const POINTS: usize = 1024;
const STEPS: usize = 20;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let width = arguments.next().map_or(Ok(64), |w| w.parse())?;
    let engine = Engine::open(&arguments.next().map_or(Ok(DeviceChoice::Cpu), |d| d.parse())?)?;
    let model = Arc::new(Model::random_hyper_siren(Inr::siren(2, width, 4, 3, 30.0), 64, 64, false, LATENTS, 1));
    let mut learner = Learner::new(&engine, &model, AdamConfig::default(), None)?;
    let mut latents = model.latents.values().to_vec();
    // Coordinates and values in [-1, 1] without order: what they are does not change the time.
    let values = |n: usize| (0..n).map(|i| (i as f32 * 0.618_034 + 0.3).fract() * 2.0 - 1.0).collect::<Vec<f32>>();
    let (coordinates, targets) = (values(LATENTS * POINTS * 2), values(LATENTS * POINTS * 3));
    let penalties = Penalties { latents: 1e-4, theta: 0.0 };
    let objective = Goal::Supervised(Supervised { penalties, ..Supervised::new(&targets, LATENTS, 3) });
    let mut adam = Adam::new(AdamConfig::default());
    let (mut times, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        let start = Instant::now();
        let batch = Batch { count: LATENTS, latents: &latents, coordinates: &coordinates };
        losses.push(learner.backward(batch, &objective, Wanted::All)?.total());
        let back = start.elapsed();
        learner.step(5e-4, 1.0)?;
        let gradient = learner.latent_gradients();
        adam.step(vec![Parameter { name: "latents".into(), value: &mut latents, gradient, rate: 2e-3 }]);
        if let Some(ctx) = engine.gpu() {
            ctx.wait()?;
        }
        times.push((start.elapsed(), back));
    }
    // The median step.
    times.sort_unstable();
    let (whole, back) = times[STEPS / 2];
    let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    let report = serde_json::json!({
        "device": engine.describe(), "inr": model.inr.to_string(), "latents": LATENTS, "points": POINTS,
        "step_ms": ms(whole), "gradients_ms": ms(back), "device_bytes": engine.gpu().map(|ctx| ctx.memory().peak),
        "first_loss": losses[0], "last_loss": losses[STEPS - 1],
    });
    println!("{report}");
    Ok(())
}
