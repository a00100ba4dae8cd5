//! The coordinate network: layer sizes and activations, without weights.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Largest number of coordinates a point may have.
pub(super) const MAX_INPUTS: usize = 4;
/// Largest number of values at a point.
pub(super) const MAX_OUTPUTS: usize = 16;
/// Largest layer width.
pub(super) const MAX_WIDTH: usize = 512;
/// Largest number of activated layers.
pub(super) const MAX_DEPTH: usize = 16;

/// What a hidden layer does with `u = W x + b`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `sin(omega u)` (Sitzmann et al. 2020).
    Sine {
        /// The frequency factor, SIREN's `omega_0`.
        omega: f32,
    },
}

/// One activated layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HiddenLayer {
    /// Number of outputs.
    pub width: usize,
    /// What is applied to them.
    pub activation: Activation,
}

/// An INR's architecture: `R^inputs -> R^outputs`, hidden layers, then one linear layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inr {
    /// Coordinates per point.
    pub inputs: usize,
    /// Values per point.
    pub outputs: usize,
    /// The activated layers, first to last.
    pub hidden: Vec<HiddenLayer>,
}

/// The shape of one layer: `[outputs, inputs]` weights, `[outputs]` biases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    /// Number of outputs (rows).
    pub outputs: usize,
    /// Number of inputs (columns).
    pub inputs: usize,
    /// None for the last layer, which is linear.
    pub activation: Option<Activation>,
}

impl LayerShape {
    /// Number of weights, without biases.
    pub fn weights(&self) -> usize {
        self.outputs * self.inputs
    }
}

impl Inr {
    /// A SIREN with `depth` sine layers of the same width and one omega.
    pub fn siren(inputs: usize, width: usize, depth: usize, outputs: usize, omega: f32) -> Self {
        let layer = HiddenLayer { width, activation: Activation::Sine { omega } };
        Self { inputs, outputs, hidden: vec![layer; depth] }
    }

    /// Every layer's shape, first to last; the last one has no activation.
    pub fn layers(&self) -> Vec<LayerShape> {
        let mut inputs = self.inputs;
        let mut shapes = Vec::with_capacity(self.hidden.len() + 1);
        for layer in &self.hidden {
            shapes.push(LayerShape { outputs: layer.width, inputs, activation: Some(layer.activation) });
            inputs = layer.width;
        }
        shapes.push(LayerShape { outputs: self.outputs, inputs, activation: None });
        shapes
    }

    /// Length of theta: all weights and biases.
    pub fn weight_count(&self) -> usize {
        self.layers().iter().map(|l| l.weights() + l.outputs).sum()
    }

    /// Multiply-adds of one evaluated point, activations not counted.
    pub fn macs_per_point(&self) -> usize {
        self.layers().iter().map(LayerShape::weights).sum()
    }

    /// The widest hidden layer.
    pub fn max_width(&self) -> usize {
        self.hidden.iter().map(|l| l.width).max().unwrap_or(0)
    }

    /// Checks the architecture against the limits of the engine.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the number that is out of range.
    pub fn validate(&self) -> Result<()> {
        let within = |what: &str, n: usize, max: usize| {
            if (1..=max).contains(&n) {
                Ok(())
            } else {
                Err(Error::invalid(format!("the INR has {n} {what}; 1 to {max} are supported")))
            }
        };
        within("inputs", self.inputs, MAX_INPUTS)?;
        within("outputs", self.outputs, MAX_OUTPUTS)?;
        within("hidden layers", self.hidden.len(), MAX_DEPTH)?;
        for (l, layer) in self.hidden.iter().enumerate() {
            within(&format!("neurons in layer {l}"), layer.width, MAX_WIDTH)?;
            let Activation::Sine { omega } = layer.activation;
            if !omega.is_finite() || omega == 0.0 {
                return Err(Error::invalid(format!("layer {l} has omega {omega}; it must be finite and not 0")));
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Inr {
    /// The brief's shorthand: `2-256x4-3`, or the widths one by one where they differ.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-", self.inputs)?;
        let same = self.hidden.windows(2).all(|w| w[0].width == w[1].width);
        match self.hidden.first() {
            Some(first) if same => write!(f, "{}x{}", first.width, self.hidden.len())?,
            _ => {
                let widths: Vec<String> = self.hidden.iter().map(|l| l.width.to_string()).collect();
                f.write_str(&widths.join("-"))?;
            }
        }
        write!(f, "-{}", self.outputs)
    }
}
