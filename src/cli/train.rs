//! `train`: a family of pictures or shapes, a hypernetwork and a latent for each.

use std::path::PathBuf;

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use hypersine::model::ValueRange;
use hypersine::train::{Config, FamilyConfig, Signals};

use super::Global;
use super::training::{Records, Settings, defaults, overlaid};

/// Train a hypernetwork and latents on a folder of pictures or shapes, as an auto-decoder or (--inner-steps) by meta-learning
///
/// Latents are named by the files. Transparency is laid on white. Ctrl-C saves a checkpoint; --resume goes on.
///
/// Shapes become signed distances with --loss l1 --clamp 0.1 unless said otherwise, or logits with --loss occupancy.
#[derive(Args)]
pub(super) struct Train {
    /// A folder of pictures or of shapes, or an .npz of bodies, or a .json of molecules
    folder: PathBuf,
    /// Channels of the pictures: 1 grey, 3 RGB, 4 RGB and alpha
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=4))]
    channels: u8,
    #[command(flatten)]
    records: Records,
    #[command(flatten)]
    family: FamilyConfig,
    #[command(flatten)]
    settings: Settings,
}

impl Train {
    /// The command with this command's own defaults.
    pub(super) fn with_defaults(command: Command) -> Command {
        defaults(command, &Config::train())
    }

    pub(super) fn run(&self, global: &Global, matches: &ArgMatches) -> Result<()> {
        let solids = Signals::are_solids(&self.folder);
        let base = if solids { Config::train_solids() } else { Config::train() };
        let base = self.records.settings(&self.folder, base, matches)?;
        let family = overlaid(&base.family.clone().unwrap_or_default(), &self.family, matches)?;
        let mut config = self.settings.overlay(&base, Some(family), matches)?;
        // What families of distances start with means nothing to other losses.
        if !config.loss.is_of_distances() && matches.value_source("clamp") != Some(ValueSource::CommandLine) {
            config.loss.clamp = None;
        }
        let signals = if solids {
            Signals::load_solids(&self.folder)?
        } else {
            let channels = Some(usize::from(self.channels));
            Signals::load(&self.folder, channels, ValueRange::default(), config.network.coordinates())?
        };
        let trainer = self.records.trainer(config, signals, global, (&self.settings, matches))?;
        self.records.run(trainer, global)
    }
}
