//! `fit`: one picture or shape, one INR.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgMatches, Args, Command};
use hypersine::model::ValueRange;
use hypersine::train::{Config, Signals};

use super::Global;
use super::training::{Records, Settings, defaults};

/// Most pixels of a picture that all are in every step, unless --points is given, and how many are otherwise.
const ALL_PIXELS: usize = 512 * 512;
/// See [`ALL_PIXELS`].
const SOME_PIXELS: usize = 1 << 16;

/// Fit one INR to one picture or shape
///
/// Ends after --steps, or at --psnr or --time if they come first (with --time alone, after that time). The INR has as many outputs as the picture has
/// channels; transparency is a channel of its own where it is used. Files of floats (EXR, HDR) get the sRGB curve. Of a picture of more
/// than 512x512 pixels a step takes 65536 random ones unless --points or --config is given.
///
/// A mesh becomes a signed distance (or, with --loss occupancy, logits of being inside), an oriented point cloud one with
/// --loss oriented; defaults are then --width 128 --points 4096 --loss l1 --lr 5e-4 --schedule cosine --steps 3000.
#[derive(Args)]
pub(super) struct Fit {
    /// The picture (PNG, JPEG, WebP, TIFF, EXR or HDR) or shape (PLY, OBJ, STL, OFF, GLB or XYZ)
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
        let solid = Signals::are_solids(&self.signal);
        let base =
            self.records.settings(&self.signal, if solid { Config::fit_solid() } else { Config::fit() }, matches)?;
        let mut config = self.settings.overlay(&base, None, matches)?;
        let signals = if solid {
            Signals::load_solids(&self.signal)?
        } else {
            Signals::load(&self.signal, None, ValueRange::default(), config.network.coordinates())?
        };
        if let Some(picture) = signals.pictures().first()
            && self.records.is_unsaid("points", matches)
        {
            let pixels = picture.width as usize * picture.height as usize;
            if config.batch.points == 0 && pixels > ALL_PIXELS {
                config.batch.points = SOME_PIXELS;
                log::warn!("a step takes {SOME_PIXELS} of the {pixels} pixels; --points says otherwise (0: all)");
            }
        }
        let trainer = self.records.trainer(config, signals, global, (&self.settings, matches))?;
        self.records.run(trainer, global)
    }
}
