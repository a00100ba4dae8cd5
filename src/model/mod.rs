//! What a model is, with no thought of the machine that runs it: an INR, the hypernetwork that writes
//! its weights, the table of named latents, and the conventions under which it was trained.

mod activation;
mod builtin;
mod coordinates;
mod crossed;
mod dense;
pub mod file;
mod frame;
mod functions;
pub mod heads;
mod hypernetwork;
pub mod import;
mod init;
mod inr;
mod jet;
mod latents;
mod morph;
mod objective;
mod principal;
mod solid;
mod trunk;

pub use activation::Activation;
pub use builtin::builtin;
pub(crate) use coordinates::MAX_SIDE;
pub use coordinates::{Align, Coordinates, Domain, Grid, Interval, Order, Region, Span};
pub use dense::Dense;
pub use frame::Frame;
pub use heads::{Head, Source};
pub use hypernetwork::{Features, Hypernetwork};
pub(crate) use init::normal;
pub use init::{Family, HeadChoice, Init, WeightChoice};
pub use inr::{Encoding, HiddenLayer, Inr, LayerShape};
pub use jet::Jet;
pub use latents::{LatentTable, Path};
pub use morph::{Easing, Morph};
pub(crate) use objective::SHARPNESS;
pub use objective::{
    Batch, Goal, Importance, Loss, Losses, Objective, Oriented, OrientedWeights, Penalties, Supervised,
};
pub use principal::Principal;
pub use solid::{Side, Solid};
pub use trunk::{LayerNorm, NORM_EPSILON, Trunk, TrunkLayer};

use std::sync::Arc;

use crate::{Error, Result};

/// A family of signals: `z -> hypernetwork -> theta -> f_theta(x)`.
///
/// A single INR is the case in which every head is shared: its latent has no entries.
#[derive(Clone, Debug)]
pub struct Model {
    /// The coordinate network whose weights are generated.
    pub inr: Inr,
    /// Trunks and heads.
    pub hypernetwork: Arc<Hypernetwork<f32>>,
    /// The named latents; empty for a single INR or for a hypernetwork that came without.
    pub latents: LatentTable,
    /// How a pixel becomes a coordinate.
    pub coordinates: Coordinates,
    /// What the outputs mean.
    pub values: ValueRange,
    /// The model is one of solids, not of pictures.
    pub solid: Option<Solid>,
    /// Where the weights come from, in words; may be empty.
    pub provenance: String,
    /// The settings of the run that trained it here, as [`train::Config`](crate::train::Config) has them.
    pub training: Option<serde_json::Value>,
}

/// The interval that the INR's outputs span, e.g. [-1, 1] for display-referred sRGB.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ValueRange {
    /// Black.
    pub low: f32,
    /// White.
    pub high: f32,
}

impl Default for ValueRange {
    fn default() -> Self {
        Self { low: -1.0, high: 1.0 }
    }
}

impl ValueRange {
    /// The value's place in the range: 0 at `low`, 1 at `high`, not clipped.
    pub fn unit(self, value: f32) -> f32 {
        (value - self.low) / (self.high - self.low)
    }

    /// The value as an 8-bit display code, clipped.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255; NaN becomes 0")]
    pub fn to_byte(self, value: f32) -> u8 {
        self.code(value, 255.0) as u8
    }

    /// The value as a 16-bit display code, clipped.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 65535; NaN becomes 0")]
    pub fn to_code16(self, value: f32) -> u16 {
        self.code(value, 65535.0) as u16
    }

    /// The whole number nearest to the value's place between 0 and `white`.
    fn code(self, value: f32, white: f32) -> f32 {
        (self.unit(value).clamp(0.0, 1.0) * white).round()
    }

    /// The inverse of [`ValueRange::unit`].
    pub fn from_unit(self, unit: f32) -> f32 {
        self.low + unit * (self.high - self.low)
    }
}

impl Model {
    /// Length of a latent code; 0 for a single INR.
    pub fn latent_dim(&self) -> usize {
        self.hypernetwork.latent_dim
    }

    /// Checks that every shape agrees with every other and that every number is finite.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the first part that is wrong.
    pub fn validate(&self) -> Result<()> {
        self.inr.validate()?;
        self.hypernetwork.validate(&self.inr)?;
        self.latents.validate(self.latent_dim())?;
        if let Some(solid) = &self.solid {
            solid.validate(&self.inr, self.latents.len())?;
        }
        let ValueRange { low, high } = self.values;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(Error::invalid(format!("the value range [{low}, {high}] is not an interval")));
        }
        Ok(())
    }

    /// The model as bytes of storage in f32: hypernetwork and latent table.
    pub fn bytes(&self) -> usize {
        (self.hypernetwork.parameter_count() + self.latents.values().len()) * size_of::<f32>()
    }
}
