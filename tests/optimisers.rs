//! Twenty steps of Adam against PyTorch's, which `tests/fixtures/make_training.py` wrote down.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{engines, fixture};
use hypersine::cpu::{Gradients, Network};
use hypersine::engine::Engine;
use hypersine::math::Real;
use hypersine::model::{Batch, Goal, Model, Penalties, Supervised, file};
use hypersine::train::{Adam, AdamConfig, Learner, Parameter, Wanted, parameters, scatter_rows};
use safetensors::SafeTensors;

/// The tensors of a file in double precision.
fn doubles(name: &str) -> HashMap<String, Vec<f64>> {
    let bytes = std::fs::read(fixture(name)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
    tensors.iter().map(|(name, view)| (name.to_owned(), numbers(view.data()))).collect()
}

const BATCH: usize = 3;
const RATE: f64 = 5e-4;
const LATENT_RATE: f64 = 2e-3;

/// What a step of the fixture sees.
struct Seen {
    rows: Vec<usize>,
    points: Vec<f32>,
    targets: Vec<f32>,
}

impl Seen {
    fn objective(&self, outputs: usize) -> Supervised<'_> {
        let penalties = Penalties { latents: 1e-4, theta: 0.0 };
        Supervised { penalties, ..Supervised::new(&self.targets, BATCH, outputs) }
    }

    /// The batch's rows of the table.
    fn latents<T: Copy>(&self, table: &[T], dim: usize) -> Vec<T> {
        self.rows.iter().flat_map(|&r| &table[r * dim..][..dim]).copied().collect()
    }
}

fn steps(fixture: &HashMap<String, Vec<f64>>) -> Vec<Seen> {
    let single = |name: &str| -> Vec<f32> { fixture[name].iter().map(|v| v.to_f32()).collect() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows of a table of six")]
    let rows: Vec<usize> = fixture["rows"].iter().map(|&v| v as usize).collect();
    let (points, targets, count) = (single("points"), single("targets"), rows.len() / BATCH);
    let each = points.chunks(points.len() / count).zip(targets.chunks(targets.len() / count));
    (rows.chunks(BATCH).zip(each))
        .map(|(rows, (p, t))| Seen { rows: rows.to_vec(), points: p.to_vec(), targets: t.to_vec() })
        .collect()
}

/// Every tensor after the fixture's steps, the latents last, and the loss of each step: the f64 twin's.
fn learn_double(model: &Model, fixture: &HashMap<String, Vec<f64>>) -> (Vec<(String, Vec<f64>)>, Vec<f64>) {
    let mut network = Network::oracle(model);
    let dim = model.latent_dim();
    let mut table: Vec<f64> = model.latents.values().iter().map(|&v| f64::from(v)).collect();
    let mut gradients = Gradients::new(&network);
    let mut adam = Adam::new(AdamConfig::default());
    let mut losses = Vec::new();
    for seen in steps(fixture) {
        let z = seen.latents(&table, dim);
        let batch = Batch { count: BATCH, latents: &z, coordinates: &seen.points };
        losses.push(network.backward(batch, &seen.objective(model.inr.outputs), &mut gradients).total());
        let mut slopes = vec![0.0; table.len()];
        scatter_rows(&gradients.latents, &seen.rows, dim, &mut slopes);
        let mut all = parameters(network.hypernetwork_mut(), &mut gradients.hypernetwork, RATE);
        all.push(Parameter { name: "latents".into(), value: &mut table, gradient: &slopes, rate: LATENT_RATE });
        adam.step(all);
    }
    let tensors = network.hypernetwork_mut().tensors_mut().into_iter().map(|(name, values)| (name, values.to_vec()));
    (tensors.chain([("latents".to_owned(), table.clone())]).collect(), losses)
}

/// As a run learns, on a device; and with clipping that does nothing.
fn learn_single(engine: &Engine, model: &Arc<Model>, fixture: &HashMap<String, Vec<f64>>) -> Vec<(String, Vec<f64>)> {
    let dim = model.latent_dim();
    let mut table = model.latents.values().to_vec();
    let mut learner = Learner::new(engine, model, AdamConfig::default(), None).unwrap();
    let mut adam = Adam::new(AdamConfig::default());
    for seen in steps(fixture) {
        let z = seen.latents(&table, dim);
        let batch = Batch { count: BATCH, latents: &z, coordinates: &seen.points };
        learner.backward(batch, &Goal::Supervised(seen.objective(model.inr.outputs)), Wanted::All).unwrap();
        let mut slopes = vec![0.0; table.len()];
        scatter_rows(learner.latent_gradients(), &seen.rows, dim, &mut slopes);
        learner.step(RATE, 1.0).unwrap();
        adam.step(vec![Parameter { name: "latents".into(), value: &mut table, gradient: &slopes, rate: LATENT_RATE }]);
    }
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let mut hypernetwork = (*learner.hypernetwork().unwrap()).clone();
    let tensors = hypernetwork.tensors_mut().into_iter().map(|(name, values)| (name, wide(values)));
    tensors.chain([("latents".to_owned(), wide(&table))]).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn twenty_steps_of_adam_equal_pytorchs() {
    let model = Arc::new(file::load(&fixture("training.safetensors")).unwrap());
    let after = doubles("training_after.safetensors");
    let (double, losses) = learn_double(&model, &after);
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
    for engine in engines() {
        let bound = if engine.gpu().is_some() { 1e-3 } else { 2e-4 };
        let mut largest = 0.0_f64;
        for (name, got) in &learn_single(&engine, &model, &after) {
            let start =
                stored.tensor(name).unwrap().data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b)));
            let want = &after[&format!("after.{name}")];
            let displacement = norm(start.zip(want).map(|(s, w)| w - s));
            largest = largest.max(norm(got.iter().zip(want).map(|(g, w)| g - w)) / displacement);
        }
        println!("{}: displacements wrong by {largest:.1e} at most", engine.describe());
        assert!(largest <= bound, "{}: {largest:.1e}", engine.describe());
    }
}
