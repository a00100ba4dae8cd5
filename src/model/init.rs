//! Weights to start from.

use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Activation, Coordinates, Dense, Head, Hypernetwork, Inr, LatentTable, Model, Trunk, TrunkActivation, ValueRange,
    heads,
};

/// `n` numbers from U(-bound, bound).
fn uniform(rng: &mut impl Rng, n: usize, bound: f64) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "weights are stored in f32")]
    (0..n).map(|_| rng.random_range(-bound..=bound) as f32).collect()
}

/// SIREN's bound for a layer's weights: 1/n for the first layer, sqrt(6/n)/omega for the others
/// (Sitzmann et al. 2020, section 3.2; the last layer as the hidden ones).
fn siren_bound(l: usize, inputs: usize, omega: f64) -> f64 {
    let n = inputs as f64;
    if l == 0 { 1.0 / n } else { (6.0 / n).sqrt() / omega }
}

impl Model {
    /// A single SIREN with its authors' initialisation: weights U(-b, b) with b = 1/n for the first
    /// layer and sqrt(6/n)/omega for the others, biases
    /// U(-1/sqrt n, 1/sqrt n) (PyTorch's default, which their code keeps).
    pub fn random_siren(inr: Inr, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let omega = inr.hidden.first().map_or(30.0, |l| match l.activation {
            Activation::Sine { omega } => f64::from(omega),
        });
        let heads = (inr.layers().iter().enumerate())
            .map(|(l, shape)| {
                let weight = uniform(&mut rng, shape.weights(), siren_bound(l, shape.inputs, omega));
                let bias = uniform(&mut rng, shape.outputs, 1.0 / (shape.inputs as f64).sqrt());
                Head::Shared(heads::Shared { weight, bias })
            })
            .collect();
        Self {
            inr,
            hypernetwork: Arc::new(Hypernetwork { latent_dim: 0, trunks: Vec::new(), heads }),
            latents: LatentTable::default(),
            coordinates: Coordinates::default(),
            values: ValueRange::default(),
            provenance: format!("random SIREN, seed {seed}"),
        }
    }

    /// A random hypernetwork over `inr` with `linear` heads: one ReLU layer of `features` per target
    /// tensor (or one for all, if `shared_trunk`), and `latents` random codes of `latent_dim` entries.
    ///
    /// Head weights are kaiming-normal / 100; a weight tensor's head bias is SIREN's own init of that tensor,
    /// so that every generated INR starts as a usable SIREN.
    pub fn random_hyper_siren(
        inr: Inr,
        latent_dim: usize,
        features: usize,
        shared_trunk: bool,
        latents: usize,
        seed: u64,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let base = Self::random_siren(inr, seed ^ 0x5eed);
        let mut trunks = Vec::new();
        let mut generated = |numbers: Vec<f32>, trunks: &mut Vec<Trunk<f32>>| {
            if trunks.is_empty() || !shared_trunk {
                let bound = (6.0 / latent_dim.max(1) as f64).sqrt();
                let weight = uniform(&mut rng, features * latent_dim, bound);
                let bias = uniform(&mut rng, features, 1.0 / (latent_dim.max(1) as f64).sqrt());
                trunks.push(Trunk {
                    layers: vec![Dense { outputs: features, inputs: latent_dim, weight, bias }],
                    activation: TrunkActivation::Relu,
                });
            }
            let bound = (6.0 / features as f64).sqrt() / 100.0;
            let weight = uniform(&mut rng, numbers.len() * features, bound);
            let map = Dense { outputs: numbers.len(), inputs: features, weight, bias: numbers };
            heads::Generated { trunk: trunks.len() - 1, map }
        };
        let heads = (base.hypernetwork.heads.iter())
            .map(|head| match head {
                Head::Shared(h) => Head::Linear(heads::Linear {
                    weight: generated(h.weight.clone(), &mut trunks),
                    bias: generated(h.bias.clone(), &mut trunks),
                }),
                Head::Linear(_) => unreachable!("random_siren makes shared heads"),
            })
            .collect();
        let names = (0..latents).map(|i| format!("z{i}")).collect();
        let values = uniform(&mut rng, latents * latent_dim, 1.0);
        Self {
            hypernetwork: Arc::new(Hypernetwork { latent_dim, trunks, heads }),
            latents: LatentTable::new(names, values).unwrap_or_default(),
            provenance: format!("random hyper-SIREN, seed {seed}"),
            ..base
        }
    }
}
