//! `low-rank`: factorised multiplicative modulation (INR-GAN, Skorokhodov et al. 2021). A learned matrix `W0` is
//! multiplied, element by element, by a function of `M = U V / sqrt(r)`; only `U [out, r]` and `V [r, in]` are
//! generated.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Adjoint, Generated};
use crate::math::{Matrix, MatrixMut, Real, dot, map, product, zip};
use crate::model::dense::{Dense, check_tensor};
use crate::model::hypernetwork::Features;
use crate::{Error, Result};

/// Added to a row's sum of squares before its root is taken.
pub(super) const EPSILON: f32 = 1e-8;
/// Highest rank that is accepted.
pub(super) const MAX_RANK: usize = 64;

/// Groups of latents whose gradients of `W0` are summed apart, then in order: few, for each takes a `W0` of memory, and
/// fixed, so that the sum does not depend on the number of threads.
const GROUPS: usize = 8;

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

impl Multiplier {
    /// `f(M)`, in place, where `W0 (c + f(M))` is the product.
    fn apply<T: Real>(self, m: &mut [T]) {
        match self {
            Self::Demodulated => {}
            Self::Tanh => map(m, T::tanh),
            Self::Sigmoid => map(m, T::sigmoid),
        }
    }

    /// The `c` in `W0 (c + f(M))`.
    fn constant<T: Real>(self) -> T {
        match self {
            Self::Demodulated | Self::Tanh => T::ONE,
            Self::Sigmoid => T::from_f64(0.5),
        }
    }

    /// `f'(M)` from `f(M)`.
    #[inline(always)]
    fn slope<T: Real>(self, f: T) -> T {
        match self {
            Self::Demodulated => T::ONE,
            Self::Tanh => T::ONE - f * f,
            Self::Sigmoid => f * (T::ONE - f),
        }
    }
}

/// What a row is divided by, inverted.
fn inverse_norm<T: Real>(row: &[T]) -> T {
    row.iter().fold(T::from_f32(EPSILON), |s, &w| s + w * w).inverse_sqrt()
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
        let mut factors = self.factors_of(batch, features);
        let constant: T = self.multiplier.constant();
        let rows = out.par_chunks_mut(stride).zip(factors.par_chunks_mut(self.factors.map.outputs));
        rows.for_each(|(row, factors)| {
            let weight = &mut row[..outputs * inputs];
            self.multiplied(outputs, inputs, factors, weight);
            zip(weight, &self.base, |f, w| w * (f + constant));
            if self.multiplier == Multiplier::Demodulated {
                for row in weight.chunks_exact_mut(inputs) {
                    let norm = inverse_norm(row);
                    row.iter_mut().for_each(|w| *w = *w * norm);
                }
            }
        });
    }

    /// `U` and `V` of every latent.
    fn factors_of(&self, batch: usize, features: &Features<T>) -> Vec<T> {
        let numbers = self.factors.map.outputs;
        let mut factors = vec![T::ZERO; batch * numbers];
        self.factors.materialise(batch, features, &mut factors, numbers);
        factors
    }

    /// Writes `f(M)`, and leaves `U / sqrt(r)` in the factors.
    fn multiplied(&self, outputs: usize, inputs: usize, factors: &mut [T], m: &mut [T]) {
        let (u, v) = factors.split_at_mut(outputs * self.rank);
        let scale = self.scale();
        u.iter_mut().for_each(|u| *u = *u * scale);
        product(
            MatrixMut::row_major(m, outputs, inputs),
            Matrix::row_major(u, outputs, self.rank),
            Matrix::row_major(v, self.rank, inputs),
        );
        self.multiplier.apply(m);
    }

    /// `1 / sqrt(r)`
    fn scale(&self) -> T {
        T::from_f64(1.0 / (self.rank as f64).sqrt())
    }

    /// Adjoint of [`LowRank::materialise`]; `slot` is the weights' place in theta. Overwrites `gradient`, unless it is empty. With
    /// `P = W0 (c + f(M))`: `dW0 = dP (c + f(M))`, `dM = dP W0 f'(M)`, `dU = dM V^T / sqrt(r)`, `dV = U^T dM / sqrt(r)`.
    pub(super) fn vjp(
        &self,
        outputs: usize,
        inputs: usize,
        slot: usize,
        adjoint: &mut Adjoint<'_, T>,
        gradient: &mut Self,
    ) {
        let (batch, numbers, weights) = (adjoint.batch, self.factors.map.outputs, outputs * inputs);
        let wanted = gradient.base.len();
        let mut factors = self.factors_of(batch, adjoint.features);
        let mut dfactors = vec![T::ZERO; batch * numbers];
        let group = batch.div_ceil(GROUPS).max(1);
        let dtheta = adjoint.theta(slot, weights);
        let groups = factors.par_chunks_mut(group * numbers).zip(dfactors.par_chunks_mut(group * numbers));
        let dbases: Vec<Vec<T>> = groups
            .enumerate()
            .map(|(g, (factors, dfactors))| {
                let mut dbase = vec![T::ZERO; wanted];
                let (mut m, mut delta) = (vec![T::ZERO; weights], vec![T::ZERO; weights]);
                let latents = factors.chunks_exact_mut(numbers).zip(dfactors.chunks_exact_mut(numbers));
                for (i, (factors, dfactors)) in latents.enumerate() {
                    self.multiplied(outputs, inputs, factors, &mut m);
                    delta.copy_from_slice(dtheta.row(g * group + i));
                    self.vjp_elements(inputs, &mut m, &mut delta, &mut dbase);
                    let (u, v) = factors.split_at(outputs * self.rank);
                    let (du, dv) = dfactors.split_at_mut(outputs * self.rank);
                    let dm = Matrix::row_major(&delta, outputs, inputs);
                    let v = Matrix::row_major(v, self.rank, inputs);
                    product(MatrixMut::row_major(du, outputs, self.rank), dm, v.transposed());
                    let scale = self.scale();
                    du.iter_mut().for_each(|u| *u = *u * scale);
                    let u = Matrix::row_major(u, outputs, self.rank);
                    product(MatrixMut::row_major(dv, self.rank, inputs), u.transposed(), dm);
                }
                dbase
            })
            .collect();
        gradient.base.fill(T::ZERO);
        for dbase in &dbases {
            zip(&mut gradient.base, dbase, |sum, d| sum + d);
        }
        let dfactors = Matrix::row_major(&dfactors, batch, numbers);
        self.factors.vjp(adjoint.features, dfactors, &mut gradient.factors, adjoint.dfeatures);
    }

    /// For one latent: `delta` comes as dW and leaves as dM, `dbase` is added to; `m` holds `f(M)` and is used up.
    fn vjp_elements(&self, inputs: usize, m: &mut [T], delta: &mut [T], dbase: &mut [T]) {
        let (multiplier, constant) = (self.multiplier, self.multiplier.constant());
        if multiplier == Multiplier::Demodulated {
            // W = n P with n = (P P^T + eps)^(-1/2): dP = n (dW - W <W, dW>), row by row.
            let mut row = vec![T::ZERO; inputs];
            let rows = m.chunks_exact(inputs).zip(self.base.chunks_exact(inputs));
            for ((m, base), delta) in rows.zip(delta.chunks_exact_mut(inputs)) {
                row.copy_from_slice(m);
                zip(&mut row, base, |f, w| w * (f + constant));
                let norm = inverse_norm(&row);
                let along = dot(&row, delta) * norm * norm;
                zip(delta, &row, |d, p| norm * (d - p * along));
            }
        }
        for ((dbase, &d), &f) in dbase.iter_mut().zip(&*delta).zip(&*m) {
            *dbase += d * (f + constant);
        }
        zip(m, &self.base, |f, w| w * multiplier.slope(f));
        zip(delta, m, |d, slope| d * slope);
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
