//! `fit`: one picture, one INR.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgMatches, Args, Command};
use hypersine::model::ValueRange;
use hypersine::train::{Config, Signals};

use super::Global;
use super::training::{Records, Settings, defaults};

/// Fit one INR to one picture
///
/// Ends after --steps, or at --psnr or --time if they come first. The INR has as many outputs as the picture has
/// channels; transparency is a channel of its own where it is used. Files of floats (EXR, HDR) get the sRGB curve.
#[derive(Args)]
pub(super) struct Fit {
    /// The picture: PNG, JPEG, WebP, TIFF, EXR or HDR
    signal: PathBuf,
    #[command(flatten)]
    records: Records,
    #[command(flatten)]
    settings: Settings,
}

impl Fit {
    /// The command with this command's own defaults.
    pub(super) fn with_defaults(command: Command) -> Command {
        // What only a family has stays out of sight.
        defaults(command, &Config::fit())
            .mut_arg("latents", |a| a.hide(true))
            .mut_arg("latent_lr", |a| a.hide(true))
            .mut_arg("latent_penalty", |a| a.hide(true))
            .mut_arg("theta_penalty", |a| a.hide(true))
    }

    pub(super) fn run(&self, global: &Global, matches: &ArgMatches) -> Result<()> {
        let base = self.records.settings(Config::fit())?;
        let config = self.settings.overlay(&base, None, matches)?;
        let signals = Signals::load(&self.signal, None, ValueRange::default(), config.network.coordinates())?;
        let trainer = self.records.trainer(config, signals, global, (&self.settings, matches))?;
        self.records.run(trainer, global)
    }
}
