//! `fit`: one picture, one INR.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgMatches, Args, Command};
use hypersine::model::ValueRange;
use hypersine::train::{BatchConfig, Config, LossConfig, NetworkConfig, OptimiserConfig, Signals, StopConfig};

use super::Global;
use super::training::{Records, defaults, overlaid};

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
    network: NetworkConfig,
    #[command(flatten)]
    batch: BatchConfig,
    #[command(flatten)]
    loss: LossConfig,
    #[command(flatten)]
    optimiser: OptimiserConfig,
    #[command(flatten)]
    stop: StopConfig,
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
        let config = Config {
            network: overlaid(&base.network, &self.network, matches)?,
            family: None,
            batch: overlaid(&base.batch, &self.batch, matches)?,
            loss: overlaid(&base.loss, &self.loss, matches)?,
            optimiser: overlaid(&base.optimiser, &self.optimiser, matches)?,
            stop: overlaid(&base.stop, &self.stop, matches)?,
        };
        let signals = Signals::load(&self.signal, None, ValueRange::default(), config.network.coordinates())?;
        let trainer = self.records.trainer(config, signals, global, (&self.stop, matches))?;
        self.records.run(trainer, global)
    }
}
