//! Heads: how one INR layer's effective parameters come from trunk features.
//!
//! A layer's weight and bias each have a [`Source`]; generated gains and shifts of its rows may be added
//! ([`Modulation`]). A kind of source is one file here (shapes, CPU twin) and one in `shaders/heads/`.

mod linear;
mod low_rank;
mod modulation;

pub use linear::Generated;
pub use low_rank::{LowRank, Multiplier};
pub use modulation::{Modulation, Place};

use super::dense::{Dense, check_tensor};
use super::hypernetwork::Features;
use super::inr::LayerShape;
use crate::math::{Matrix, Real};
use crate::{Error, Result};

/// Where a tensor comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<T> {
    /// Learned, the same for every latent. A plain INR has nothing else.
    Shared(Vec<T>),
    /// A linear function of the features (SIREN's hypernetwork).
    Linear(Generated<T>),
    /// A learned matrix times a generated one of low rank, element by element (INR-GAN); weights only.
    LowRank(LowRank<T>),
}

/// One INR layer's head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head<T> {
    /// Writes `W [out, in]`.
    pub weight: Source<T>,
    /// Writes `b [out]`.
    pub bias: Source<T>,
    /// Gains and shifts of the layer's rows; hidden layers only.
    pub modulation: Option<Modulation<T>>,
}

/// Where a layer's parameters stand in a latent's row of theta: `W [out, in]`, `b`, then the modulation's gain
/// and shift, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// First number of the weights.
    pub weight: usize,
    /// First number of the biases.
    pub bias: usize,
    /// First number of the gains, where there are any.
    pub gain: Option<usize>,
    /// First number of the shifts, where there are any.
    pub shift: Option<usize>,
    /// One past the layer's last number.
    pub end: usize,
}

/// A batch's gradients with respect to theta, and with respect to the features that theta came from.
pub(super) struct Adjoint<'a, T> {
    /// Number of latents.
    pub(super) batch: usize,
    /// The trunks' outputs.
    pub(super) features: &'a Features<T>,
    /// dL/dtheta, one row a latent.
    pub(super) dtheta: &'a [T],
    /// Distance of two rows of `dtheta`.
    pub(super) stride: usize,
    /// dL/dfeatures, laid out as the features: heads add to it.
    pub(super) dfeatures: &'a mut Features<T>,
}

impl<'a, T: Real> Adjoint<'a, T> {
    /// `[batch, numbers]`: the gradients with respect to the tensor that stands at `slot`.
    fn theta(&self, slot: usize, numbers: usize) -> Matrix<'a, T> {
        Matrix::strided(&self.dtheta[slot..], self.batch, numbers, self.stride, 1)
    }
}

impl<T: Real> Source<T> {
    /// The kind's name in files and reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Shared(_) => "shared",
            Self::Linear(_) => "linear",
            Self::LowRank(_) => "low-rank",
        }
    }

    /// Number of stored parameters.
    pub fn parameter_count(&self) -> usize {
        match self {
            Self::Shared(values) => values.len(),
            Self::Linear(g) => g.parameter_count(),
            Self::LowRank(h) => h.base.len() + h.factors.parameter_count(),
        }
    }

    /// Multiply-adds to generate this tensor once.
    pub fn macs_per_latent(&self) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::Linear(g) => g.map.weight.len(),
            Self::LowRank(h) => h.factors.map.weight.len() + h.base.len() * h.rank,
        }
    }

    /// Writes the tensor (`[outputs, inputs]`) to the start of each latent's row of `out`.
    fn materialise(
        &self,
        outputs: usize,
        inputs: usize,
        batch: usize,
        features: &Features<T>,
        out: &mut [T],
        stride: usize,
    ) {
        match self {
            Self::Shared(values) => {
                for row in out.chunks_mut(stride).take(batch) {
                    row[..values.len()].copy_from_slice(values);
                }
            }
            Self::Linear(g) => g.materialise(batch, features, out, stride),
            Self::LowRank(h) => h.materialise(outputs, inputs, batch, features, out, stride),
        }
    }

    /// Adjoint of [`Source::materialise`] for the tensor `[outputs, inputs]` at `slot`. Overwrites `gradient`, which has
    /// the same shapes.
    fn vjp(&self, outputs: usize, inputs: usize, slot: usize, adjoint: &mut Adjoint<'_, T>, gradient: &mut Self) {
        match (self, gradient) {
            (Self::Shared(_), Self::Shared(gradient)) => adjoint.theta(slot, outputs * inputs).sum_rows(gradient),
            (Self::Linear(g), Self::Linear(gradient)) => {
                g.vjp(adjoint.features, adjoint.theta(slot, outputs * inputs), gradient, adjoint.dfeatures);
            }
            (Self::LowRank(h), Self::LowRank(gradient)) => h.vjp(outputs, inputs, slot, adjoint, gradient),
            _ => panic!("the gradient is of another model"),
        }
    }

    fn map<U>(&self, tensor: &impl Fn(&[T]) -> Vec<U>, dense: &impl Fn(&Dense<T>) -> Dense<U>) -> Source<U> {
        match self {
            Self::Shared(values) => Source::Shared(tensor(values)),
            Self::Linear(g) => Source::Linear(g.map(dense)),
            Self::LowRank(h) => Source::LowRank(h.map(tensor, dense)),
        }
    }

    fn tensors_mut<'a>(&'a mut self, name: &str, list: &mut Vec<(String, &'a mut [T])>) {
        match self {
            Self::Shared(values) => list.push((name.to_owned(), values)),
            Self::Linear(g) => g.map.tensors_mut(&format!("{name}.map"), list),
            Self::LowRank(h) => {
                list.push((format!("{name}.base"), &mut h.base));
                h.factors.map.tensors_mut(&format!("{name}.factors.map"), list);
            }
        }
    }

    fn validate(&self, name: &str, outputs: usize, inputs: usize, trunk_widths: &[usize]) -> Result<()> {
        match self {
            Self::Shared(values) => check_tensor(name, values, outputs * inputs),
            Self::Linear(g) => g.validate(name, outputs * inputs, trunk_widths),
            Self::LowRank(h) => h.validate(name, outputs, inputs, trunk_widths),
        }
    }
}

impl<T: Real> Head<T> {
    /// A head of learned parameters.
    pub fn shared(weight: Vec<T>, bias: Vec<T>) -> Self {
        Self { weight: Source::Shared(weight), bias: Source::Shared(bias), modulation: None }
    }

    /// The kind in reports, e.g. `linear`, `shared` or `low-rank + gain, shift`.
    pub fn kind(&self) -> String {
        let mut kind = self.weight.kind().to_owned();
        if self.bias.kind() != self.weight.kind() && !matches!(self.weight, Source::LowRank(_)) {
            kind += &format!(" ({} bias)", self.bias.kind());
        }
        if let Some(m) = &self.modulation {
            kind += &format!(" + {}", m.kind());
        }
        kind
    }

    /// Whether no latent changes this layer.
    pub fn is_shared(&self) -> bool {
        matches!((&self.weight, &self.bias, &self.modulation), (Source::Shared(_), Source::Shared(_), None))
    }

    /// Number of stored parameters.
    pub fn parameter_count(&self) -> usize {
        let modulation = self.modulation.as_ref().map_or(0, Modulation::parameter_count);
        self.weight.parameter_count() + self.bias.parameter_count() + modulation
    }

    /// Multiply-adds to generate this layer once.
    pub fn macs_per_latent(&self) -> usize {
        let modulation = self.modulation.as_ref().map_or(0, Modulation::macs_per_latent);
        self.weight.macs_per_latent() + self.bias.macs_per_latent() + modulation
    }

    /// Where this layer's parameters stand in theta, if they start at `first`.
    pub fn slots(&self, shape: &LayerShape, first: usize) -> Slots {
        let bias = first + shape.weights();
        let mut end = bias + shape.outputs;
        let mut place = |wanted: bool| {
            wanted.then(|| {
                end += shape.outputs;
                end - shape.outputs
            })
        };
        let modulation = self.modulation.as_ref();
        let gain = place(modulation.is_some_and(|m| m.gain.is_some()));
        let shift = place(modulation.is_some_and(|m| m.shift.is_some()));
        Slots { weight: first, bias, gain, shift, end }
    }

    /// The CPU twin of generation: writes this layer's part of every latent's row of `theta`.
    pub(super) fn materialise(
        &self,
        shape: &LayerShape,
        slots: &Slots,
        batch: usize,
        features: &Features<T>,
        theta: &mut [T],
        stride: usize,
    ) {
        self.weight.materialise(shape.outputs, shape.inputs, batch, features, &mut theta[slots.weight..], stride);
        self.bias.materialise(shape.outputs, 1, batch, features, &mut theta[slots.bias..], stride);
        if let Some(m) = &self.modulation {
            for (generated, slot) in [(&m.gain, slots.gain), (&m.shift, slots.shift)] {
                if let (Some(g), Some(slot)) = (generated, slot) {
                    g.materialise(batch, features, &mut theta[slot..], stride);
                }
            }
        }
    }

    /// Adjoint of [`Head::materialise`]. Overwrites `gradient`, which has the same shapes.
    pub(super) fn vjp(&self, shape: &LayerShape, slots: &Slots, adjoint: &mut Adjoint<'_, T>, gradient: &mut Self) {
        self.weight.vjp(shape.outputs, shape.inputs, slots.weight, adjoint, &mut gradient.weight);
        self.bias.vjp(shape.outputs, 1, slots.bias, adjoint, &mut gradient.bias);
        if let (Some(m), Some(gradient)) = (&self.modulation, &mut gradient.modulation) {
            let parts = [(&m.gain, slots.gain, &mut gradient.gain), (&m.shift, slots.shift, &mut gradient.shift)];
            for part in parts {
                if let (Some(g), Some(slot), Some(gradient)) = part {
                    g.vjp(adjoint.features, adjoint.theta(slot, shape.outputs), gradient, adjoint.dfeatures);
                }
            }
        }
    }

    /// Every stored tensor, by its name in a model file; `name` is the head's.
    pub(super) fn tensors_mut<'a>(&'a mut self, name: &str, list: &mut Vec<(String, &'a mut [T])>) {
        self.weight.tensors_mut(&format!("{name}.weight"), list);
        self.bias.tensors_mut(&format!("{name}.bias"), list);
        if let Some(m) = &mut self.modulation {
            for (generated, part) in [(&mut m.gain, "gain"), (&mut m.shift, "shift")] {
                if let Some(g) = generated {
                    g.map.tensors_mut(&format!("{name}.{part}.map"), list);
                }
            }
        }
    }

    /// The same head with every tensor converted, tables by `tensor` and affine maps by `dense`.
    pub(super) fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>, dense: impl Fn(&Dense<T>) -> Dense<U>) -> Head<U> {
        Head {
            weight: self.weight.map(&tensor, &dense),
            bias: self.bias.map(&tensor, &dense),
            modulation: self.modulation.as_ref().map(|m| m.map(&dense)),
        }
    }

    /// Checks layer `l`'s head against the layer's shape and the trunks' widths.
    pub(super) fn validate(&self, l: usize, shape: &LayerShape, trunk_widths: &[usize]) -> Result<()> {
        self.weight.validate(&format!("head.{l}.weight"), shape.outputs, shape.inputs, trunk_widths)?;
        if matches!(self.bias, Source::LowRank(_)) {
            return Err(Error::invalid(format!("head.{l}.bias cannot be of low rank: it is a vector")));
        }
        self.bias.validate(&format!("head.{l}.bias"), shape.outputs, 1, trunk_widths)?;
        match &self.modulation {
            Some(_) if shape.activation.is_none() => Err(Error::invalid(format!(
                "head.{l} modulates the last layer, which has no activation; put it into the weights"
            ))),
            Some(m) => m.validate(l, shape, trunk_widths),
            None => Ok(()),
        }
    }
}
