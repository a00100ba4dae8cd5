//! `render`: pictures from latents.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::engine::{Field, Mosaic, Report};
use hypersine::model::{Model, Region};
use hypersine::signal::{Canvas, Depth, picture_format, write_rows};
use serde_json::json;

use super::latent::{LatentArgs, one};
use super::{Global, open_model};

/// Reconstruct pictures: one latent, a morph between two, or all of them
///
/// Coordinates: the whole picture is [-1, 1] along its longer side, x right, y down. PNG is display-referred;
/// EXR is 32-bit float in linear light.
#[derive(Args)]
pub(super) struct Render {
    /// Model file, @emoji or @faces
    model: String,
    #[command(flatten)]
    latent: LatentArgs,
    /// Every latent of the model: onto one contact sheet (-o sheet.png), or one file each (-o folder/)
    #[arg(long, conflicts_with_all = ["latent", "mix", "sample"])]
    all: bool,
    /// A morph from this latent: onto one strip (-o strip.png), or numbered frames (-o folder/)
    #[arg(long, value_name = "LATENT", requires = "to", conflicts_with_all = ["latent", "mix", "sample", "all"])]
    from: Option<String>,
    /// ... to this one
    #[arg(long, value_name = "LATENT", requires = "from")]
    to: Option<String>,
    /// ... in so many pictures, both ends included
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..))]
    steps: u16,
    /// Size in pixels; of each picture where there are several [default: 256x256, with --all 64x64]
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// The part of the picture to show
    #[arg(long, value_name = "x0,y0,x1,y1", allow_hyphen_values = true)]
    region: Option<Region>,
    /// Supersample: the mean of N x N points per pixel
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    aa: u32,
    /// Bits per channel of a PNG
    #[arg(long, value_enum, default_value = "8")]
    depth: Depth,
    /// Where to write: .png or .exr
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// What is rendered, and how it is laid out.
struct Batch {
    z: Vec<f32>,
    /// One name per picture; none for a single one.
    names: Vec<String>,
    /// Pictures per row of a sheet; None: nearly square.
    columns: Option<usize>,
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
            from: None,
            to: None,
            steps: 2,
            size: None,
            region: None,
            aa: 1,
            depth: Depth::Eight,
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
        let batch = self.batch(&model)?;
        let folder = !batch.names.is_empty() && picture_format(&self.output).is_err();
        if folder {
            std::fs::create_dir_all(&self.output)
                .with_context(|| format!("cannot make the folder {}", self.output.display()))?;
        } else {
            check_output(&self.output)?;
        }
        let engine = global.engine()?;
        let field = engine.load(&model)?;
        let report = if folder {
            let mosaic = Mosaic::single(grid, self.aa)?;
            let dim = model.latent_dim();
            let mut report = Report::default();
            for (file, z) in self.files(&batch.names).iter().zip(batch.z.chunks_exact(dim)) {
                report.merge(&self.write(file, &mosaic, &field, z, global)?);
            }
            report
        } else {
            let mosaic = Mosaic::new(grid, batch.names.len().max(1), batch.columns, self.aa)?;
            self.write(&self.output, &mosaic, &field, &batch.z, global)?
        };
        let pictures = batch.names.len().max(1);
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

    /// The latents to render.
    fn batch(&self, model: &Model) -> Result<Batch> {
        if let (Some(from), Some(to)) = (&self.from, &self.to) {
            if model.latent_dim() == 0 {
                bail!("--from {from}: this model is a single INR without latents");
            }
            let (a, b) = (one(model, from)?, one(model, to)?);
            let last = f32::from(self.steps - 1);
            let z = (0..self.steps).flat_map(|i| self.latent.path().at(&a, &b, f32::from(i) / last)).collect();
            let names: Vec<String> = (0..self.steps).map(|i| format!("{i:05}")).collect();
            return Ok(Batch { z, columns: Some(names.len()), names });
        }
        if !self.all {
            return Ok(Batch { z: self.latent.resolve(model)?, names: Vec::new(), columns: None });
        }
        if model.latents.is_empty() {
            bail!(
                "{}: there are no latents in this model; leave --all away, or give one with --latent FILE.npy",
                self.model
            );
        }
        Ok(Batch { z: model.latents.values().to_vec(), names: model.latents.names().to_vec(), columns: None })
    }

    /// Writes one file, with a bar where that takes long.
    fn write(&self, path: &Path, mosaic: &Mosaic, field: &Field, z: &[f32], global: &Global) -> Result<Report> {
        let [width, height] = mosaic.size();
        let Model { inr, values, .. } = &**field.model();
        let canvas = Canvas { width, height, channels: inr.outputs, range: *values };
        let bar = global.progress(u64::from(height), "{bar:40} {pos}/{len} rows, {eta} left");
        let report = write_rows(path, &canvas, self.depth, |rows| {
            mosaic.render(field, z, global.strategy, |values| {
                rows(values)?;
                bar.inc((values.len() / canvas.row()) as u64);
                Ok(())
            })
        })?;
        bar.finish_and_clear();
        Ok(report)
    }

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
