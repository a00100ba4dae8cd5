//! `view`: the live window.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use hypersine::model::Model;
use hypersine::viewer::{self, Options, Outcome};

use super::latent::split_mix;
use super::render::{Render, Size};
use super::{Global, open_model};

/// Open the live window
///
/// The picture is evaluated at the window's own resolution while you pan, zoom and mix.
#[derive(Args)]
pub(super) struct View {
    /// Model file, @emoji or @faces
    #[arg(default_value = BUILTIN)]
    model: String,
    /// The latent to start with: its name or index
    #[arg(long, value_name = "NAME|INDEX")]
    latent: Option<String>,
    /// Another latent to mix in
    #[arg(long, value_name = "OTHER:T", requires = "latent")]
    mix: Option<String>,
    /// Size of the window
    #[arg(long, value_name = "WxH", default_value = "960x720")]
    size: Size,
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
        Self { model: BUILTIN.into(), latent: None, mix: None, size: Size { width: 960, height: 720 }, fall_back: true }
    }
}

impl View {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let model = open_model(&self.model)?;
        let latent = self.latent.as_ref().map_or(Ok(0), |name| model.latents.find(name))?;
        let mix = self.mix.as_deref().map(|mix| row_and_share(&model, mix)).transpose()?;
        let options = Options {
            model,
            name: self.model.clone(),
            latent,
            mix,
            size: [self.size.width, self.size.height],
            device: global.device.clone(),
            strategy: global.strategy,
        };
        match viewer::run(options)? {
            Outcome::Closed => Ok(()),
            Outcome::NoDisplay(why) if self.fall_back => {
                if !global.quiet {
                    eprintln!("{why}: a contact sheet is written instead");
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
