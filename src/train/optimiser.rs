//! Adam over named tensors, clipping, and running means of parameters.

use pulp::{Arch, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::math::{Real, dot, zip};
use crate::model::Hypernetwork;

/// Numbers that one thread updates at a time.
const CHUNK: usize = 1 << 14;

/// Adam's constants (Kingma & Ba 2015); the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct AdamConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the root of the corrected mean of squares.
    pub epsilon: f64,
    /// Weight decay; 0 is none.
    pub decay: f64,
    /// How the weights decay.
    pub decay_kind: Decay,
}

/// Two meanings of weight decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// `decay p` is added to the gradient: an L2 penalty, Adam's own.
    Penalty,
    /// Parameters shrink by `rate decay`, apart from the gradient: `AdamW` (Loshchilov & Hutter 2019).
    #[default]
    Decoupled,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decay_kind: Decay::default() }
    }
}

impl AdamConfig {
    /// What step number `step` (from 1) computes with, at a learning rate.
    pub(super) fn constants<T: Real>(self, step: u64, rate: f64) -> Constants<T> {
        let Self { beta1, beta2, epsilon, decay, decay_kind } = self;
        let t = step as f64;
        let (correction1, correction2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
        let (penalty, shrink) = match decay_kind {
            Decay::Penalty => (decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - rate * decay),
        };
        Constants {
            keep1: T::from_f64(beta1),
            new1: T::from_f64(1.0 - beta1),
            keep2: T::from_f64(beta2),
            new2: T::from_f64(1.0 - beta2),
            rate: T::from_f64(rate / correction1),
            root: T::from_f64(1.0 / correction2.sqrt()),
            epsilon: T::from_f64(epsilon),
            penalty: T::from_f64(penalty),
            shrink: T::from_f64(shrink),
        }
    }
}

/// One tensor in an optimiser's step.
#[derive(Debug)]
pub struct Parameter<'a, T> {
    /// The tensor's name in a model file.
    pub name: String,
    /// What is learned.
    pub value: &'a mut [T],
    /// dL/dvalue. A row of latents that is not in the batch has zeros: its moments decay all the same, and it moves on.
    pub gradient: &'a [T],
    /// The learning rate of this step.
    pub rate: f64,
}

/// The tensors of a hypernetwork with their gradients, all at one learning rate.
pub fn parameters<'a, T: Real>(
    values: &'a mut Hypernetwork<T>,
    gradient: &'a mut Hypernetwork<T>,
    rate: f64,
) -> Vec<Parameter<'a, T>> {
    let pairs = values.tensors_mut().into_iter().zip(gradient.tensors_mut());
    pairs.map(|((name, value), (_, gradient))| Parameter { name, value, gradient, rate }).collect()
}

/// A tensor's running means.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments<T> {
    /// The tensor's name.
    pub name: String,
    /// Mean of gradients.
    pub first: Vec<T>,
    /// Mean of their squares.
    pub second: Vec<T>,
}

/// The optimiser and its state.
#[derive(Clone, Debug)]
pub struct Adam<T> {
    config: AdamConfig,
    /// Steps taken.
    pub steps: u64,
    /// One per tensor, in the order in which they are given; empty before the first step.
    pub moments: Vec<Moments<T>>,
}

impl<T: Real> Adam<T> {
    /// An optimiser that has seen nothing yet.
    pub fn new(config: AdamConfig) -> Self {
        Self { config, steps: 0, moments: Vec::new() }
    }

    /// One step: `p -= rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)`.
    ///
    /// # Panics
    /// Where the tensors are not those of the first step.
    pub fn step(&mut self, parameters: Vec<Parameter<'_, T>>) {
        if self.moments.is_empty() {
            let zeros = |p: &Parameter<'_, T>| vec![T::ZERO; p.value.len()];
            let start = |p: &Parameter<'_, T>| Moments { name: p.name.clone(), first: zeros(p), second: zeros(p) };
            self.moments = parameters.iter().map(start).collect();
        }
        assert_eq!(parameters.len(), self.moments.len(), "Adam was given other tensors than before");
        self.steps += 1;
        let (config, steps) = (self.config, self.steps);
        parameters.into_par_iter().zip(&mut self.moments).for_each(|(p, moments)| {
            assert_eq!(p.name, moments.name, "Adam was given other tensors than before");
            assert!(p.value.len() == p.gradient.len() && p.value.len() == moments.first.len(), "'{}' changed", p.name);
            let constants = config.constants(steps, p.rate);
            let pieces = p.value.par_chunks_mut(CHUNK).zip(p.gradient.par_chunks(CHUNK));
            let means = moments.first.par_chunks_mut(CHUNK).zip(moments.second.par_chunks_mut(CHUNK));
            pieces.zip(means).for_each(|((value, gradient), (first, second))| {
                Arch::new().dispatch(Update { value, gradient, first, second, constants });
            });
        });
    }
}

/// The numbers of one step; see [`Adam::step`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Constants<T> {
    pub keep1: T,
    pub new1: T,
    pub keep2: T,
    pub new2: T,
    pub rate: T,
    pub root: T,
    pub epsilon: T,
    /// Weight decay: what of a number is added to its gradient, and what of it stays.
    pub penalty: T,
    pub shrink: T,
}

struct Update<'a, T> {
    value: &'a mut [T],
    gradient: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
    constants: Constants<T>,
}

impl<T: Real> WithSimd for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let c = self.constants;
        let means = self.first.iter_mut().zip(self.second.iter_mut());
        for ((p, &g), (m, v)) in self.value.iter_mut().zip(self.gradient).zip(means) {
            let g = g + c.penalty * *p;
            *m = c.keep1 * *m + c.new1 * g;
            *v = c.keep2 * *v + c.new2 * g * g;
            *p = c.shrink * *p - c.rate * *m / (v.sqrt() * c.root + c.epsilon);
        }
    }
}

/// The sum of squares.
pub fn squares<T: Real>(gradient: &[T]) -> f64 {
    let chunks: Vec<f64> = gradient.par_chunks(CHUNK).map(|c| dot(c, c).to_f64()).collect();
    chunks.iter().sum()
}

/// What gradients are to be multiplied by so that the norm of all of them together, whose squares sum up to `squares`, is
/// `limit` at most (Pascanu et al. 2013). As in PyTorch, it is `limit / (norm + 1e-6)` where that is less than 1.
pub fn clip(squares: f64, limit: f64) -> f64 {
    (limit / (squares.sqrt() + 1e-6)).min(1.0)
}

/// Multiplies a gradient.
pub(super) fn scale<T: Real>(gradient: &mut [T], factor: f64) {
    let factor = T::from_f64(factor);
    gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|g| *g = *g * factor));
}

/// Adds the rows of a batch to those of a table, e.g. the gradients of a batch's latents: batch row `i` to row
/// `indices[i]`.
///
/// # Panics
/// Where a row is not in the table.
pub fn scatter_rows<T: Real>(rows: &[T], indices: &[usize], dim: usize, table: &mut [T]) {
    for (row, &i) in rows.chunks_exact(dim.max(1)).zip(indices) {
        zip(&mut table[i * dim..][..dim], row, |sum, v| sum + v);
    }
}

/// An exponential mean of parameters over the steps: often better than the last ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Ema<T> {
    /// How much of the mean stays at a step, e.g. 0.999.
    pub decay: f64,
    /// One mean per tensor; empty before the first update, which sets them.
    pub means: Vec<Vec<T>>,
}

impl<T: Real> Ema<T> {
    /// A mean of nothing yet.
    pub fn new(decay: f64) -> Self {
        Self { decay, means: Vec::new() }
    }

    /// `mean = decay mean + (1 - decay) value`
    ///
    /// # Panics
    /// Where the tensors are not those of the first update.
    pub fn update(&mut self, values: &[&[T]]) {
        if self.means.is_empty() {
            self.means = values.iter().map(|v| v.to_vec()).collect();
            return;
        }
        assert_eq!(values.len(), self.means.len(), "the mean was given other tensors than before");
        let new = T::from_f64(1.0 - self.decay);
        for (mean, value) in self.means.iter_mut().zip(values) {
            assert_eq!(mean.len(), value.len(), "a tensor changed its size");
            let chunks = mean.par_chunks_mut(CHUNK).zip(value.par_chunks(CHUNK));
            chunks.for_each(|(mean, value)| zip(mean, value, |m, v| m + new * (v - m)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps on one tensor with PyTorch 2's own results (`torch.optim.Adam` and `AdamW`, float64).
    fn three_steps(decay_kind: Decay) -> Vec<f64> {
        let mut adam = Adam::new(AdamConfig { decay: 0.1, decay_kind, ..AdamConfig::default() });
        let mut value = vec![1.0, -2.0, 0.5];
        for gradient in [[0.5, -1.0, 0.0], [0.1, 0.2, 0.0], [-3.0, 0.4, 1e-9]] {
            let parameter = Parameter { name: "p".into(), value: &mut value, gradient: &gradient, rate: 0.01 };
            adam.step(vec![parameter]);
        }
        value
    }

    #[test]
    fn steps_equal_pytorchs() {
        let penalty = [0.9861081568095361, -1.9792623166380274, 0.47002133514594735];
        let decoupled = [0.9842594304772482, -1.9775784416813165, 0.4981526468989783];
        for (kind, want) in [(Decay::Penalty, penalty), (Decay::Decoupled, decoupled)] {
            let got = three_steps(kind);
            let error = got.iter().zip(want).map(|(g, w): (&f64, f64)| (g - w).abs()).fold(0.0, f64::max);
            assert!(error < 1e-14, "{kind:?}: {got:?}");
        }
    }

    #[test]
    fn clipping_and_means() {
        let (mut a, mut b) = ([3.0_f64, 0.0], [4.0_f64]);
        let all = squares(&a) + squares(&b);
        assert_eq!((all, clip(all, 10.0)), (25.0, 1.0));
        [&mut a[..], &mut b].into_iter().for_each(|g| scale(g, clip(all, 1.0)));
        assert!((a[0] - 0.6).abs() < 1e-6 && (b[0] - 0.8).abs() < 1e-6);
        let mut ema = Ema::new(0.75);
        for value in [1.0_f64, 5.0, 1.0] {
            ema.update(&[&[value]]);
        }
        assert_eq!(ema.means, [[1.75]]);
    }
}
