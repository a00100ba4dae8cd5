//! The live window: a picture evaluated at the window's own resolution, and the latents it comes from.
//!
//! | file | what |
//! |---|---|
//! | `app` | the event loop: input to scene, scene to painter, painter to window |
//! | `scene` | what is to be shown: latents, mix, view |
//! | `view` | pan and zoom |
//! | `painter` | evaluates the scene a slice at a time, coarse first, on the GPU or on worker threads |
//! | `present` | the window's surface: the picture, and egui over it |
//! | `panel` | the controls |

mod app;
mod painter;
mod panel;
mod present;
mod scene;
mod view;

use std::sync::Arc;

use crate::engine::{DeviceChoice, Strategy};
use crate::model::Model;
use crate::{Error, Result};

/// What to open the window with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model to show; its INR takes two coordinates and gives one to four values.
    pub model: Arc<Model>,
    /// Its name, for the title.
    pub name: String,
    /// Row of the latent to start with.
    pub latent: usize,
    /// Row and share of a latent to mix in.
    pub mix: Option<(usize, f32)>,
    /// Size of the window in logical pixels.
    pub size: [u32; 2],
    /// Where to evaluate. Whatever adapter there is presents.
    pub device: DeviceChoice,
    /// How generated weights reach the INR.
    pub strategy: Strategy,
}

/// How a window ended.
#[derive(Debug)]
pub enum Outcome {
    /// A person closed it.
    Closed,
    /// It could not open: there is no display, or no adapter that can present; why, in words.
    NoDisplay(String),
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// Where the model is no picture, or the device fails.
pub fn run(options: Options) -> Result<Outcome> {
    let inr = &options.model.inr;
    if inr.inputs != 2 || inr.outputs > 4 {
        return Err(Error::invalid(format!(
            "an INR of {} inputs and {} outputs is no picture; the viewer shows pictures",
            inr.inputs, inr.outputs
        )));
    }
    if options.model.latent_dim() > 0 && options.model.latents.is_empty() {
        return Err(Error::invalid("this model came without latents, so there is nothing to show"));
    }
    app::run(options)
}
