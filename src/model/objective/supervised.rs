//! Losses against given values, gradients or Laplacians.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Loss, Objective, Penalties};
use crate::math::Real;
use crate::model::Jet;

/// The mean loss of a batch's outputs, or of their derivatives, against given ones, and penalties.
#[derive(Clone, Copy, Debug)]
pub struct Supervised<'a> {
    /// What is averaged.
    pub loss: Loss,
    /// What the targets are of: the outputs' values, their gradients (then so many times `inputs` numbers), or their
    /// Laplacians (Poisson reconstruction: Sitzmann et al. 2020, section 4.1).
    pub of: Jet,
    /// `[latents][points][columns][outputs]`, where only gradients have more than one column.
    pub targets: &'a [f32],
    /// Number of latents.
    pub latents: usize,
    /// Values at a point.
    pub outputs: usize,
    /// Outputs and targets are taken to [-within, within] before they are compared (DeepSDF's clamp: Park et al. 2019,
    /// equation 4). None: they are not.
    pub within: Option<f32>,
    /// Weight of the mean of `(|gradient| - 1)^2`, which a signed distance does not have (Gropp et al. 2020); for one output.
    pub eikonal: f64,
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

impl<'a> Supervised<'a> {
    /// The mean squared error of the outputs' values at `[latents][points][outputs]`.
    pub fn new(targets: &'a [f32], latents: usize, outputs: usize) -> Self {
        Self {
            loss: Loss::Mse,
            of: Jet::Value,
            targets,
            latents,
            outputs,
            within: None,
            eikonal: 0.0,
            penalties: Penalties::default(),
            importance: None,
        }
    }

    /// The numbers of a point's jet (`numbers` of them) that are compared with its targets.
    fn compared(&self, numbers: usize) -> Range<usize> {
        match self.of {
            Jet::Value => 0..self.outputs,
            Jet::Gradient => self.outputs..numbers,
            Jet::Laplacian => numbers - self.outputs..numbers,
        }
    }
}

impl<T: Real> Objective<T> for Supervised<'_> {
    fn jet(&self) -> Jet {
        if self.eikonal > 0.0 && self.of == Jet::Value { Jet::Gradient } else { self.of }
    }

    fn outputs(&self, latent: usize, points: Range<usize>, outputs: &[T], gradient: &mut [T]) -> f64 {
        if points.is_empty() {
            return 0.0;
        }
        let numbers = outputs.len() / points.len();
        let compared = self.compared(numbers);
        let each = compared.len();
        let first = latent * (self.targets.len() / self.latents) + points.start * each;
        let targets = &self.targets[first..][..points.len() * each];
        let scale = 1.0 / self.targets.len() as f64;
        if each == numbers && self.within.is_none() && self.importance.is_none() {
            return self.loss.evaluate(outputs, targets, scale, gradient);
        }
        gradient.fill(T::ZERO);
        let per_point = outputs.chunks_exact(numbers).zip(targets.chunks_exact(each));
        (per_point.zip(gradient.chunks_exact_mut(numbers)).enumerate())
            .map(|(p, ((jet, targets), gradient))| {
                let weight = self.weigh(first / each + p, &jet[compared.clone()], targets);
                let loss =
                    self.compare(&jet[compared.clone()], targets, scale * weight, &mut gradient[compared.clone()]);
                loss + self.bend(jet, scale * weight * each as f64, gradient)
            })
            .sum()
    }

    fn theta(&self, theta: &[T], gradient: &mut [T]) -> f64 {
        self.penalties.theta(self.latents, theta, gradient)
    }

    fn latent(&self, z: &[T], gradient: &mut [T]) -> f64 {
        self.penalties.latent(self.latents, z, gradient)
    }
}

impl Supervised<'_> {
    /// What point `p` of the batch weighs; leaves its error where that is wanted.
    fn weigh<T: Real>(&self, p: usize, outputs: &[T], targets: &[f32]) -> f64 {
        let Some(Importance { weights, errors }) = self.importance else { return 1.0 };
        let sum: f64 = outputs.iter().zip(targets).map(|(y, &t)| (y.to_f64() - f64::from(t)).abs()).sum();
        #[expect(clippy::cast_possible_truncation, reason = "errors are f32")]
        let error = (sum / outputs.len() as f64) as f32;
        if let Some(place) = errors.get(p) {
            place.store(error.to_bits(), Ordering::Relaxed);
        }
        f64::from(weights[p])
    }

    /// The loss of one point's outputs and its gradient, if they are to be within bounds.
    fn compare<T: Real>(&self, outputs: &[T], targets: &[f32], scale: f64, gradient: &mut [T]) -> f64 {
        let Some(within) = self.within else { return self.loss.evaluate(outputs, targets, scale, gradient) };
        let (low, high) = (T::from_f32(-within), T::from_f32(within));
        let mut sum = 0.0;
        for ((&y, &t), gradient) in outputs.iter().zip(targets).zip(gradient) {
            let clamped = if y < low {
                low
            } else if y > high {
                high
            } else {
                y
            };
            sum += self.loss.evaluate(&[clamped], &[t.clamp(-within, within)], scale, std::slice::from_mut(gradient));
            if y < low || y > high {
                *gradient = T::ZERO;
            }
        }
        sum
    }

    /// The eikonal term of a jet of one output; its gradient is added.
    fn bend<T: Real>(&self, jet: &[T], scale: f64, gradient: &mut [T]) -> f64 {
        if self.eikonal <= 0.0 {
            return 0.0;
        }
        let inputs = jet.len() - 1 - usize::from(self.of == Jet::Laplacian);
        let slopes = &jet[1..=inputs];
        let norm = slopes.iter().map(|s| s.to_f64() * s.to_f64()).sum::<f64>().sqrt();
        let (weight, off) = (self.eikonal * scale, norm - 1.0);
        // At a gradient of 0 there is no direction to grow in.
        let slope = T::from_f64(2.0 * weight * off / norm.max(1e-8));
        gradient[1..=inputs].iter_mut().zip(slopes).for_each(|(g, &s)| *g += slope * s);
        weight * off * off
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn weights_multiply_losses_and_gradients() {
        let (targets, outputs) = ([0.3, -0.5, 1.0, 0.75, 0.0, 0.5], [0.1, 0.2, 0.8, -0.1, 0.0, 1.5]);
        let (weights, errors) = ([2.0, 0.25, 1.0], [(); 3].map(|()| AtomicU32::new(0)));
        let importance = Importance { weights: &weights, errors: &errors };
        let plain = Supervised::new(&targets, 1, 2);
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

    /// The largest difference between the gradient and central differences of the value.
    pub(in crate::model::objective) fn error(objective: &impl Objective<f64>, outputs: &[f64], points: usize) -> f64 {
        let mut gradient = vec![7.0; outputs.len()];
        objective.outputs(1, 0..points, outputs, &mut gradient);
        let at = |i: usize, by: f64| {
            let mut moved = outputs.to_vec();
            moved[i] += by;
            objective.outputs(1, 0..points, &moved, &mut vec![0.0; outputs.len()])
        };
        let difference = |i: usize| (at(i, 1e-6) - at(i, -1e-6)) / 2e-6;
        gradient.iter().enumerate().map(|(i, g)| (g - difference(i)).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn derivatives_are_compared_with_theirs() {
        // Two latents of three points in the plane, with two outputs: jets of value, two slopes and a Laplacian.
        let wave = |n: usize| -> Vec<f64> { (0..n).map(|i| (0.7 * i as f64 + 0.3).sin()).collect() };
        for (of, columns, numbers) in [(Jet::Value, 1, 1), (Jet::Gradient, 2, 3), (Jet::Laplacian, 1, 4)] {
            #[expect(clippy::cast_possible_truncation, reason = "targets are f32")]
            let targets: Vec<f32> = wave(2 * 3 * columns * 2).into_iter().map(|t| t.cos() as f32).collect();
            for within in [None, Some(0.4)] {
                let objective = Supervised { of, within, ..Supervised::new(&targets, 2, 2) };
                assert_eq!(Objective::<f64>::jet(&objective), of);
                let error = error(&objective, &wave(3 * numbers * 2), 3);
                println!("{of:?} within {within:?}: {error:.1e}");
                assert!(error < 1e-9);
            }
        }
    }

    #[test]
    fn a_signed_distance_has_slopes_of_length_one() {
        let targets = [0.2, -0.1, 0.05, 0.0];
        let objective = Supervised { loss: Loss::L1, eikonal: 0.3, ..Supervised::new(&targets, 2, 1) };
        assert_eq!(Objective::<f64>::jet(&objective), Jet::Gradient);
        let jets = [0.1, 0.6, 0.0, -0.8, -0.3, 0.5, 0.2, 0.1];
        let value = objective.outputs(1, 0..2, &jets, &mut [0.0; 8]);
        let off = 0.3_f64.sqrt() - 1.0;
        let expected = (0.05 + 0.3 + 0.3 * off * off) / 4.0;
        assert!((value - expected).abs() < 1e-8, "{value} {expected}");
        let error = error(&objective, &jets, 2);
        println!("{error:.1e}");
        assert!(error < 1e-9);
    }
}
