//! The hypernetwork of a family.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::model::heads::{Multiplier, Place};
use crate::model::{HeadChoice, Init, Model, Side, WeightChoice, file};
use crate::train::InnerLoop;
use crate::{Error, Result};

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
    /// Every weight and bias a linear function of the features, and a gain of 1 + another for each row (Deep Meta
    /// Functionals)
    Gain,
}

/// The hypernetwork of a family, and how its latents are learned.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Hypernetwork")]
pub struct FamilyConfig {
    /// Length of a latent code
    #[arg(long, default_value_t = Self::default().latent_dim)]
    pub latent_dim: usize,
    /// Start from the weights of a model that `fit` wrote, whose INR takes the place of the network's settings. With --init
    /// zero-residual all latents start as that very signal (MetaAvatar)
    #[arg(long, value_name = "MODEL")]
    pub base: Option<PathBuf>,
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
            base: None,
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
            // (W x + b) g is their (W x) g + b' with b' = b g.
            HeadKind::Gain => (WeightChoice::Linear, Some((Place::BeforeOmega, true, false))),
        };
        HeadChoice { weight, modulation }
    }

    /// The INR to start from, for signals of so many coordinates and values, or of solids that are told apart like this.
    ///
    /// # Errors
    /// Where it cannot be read, is a family itself, or is of other signals.
    pub(crate) fn load_base(path: &Path, (inputs, outputs): (usize, usize), side: Option<Side>) -> Result<Model> {
        let base = file::load(path)?;
        let refuse = |why: String| Err(Error::invalid(format!("--base {}: {why}", path.display())));
        if base.latent_dim() > 0 {
            return refuse("it is a family; give a model of one signal, as `fit` writes it".into());
        }
        if (base.inr.inputs, base.inr.outputs) != (inputs, outputs) {
            return refuse(format!(
                "its INR is a {}, and the signals want {inputs} inputs and {outputs} outputs",
                base.inr
            ));
        }
        if base.solid.as_ref().map(|solid| solid.values) != side {
            return refuse(
                "its values mean something else than the signals' would; fit it with the same --loss".into(),
            );
        }
        Ok(base)
    }

    /// The inner loop of meta-learning; None: latents are learned with the network.
    pub fn inner(&self) -> Option<InnerLoop> {
        (self.inner_steps > 0).then_some(InnerLoop { steps: self.inner_steps, lr: self.inner_lr })
    }
}
