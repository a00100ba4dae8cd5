//! `linear`: every weight and bias is a linear function of the features, `vec(W) = H h + c`
//! (Sitzmann et al. 2020; one trunk per tensor there, any trunk here).

use crate::math::Real;
use crate::model::hypernetwork::{Dense, Features};
use crate::model::inr::LayerShape;
use crate::{Error, Result};

/// One generated tensor: an affine map from one trunk's features to the flattened tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated<T> {
    /// Index of the trunk whose features are read.
    pub trunk: usize,
    /// `[numbers of the tensor, features]`; the tensor is row-major, `[out, in]`.
    pub map: Dense<T>,
}

/// A layer whose weight and bias are both generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear<T> {
    /// Writes `W [out, in]`.
    pub weight: Generated<T>,
    /// Writes `b [out]`.
    pub bias: Generated<T>,
}

impl<T: Real> Generated<T> {
    fn materialise(&self, batch: usize, features: &Features<T>, out: &mut [T], stride: usize) {
        let h = &features.data[features.offsets[self.trunk]..];
        self.map.apply(batch, h, features.stride, out, stride);
    }

    fn validate(&self, name: &str, numbers: usize, trunk_widths: &[usize]) -> Result<()> {
        let Some(&width) = trunk_widths.get(self.trunk) else {
            return Err(Error::invalid(format!(
                "head '{name}' reads trunk {}; there are {}",
                self.trunk,
                trunk_widths.len()
            )));
        };
        if self.map.outputs != numbers || self.map.inputs != width {
            return Err(Error::invalid(format!(
                "head '{name}' is [{}, {}]; its layer and trunk need [{numbers}, {width}]",
                self.map.outputs, self.map.inputs
            )));
        }
        self.map.validate(&format!("head.{name}"))
    }
}

impl<T: Real> Linear<T> {
    pub(super) fn materialise(
        &self,
        shape: &LayerShape,
        batch: usize,
        features: &Features<T>,
        theta: &mut [T],
        stride: usize,
    ) {
        self.weight.materialise(batch, features, theta, stride);
        self.bias.materialise(batch, features, &mut theta[shape.weights()..], stride);
    }

    pub(super) fn validate(&self, l: usize, shape: &LayerShape, trunk_widths: &[usize]) -> Result<()> {
        self.weight.validate(&format!("{l}.weight"), shape.weights(), trunk_widths)?;
        self.bias.validate(&format!("{l}.bias"), shape.outputs, trunk_widths)
    }
}
