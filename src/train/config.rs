//! What a training run is asked to do: one struct per concern, each of which is a table of the TOML file, a group of flags
//! on the command line, and a part of the model file.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{AdamConfig, Curve, Decay, InnerLoop, Schedule};
use crate::model::heads::{Multiplier, Place};
use crate::model::{
    Activation, Align, Coordinates, Encoding, HeadChoice, HiddenLayer, Init, Inr, Loss, Order, Penalties, Side, Span,
    WeightChoice,
};
use crate::{Error, Result};

/// All of a run's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The INR.
    pub network: NetworkConfig,
    /// The hypernetwork; None: a single INR is fitted to a single signal.
    pub family: Option<FamilyConfig>,
    /// What a step sees.
    pub batch: BatchConfig,
    /// What it minimises.
    pub loss: LossConfig,
    /// How it steps.
    pub optimiser: OptimiserConfig,
    /// When it ends.
    pub stop: StopConfig,
}

/// An activation's name; its parameters are fields of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    /// sin(omega u)
    #[default]
    Sine,
    /// max(u, 0)
    Relu,
    /// u, or 0.2 u where it is negative
    LeakyRelu,
    /// tanh(u)
    Tanh,
    /// 1 / (1 + exp(-u))
    Sigmoid,
    /// ln(1 + exp(u))
    Softplus,
    /// exp(-(scale u)^2)
    Gaussian,
    /// sin(omega (|u| + 1) u)
    Finer,
    /// cos(omega u) exp(-(scale u)^2)
    Gabor,
}

/// The INR.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Network")]
pub struct NetworkConfig {
    /// Width of the hidden layers
    #[arg(long, default_value_t = Self::default().width)]
    pub width: usize,
    /// Number of hidden layers
    #[arg(long, default_value_t = Self::default().layers)]
    pub layers: usize,
    /// Their activation
    #[arg(long, value_enum, default_value_t)]
    pub activation: ActivationKind,
    /// Frequency factor of sine, finer and gabor
    #[arg(long, default_value_t = Self::default().omega)]
    pub omega: f32,
    /// The same for the first layer, if another
    #[arg(long, value_name = "OMEGA")]
    pub first_omega: Option<f32>,
    /// Inverse width of gaussian and gabor
    #[arg(long, default_value_t = Self::default().scale)]
    pub scale: f32,
    /// Encode coordinates by NeRF's octaves, so many (and the coordinates themselves)
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "fourier")]
    pub octaves: usize,
    /// Encode coordinates by so many random Fourier features
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fourier: usize,
    /// Standard deviation of their frequencies
    #[arg(long, default_value_t = Self::default().sigma)]
    pub sigma: f32,
    /// Where on a pixel its coordinate is taken
    #[arg(long, value_enum, default_value_t)]
    pub coords: Align,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            width: 64,
            layers: 4,
            activation: ActivationKind::Sine,
            omega: 30.0,
            first_omega: None,
            scale: 10.0,
            octaves: 0,
            fourier: 0,
            sigma: 10.0,
            coords: Align::Centre,
        }
    }
}

impl NetworkConfig {
    /// The convention of a picture's coordinates: native, or `linspace(-1, 1, n)` of each axis, rows first.
    pub fn coordinates(&self) -> Coordinates {
        match self.coords {
            Align::Centre => Coordinates::default(),
            Align::Corner => {
                Coordinates { order: Order::Yx, align: Align::Corner, span: Span::EachAxis, ..Coordinates::default() }
            }
        }
    }

    fn activation(&self, omega: f32) -> Activation {
        match self.activation {
            ActivationKind::Sine => Activation::Sine { omega },
            ActivationKind::Relu => Activation::Relu,
            ActivationKind::LeakyRelu => Activation::LeakyRelu { slope: 0.2 },
            ActivationKind::Tanh => Activation::Tanh,
            ActivationKind::Sigmoid => Activation::Sigmoid,
            ActivationKind::Softplus => Activation::Softplus { beta: 1.0 },
            ActivationKind::Gaussian => Activation::Gaussian { scale: self.scale },
            ActivationKind::Finer => Activation::Finer { omega },
            ActivationKind::Gabor => Activation::Gabor { omega, scale: self.scale },
        }
    }

    /// The architecture for signals of so many coordinates and values; `frequencies` draws a Fourier encoding's `B`.
    ///
    /// # Errors
    /// Where sizes or parameters are out of range.
    pub fn inr(&self, inputs: usize, outputs: usize, frequencies: impl FnOnce(usize) -> Vec<f32>) -> Result<Inr> {
        let encoding = match (self.octaves, self.fourier) {
            (0, 0) => Encoding::Identity,
            (count, 0) => Encoding::Octaves { count, input: true },
            (_, features) => Encoding::Fourier { features, frequencies: frequencies(features * inputs) },
        };
        let omega = |l: usize| if l == 0 { self.first_omega.unwrap_or(self.omega) } else { self.omega };
        let layer = |l| HiddenLayer::new(self.width, self.activation(omega(l)));
        let inr = Inr { inputs, outputs, encoding, hidden: (0..self.layers).map(layer).collect() };
        inr.validate()?;
        Ok(inr)
    }
}

/// Kind of the generated weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// Every weight and bias a linear function of the features (SIREN's hypernetwork)
    #[default]
    Linear,
    /// Learned weights times a generated matrix of low rank: rows divided by their norms (INR-GAN)
    LowRank,
    /// Learned weights times 1 + tanh of a generated matrix of low rank
    LowRankTanh,
    /// Learned weights; a generated shift before the activation (functa)
    Shift,
    /// Learned weights; a generated gain and shift before the activation (FiLM)
    Film,
}

/// The hypernetwork of a family, and how its latents are learned.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Hypernetwork")]
pub struct FamilyConfig {
    /// Length of a latent code
    #[arg(long, default_value_t = Self::default().latent_dim)]
    pub latent_dim: usize,
    /// Standard deviation of the latents at the start
    #[arg(long, default_value_t = Self::default().latent_std)]
    pub latent_std: f64,
    /// What the heads write
    #[arg(long, value_enum, default_value_t)]
    pub head: HeadKind,
    /// Rank of low-rank heads
    #[arg(long, default_value_t = Self::default().rank)]
    pub rank: usize,
    /// Width of the trunks' ReLU layers
    #[arg(long, default_value_t = Self::default().features)]
    pub features: usize,
    /// Number of the trunks' layers; 0: heads read the latent itself
    #[arg(long, default_value_t = Self::default().trunk_layers)]
    pub trunk_layers: usize,
    /// One trunk for all heads instead of one for each tensor
    #[arg(long)]
    pub shared_trunk: bool,
    /// How the heads start, which make W = H h + c of features h
    #[arg(long, value_enum, default_value_t)]
    pub init: Init,
    /// Of kaiming: heads start so many times smaller than He's initialisation (100 in SIREN's code, 10 in SRN's)
    #[arg(long, value_name = "FACTOR", default_value_t = Self::default().head_shrink)]
    pub head_shrink: f64,
    /// Meta-learning: every step finds its latents anew, by so many gradient steps from the origin, and learns the
    /// network alone; `encode` then does the same for unseen pictures. 0: latents are learned with the network. Has no
    /// use for --latent-std, --latent-lr and --latent-penalty
    #[arg(long, value_name = "STEPS", default_value_t = Self::default().inner_steps)]
    pub inner_steps: u64,
    /// Step size of these, against the mean squared error of a latent's own points
    #[arg(long, value_name = "RATE", default_value_t = Self::default().inner_lr)]
    pub inner_lr: f64,
}

impl Default for FamilyConfig {
    fn default() -> Self {
        Self {
            latent_dim: 64,
            latent_std: 0.01,
            head: HeadKind::Linear,
            rank: 8,
            features: 64,
            trunk_layers: 1,
            shared_trunk: false,
            init: Init::Kaiming,
            head_shrink: 100.0,
            inner_steps: 0,
            inner_lr: 0.1,
        }
    }
}

impl FamilyConfig {
    /// What every layer's head is to be.
    pub fn choice(&self) -> HeadChoice {
        let (weight, modulation) = match self.head {
            HeadKind::Linear => (WeightChoice::Linear, None),
            HeadKind::LowRank => (WeightChoice::LowRank(self.rank, Multiplier::Demodulated), None),
            HeadKind::LowRankTanh => (WeightChoice::LowRank(self.rank, Multiplier::Tanh), None),
            HeadKind::Shift => (WeightChoice::Shared, Some((Place::BeforeOmega, false, true))),
            HeadKind::Film => (WeightChoice::Shared, Some((Place::BeforeOmega, true, true))),
        };
        HeadChoice { weight, modulation }
    }

    /// The inner loop of meta-learning; None: latents are learned with the network.
    pub fn inner(&self) -> Option<InnerLoop> {
        (self.inner_steps > 0).then_some(InnerLoop { steps: self.inner_steps, lr: self.inner_lr })
    }
}

/// Which of a picture's pixels a step sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// All are as likely
    #[default]
    Uniform,
    /// Half of the draws in proportion to each pixel's last errors; losses weigh so that their mean stays what it is
    Error,
}

/// What a step sees.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Batch")]
pub struct BatchConfig {
    /// Latents a step (all, where there are fewer)
    #[arg(long, value_name = "N", default_value_t = Self::default().latents)]
    pub latents: usize,
    /// Points of each; 0: all pixels
    #[arg(long, value_name = "N", default_value_t = Self::default().points)]
    pub points: usize,
    /// How they are drawn
    #[arg(long, value_enum, default_value_t)]
    pub sampling: Sampling,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { latents: 32, points: 1024, sampling: Sampling::Uniform }
    }
}

/// What is minimised.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Loss")]
pub struct LossConfig {
    /// Loss of a value; of shapes the last two as well
    #[arg(long = "loss", id = "kind", value_enum, default_value_t)]
    pub kind: LossKind,
    /// What of a picture is compared: its values, or its derivatives alone (Poisson reconstruction, of which the mean value
    /// is not a part)
    #[arg(long, value_enum, default_value_t)]
    pub supervise: Supervise,
    /// Signed distances: further away than this from the surface it only matters on which side a point is (DeepSDF)
    #[arg(long, value_name = "DISTANCE")]
    pub clamp: Option<f32>,
    /// Signed distances: weight of the mean of (|gradient| - 1)^2
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    pub eikonal: f64,
    /// Weight of the mean of z^2 over the batch's latents
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    pub latent_penalty: f64,
    /// Weight of the mean of squares of all generated weights
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    pub theta_penalty: f64,
}

/// Losses, and with them what a shape's values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Squared difference; of shapes, of signed distances
    #[default]
    Mse,
    /// Absolute difference; of shapes, of signed distances
    L1,
    /// Binary cross-entropy: values are logits of being inside (Occupancy Networks)
    Occupancy,
    /// A signed distance from oriented points of the surface alone (SIREN)
    Oriented,
}

/// What of a picture is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervise {
    /// Its values
    #[default]
    Value,
    /// Its gradients, by Sobel's operator
    Gradient,
    /// Its Laplacian
    Laplacian,
}

impl LossConfig {
    /// The loss of one number; None: it is of more than one.
    pub fn loss(&self) -> Option<Loss> {
        match self.kind {
            LossKind::Mse => Some(Loss::Mse),
            LossKind::L1 => Some(Loss::L1),
            LossKind::Occupancy => Some(Loss::BceLogits),
            LossKind::Oriented => None,
        }
    }

    /// What is added to it.
    pub fn penalties(&self) -> Penalties {
        Penalties { latents: self.latent_penalty, theta: self.theta_penalty }
    }

    /// What a shape's values are to say.
    pub fn side(&self) -> Side {
        if self.kind == LossKind::Occupancy { Side::Occupancy } else { Side::Distance }
    }

    /// Checks the settings for pictures, or for solids.
    ///
    /// # Errors
    /// One sentence on a setting that the signals have no use for.
    pub fn validate(&self, solids: bool) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if self.clamp.is_some_and(|c| !positive(c.into())) || !(self.eikonal == 0.0 || positive(self.eikonal)) {
            return Err(Error::invalid("--clamp must be more than 0, --eikonal 0 or more"));
        }
        let distances = solids && matches!(self.kind, LossKind::Mse | LossKind::L1);
        if !distances && (self.clamp.is_some() || self.eikonal > 0.0) {
            return Err(Error::invalid("--clamp and --eikonal belong to signed distances, with --loss l1 or mse"));
        }
        if !solids && matches!(self.kind, LossKind::Occupancy | LossKind::Oriented) {
            return Err(Error::invalid("--loss occupancy and oriented are losses of shapes; pictures have mse and l1"));
        }
        if solids && self.supervise != Supervise::Value {
            return Err(Error::invalid(
                "--supervise chooses derivatives of pictures; --loss oriented has those of shapes",
            ));
        }
        Ok(())
    }
}

/// How a learning rate goes on after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveKind {
    /// It stays
    #[default]
    Constant,
    /// Half a cosine down to --lr-end of it, over all steps
    Cosine,
    /// Times --lr-factor after every --lr-every steps
    Step,
}

/// Adam, its learning rates, and what is done to gradients before and to parameters after.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Optimiser")]
pub struct OptimiserConfig {
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = Self::default().lr)]
    pub lr: f64,
    /// Learning rate of the latents
    #[arg(long, value_name = "RATE", default_value_t = Self::default().latent_lr)]
    pub latent_lr: f64,
    /// How the learning rates go on
    #[arg(long, value_enum, default_value_t)]
    pub schedule: CurveKind,
    /// Steps of linear warm-up
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    pub warm_up: u64,
    /// Of cosine: what is left of the rate at the end
    #[arg(long, value_name = "SHARE", default_value_t = Self::default().lr_end)]
    pub lr_end: f64,
    /// Of step: the factor
    #[arg(long, value_name = "FACTOR", default_value_t = Self::default().lr_factor)]
    pub lr_factor: f64,
    /// Of step: how often
    #[arg(long, value_name = "STEPS", default_value_t = Self::default().lr_every)]
    pub lr_every: u64,
    /// Adam's decay of the mean of gradients
    #[arg(long, default_value_t = Self::default().beta1)]
    pub beta1: f64,
    /// Adam's decay of the mean of their squares
    #[arg(long, default_value_t = Self::default().beta2)]
    pub beta2: f64,
    /// Added to the root of that mean
    #[arg(long, default_value_t = Self::default().epsilon)]
    pub epsilon: f64,
    /// Weight decay apart from the gradient (AdamW)
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    pub weight_decay: f64,
    /// Clip the norm of all gradients together
    #[arg(long, value_name = "NORM")]
    pub clip: Option<f64>,
    /// Write the running mean of the parameters, of which so much stays at a step, e.g. 0.999
    #[arg(long, value_name = "DECAY")]
    pub ema: Option<f64>,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            lr: 5e-4,
            latent_lr: 2e-3,
            schedule: CurveKind::Constant,
            warm_up: 0,
            lr_end: 0.02,
            lr_factor: 0.5,
            lr_every: 1000,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip: None,
            ema: None,
        }
    }
}

impl OptimiserConfig {
    /// Adam's constants.
    pub fn adam(&self) -> AdamConfig {
        let &Self { beta1, beta2, epsilon, weight_decay, .. } = self;
        AdamConfig { beta1, beta2, epsilon, decay: weight_decay, decay_kind: Decay::Decoupled }
    }

    /// The course of the learning rates.
    pub fn course(&self) -> Schedule {
        let curve = match self.schedule {
            CurveKind::Constant => Curve::Constant,
            CurveKind::Cosine => Curve::Cosine { to: self.lr_end },
            CurveKind::Step => Curve::Step { every: self.lr_every, factor: self.lr_factor },
        };
        Schedule { warm_up: self.warm_up, curve }
    }

    fn validate(&self) -> Result<()> {
        let below_one = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let checks = [
            ("lr", self.lr, positive(self.lr), "more than 0"),
            ("latent-lr", self.latent_lr, positive(self.latent_lr), "more than 0"),
            ("lr-end", self.lr_end, (0.0..=1.0).contains(&self.lr_end), "0 to 1"),
            ("lr-factor", self.lr_factor, positive(self.lr_factor), "more than 0"),
            ("beta1", self.beta1, below_one(self.beta1), "0 to below 1"),
            ("beta2", self.beta2, below_one(self.beta2), "0 to below 1"),
            ("epsilon", self.epsilon, positive(self.epsilon), "more than 0"),
            ("weight-decay", self.weight_decay, self.weight_decay == 0.0 || positive(self.weight_decay), "0 or more"),
            ("clip", self.clip.unwrap_or(1.0), self.clip.is_none_or(positive), "more than 0"),
            ("ema", self.ema.unwrap_or(0.5), self.ema.is_none_or(below_one), "0 to below 1"),
        ];
        match checks.into_iter().find(|c| !c.2) {
            Some((name, value, _, want)) => Err(Error::invalid(format!("--{name} {value}: give {want}"))),
            None => Ok(()),
        }
    }
}

/// When training ends: at the first of what is given.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "End")]
pub struct StopConfig {
    /// After so many steps
    #[arg(long, default_value_t = Self::default().steps)]
    pub steps: u64,
    /// When the PSNR of the raw loss has reached so many dB
    #[arg(long, value_name = "DB")]
    pub psnr: Option<f64>,
    /// After so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub time: Option<f64>,
}

impl Default for StopConfig {
    fn default() -> Self {
        Self { steps: 2000, psnr: None, time: None }
    }
}

impl Config {
    /// What `fit` starts from: SIREN's own network and learning rate for one picture, all of its pixels in every step.
    pub fn fit() -> Self {
        Self {
            network: NetworkConfig { width: 256, ..NetworkConfig::default() },
            batch: BatchConfig { latents: 1, points: 0, ..BatchConfig::default() },
            optimiser: OptimiserConfig { lr: 1e-4, ..OptimiserConfig::default() },
            stop: StopConfig { steps: 500, ..StopConfig::default() },
            ..Self::default()
        }
    }

    /// What `train` starts from: SIREN's hypernetwork over a small SIREN, as an auto-decoder.
    pub fn train() -> Self {
        Self {
            family: Some(FamilyConfig::default()),
            loss: LossConfig { latent_penalty: 1e-4, ..LossConfig::default() },
            optimiser: OptimiserConfig { schedule: CurveKind::Cosine, ..OptimiserConfig::default() },
            stop: StopConfig { steps: 20_000, ..StopConfig::default() },
            ..Self::default()
        }
    }

    /// What `fit` starts from for a shape: signed distances, and slopes of length one.
    pub fn fit_solid() -> Self {
        Self {
            network: NetworkConfig { width: 128, ..NetworkConfig::default() },
            batch: BatchConfig { latents: 1, points: 4096, ..BatchConfig::default() },
            loss: LossConfig { kind: LossKind::L1, ..LossConfig::default() },
            optimiser: OptimiserConfig { lr: 5e-4, schedule: CurveKind::Cosine, ..OptimiserConfig::default() },
            stop: StopConfig { steps: 3000, ..StopConfig::default() },
            ..Self::default()
        }
    }

    /// What `train` starts from for a family of shapes.
    pub fn train_solids() -> Self {
        Self {
            loss: LossConfig { kind: LossKind::L1, clamp: Some(0.1), latent_penalty: 1e-4, ..LossConfig::default() },
            ..Self::train()
        }
    }

    /// Checks what no part can check by itself.
    ///
    /// # Errors
    /// One sentence on the first setting that makes no sense.
    pub fn validate(&self) -> Result<()> {
        let mut sizes = vec![
            ("width", self.network.width, 1, 512),
            ("layers", self.network.layers, 1, 16),
            ("latents", self.batch.latents, 1, 1 << 20),
            ("points", self.batch.points, 0, 1 << 24),
        ];
        if let Some(f) = &self.family {
            let FamilyConfig { latent_dim, features, trunk_layers, rank, latent_std, head_shrink, inner_lr, .. } = *f;
            sizes.extend([
                ("latent-dim", latent_dim, 1, 8192),
                ("features", features, 1, 8192),
                ("trunk-layers", trunk_layers, 0, 8),
                ("rank", rank, 1, 64),
            ]);
            if !(latent_std.is_finite() && latent_std >= 0.0 && head_shrink.is_finite() && head_shrink > 0.0) {
                return Err(Error::invalid("--latent-std and --head-shrink must be numbers above 0"));
            }
            let hyperfan = matches!(f.init, Init::HyperfanIn | Init::HyperfanOut);
            if hyperfan && (f.head != HeadKind::Linear || latent_std == 0.0) {
                return Err(Error::invalid("hyperfan's --init is one of linear heads, with a --latent-std above 0"));
            }
            if !(inner_lr.is_finite() && inner_lr > 0.0) {
                return Err(Error::invalid(format!("--inner-lr {inner_lr}: give more than 0")));
            }
        }
        for (name, value, low, high) in sizes {
            if !(low..=high).contains(&value) {
                return Err(Error::invalid(format!("--{name} {value}: give {low} to {high}")));
            }
        }
        if self.batch.sampling == Sampling::Error && self.batch.points == 0 {
            return Err(Error::invalid("--sampling error draws some of the pixels: say how many with --points"));
        }
        if self.family.is_some() && self.loss.supervise != Supervise::Value {
            return Err(Error::invalid(
                "--supervise: derivatives of pictures are learned one picture at a time, by `fit`",
            ));
        }
        self.optimiser.validate()
    }
}
