//! The codebases whose checkpoints are understood: how each is recognised, and what its files do not say.

use super::network::Network;
use super::state::StateDict;
use super::{coin, coinpp, deepsdf, functa, onet, siren, siren_pytorch};
use crate::model::{Activation, Align, Coordinates, Interval, Order, Solid, Span, ValueRange};
use crate::{Error, Result};

/// Whose names and shapes a checkpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// vsitzmann/siren: a plain SIREN, or a hypernetwork with one MLP per target tensor.
    Siren,
    /// EmilienDupont/coin: one SIREN per picture.
    Coin,
    /// EmilienDupont/coinpp: a SIREN whose hidden layers a latent shifts (and scales).
    #[value(name = "coin++")]
    CoinPlusPlus,
    /// google-deepmind/functa: the same in JAX.
    Functa,
    /// facebookresearch/DeepSDF: a decoder of latent and point.
    #[value(name = "deepsdf")]
    DeepSdf,
    /// lucidrains/siren-pytorch: a SIREN, and one whose sines a modulator multiplies.
    SirenPytorch,
    /// Occupancy Networks by autonomousvision: a residual decoder under conditional batch normalisation.
    #[value(name = "onet")]
    OccupancyNetworks,
}

/// What is applied to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Final {
    /// Nothing.
    None,
    /// `tanh`
    Tanh,
    /// `1 / (1 + exp(-u))`
    Sigmoid,
}

impl Final {
    pub(super) fn activation(self) -> Option<Activation> {
        match self {
            Self::None => None,
            Self::Tanh => Some(Activation::Tanh),
            Self::Sigmoid => Some(Activation::Sigmoid),
        }
    }
}

/// What a checkpoint does not say about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conventions {
    /// Order, alignment, span and interval of the coordinates.
    pub coordinates: Coordinates,
    /// What the outputs span.
    pub values: ValueRange,
    /// `omega_0` of the first layer.
    pub first_omega: f32,
    /// `omega_0` of the other sine layers.
    pub omega: f32,
    /// What is applied to the outputs.
    pub last: Final,
}

impl Layout {
    const ALL: [Self; 7] = [
        Self::Siren,
        Self::Coin,
        Self::CoinPlusPlus,
        Self::Functa,
        Self::DeepSdf,
        Self::SirenPytorch,
        Self::OccupancyNetworks,
    ];

    /// Whether the checkpoint has what only this layout has.
    fn matches(self, state: &StateDict) -> bool {
        match self {
            Self::Siren => siren::matches(state),
            Self::Coin => coin::matches(state) && !coinpp::matches(state),
            Self::CoinPlusPlus => coinpp::matches(state),
            Self::Functa => functa::matches(state),
            Self::DeepSdf => deepsdf::matches(state),
            Self::SirenPytorch => siren_pytorch::matches(state),
            Self::OccupancyNetworks => onet::matches(state),
        }
    }

    /// The layout of a checkpoint; one with no marks of its own is taken for a plain SIREN.
    pub(super) fn detect(state: &StateDict) -> Result<Self> {
        let found: Vec<Self> = Self::ALL.into_iter().filter(|l| l.matches(state)).collect();
        match found[..] {
            [] if state.keys().any(|name| name.starts_with("head.0.")) => {
                Err(Error::invalid("this is a model of Hypersine's already; nothing is to be imported"))
            }
            [] => Ok(Self::Siren),
            [layout] => Ok(layout),
            [a, b, ..] => Err(Error::invalid(format!(
                "the tensors have the names of two layouts, {a} and {b}; say with --layout which one to read"
            ))),
        }
    }

    /// What the codebase itself does; for vsitzmann/siren, whose users differ, Hypersine's own conventions.
    pub fn conventions(self) -> Conventions {
        let native = Conventions {
            coordinates: Coordinates::default(),
            values: ValueRange::default(),
            first_omega: 30.0,
            omega: 30.0,
            last: Final::None,
        };
        // Rows before columns, linspace from end to end, each side by itself.
        let rows =
            Coordinates { order: Order::Yx, align: Align::Corner, span: Span::EachAxis, ..Coordinates::default() };
        let unit = ValueRange { low: 0.0, high: 1.0 };
        match self {
            Self::Siren | Self::OccupancyNetworks => native,
            Self::Coin => {
                Conventions { coordinates: Coordinates { span: Span::Height, ..rows }, values: unit, ..native }
            }
            Self::CoinPlusPlus => {
                Conventions { coordinates: Coordinates { interval: Interval::Unit, ..rows }, values: unit, ..native }
            }
            Self::Functa => {
                let coordinates = Coordinates { align: Align::Centre, interval: Interval::Unit, ..rows };
                Conventions { coordinates, values: unit, ..native }
            }
            Self::DeepSdf => Conventions { last: Final::Tanh, ..native },
            Self::SirenPytorch => Conventions { coordinates: rows, values: unit, omega: 1.0, ..native },
        }
    }

    pub(super) fn build(self, state: &StateDict, conventions: &Conventions) -> Result<Network> {
        match self {
            Self::Siren => siren::build(state, conventions),
            Self::Coin => coin::build(state, conventions),
            Self::CoinPlusPlus => coinpp::build(state, conventions),
            Self::Functa => functa::build(state, conventions),
            Self::DeepSdf => deepsdf::build(state, conventions),
            Self::SirenPytorch => siren_pytorch::build(state, conventions),
            Self::OccupancyNetworks => onet::build(state, conventions),
        }
    }

    /// Under which name of its own a checkpoint may hold its latents.
    pub(super) fn table(self) -> Option<&'static str> {
        (self == Self::OccupancyNetworks).then_some(onet::TABLE)
    }

    /// What its values say of a solid, and where its box lies, if it knows.
    pub(super) fn solid(self) -> Option<Solid> {
        (self == Self::OccupancyNetworks).then(onet::solid)
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Siren => "siren",
            Self::Coin => "coin",
            Self::CoinPlusPlus => "coin++",
            Self::Functa => "functa",
            Self::DeepSdf => "deepsdf",
            Self::SirenPytorch => "siren-pytorch",
            Self::OccupancyNetworks => "onet",
        })
    }
}
