//! `shared`: learned weights, the same for every latent. A plain INR has no other heads.

use crate::Result;
use crate::math::Real;
use crate::model::hypernetwork::check_tensor;
use crate::model::inr::LayerShape;

/// A layer that is not generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared<T> {
    /// `[out, in]`, row-major.
    pub weight: Vec<T>,
    /// `[out]`
    pub bias: Vec<T>,
}

impl<T: Real> Shared<T> {
    pub(super) fn materialise(&self, shape: &LayerShape, batch: usize, theta: &mut [T], stride: usize) {
        for row in theta.chunks_mut(stride).take(batch) {
            row[..shape.weights()].copy_from_slice(&self.weight);
            row[shape.weights()..][..shape.outputs].copy_from_slice(&self.bias);
        }
    }

    pub(super) fn validate(&self, l: usize, shape: &LayerShape) -> Result<()> {
        check_tensor(&format!("head.{l}.weight"), &self.weight, shape.weights())?;
        check_tensor(&format!("head.{l}.bias"), &self.bias, shape.outputs)
    }
}
