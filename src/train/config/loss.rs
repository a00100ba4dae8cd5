//! Losses.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::model::{Loss, Penalties, Side};
use crate::{Error, Result};

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

    /// Whether it compares a shape's signed distances.
    pub fn is_of_distances(&self) -> bool {
        matches!(self.kind, LossKind::Mse | LossKind::L1)
    }

    /// Checks the settings for pictures, or for solids.
    pub(super) fn suits(&self, solids: bool) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if self.clamp.is_some_and(|c| !positive(c.into())) || !(self.eikonal == 0.0 || positive(self.eikonal)) {
            return Err(Error::invalid("--clamp must be more than 0, --eikonal 0 or more"));
        }
        if !(solids && self.is_of_distances()) && (self.clamp.is_some() || self.eikonal > 0.0) {
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
