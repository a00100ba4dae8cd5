//! What a training run is asked to do: one struct per concern, each of which is a table of the TOML file, a group of flags
//! on the command line, and a part of the model file.

mod family;
mod loss;
mod network;
mod optimiser;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::model::Init;
use crate::{Error, Result};

pub use family::{FamilyConfig, HeadKind};
pub use loss::{LossConfig, LossKind, Supervise};
pub use network::{ActivationKind, NetworkConfig};
pub use optimiser::{CurveKind, OptimiserConfig};

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

/// When training ends: at the first of what is given.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "End")]
pub struct StopConfig {
    /// After so many steps; with --time alone, as many as there is time for, and the learning rate's schedule follows the time
    #[arg(long)]
    pub steps: Option<u64>,
    /// When the PSNR of the raw loss has reached so many dB
    #[arg(long, value_name = "DB")]
    pub psnr: Option<f64>,
    /// After so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub time: Option<f64>,
}

impl Default for StopConfig {
    fn default() -> Self {
        Self { steps: Some(2000), psnr: None, time: None }
    }
}

impl Config {
    /// What `fit` starts from: SIREN's own network and learning rate for one picture, all of its pixels in every step.
    pub fn fit() -> Self {
        Self {
            network: NetworkConfig { width: 256, ..NetworkConfig::default() },
            batch: BatchConfig { latents: 1, points: 0, ..BatchConfig::default() },
            optimiser: OptimiserConfig { lr: 1e-4, ..OptimiserConfig::default() },
            stop: StopConfig { steps: Some(500), ..StopConfig::default() },
            ..Self::default()
        }
    }

    /// What `train` starts from: SIREN's hypernetwork over a small SIREN, as an auto-decoder.
    pub fn train() -> Self {
        Self {
            family: Some(FamilyConfig::default()),
            loss: LossConfig { latent_penalty: 1e-4, ..LossConfig::default() },
            optimiser: OptimiserConfig { schedule: CurveKind::Cosine, ..OptimiserConfig::default() },
            stop: StopConfig { steps: Some(20_000), ..StopConfig::default() },
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
            stop: StopConfig { steps: Some(3000), ..StopConfig::default() },
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
            if hyperfan && f.base.is_some() {
                return Err(Error::invalid("hyperfan's --init starts from nothing, and has no use for --base"));
            }
            if !(inner_lr.is_finite() && inner_lr > 0.0) {
                return Err(Error::invalid(format!("--inner-lr {inner_lr}: give more than 0")));
            }
        }
        if let Some(time) = self.stop.time.filter(|t| !(t.is_finite() && *t > 0.0)) {
            return Err(Error::invalid(format!("--time {time}: give seconds, more than 0")));
        }
        if self.optimiser.lr_every == 0 {
            return Err(Error::invalid("--lr-every 0: give 1 or more steps"));
        }
        for (name, value, low, high) in sizes {
            if !(low..=high).contains(&value) {
                return Err(Error::invalid(format!("--{name} {value}: give {low} to {high}")));
            }
        }
        if self.network.residual && self.network.layers < 3 {
            return Err(Error::invalid(
                "--residual adds the sums of the first hidden layer to the third's: give --layers 3 or more",
            ));
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

    /// Checks the settings for pictures, or for solids.
    ///
    /// # Errors
    /// One sentence on the first setting that such signals have no use for.
    pub fn suits(&self, solids: bool) -> Result<()> {
        self.loss.suits(solids)?;
        if solids && self.batch.sampling == Sampling::Error {
            return Err(Error::invalid("--sampling error draws pixels; shapes have none"));
        }
        if solids && self.family.as_ref().is_some_and(|f| f.inner_steps > 0) {
            return Err(Error::invalid("--inner-steps: latents of shapes are learned with the network"));
        }
        Ok(())
    }
}
