//! Weights to start from.

use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use serde::{Deserialize, Serialize};

use super::{
    Activation, Coordinates, Dense, Head, Hypernetwork, Inr, LatentTable, LayerShape, Model, Source, Trunk, TrunkLayer,
    ValueRange, heads,
};

/// Latents by which a hyperfan initialisation measures how large a trunk's features are.
const PROBES: usize = 64;

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

/// A layer's frequency factor: the linear layer has that of the sines it reads; None for a layer without any.
fn omega(layers: &[LayerShape], l: usize) -> Option<f64> {
    let activation = layers[l].activation.or_else(|| layers[l.checked_sub(1)?].activation);
    activation.and_then(|a| a.omega()).map(|omega| f64::from(omega.abs()))
}

/// SIREN's bounds of a layer's uniform weights and biases: 1/n for the first layer's weights, sqrt(6/n)/omega for the
/// others (Sitzmann et al. 2020, section 3.2; the last layer as the hidden ones); 1/sqrt(n) for biases, PyTorch's
/// default, which their code keeps. A layer without omega gets He's bound, sqrt(6/n).
fn siren_bounds(layers: &[LayerShape], l: usize) -> [f64; 2] {
    let n = layers[l].inputs as f64;
    let weight = if l == 0 { 1.0 / n } else { (6.0 / n).sqrt() / omega(layers, l).unwrap_or(1.0) };
    [weight, 1.0 / n.sqrt()]
}

/// Whether a layer adds the residual stream to its sums.
fn residual(shape: &LayerShape) -> bool {
    shape.stream && shape.previous > 0
}

impl Model {
    /// A single SIREN with its authors' initialisation: weights U(-b, b) with b = 1/n for the first
    /// layer and sqrt(6/n)/omega for the others, biases
    /// U(-1/sqrt n, 1/sqrt n) (PyTorch's default, which their code keeps). Residual layers' weights are 0, so that a
    /// block begins by handing on the stream (Mescheder et al., "Occupancy Networks", 2019).
    pub fn random_siren(inr: Inr, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layers = inr.layers();
        let heads = (layers.iter().enumerate())
            .map(|(l, shape)| {
                let [weight, bias] = siren_bounds(&layers, l);
                let weight = uniform(&mut rng, shape.weights(), if residual(shape) { 0.0 } else { weight });
                let bias = uniform(&mut rng, shape.outputs, bias);
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
            solid: None,
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

/// How the maps of a family's heads start: `W = H h + c` of `d_k` features h, for a layer of `d_j` inputs and `d_i` outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// H at He's initialisation over --head-shrink, c a SIREN's own weights (SIREN's hypernetwork)
    #[default]
    Kaiming,
    /// H = 0, c a SIREN's own weights: all latents start with the same INR (MetaAvatar)
    ZeroResidual,
    /// c = 0, H such that the INR keeps its signal's variance; linear heads only (Chang et al.)
    HyperfanIn,
    /// The same for the variance of its gradients
    HyperfanOut,
}

impl Init {
    /// The variances that layer `l`'s generated weights and biases are to have under a hyperfan initialisation (Chang,
    /// Flokas and Lipson, "Principled weight initialization for hypernetworks", ICLR 2020, table 1). There, with c = 2
    /// before a ReLU and 1 elsewhere, and biases that are generated, too:
    ///
    /// | | `Var(H)` of weights | `Var(H)` of biases |
    /// |---|---|---|
    /// | fan-in | `c / (2 d_j d_k Var(h))` | `c / (2 d_k Var(h))` |
    /// | fan-out | `c / (d_i d_k Var(h))` | `max(0, c (1 - d_j / d_i)) / (d_k Var(h))` |
    ///
    /// which is to say: weights of variance `c / 2 d_j`, or `c / d_i`, for `d_k` features multiply that of H by
    /// `d_k Var(h)`. The 2 makes room for the biases, so that both together keep the variance of u = W x + b.
    ///
    /// Sines need no such room. Whatever phases u has, E sin^2(omega u) is 1/2 or close to it, so that omega W x has the
    /// variance 1 of SIREN's initialisation (Sitzmann et al. 2020, section 3.2) at every depth if
    /// `Var(W) = 2 / (omega^2 d_j)`. And backwards, as E cos^2 is 1/2, gradients keep theirs if
    /// `Var(W) = 2 / (omega^2 d_i)`. The first layer has no gradient to hand on, but sets the frequencies: it has SIREN's
    /// own `Var(W) = 1 / (3 d_j^2)` under both. Biases are phases and have SIREN's own variance, `1 / (3 d_j)`.
    fn variances(self, layers: &[LayerShape], l: usize) -> Option<[f64; 2]> {
        let (inputs, outputs) = (layers[l].inputs as f64, layers[l].outputs as f64);
        let sine = omega(layers, l).map(|_| siren_bounds(layers, l).map(|bound| bound * bound / 3.0));
        let c = match layers[l].activation {
            Some(Activation::Relu | Activation::Softplus { .. }) => 2.0,
            // He et al. 2015.
            Some(Activation::LeakyRelu { slope }) => 2.0 / (1.0 + f64::from(slope).powi(2)),
            _ => 1.0,
        };
        match (self, sine) {
            (Self::Kaiming | Self::ZeroResidual, _) => None,
            (Self::HyperfanOut, Some([weight, bias])) if l > 0 => Some([weight * inputs / outputs, bias]),
            (_, Some(variances)) => Some(variances),
            (Self::HyperfanIn, None) => Some([c / (2.0 * inputs), c / 2.0]),
            (Self::HyperfanOut, None) => Some([c / outputs, (c * (1.0 - inputs / outputs)).max(0.0)]),
        }
    }
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
    /// How heads start. Low-rank factors and modulations have no hyperfan initialisation: they start as under
    /// [`Init::Kaiming`].
    pub init: Init,
    /// Of [`Init::Kaiming`]: so many times smaller than He's initialisation, 100 in SIREN's code, 10 in SRN's.
    pub shrink: f64,
    /// One trunk for all tensors, or one for each.
    pub shared_trunk: bool,
    /// Number of random latents, named z0, z1, ...
    pub latents: usize,
    /// Standard deviation of the latents' entries.
    pub latent_std: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for Family {
    fn default() -> Self {
        Self {
            latent_dim: 64,
            features: 64,
            trunk_layers: 1,
            init: Init::Kaiming,
            shrink: 100.0,
            shared_trunk: true,
            latents: 1,
            // That of U(-1, 1).
            latent_std: 1.0 / 3.0_f64.sqrt(),
            seed: 0,
        }
    }
}

impl Family {
    /// Makes the family. Maps of heads start as `init` says, from SIREN's own init of the tensor (1 for gains, 0 for shifts,
    /// random factors), so that every generated INR starts as a usable one.
    pub fn build(&self, inr: Inr, choose: impl Fn(usize) -> HeadChoice) -> Model {
        self.over(Model::random_siren(inr, self.seed ^ 0x5eed), choose)
    }

    /// The same over an INR that has weights of its own: what heads write starts from these, and is exactly these under
    /// [`Init::ZeroResidual`] (the residual hypernetwork of Wang et al., "MetaAvatar", 2021). `base` is a plain INR: all it
    /// has is shared.
    pub fn over(&self, base: Model, choose: impl Fn(usize) -> HeadChoice) -> Model {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut trunks = Vec::new();
        let mut heads = Vec::new();
        let layers = base.inr.layers();
        for (l, (head, shape)) in base.hypernetwork.heads.iter().zip(&layers).enumerate() {
            let choice = choose(l);
            let mut head = head.clone();
            match choice.weight {
                WeightChoice::Shared => {}
                WeightChoice::Linear => {
                    let variances = self.init.variances(&layers, l);
                    for (i, source) in [&mut head.weight, &mut head.bias].into_iter().enumerate() {
                        if let Source::Shared(values) = source {
                            let (start, variance) = (std::mem::take(values), variances.map(|v| v[i]));
                            *source = Source::Linear(self.generated(start, variance, &mut trunks, &mut rng));
                        }
                    }
                }
                WeightChoice::LowRank(rank, multiplier) => {
                    let start = uniform(&mut rng, (shape.outputs + shape.inputs) * rank, 1.0);
                    let factors = self.generated(start, None, &mut trunks, &mut rng);
                    if let Source::Shared(values) = &mut head.weight {
                        let mut base = std::mem::take(values);
                        if residual(shape) && base.iter().all(|&w| w == 0.0) {
                            // What multiplies has no gradient at 0, and a row of zeros no norm.
                            base = uniform(&mut rng, base.len(), siren_bounds(&layers, l)[0]);
                        }
                        head.weight = Source::LowRank(heads::LowRank { rank, multiplier, base, factors });
                    }
                }
            }
            if let (Some((place, gain, shift)), Some(_)) = (choice.modulation, shape.activation) {
                let mut part = |wanted: bool, start: f32| {
                    wanted.then(|| self.generated(vec![start; shape.outputs], None, &mut trunks, &mut rng))
                };
                head.modulation = Some(heads::Modulation { place, gain: part(gain, 1.0), shift: part(shift, 0.0) });
            }
            heads.push(head);
        }
        let names = (0..self.latents).map(|i| format!("z{i}")).collect();
        let values = uniform(&mut rng, self.latents * self.latent_dim, self.latent_std * 3.0_f64.sqrt());
        Model {
            hypernetwork: Arc::new(Hypernetwork { latent_dim: self.latent_dim, trunks, heads }),
            latents: LatentTable::new(names, values).unwrap_or_default(),
            provenance: format!("random family, seed {}", self.seed),
            ..base
        }
    }

    /// A map that writes `start` plus a little of the features, or numbers of mean 0 and that `variance`.
    fn generated(
        &self,
        mut start: Vec<f32>,
        variance: Option<f64>,
        trunks: &mut Vec<Trunk<f32>>,
        rng: &mut ChaCha8Rng,
    ) -> heads::Generated<f32> {
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
        let bound = match (self.init, variance) {
            (_, Some(variance)) => {
                start.fill(0.0);
                (3.0 * variance / self.square(trunks.last())).sqrt()
            }
            (Init::ZeroResidual, None) => 0.0,
            (_, None) => (6.0 / inputs.max(1) as f64).sqrt() / self.shrink,
        };
        let weight = uniform(rng, start.len() * inputs, bound);
        let map = Dense { outputs: start.len(), inputs, weight, bias: start };
        heads::Generated { trunk: trunks.len() - 1, map }
    }

    /// The mean of |h|^2 of a trunk's features, over normally distributed latents: what Chang et al. call `d_k Var(h)`, of
    /// features with mean 0; those of a ReLU have another. Measured, for one trunk's few features may be far from what
    /// the distribution of its weights lets expect.
    fn square(&self, trunk: Option<&Trunk<f32>>) -> f64 {
        let trunks = trunk.into_iter().cloned().collect();
        let probe = Hypernetwork { latent_dim: self.latent_dim, trunks, heads: Vec::new() };
        let z = normal(&mut ChaCha8Rng::seed_from_u64(self.seed), PROBES * self.latent_dim, self.latent_std);
        let sum: f64 = probe.features(PROBES, &z).data.iter().map(|&h| f64::from(h).powi(2)).sum();
        // Features that are all 0 generate nothing, whatever the map.
        (sum / PROBES as f64).max(1e-12)
    }
}
