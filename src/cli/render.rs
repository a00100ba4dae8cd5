//! `render`: pictures from latents.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::engine::{Field, Report};
use hypersine::model::{Domain, Grid, Region};
use hypersine::signal::{Picture, Sheet, picture_format};
use serde_json::json;

use super::latent::LatentArgs;
use super::{Global, open_model};

/// Reconstruct pictures: one latent, or all of them
///
/// Coordinates: the whole picture is [-1, 1] along its longer side, x right, y down. PNG is 8-bit and
/// display-referred; EXR is 32-bit float in linear light.
#[derive(Args)]
pub(super) struct Render {
    /// Model file, or @emoji
    model: String,
    #[command(flatten)]
    latent: LatentArgs,
    /// Every latent of the model: onto one contact sheet (-o sheet.png), or one file each (-o folder/)
    #[arg(long, conflicts_with_all = ["latent", "mix"])]
    all: bool,
    /// Size in pixels; of each picture with --all [default: 256x256, with --all 64x64]
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// The part of the picture to show
    #[arg(long, value_name = "x0,y0,x1,y1", allow_hyphen_values = true)]
    region: Option<Region>,
    /// Where to write: .png or .exr
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// `640x480`, or `256` for a square.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub width: u32,
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (w, h) = text.split_once(['x', 'X']).unwrap_or((text, text));
        match (w.parse(), h.parse()) {
            (Ok(width), Ok(height)) => Ok(Self { width, height }),
            _ => Err(format!("'{text}' is not a size: write WIDTHxHEIGHT, e.g. 640x480")),
        }
    }
}

impl Render {
    /// The command that writes all latents of `model` onto one sheet.
    pub(super) fn sheet(model: &str, output: &Path) -> Self {
        Self {
            model: model.into(),
            latent: LatentArgs::default(),
            all: true,
            size: None,
            region: None,
            output: output.into(),
        }
    }

    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let model = open_model(&self.model)?;
        let side = if self.all { 64 } else { 256 };
        let size = self.size.unwrap_or(Size { width: side, height: side });
        let grid = model.coordinates.grid(size.width, size.height, self.region)?;
        if model.inr.inputs != 2 {
            bail!("{}: an INR of {} inputs is no picture", self.model, model.inr.inputs);
        }
        let z = if self.all {
            if model.latents.is_empty() {
                bail!(
                    "{}: there are no latents in this model; leave --all away, or give one with --latent FILE.npy",
                    self.model
                );
            }
            Vec::new()
        } else {
            self.latent.resolve(&model)?
        };
        let folder = self.all && picture_format(&self.output).is_err();
        if folder {
            std::fs::create_dir_all(&self.output)
                .with_context(|| format!("cannot make the folder {}", self.output.display()))?;
        } else {
            check_output(&self.output)?;
        }
        let engine = global.engine()?;
        let field = engine.load(&model)?;
        let (report, pictures) = if self.all {
            (self.all(&field, &grid, folder, global)?, model.latents.len())
        } else {
            let (values, report) = field.evaluate(&z, &Domain::Grid(grid), global.strategy)?;
            let picture = Picture {
                width: size.width,
                height: size.height,
                channels: model.inr.outputs,
                values,
                range: model.values,
            };
            picture.save(&self.output)?;
            (report, 1)
        };
        let json = json!({
            "output": self.output, "size": [size.width, size.height], "pictures": pictures,
            "device": engine.describe(), "report": report,
        });
        global.report(&json, || {
            let t = &report.timings;
            format!(
                "{}: {pictures} of {}x{} on {}, {}: generated in {:.1} ms, evaluated in {:.1} ms",
                self.output.display(),
                size.width,
                size.height,
                engine.describe(),
                report.strategy,
                t.generate_s * 1e3,
                t.evaluate_s * 1e3
            )
        });
        Ok(())
    }

    fn all(&self, field: &Field, grid: &Grid, folder: bool, global: &Global) -> Result<Report> {
        let model = field.model();
        let domain = Domain::Grid(*grid);
        let channels = model.inr.outputs;
        if folder {
            let files = self.files(model.latents.names());
            let mut values = Vec::new();
            let report = field.evaluate_blocks(model.latents.values(), &domain, global.strategy, &mut |block| {
                // One picture after the other: a block holds several whole pictures, or a part of one.
                for (latent, part) in
                    block.latents.clone().zip(block.values.chunks_exact(block.points.len() * channels))
                {
                    values.extend_from_slice(part);
                    if block.points.end == grid.points() {
                        let values = std::mem::take(&mut values);
                        Picture { width: grid.width, height: grid.height, channels, values, range: model.values }
                            .save(&files[latent])?;
                    }
                }
                Ok(())
            })?;
            return Ok(report);
        }
        let mut sheet = Sheet::new(model.latents.len(), grid.width, grid.height, channels, model.values)?;
        let report = field.evaluate_blocks(model.latents.values(), &domain, global.strategy, &mut |block| {
            for (latent, part) in block.latents.clone().zip(block.values.chunks_exact(block.points.len() * channels)) {
                sheet.put(latent, block.points.start, part);
            }
            Ok(())
        })?;
        sheet.save(&self.output)?;
        Ok(report)
    }
}

impl Render {
    /// One file per latent in the output folder; a name that comes again gets its row's number behind it.
    fn files(&self, names: &[String]) -> Vec<PathBuf> {
        let mut taken = HashSet::new();
        let file = |(row, name): (usize, &String)| {
            let mut name = file_name(name);
            if !taken.insert(name.to_lowercase()) {
                name = format!("{name}-{row}");
                taken.insert(name.to_lowercase());
            }
            self.output.join(format!("{name}.png"))
        };
        names.iter().enumerate().map(file).collect()
    }
}

/// A latent's name as a file name: what a file system or a path would take for something else becomes `_`.
fn file_name(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect();
    if safe.starts_with('.') { format!("_{safe}") } else { safe }
}

/// Refuses an output that could not be written, before any work is done.
pub(super) fn check_output(path: &Path) -> Result<()> {
    picture_format(path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("cannot write {}: there is no folder {}", path.display(), folder.display());
    }
    Ok(())
}
