//! What learning minimises: losses of outputs against targets, and penalties.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use super::Jet;
use crate::math::{Real, zip};

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

/// A loss of one output against its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `(y - t)^2`
    #[default]
    Mse,
    /// `|y - t|`
    L1,
    /// Binary cross-entropy of a logit: `max(y, 0) - y t + ln(1 + exp(-|y|))`; occupancies, t in [0, 1].
    BceLogits,
}

impl Loss {
    /// The name in files and kernels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::L1 => "l1",
            Self::BceLogits => "bce-logits",
        }
    }

    /// The loss of one output.
    fn value(self, y: f64, t: f64) -> f64 {
        match self {
            Self::Mse => (y - t).powi(2),
            Self::L1 => (y - t).abs(),
            Self::BceLogits => y.max(0.0) - y * t + (-y.abs()).exp().ln_1p(),
        }
    }

    /// `scale` times the sum over all outputs, and its gradient (overwritten).
    pub fn evaluate<T: Real>(self, outputs: &[T], targets: &[f32], scale: f64, gradient: &mut [T]) -> f64 {
        let pairs = outputs.iter().zip(targets);
        let sum: f64 = pairs.clone().map(|(y, &t)| self.value(y.to_f64(), f64::from(t))).sum();
        let factor = T::from_f64(scale);
        let each = gradient.iter_mut().zip(pairs.map(|(&y, &t)| (y, T::from_f32(t))));
        match self {
            Self::Mse => {
                let factor = factor + factor;
                each.for_each(|(g, (y, t))| *g = factor * (y - t));
            }
            Self::L1 => each.for_each(|(g, (y, t))| {
                *g = if y > t {
                    factor
                } else if y < t {
                    T::ZERO - factor
                } else {
                    T::ZERO
                };
            }),
            Self::BceLogits => {
                zip(gradient, outputs, |_, y| y.sigmoid());
                gradient.iter_mut().zip(targets).for_each(|(g, &t)| *g = factor * (*g - T::from_f32(t)));
            }
        }
        scale * sum
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

/// The mean loss of a batch's outputs against given values, and penalties.
#[derive(Clone, Copy, Debug)]
pub struct Supervised<'a> {
    /// What is averaged.
    pub loss: Loss,
    /// `[latents][points][outputs]`
    pub targets: &'a [f32],
    /// Number of latents.
    pub latents: usize,
    /// Values at a point.
    pub outputs: usize,
    /// What is added.
    pub penalties: Penalties,
    /// None: every point weighs 1.
    pub importance: Option<Importance<'a>>,
}

/// Weights of points that were not drawn alike, and a place for what draws the next ones.
#[derive(Clone, Copy, Debug)]
pub struct Importance<'a> {
    /// `[latents][points]`: what a point's loss and gradient are multiplied by.
    pub weights: &'a [f32],
    /// `[latents][points]`: the mean of `|y - t|` over a point's values is left here, as the bits of an f32. Empty: it is not
    /// wanted.
    pub errors: &'a [AtomicU32],
}

impl<T: Real> Objective<T> for Supervised<'_> {
    fn outputs(&self, latent: usize, points: Range<usize>, outputs: &[T], gradient: &mut [T]) -> f64 {
        let first = latent * (self.targets.len() / self.latents) + points.start * self.outputs;
        let targets = &self.targets[first..][..outputs.len()];
        let scale = 1.0 / self.targets.len() as f64;
        let Some(Importance { weights, errors }) = self.importance else {
            return self.loss.evaluate(outputs, targets, scale, gradient);
        };
        let per_point = outputs.chunks_exact(self.outputs).zip(targets.chunks_exact(self.outputs));
        let first = first / self.outputs;
        (per_point.zip(gradient.chunks_exact_mut(self.outputs)).enumerate())
            .map(|(p, ((outputs, targets), gradient))| {
                let sum: f64 = outputs.iter().zip(targets).map(|(y, &t)| (y.to_f64() - f64::from(t)).abs()).sum();
                #[expect(clippy::cast_possible_truncation, reason = "errors are f32")]
                let error = (sum / self.outputs as f64) as f32;
                if let Some(place) = errors.get(first + p) {
                    place.store(error.to_bits(), Ordering::Relaxed);
                }
                self.loss.evaluate(outputs, targets, scale * f64::from(weights[first + p]), gradient)
            })
            .sum()
    }

    fn theta(&self, theta: &[T], gradient: &mut [T]) -> f64 {
        mean_square(theta, gradient, self.penalties.theta / self.latents as f64)
    }

    fn latent(&self, z: &[T], gradient: &mut [T]) -> f64 {
        mean_square(z, gradient, self.penalties.latents / self.latents as f64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_equal_central_differences() {
        let targets = [0.3, 0.0, 1.0, 0.75];
        let outputs = [-3.5, 0.2, 40.0, -0.1];
        for loss in [Loss::Mse, Loss::L1, Loss::BceLogits] {
            let mut gradient = [0.0; 4];
            loss.evaluate(&outputs, &targets, 0.25, &mut gradient);
            for i in 0..4 {
                let at = |by: f64| {
                    let mut moved = outputs;
                    moved[i] += by;
                    loss.evaluate(&moved, &targets, 0.25, &mut [0.0; 4])
                };
                let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((difference - gradient[i]).abs() < 1e-7, "{loss:?} at {}", outputs[i]);
            }
        }
    }

    #[test]
    fn weights_multiply_losses_and_gradients() {
        let (targets, outputs) = ([0.3, -0.5, 1.0, 0.75, 0.0, 0.5], [0.1, 0.2, 0.8, -0.1, 0.0, 1.5]);
        let (weights, errors) = ([2.0, 0.25, 1.0], [(); 3].map(|()| AtomicU32::new(0)));
        let importance = Importance { weights: &weights, errors: &errors };
        let penalties = Penalties::default();
        let plain =
            Supervised { loss: Loss::Mse, targets: &targets, latents: 1, outputs: 2, penalties, importance: None };
        let weighted = Supervised { importance: Some(importance), ..plain };
        let (mut sum, mut gradient) = (0.0, [0.0; 6]);
        for (p, weight) in weights.into_iter().enumerate() {
            let range = 2 * p..2 * p + 2;
            let loss = plain.outputs(0, p..p + 1, &outputs[range.clone()], &mut gradient[range.clone()]);
            sum += f64::from(weight) * loss;
            gradient[range].iter_mut().for_each(|g| *g *= f64::from(weight));
        }
        let mut got = [0.0; 6];
        assert!((weighted.outputs(0, 0..3, &outputs, &mut got) - sum).abs() < 1e-15);
        assert!(got.iter().zip(gradient).all(|(a, b)| (a - b).abs() < 1e-15), "{got:?} {gradient:?}");
        let errors = errors.map(|e| f32::from_bits(e.into_inner()));
        assert!(errors.iter().zip([0.45, 0.525, 0.5]).all(|(a, b)| (a - b).abs() < 1e-6), "{errors:?}");
    }

    #[test]
    fn large_logits_stay_finite() {
        let mut gradient = [0.0_f32; 2];
        let loss = Loss::BceLogits.evaluate(&[1e30_f32, -1e30], &[1.0, 0.0], 1.0, &mut gradient);
        assert!(loss == 0.0 && gradient.iter().all(|g| g.abs() < 1e-30), "{loss} {gradient:?}");
    }
}
