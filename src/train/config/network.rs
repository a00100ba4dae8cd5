//! The INR.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::model::{Activation, Align, Coordinates, Encoding, HiddenLayer, Inr, Order, Span};

/// An activation's name; its parameters are fields of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    /// sin(omega u)
    #[default]
    Sine,
    /// max(u, 0)
    Relu,
    /// u, or 0.2 u where it is negative
    LeakyRelu,
    /// tanh(u)
    Tanh,
    /// 1 / (1 + exp(-u))
    Sigmoid,
    /// ln(1 + exp(u))
    Softplus,
    /// exp(-(scale u)^2)
    Gaussian,
    /// sin(omega (|u| + 1) u)
    Finer,
    /// cos(omega u) exp(-(scale u)^2)
    Gabor,
}

/// The INR.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Network")]
pub struct NetworkConfig {
    /// Width of the hidden layers
    #[arg(long, default_value_t = Self::default().width)]
    pub width: usize,
    /// Number of hidden layers
    #[arg(long, default_value_t = Self::default().layers)]
    pub layers: usize,
    /// From the third on, every second one adds the sums of the one two before it to its own: residual blocks, as in
    /// Occupancy Networks (whose decoder is --layers 11 --activation relu, and --head film in a family)
    #[arg(long)]
    pub residual: bool,
    /// Their activation
    #[arg(long, value_enum, default_value_t)]
    pub activation: ActivationKind,
    /// Frequency factor of sine, finer and gabor
    #[arg(long, default_value_t = Self::default().omega)]
    pub omega: f32,
    /// The same for the first layer, if another
    #[arg(long, value_name = "OMEGA")]
    pub first_omega: Option<f32>,
    /// Inverse width of gaussian and gabor
    #[arg(long, default_value_t = Self::default().scale)]
    pub scale: f32,
    /// Encode coordinates by NeRF's octaves, so many (and the coordinates themselves)
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "fourier")]
    pub octaves: usize,
    /// Encode coordinates by so many random Fourier features
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fourier: usize,
    /// Standard deviation of their frequencies
    #[arg(long, default_value_t = Self::default().sigma)]
    pub sigma: f32,
    /// Where on a pixel its coordinate is taken
    #[arg(long, value_enum, default_value_t)]
    pub coords: Align,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            width: 64,
            layers: 4,
            residual: false,
            activation: ActivationKind::Sine,
            omega: 30.0,
            first_omega: None,
            scale: 10.0,
            octaves: 0,
            fourier: 0,
            sigma: 10.0,
            coords: Align::Centre,
        }
    }
}

impl NetworkConfig {
    /// The convention of a picture's coordinates: native, or `linspace(-1, 1, n)` of each axis, rows first.
    pub fn coordinates(&self) -> Coordinates {
        match self.coords {
            Align::Centre => Coordinates::default(),
            Align::Corner => {
                Coordinates { order: Order::Yx, align: Align::Corner, span: Span::EachAxis, ..Coordinates::default() }
            }
        }
    }

    fn activation(&self, omega: f32) -> Activation {
        match self.activation {
            ActivationKind::Sine => Activation::Sine { omega },
            ActivationKind::Relu => Activation::Relu,
            ActivationKind::LeakyRelu => Activation::LeakyRelu { slope: 0.2 },
            ActivationKind::Tanh => Activation::Tanh,
            ActivationKind::Sigmoid => Activation::Sigmoid,
            ActivationKind::Softplus => Activation::Softplus { beta: 1.0 },
            ActivationKind::Gaussian => Activation::Gaussian { scale: self.scale },
            ActivationKind::Finer => Activation::Finer { omega },
            ActivationKind::Gabor => Activation::Gabor { omega, scale: self.scale },
        }
    }

    /// The architecture for signals of so many coordinates and values; `frequencies` draws a Fourier encoding's `B`.
    ///
    /// # Errors
    /// Where sizes or parameters are out of range.
    pub fn inr(&self, inputs: usize, outputs: usize, frequencies: impl FnOnce(usize) -> Vec<f32>) -> Result<Inr> {
        let encoding = match (self.octaves, self.fourier) {
            (0, 0) => Encoding::Identity,
            (count, 0) => Encoding::Octaves { count, input: true },
            (_, features) => Encoding::Fourier { features, frequencies: frequencies(features * inputs) },
        };
        let omega = |l: usize| if l == 0 { self.first_omega.unwrap_or(self.omega) } else { self.omega };
        let layer = |l| HiddenLayer {
            residual: self.residual && l > 0 && l % 2 == 0,
            ..HiddenLayer::new(self.width, self.activation(omega(l)))
        };
        let inr = Inr { inputs, outputs, encoding, hidden: (0..self.layers).map(layer).collect() };
        inr.validate()?;
        Ok(inr)
    }
}
