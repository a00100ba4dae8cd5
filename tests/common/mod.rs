//! What several tests need: every device of this machine, and error figures.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it; a test may panic")]

pub(crate) mod program;
pub(crate) mod random;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hypersine::cpu::Network;
use hypersine::engine::{DeviceChoice, Engine};
use hypersine::gpu;
use hypersine::model::{Domain, Model};

/// The CPU backend and every adapter. A machine without any adapter fails here: GPU tests never skip.
pub(crate) fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::cpu()];
    engines.extend(gpu_engines());
    engines
}

/// Every adapter of this machine.
pub(crate) fn gpu_engines() -> Vec<Engine> {
    let found = gpu::adapters();
    assert!(
        !found.is_empty(),
        "no GPU adapter, not even a software one: install a Vulkan driver (scripts/test.sh does)"
    );
    (0..found.len()).map(|i| Engine::open(&DeviceChoice::Named(i.to_string())).unwrap()).collect()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Largest absolute difference.
pub(crate) fn max_error(a: &[f32], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(&a, &b)| if a.is_finite() { (f64::from(a) - b).abs() } else { f64::INFINITY })
        .fold(0.0, f64::max)
}

/// Errors, as a test prints them.
pub(crate) fn list<const N: usize>(errors: [f64; N]) -> String {
    errors.map(|error| format!("{error:.1e}")).join(", ")
}

/// The f64 twin's values for latents `z`: `[latents][points][outputs]`.
pub(crate) fn oracle(model: &Model, z: &[f32], domain: &Domain<'_>) -> Vec<f64> {
    let network = Network::oracle(model);
    let batch = z.len().checked_div(model.latent_dim()).unwrap_or(1);
    let z: Vec<f64> = z.iter().map(|&v| f64::from(v)).collect();
    let theta = network.materialise(batch, &network.features(batch, &z));
    let mut out = vec![f64::NAN; batch * domain.len() * model.inr.outputs];
    network.evaluate(&theta, domain, &mut out);
    out
}

pub(crate) fn shared(model: Model) -> Arc<Model> {
    Arc::new(model)
}
