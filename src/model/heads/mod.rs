//! Head kinds: how one INR layer's weights come from trunk features.
//!
//! A kind is one file here (shapes, CPU twin) and one file in `shaders/heads/` (the same in WGSL).

mod linear;
mod shared;

pub use linear::{Generated, Linear};
pub use shared::Shared;

use super::hypernetwork::{Dense, Features};
use super::inr::LayerShape;
use crate::Result;
use crate::math::Real;

/// One INR layer's head.
#[derive(Clone, Debug, PartialEq)]
pub enum Head<T> {
    /// Full weights as a linear map of the features (SIREN's hypernetwork).
    Linear(Linear<T>),
    /// Learned weights that no latent changes.
    Shared(Shared<T>),
}

impl<T: Real> Head<T> {
    /// The kind's name in files and reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Shared(_) => "shared",
        }
    }

    /// Number of stored parameters.
    pub fn parameter_count(&self) -> usize {
        match self {
            Self::Linear(h) => [&h.weight, &h.bias].iter().map(|g| g.map.weight.len() + g.map.bias.len()).sum(),
            Self::Shared(h) => h.weight.len() + h.bias.len(),
        }
    }

    /// Multiply-adds to generate this layer once.
    pub fn macs_per_latent(&self) -> usize {
        match self {
            Self::Linear(h) => h.weight.map.weight.len() + h.bias.map.weight.len(),
            Self::Shared(_) => 0,
        }
    }

    /// The CPU twin of generation: writes this layer's weights `[out, in]`, then its biases, to the
    /// start of each latent's row of `theta` (rows of `stride` numbers).
    pub(super) fn materialise(
        &self,
        shape: &LayerShape,
        batch: usize,
        features: &Features<T>,
        theta: &mut [T],
        stride: usize,
    ) {
        match self {
            Self::Linear(h) => h.materialise(shape, batch, features, theta, stride),
            Self::Shared(h) => h.materialise(shape, batch, theta, stride),
        }
    }

    /// The same head with every tensor converted, tables by `tensor` and affine maps by `dense`.
    pub(super) fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>, dense: impl Fn(&Dense<T>) -> Dense<U>) -> Head<U> {
        match self {
            Self::Linear(h) => {
                let generated = |g: &Generated<T>| Generated { trunk: g.trunk, map: dense(&g.map) };
                Head::Linear(Linear { weight: generated(&h.weight), bias: generated(&h.bias) })
            }
            Self::Shared(h) => Head::Shared(Shared { weight: tensor(&h.weight), bias: tensor(&h.bias) }),
        }
    }

    /// Checks layer `l`'s head against the layer's shape and the trunks' widths.
    pub(super) fn validate(&self, l: usize, shape: &LayerShape, trunk_widths: &[usize]) -> Result<()> {
        match self {
            Self::Linear(h) => h.validate(l, shape, trunk_widths),
            Self::Shared(h) => h.validate(l, shape),
        }
    }
}
