//! SIREN's loss of a signed distance that is known from oriented points of its surface alone.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Objective, Penalties};
use crate::math::Real;
use crate::model::Jet;

/// How fast the price of a value near 0 falls with the value, away from the surface (their alpha).
pub(crate) const SHARPNESS: f64 = 100.0;

/// A signed distance `f` fitted to points of its surface and their normals, and to points that are not on it (Sitzmann et al.
/// 2020, section 4.2 and supplement 5.1). The mean, over all points of all latents, of
///
/// - on the surface: `value |f| + normal (1 - cos(grad f, n))`,
/// - off it: `off exp(-100 |f|)`,
/// - anywhere: `eikonal | |grad f| - 1 |`.
#[derive(Clone, Copy, Debug)]
pub struct Oriented<'a> {
    /// Number of latents.
    pub latents: usize,
    /// Points of each, of which the first lie on the surface,
    pub points: usize,
    /// so many,
    pub on: usize,
    /// with these normals: `[latents][on][3]`.
    pub normals: &'a [f32],
    /// What each term weighs.
    pub weights: OrientedWeights,
    /// What is added.
    pub penalties: Penalties,
}

/// What the terms of [`Oriented`] weigh.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrientedWeights {
    /// Of `|f|` on the surface.
    pub value: f64,
    /// Of the angle between gradient and normal there.
    pub normal: f64,
    /// Of values near 0 elsewhere.
    pub off: f64,
    /// Of gradients that are not of length one.
    pub eikonal: f64,
}

impl Default for OrientedWeights {
    /// As in their code.
    fn default() -> Self {
        Self { value: 3e3, normal: 1e2, off: 1e2, eikonal: 5e1 }
    }
}

impl Oriented<'_> {
    /// The loss of one point and its gradient, given value and slopes `[f, f_x, f_y, f_z]`.
    fn point(&self, jet: [f64; 4], normal: Option<[f64; 3]>) -> (f64, [f64; 4]) {
        let OrientedWeights { value, normal: angle, off, eikonal } = self.weights;
        let [f, slopes @ ..] = jet;
        // As PyTorch's `cosine_similarity` has it: at a gradient of 0 there is no direction.
        let norm = slopes.iter().map(|s| s * s).sum::<f64>().sqrt().max(1e-8);
        let sign = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
        let mut loss = eikonal * (norm - 1.0).abs();
        let bend = eikonal * sign(norm - 1.0) / norm;
        let mut gradient = [0.0, bend * slopes[0], bend * slopes[1], bend * slopes[2]];
        if let Some(n) = normal {
            let along: f64 = slopes.iter().zip(n).map(|(s, n)| s * n).sum();
            loss += value * f.abs() + angle * (1.0 - along / norm);
            gradient[0] = value * sign(f);
            for i in 0..3 {
                gradient[i + 1] -= angle * (n[i] - along * slopes[i] / (norm * norm)) / norm;
            }
        } else {
            let price = off * (-SHARPNESS * f.abs()).exp();
            loss += price;
            gradient[0] = -SHARPNESS * price * sign(f);
        }
        (loss, gradient)
    }
}

impl<T: Real> Objective<T> for Oriented<'_> {
    fn jet(&self) -> Jet {
        Jet::Gradient
    }

    fn outputs(&self, latent: usize, points: Range<usize>, outputs: &[T], gradient: &mut [T]) -> f64 {
        let scale = 1.0 / (self.latents * self.points) as f64;
        let normals = &self.normals[latent * self.on * 3..][..self.on * 3];
        let jets = outputs.chunks_exact(4).zip(gradient.chunks_exact_mut(4));
        let sum: f64 = (points.zip(jets))
            .map(|(p, (jet, out))| {
                let normal = (p < self.on).then(|| [0, 1, 2].map(|i| f64::from(normals[3 * p + i])));
                let (loss, gradient) = self.point([0, 1, 2, 3].map(|i| jet[i].to_f64()), normal);
                out.iter_mut().zip(gradient).for_each(|(out, g)| *out = T::from_f64(scale * g));
                loss
            })
            .sum();
        scale * sum
    }

    fn theta(&self, theta: &[T], gradient: &mut [T]) -> f64 {
        self.penalties.theta(self.latents, theta, gradient)
    }

    fn latent(&self, z: &[T], gradient: &mut [T]) -> f64 {
        self.penalties.latent(self.latents, z, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::super::supervised::tests::error;
    use super::*;

    fn of(normals: &[f32], points: usize, on: usize) -> Oriented<'_> {
        let (weights, penalties) = (OrientedWeights::default(), Penalties::default());
        Oriented { latents: 2, points, on, normals, weights, penalties }
    }

    #[test]
    fn gradients_equal_central_differences() {
        let jets: Vec<f64> = (0..20).map(|i| 0.3 * (1.3 * f64::from(i) + 0.2).sin()).collect();
        let normals: Vec<f32> = [1.0, 0.0, 0.0, 0.0, 0.6, -0.8].repeat(2);
        let error = error(&of(&normals, 5, 2), &jets, 5);
        println!("{error:.1e}");
        // Of values up to 10^4 / 10.
        assert!(error < 1e-4);
    }

    #[test]
    fn the_true_distance_costs_nothing_on_the_surface() {
        let normals = [0.0, 0.6, 0.8].repeat(2);
        let jets = [0.0, 0.0, f64::from(0.6_f32), f64::from(0.8_f32), 0.5, 0.0, 1.0, 0.0];
        let value = of(&normals, 2, 1).outputs(1, 0..2, &jets, &mut [0.0; 8]);
        // What is left is the price of a point half a unit away: 100 exp(-50).
        assert!(value < 1e-5, "{value}");
    }
}
