//! What learning minimises: losses of outputs and their derivatives, and penalties.

mod loss;
mod oriented;
mod supervised;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Jet;
use crate::math::{Real, zip};

pub use loss::Loss;
pub(crate) use oriented::SHARPNESS;
pub use oriented::{Oriented, OrientedWeights};
pub use supervised::{Importance, Supervised};

/// Latents, and the points at which each one's INR is to learn.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    /// Number of latents; 1 for a single INR.
    pub count: usize,
    /// `[count][latent_dim]`
    pub latents: &'a [T],
    /// `[count][points][inputs]`: other points for each latent.
    pub coordinates: &'a [f32],
}

/// What is to be minimised: a sum over blocks of points, over thetas and over latents. Normalisation (a mean instead of
/// a sum, say) is the implementation's.
pub trait Objective<T>: Sync {
    /// The columns it wants of the outputs.
    fn jet(&self) -> Jet {
        Jet::Value
    }

    /// The loss of some of a latent's points, given `[points][columns][outputs]`, where columns are what
    /// [`Objective::jet`] asks for. Writes its gradient with respect to them.
    fn outputs(&self, latent: usize, points: Range<usize>, outputs: &[T], gradient: &mut [T]) -> f64;

    /// A penalty on a latent's generated weights. Adds its gradient.
    fn theta(&self, _theta: &[T], _gradient: &mut [T]) -> f64 {
        0.0
    }

    /// A penalty on a latent. Adds its gradient.
    fn latent(&self, _z: &[T], _gradient: &mut [T]) -> f64 {
        0.0
    }
}

/// The parts of an objective's value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Of the outputs.
    pub outputs: f64,
    /// The penalty on generated weights.
    pub theta: f64,
    /// The penalty on latents.
    pub latents: f64,
}

impl Losses {
    /// The objective.
    pub fn total(&self) -> f64 {
        self.outputs + self.theta + self.latents
    }
}

/// The regularisers of SIREN's hypernetwork (Sitzmann et al. 2020, section 4.4): weights of mean squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Penalties {
    /// Weight of the mean of `z^2` over the batch's latents.
    pub latents: f64,
    /// Weight of the mean of `theta^2` over the batch's generated networks.
    pub theta: f64,
}

impl Penalties {
    /// Of one of `latents` thetas; its gradient is added.
    fn theta<T: Real>(&self, latents: usize, theta: &[T], gradient: &mut [T]) -> f64 {
        mean_square(theta, gradient, self.theta / latents as f64)
    }

    /// Of one of `latents` latents; its gradient is added.
    fn latent<T: Real>(&self, latents: usize, z: &[T], gradient: &mut [T]) -> f64 {
        mean_square(z, gradient, self.latents / latents as f64)
    }
}

/// `weight` times the mean of the squares; its gradient is added.
fn mean_square<T: Real>(values: &[T], gradient: &mut [T], weight: f64) -> f64 {
    if weight == 0.0 || values.is_empty() {
        return 0.0;
    }
    let weight = weight / values.len() as f64;
    let slope = T::from_f64(2.0 * weight);
    zip(gradient, values, |g, v| g + slope * v);
    weight * values.iter().map(|v| v.to_f64() * v.to_f64()).sum::<f64>()
}

/// Either objective that a run may have.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// Given values, gradients or Laplacians.
    Supervised(Supervised<'a>),
    /// Oriented points of a surface.
    Oriented(Oriented<'a>),
}

impl<T: Real> Objective<T> for Goal<'_> {
    fn jet(&self) -> Jet {
        match self {
            Self::Supervised(goal) => Objective::<T>::jet(goal),
            Self::Oriented(goal) => Objective::<T>::jet(goal),
        }
    }

    fn outputs(&self, latent: usize, points: Range<usize>, outputs: &[T], gradient: &mut [T]) -> f64 {
        match self {
            Self::Supervised(goal) => goal.outputs(latent, points, outputs, gradient),
            Self::Oriented(goal) => goal.outputs(latent, points, outputs, gradient),
        }
    }

    fn theta(&self, theta: &[T], gradient: &mut [T]) -> f64 {
        match self {
            Self::Supervised(goal) => goal.theta(theta, gradient),
            Self::Oriented(goal) => goal.theta(theta, gradient),
        }
    }

    fn latent(&self, z: &[T], gradient: &mut [T]) -> f64 {
        match self {
            Self::Supervised(goal) => goal.latent(z, gradient),
            Self::Oriented(goal) => goal.latent(z, gradient),
        }
    }
}
