//! Twenty steps of Adam against PyTorch's, which `tests/fixtures/make_training.py` wrote down.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::HashMap;

use common::fixture;
use hypersine::cpu::{Gradients, Network};
use hypersine::math::Real;
use hypersine::model::{Batch, Loss, Model, Penalties, Supervised, file};
use hypersine::train::{Adam, AdamConfig, Parameter, parameters, scatter_rows};
use safetensors::SafeTensors;

/// The tensors of a file in double precision.
fn doubles(name: &str) -> HashMap<String, Vec<f64>> {
    let bytes = std::fs::read(fixture(name)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
    tensors.iter().map(|(name, view)| (name.to_owned(), numbers(view.data()))).collect()
}

/// Every tensor after the fixture's steps, the latents last, and the loss of each step.
fn learn<T: Real>(
    mut network: Network<T>,
    model: &Model,
    fixture: &HashMap<String, Vec<f64>>,
) -> (Vec<(String, Vec<f64>)>, Vec<f64>) {
    const BATCH: usize = 3;
    let dim = model.latent_dim();
    let mut table: Vec<T> = model.latents.values().iter().map(|&v| T::from_f32(v)).collect();
    let single = |name: &str| -> Vec<f32> { fixture[name].iter().map(|v| v.to_f32()).collect() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows of a table of six")]
    let rows: Vec<usize> = fixture["rows"].iter().map(|&v| v as usize).collect();
    let (points, targets) = (single("points"), single("targets"));
    let steps = rows.len() / BATCH;
    let mut gradients = Gradients::new(&network);
    let mut adam = Adam::new(AdamConfig::default());
    let mut losses = Vec::new();
    for (step, rows) in rows.chunks(BATCH).enumerate() {
        let part = |values: &'_ [f32]| -> Vec<f32> { values.chunks(values.len() / steps).nth(step).unwrap().to_vec() };
        let z: Vec<T> = rows.iter().flat_map(|&r| &table[r * dim..][..dim]).copied().collect();
        let objective = Supervised {
            loss: Loss::Mse,
            targets: &part(&targets),
            latents: BATCH,
            outputs: model.inr.outputs,
            penalties: Penalties { latents: 1e-4, theta: 0.0 },
            importance: None,
        };
        let batch = Batch { count: BATCH, latents: &z, coordinates: &part(&points) };
        losses.push(network.backward(batch, &objective, &mut gradients).total());
        let mut slopes = vec![T::ZERO; table.len()];
        scatter_rows(&gradients.latents, rows, dim, &mut slopes);
        let mut all = parameters(network.hypernetwork_mut(), &mut gradients.hypernetwork, 5e-4);
        all.push(Parameter { name: "latents".into(), value: &mut table, gradient: &slopes, rate: 2e-3 });
        adam.step(all);
    }
    let wide = |values: &[T]| values.iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
    let tensors = network.hypernetwork_mut().tensors_mut().into_iter().map(|(name, values)| (name, wide(values)));
    (tensors.chain([("latents".to_owned(), wide(&table))]).collect(), losses)
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn twenty_steps_of_adam_equal_pytorchs() {
    let model = file::load(&fixture("training.safetensors")).unwrap();
    let after = doubles("training_after.safetensors");
    let (double, losses) = learn(Network::oracle(&model), &model, &after);
    let worst = double
        .iter()
        .flat_map(|(name, got)| got.iter().zip(&after[&format!("after.{name}")]).map(|(g, w)| (g - w).abs()));
    let worst = worst.fold(0.0, f64::max);
    let loss = losses.iter().zip(&after["losses"]).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    println!(
        "f64 twin after {} steps: parameters within {worst:.1e} of PyTorch's, losses within {loss:.1e}",
        losses.len()
    );
    assert!(worst <= 1e-8 && loss <= 1e-8 && losses.len() == 20);

    // The names are those of the file, and it holds no others.
    let bytes = std::fs::read(fixture("training.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(stored.len(), double.len());
    let (single, _) = learn(Network::new(&model), &model, &after);
    let mut largest = 0.0_f64;
    for (name, got) in &single {
        let start = stored.tensor(name).unwrap().data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b)));
        let want = &after[&format!("after.{name}")];
        let displacement = norm(start.zip(want).map(|(s, w)| w - s));
        let error = norm(got.iter().zip(want).map(|(g, w)| g - w)) / displacement;
        println!("f32, {name}: displacement {displacement:.2e}, wrong by {error:.1e} of it");
        largest = largest.max(error);
    }
    assert!(largest <= 2e-4, "{largest:.1e}");
}
