//! `view`: the live window.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use hypersine::model::Model;
use hypersine::signal::is_picture;
use hypersine::train::Signals;
use hypersine::viewer::{self, Open, Options, Outcome};

use super::latent::split_mix;
use super::render::{Render, Size};
use super::{Global, aside, open_model};

/// Open the live window: on a model, or on pictures or shapes, which are learned while you watch
///
/// The picture is evaluated at the window's own resolution while you pan, zoom and mix; a solid is traced while you turn
/// it. `?` lists every key. Dropping a file on the window opens it, too; a picture or shape that is dropped on a model of
/// such with latents is encoded.
#[derive(Args)]
pub(super) struct View {
    /// Model file, @emoji, @faces or @bodies; a picture, a shape, or a folder of such
    #[arg(default_value = BUILTIN, value_name = "MODEL|PICTURE|SHAPE|FOLDER")]
    model: String,
    /// The latent to start with: its name or index
    #[arg(long, value_name = "NAME|INDEX")]
    latent: Option<String>,
    /// Another latent to mix in
    #[arg(long, value_name = "OTHER:T", requires = "latent")]
    mix: Option<String>,
    /// Signals to compare with: a picture, or a folder of pictures named as the latents are
    #[arg(long, value_name = "PICTURE|FOLDER")]
    truth: Option<PathBuf>,
    /// Size of the window [default: as it last was]
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Begin afresh: nothing that the window remembers counts
    #[arg(long)]
    fresh: bool,
    /// Write what every frame and picture took to this file, a line of JSON each
    #[arg(long, value_name = "FILE.jsonl")]
    trace: Option<PathBuf>,
    /// Evaluate on the window's own device even where that is a software driver (as a GPU always does): to test that path
    #[arg(long, hide = true)]
    direct: bool,
    /// Where there is no display, write a contact sheet instead of failing
    #[arg(skip)]
    fall_back: bool,
}

const BUILTIN: &str = "@emoji";
/// What a machine without a display gets.
const SHEET: &str = "hypersine.png";

impl Default for View {
    /// What the bare `hypersine` does.
    fn default() -> Self {
        Self {
            model: BUILTIN.into(),
            latent: None,
            mix: None,
            truth: None,
            size: None,
            fresh: false,
            trace: None,
            direct: false,
            fall_back: true,
        }
    }
}

/// What a window may measure along a side, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 64..=16_384;

impl View {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let started = Instant::now();
        let size = self.size.map(Size::pixels);
        if let Some([width, height]) = size.filter(|size| !size.iter().all(|side| SIDES.contains(side))) {
            bail!("--size {width}x{height}: a window has {} to {} pixels a side", SIDES.start(), SIDES.end());
        }
        let path = Path::new(&self.model);
        let (open, latent, mix) = if path.is_dir() || is_picture(path) || Signals::are_solids(path) {
            if self.latent.is_some() {
                bail!("--latent: {} is learned from the start; it has no latents yet", self.model);
            }
            let (signals, config) = viewer::to_learn(path)?;
            (Open::Fit { signals, config }, None, None)
        } else {
            let model = open_model(&self.model)?;
            let latent = self.latent.as_ref().map(|name| model.latents.find(name)).transpose()?;
            let mix = self.mix.as_deref().map(|mix| row_and_share(&model, mix)).transpose()?;
            (Open::Model { model, name: self.model.clone() }, latent, mix)
        };
        let options = Options {
            open,
            latent,
            mix,
            truth: self.truth.clone(),
            size,
            device: global.device.clone(),
            strategy: global.strategy,
            seed: global.seed,
            fresh: self.fresh,
            trace: self.trace.clone(),
            direct: self.direct,
            started,
        };
        match viewer::run(options)? {
            Outcome::Closed => Ok(()),
            Outcome::NoDisplay(why) if self.fall_back => {
                if !global.quiet {
                    aside(format_args!("{why}: a contact sheet is written instead"));
                }
                Render::sheet(&self.model, Path::new(SHEET)).run(global)
            }
            Outcome::NoDisplay(why) => {
                bail!("{why}; `hypersine render {} --all -o sheet.png` works without", self.model)
            }
        }
    }
}

/// The row and the share that `OTHER:T` names.
fn row_and_share(model: &Model, mix: &str) -> Result<(usize, f32)> {
    let (other, t) = split_mix(mix)?;
    if !(0.0..=1.0).contains(&t) {
        bail!("--mix {mix}: the window's slider goes from 0 to 1");
    }
    Ok((model.latents.find(other)?, t))
}
