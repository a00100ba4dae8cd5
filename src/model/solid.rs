//! Solids: what the values of an INR of three coordinates say, and where in the world its box lies.

use serde::{Deserialize, Serialize};

use super::Frame;
use crate::{Error, Result};

/// What the value at a point says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// How far the surface is, in units of the box; negative inside.
    #[default]
    Distance,
    /// The logit of the probability that the point is inside: positive there (Mescheder et al. 2018).
    Occupancy,
}

/// What makes a model of three coordinates and one value a solid, or a family of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Solid {
    /// What values say.
    pub values: Side,
    /// Where [-1, 1]^3 lies in the world: of each latent or of all, of one frame; of a model without frames it is the world.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
}

impl Solid {
    /// The frame of a latent of the table; None: of one that is in no table.
    pub fn frame(&self, latent: Option<usize>) -> Frame {
        let own = latent.and_then(|i| self.frames.get(i));
        own.or(self.frames.first()).copied().unwrap_or_default()
    }

    /// Checks what was read.
    ///
    /// # Errors
    /// Where the INR is no solid, a frame is none, or there are frames for other latents.
    pub(super) fn validate(&self, inr: &super::Inr, latents: usize) -> Result<()> {
        if (inr.inputs, inr.outputs) != (3, 1) {
            return Err(Error::invalid(format!(
                "a solid is a function of 3 coordinates with 1 value, not of {} with {}",
                inr.inputs, inr.outputs
            )));
        }
        if self.frames.len() > 1 && self.frames.len() != latents {
            return Err(Error::invalid(format!("{} frames for {latents} latents", self.frames.len())));
        }
        self.frames.iter().try_for_each(Frame::validate)
    }
}
