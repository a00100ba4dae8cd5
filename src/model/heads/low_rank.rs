//! `low-rank`: factorised multiplicative modulation (INR-GAN, Skorokhodov et al. 2021). A learned matrix `W0` is
//! multiplied, element by element, by a function of `M = U V / sqrt(r)`; only `U [out, r]` and `V [r, in]` are
//! generated.

use serde::{Deserialize, Serialize};

use super::Generated;
use crate::math::{Matrix, MatrixMut, Real, add_product};
use crate::model::hypernetwork::{Dense, Features, check_tensor};
use crate::{Error, Result};

/// Added to a row's sum of squares before its root is taken.
pub(super) const EPSILON: f32 = 1e-8;
/// Highest rank that is accepted.
pub(super) const MAX_RANK: usize = 64;

/// What `M` does to `W0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Multiplier {
    /// Rows of `W0 (1 + M)`, each divided by its L2 norm (the released code's default).
    Demodulated,
    /// `W0 (1 + tanh M)`
    Tanh,
    /// `W0 (sigmoid M + 1/2)`
    Sigmoid,
}

/// A weight matrix of this kind.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank<T> {
    /// Columns of `U`, rows of `V`.
    pub rank: usize,
    /// What `M` does.
    pub multiplier: Multiplier,
    /// `W0 [out, in]`, row-major.
    pub base: Vec<T>,
    /// Writes `U [out, r]` and then `V [r, in]`, both row-major.
    pub factors: Generated<T>,
}

impl<T: Real> LowRank<T> {
    pub(super) fn materialise(
        &self,
        outputs: usize,
        inputs: usize,
        batch: usize,
        features: &Features<T>,
        out: &mut [T],
        stride: usize,
    ) {
        let numbers = self.factors.map.outputs;
        let mut factors = vec![T::ZERO; batch * numbers];
        self.factors.materialise(batch, features, &mut factors, numbers);
        let scale = T::from_f64(1.0 / (self.rank as f64).sqrt());
        for (factors, row) in factors.chunks_exact_mut(numbers).zip(out.chunks_mut(stride)) {
            let (u, v) = factors.split_at_mut(outputs * self.rank);
            u.iter_mut().for_each(|u| *u = *u * scale);
            let weight = &mut row[..outputs * inputs];
            weight.fill(T::ZERO);
            add_product(
                MatrixMut::row_major(weight, outputs, inputs),
                Matrix::row_major(u, outputs, self.rank),
                Matrix::row_major(v, self.rank, inputs),
            );
            let add = match self.multiplier {
                Multiplier::Demodulated => T::ONE,
                Multiplier::Tanh => {
                    T::tanh(weight);
                    T::ONE
                }
                Multiplier::Sigmoid => {
                    T::sigmoid(weight);
                    T::from_f64(0.5)
                }
            };
            weight.iter_mut().zip(&self.base).for_each(|(m, &w)| *m = w * (*m + add));
            if self.multiplier == Multiplier::Demodulated {
                for row in weight.chunks_exact_mut(inputs) {
                    let squares = row.iter().fold(T::from_f32(EPSILON), |s, &w| s + w * w);
                    let norm = squares.inverse_sqrt();
                    row.iter_mut().for_each(|w| *w = *w * norm);
                }
            }
        }
    }

    pub(super) fn map<U>(
        &self,
        tensor: &impl Fn(&[T]) -> Vec<U>,
        dense: &impl Fn(&Dense<T>) -> Dense<U>,
    ) -> LowRank<U> {
        LowRank {
            rank: self.rank,
            multiplier: self.multiplier,
            base: tensor(&self.base),
            factors: self.factors.map(dense),
        }
    }

    pub(super) fn validate(&self, name: &str, outputs: usize, inputs: usize, trunk_widths: &[usize]) -> Result<()> {
        if !(1..=MAX_RANK).contains(&self.rank) {
            return Err(Error::invalid(format!("'{name}' has rank {}; 1 to {MAX_RANK} are supported", self.rank)));
        }
        check_tensor(&format!("{name}.base"), &self.base, outputs * inputs)?;
        self.factors.validate(&format!("{name}.factors"), (outputs + inputs) * self.rank, trunk_widths)
    }
}
