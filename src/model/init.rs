//! Weights to start from.

use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Activation, Coordinates, Dense, Head, Hypernetwork, Inr, LatentTable, Model, Source, Trunk, TrunkLayer, ValueRange,
    heads,
};

/// `n` numbers from U(-bound, bound).
fn uniform(rng: &mut impl Rng, n: usize, bound: f64) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "weights are stored in f32")]
    (0..n).map(|_| rng.random_range(-bound..=bound) as f32).collect()
}

/// `n` numbers from the normal distribution of mean 0 and that standard deviation, by Box and Muller's transform.
pub(crate) fn normal(rng: &mut impl Rng, n: usize, deviation: f64) -> Vec<f32> {
    let mut one = || {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    #[expect(clippy::cast_possible_truncation, reason = "weights are stored in f32")]
    (0..n).map(|_| (deviation * one()) as f32).collect()
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
            Activation::Sine { omega } | Activation::Finer { omega } | Activation::Gabor { omega, .. } => {
                f64::from(omega)
            }
            // The others keep the variance of their inputs with weights of about He's bound.
            _ => 1.0,
        });
        let heads = (inr.layers().iter().enumerate())
            .map(|(l, shape)| {
                let weight = uniform(&mut rng, shape.weights(), siren_bound(l, shape.inputs, omega));
                let bias = uniform(&mut rng, shape.outputs, 1.0 / (shape.inputs as f64).sqrt());
                Head::shared(weight, bias)
            })
            .collect();
        Self {
            inr,
            hypernetwork: Arc::new(Hypernetwork { latent_dim: 0, trunks: Vec::new(), heads }),
            latents: LatentTable::default(),
            coordinates: Coordinates::default(),
            values: ValueRange::default(),
            provenance: format!("random SIREN, seed {seed}"),
            training: None,
        }
    }

    /// A random hypernetwork over `inr` with `linear` heads in every layer; see [`Family`].
    pub fn random_hyper_siren(
        inr: Inr,
        latent_dim: usize,
        features: usize,
        shared_trunk: bool,
        latents: usize,
        seed: u64,
    ) -> Self {
        let family = Family { latent_dim, features, shared_trunk, latents, seed, ..Family::default() };
        family.build(inr, |_| HeadChoice { weight: WeightChoice::Linear, modulation: None })
    }
}

/// What a layer's random head is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadChoice {
    /// Kind of the weights; biases are generated where weights are linear, else learned.
    pub weight: WeightChoice,
    /// Place of a modulation, and whether it has a gain and a shift. The last layer gets none.
    pub modulation: Option<(heads::Place, bool, bool)>,
}

/// Kind of a random layer's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightChoice {
    /// Learned.
    Shared,
    /// Fully generated.
    Linear,
    /// Of that rank.
    LowRank(usize, heads::Multiplier),
}

/// A random family: sizes of its latents and trunks.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Length of a latent.
    pub latent_dim: usize,
    /// Width of the trunks' ReLU layers.
    pub features: usize,
    /// Number of them; 0: heads read the latent itself.
    pub trunk_layers: usize,
    /// Heads' maps start so many times smaller than He's initialisation: 100 in SIREN's code, 10 in SRN's.
    pub shrink: f64,
    /// One trunk for all tensors, or one for each.
    pub shared_trunk: bool,
    /// Number of random latents, named z0, z1, ...
    pub latents: usize,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for Family {
    fn default() -> Self {
        Self { latent_dim: 64, features: 64, trunk_layers: 1, shrink: 100.0, shared_trunk: true, latents: 1, seed: 0 }
    }
}

impl Family {
    /// Makes the family. Maps of heads start at He's bound (uniform) over `shrink`, their biases at SIREN's own init of the
    /// tensor (1 for gains, 0 for shifts, random factors), so that every generated INR starts as a usable one.
    pub fn build(&self, inr: Inr, choose: impl Fn(usize) -> HeadChoice) -> Model {
        let base = Model::random_siren(inr, self.seed ^ 0x5eed);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut trunks = Vec::new();
        let mut heads = Vec::new();
        for (l, (head, shape)) in base.hypernetwork.heads.iter().zip(base.inr.layers()).enumerate() {
            let choice = choose(l);
            let mut head = head.clone();
            match choice.weight {
                WeightChoice::Shared => {}
                WeightChoice::Linear => {
                    for source in [&mut head.weight, &mut head.bias] {
                        if let Source::Shared(values) = source {
                            *source = Source::Linear(self.generated(std::mem::take(values), &mut trunks, &mut rng));
                        }
                    }
                }
                WeightChoice::LowRank(rank, multiplier) => {
                    let start = uniform(&mut rng, (shape.outputs + shape.inputs) * rank, 1.0);
                    let factors = self.generated(start, &mut trunks, &mut rng);
                    if let Source::Shared(values) = &mut head.weight {
                        let base = std::mem::take(values);
                        head.weight = Source::LowRank(heads::LowRank { rank, multiplier, base, factors });
                    }
                }
            }
            if let (Some((place, gain, shift)), Some(_)) = (choice.modulation, shape.activation) {
                let mut part = |wanted: bool, start: f32| {
                    wanted.then(|| self.generated(vec![start; shape.outputs], &mut trunks, &mut rng))
                };
                head.modulation = Some(heads::Modulation { place, gain: part(gain, 1.0), shift: part(shift, 0.0) });
            }
            heads.push(head);
        }
        let names = (0..self.latents).map(|i| format!("z{i}")).collect();
        let values = uniform(&mut rng, self.latents * self.latent_dim, 1.0);
        Model {
            hypernetwork: Arc::new(Hypernetwork { latent_dim: self.latent_dim, trunks, heads }),
            latents: LatentTable::new(names, values).unwrap_or_default(),
            provenance: format!("random family, seed {}", self.seed),
            ..base
        }
    }

    /// A map that writes `start` plus a little of the features.
    fn generated(&self, start: Vec<f32>, trunks: &mut Vec<Trunk<f32>>, rng: &mut ChaCha8Rng) -> heads::Generated<f32> {
        if trunks.is_empty() || !self.shared_trunk {
            let mut inputs = self.latent_dim;
            let mut layers = Vec::new();
            for _ in 0..self.trunk_layers {
                let weight = uniform(rng, self.features * inputs, (6.0 / inputs.max(1) as f64).sqrt());
                let bias = uniform(rng, self.features, 1.0 / (inputs.max(1) as f64).sqrt());
                let map = Dense { outputs: self.features, inputs, weight, bias };
                layers.push(TrunkLayer::new(map, Activation::Relu));
                inputs = self.features;
            }
            trunks.push(Trunk::new(layers));
        }
        let inputs = if self.trunk_layers == 0 { self.latent_dim } else { self.features };
        let bound = (6.0 / inputs.max(1) as f64).sqrt() / self.shrink;
        let weight = uniform(rng, start.len() * inputs, bound);
        let map = Dense { outputs: start.len(), inputs, weight, bias: start };
        heads::Generated { trunk: trunks.len() - 1, map }
    }
}
