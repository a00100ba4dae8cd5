//! The live window: a picture or a solid evaluated at the window's own resolution, and the latents it comes from.
//!
//! | file | what |
//! |---|---|
//! | `app` | the event loop |
//! | `live` | an open window: scene to painter, painter to screen, news and answers from threads |
//! | `scene` | what is to be shown: model, latents, view, looks |
//! | `latent` | the codes at hand, their mix, keyframes, undo |
//! | `view` | pan and zoom |
//! | `wires` | a solid's mesh as lines over its picture |
//! | `sight` | the camera before a solid, and what is shown of it |
//! | `keys` | what keys do |
//! | `panel` | the controls: scene and facts in, wishes out |
//! | `painter` | evaluates the scene a slice at a time, coarse first, on the GPU or on worker threads |
//! | `present` | the window's surface: the picture, and egui over it |
//! | `learn` | runs and searches that are watched |
//! | `errands` | PSNR, weights, files: worked out beside the picture |
//! | `memory` | what is remembered between runs |
//! | `heap` | freed memory goes back to the system |
//! | `trace` | a record of frames |

mod app;
mod errands;
mod heap;
mod keys;
mod latent;
mod learn;
mod live;
mod memory;
mod painter;
mod panel;
mod present;
mod scene;
mod sight;
mod trace;
mod view;
mod wires;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub use learn::{Publisher, Watch, watched};

use crate::engine::{DeviceChoice, Strategy};
use crate::model::{Model, ValueRange};
use crate::train::{BatchConfig, Config, NetworkConfig, OptimiserConfig, Signals, StopConfig};
use crate::{Error, Result};

/// What a window opens on.
#[derive(Debug)]
pub enum Open {
    /// A model; its INR takes two coordinates and gives one to four values, or it is one of solids.
    Model {
        /// The model.
        model: Arc<Model>,
        /// What the command line calls it.
        name: String,
    },
    /// A run of the window's own, from the start.
    Fit {
        /// What is learned: one picture or shape, or a family.
        signals: Signals,
        /// How.
        config: Config,
    },
    /// A run that goes on elsewhere.
    Run {
        /// Where its news come from.
        watch: Watch,
        /// What is learned.
        signals: Signals,
        /// How.
        config: Config,
        /// The model as it is now.
        model: Arc<Model>,
    },
}

/// How to open the window.
#[derive(Debug)]
pub struct Options {
    /// What on.
    pub open: Open,
    /// Row of the latent to start with; None: where a person last was.
    pub latent: Option<usize>,
    /// Row and share of a latent to mix in.
    pub mix: Option<(usize, f32)>,
    /// A picture, or a folder of pictures named as the latents are, to compare with.
    pub truth: Option<PathBuf>,
    /// Size of the window in logical pixels; None: as it last was.
    pub size: Option<[u32; 2]>,
    /// Where to evaluate and learn. Whatever adapter there is presents.
    pub device: DeviceChoice,
    /// How generated weights reach the INR.
    pub strategy: Strategy,
    /// Of what is random in learning.
    pub seed: u64,
    /// Nothing that was remembered counts.
    pub fresh: bool,
    /// Write a line of JSON for every frame and picture to this file.
    pub trace: Option<PathBuf>,
    /// Evaluate on the window's own device even where that is a software driver.
    pub direct: bool,
    /// When the program began, from which the trace counts.
    pub started: Instant,
}

/// How a window ended.
#[derive(Debug)]
pub enum Outcome {
    /// A person closed it.
    Closed,
    /// It could not open: there is no display, or no adapter that can present; why, in words.
    NoDisplay(String),
}

/// What a fit in the window starts from: smaller steps of a smaller network than `fit` takes, so that something is seen
/// at once, and no end.
fn live_settings(family: bool, solids: bool) -> Config {
    let base = match (family, solids) {
        (false, false) => Config::fit(),
        (true, false) => Config::train(),
        (false, true) => Config::fit_solid(),
        (true, true) => Config::train_solids(),
    };
    let stop = StopConfig { steps: None, ..base.stop };
    let optimiser = OptimiserConfig { schedule: crate::train::CurveKind::Constant, ..base.optimiser };
    if family {
        return Config { optimiser, stop, ..base };
    }
    let (width, points) = if solids { (64, 2048) } else { (128, 8192) };
    Config {
        network: NetworkConfig { width, ..base.network },
        batch: BatchConfig { points, ..base.batch },
        optimiser: OptimiserConfig { lr: 5e-4, ..optimiser },
        stop,
        ..base
    }
}

/// The pictures or shapes in a file or folder, and how a window learns them.
///
/// # Errors
/// Where they cannot be read, or there are none.
pub fn to_learn(path: &Path) -> Result<(Signals, Config)> {
    let solids = Signals::are_solids(path);
    let signals = if solids { Some(Signals::load_solids(path)?) } else { None };
    let family = signals.as_ref().map_or(path.is_dir(), |signals| signals.names().len() > 1);
    let config = live_settings(family, solids);
    let signals = match signals {
        Some(signals) => signals,
        None => Signals::load(path, None, ValueRange::default(), config.network.coordinates())?,
    };
    Ok((signals, config))
}

/// Whether the window can show this model.
fn check(model: &Model) -> Result<()> {
    let inr = &model.inr;
    if model.solid.is_none() && (inr.inputs != 2 || inr.outputs > 4) {
        return Err(Error::invalid(format!(
            "an INR of {} inputs and {} outputs is neither a picture nor a solid: there is nothing to show",
            inr.inputs, inr.outputs
        )));
    }
    if model.latent_dim() > 0 && model.latents.is_empty() {
        return Err(Error::invalid("this model came without latents, so there is nothing to show"));
    }
    Ok(())
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// Where the model is neither of pictures nor of solids, or the device fails.
pub fn run(options: Options) -> Result<Outcome> {
    if let Open::Model { model, .. } = &options.open {
        check(model)?;
    }
    heap::fix_large_blocks();
    app::run(options)
}
