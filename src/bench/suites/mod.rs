//! The suites: one file for each.

mod crossover;
mod evaluate;
mod family;
mod field;
mod frame;
mod generate;
mod jets;
mod peak;
mod trace;
mod train_step;
mod tune;

use serde::{Deserialize, Serialize};

pub use peak::kernels;
pub(super) use peak::reference;

use super::session::Session;
use crate::Result;

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// What the device can do at most: multiply-adds, sines, copying
    Peak,
    /// INR evaluation: widths, depths, activations, numbers of points, heads
    Evaluate,
    /// From latents to weights, by each kind of head
    Generate,
    /// Fused against materialized; keeps what `--strategy auto` will pick by in your cache folder
    Crossover,
    /// From latents to values on the device, generation and all: many INRs of low-rank heads
    Family,
    /// Values with gradients and Laplacians
    Jets,
    /// A step of training: forward, backward, Adam
    TrainStep,
    /// Rays through a solid
    Trace,
    /// From a latent to pixels in memory or in a texture
    Frame,
    /// The fastest tiles for this GPU; keeps what its evaluations will be cut by in your cache folder. Only by name: not of
    /// everything
    Tune,
}

impl Suite {
    /// All that only measure, in the order in which they are run.
    pub const ALL: [Self; 9] = [
        Self::Peak,
        Self::Evaluate,
        Self::Generate,
        Self::Crossover,
        Self::Family,
        Self::Jets,
        Self::TrainStep,
        Self::Trace,
        Self::Frame,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Peak => "peak",
            Self::Evaluate => "evaluate",
            Self::Generate => "generate",
            Self::Crossover => "crossover",
            Self::Family => "family",
            Self::Jets => "jets",
            Self::TrainStep => "train-step",
            Self::Trace => "trace",
            Self::Frame => "frame",
            Self::Tune => "tune",
        }
    }
}

/// Runs one on all devices.
pub(super) fn run(suite: Suite, session: &mut Session<'_>) -> Result<()> {
    match suite {
        Suite::Peak => peak::run(session),
        Suite::Evaluate => evaluate::run(session),
        Suite::Generate => generate::run(session),
        Suite::Crossover => crossover::run(session),
        Suite::Family => family::run(session),
        Suite::Jets => jets::run(session),
        Suite::TrainStep => train_step::run(session),
        Suite::Trace => trace::run(session),
        Suite::Frame => frame::run(session),
        Suite::Tune => tune::run(session),
    }
}
