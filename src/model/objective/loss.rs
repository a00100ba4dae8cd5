//! Losses of single outputs.

use serde::{Deserialize, Serialize};

use crate::math::{Real, zip};

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
    fn large_logits_stay_finite() {
        let mut gradient = [0.0_f32; 2];
        let loss = Loss::BceLogits.evaluate(&[1e30_f32, -1e30], &[1.0, 0.0], 1.0, &mut gradient);
        assert!(loss == 0.0 && gradient.iter().all(|g| g.abs() < 1e-30), "{loss} {gradient:?}");
    }
}
