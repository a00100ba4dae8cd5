//! Adam, its learning rates, and what is done to gradients and parameters.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::train::{AdamConfig, Curve, Decay, Schedule};
use crate::{Error, Result};

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

    pub(super) fn validate(&self) -> Result<()> {
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
