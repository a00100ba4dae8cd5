//! `render`: pictures from latents.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::engine::{Field, Mosaic, Report};
use hypersine::model::{Easing, Model, Morph, Path as ModelPath, Region};
use hypersine::output::check_writable;
use hypersine::signal::{Canvas, Depth, picture_format, write_gif, write_rows};
use hypersine::trace::Statistics;
use serde_json::json;

use super::latent::{LatentArgs, one, split_layers};
use super::solid::{SolidArgs, Solids};
use super::{Global, open_model};

/// Reconstruct pictures: one latent, a morph through several, or all of them
///
/// Coordinates: the whole picture is [-1, 1] along its longer side, x right, y down. PNG and GIF are display-referred;
/// EXR is 32-bit float in linear light. Solids are seen by a --camera: x right, y up, z towards it at azimuth 0.
#[derive(Args)]
pub(super) struct Render {
    /// Model file, @emoji, @faces or @bodies
    model: String,
    #[command(flatten)]
    latent: LatentArgs,
    /// Every latent of the model: onto one contact sheet (-o sheet.png), or one file each (-o folder/)
    #[arg(long, conflicts_with_all = ["latent", "mix", "sample"])]
    all: bool,
    /// The layers from K on, counted from 0, have the weights that this latent generates, the others those of --latent
    #[arg(long, value_name = "OTHER:K", conflicts_with_all = ["mix", "all"])]
    layers_from: Option<String>,
    #[command(flatten)]
    morph: MorphArgs,
    #[command(flatten)]
    solid: SolidArgs,
    /// Size in pixels, or that of the longer side; of each picture where there are several [default: 256, with --all 64]
    #[arg(long, value_name = "WxH|N")]
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
    /// Where to write: .png or .exr; .gif for a morph
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// A way through several latents.
#[derive(Args, Default)]
#[group(conflicts_with_all = ["latent", "mix", "sample", "all", "layers_from"], multiple = true)]
struct MorphArgs {
    /// A morph from this latent: onto one strip (-o strip.png), as an animation (-o morph.gif), or numbered frames
    /// (-o folder/)
    #[arg(long, value_name = "LATENT", requires = "to")]
    from: Option<String>,
    /// ... by way of this one; may be given several times
    #[arg(long, value_name = "LATENT", requires = "from")]
    via: Vec<String>,
    /// ... to this one
    #[arg(long, value_name = "LATENT", requires = "from")]
    to: Option<String>,
    /// ... and back to the first: the last picture is the one before the first, so that an animation goes round
    #[arg(long = "loop", requires = "from")]
    closed: bool,
    /// How time passes between two of them
    #[arg(long, value_enum, default_value_t, requires = "from")]
    easing: Easing,
    /// Number of pictures, both ends included [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..), requires = "from")]
    steps: Option<u16>,
    /// Frames a second of a .gif, 1 to 50 [default: 20]
    #[arg(long, value_name = "N", requires = "from")]
    fps: Option<u32>,
}

impl MorphArgs {
    /// The morph that is asked for, if one is.
    fn morph(&self, model: &Model, path: ModelPath) -> Result<Option<Morph>> {
        let (Some(from), Some(to)) = (&self.from, &self.to) else { return Ok(None) };
        if model.latent_dim() == 0 {
            bail!("--from {from}: this model is a single INR without latents");
        }
        let keys = [from].into_iter().chain(&self.via).chain([to]).map(|key| one(model, key)).collect::<Result<_>>()?;
        Ok(Some(Morph { keys, path, easing: self.easing, closed: self.closed }))
    }
}

/// What is rendered, and how it is laid out.
struct Batch {
    z: Vec<f32>,
    /// One name per picture; none for a single one.
    names: Vec<String>,
    /// Pictures per row of a sheet; None: nearly square.
    columns: Option<usize>,
}

/// Where the pictures go.
enum Target {
    /// Side by side onto one picture; a single one is a sheet, too.
    Sheet,
    /// One after another into a GIF.
    Animation,
    /// A file each.
    Files(Vec<PathBuf>),
}

/// `640x480`, or `256` along the longer side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Longer(u32),
    Exactly([u32; 2]),
}

impl Size {
    /// Width and height, of a square where nothing else is known.
    pub(super) fn pixels(self) -> [u32; 2] {
        match self {
            Self::Longer(side) => [side; 2],
            Self::Exactly(size) => size,
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = match text.split_once(['x', 'X']) {
            Some((w, h)) => w.parse().ok().zip(h.parse().ok()).map(|(w, h)| Self::Exactly([w, h])),
            None => text.parse().ok().map(Self::Longer),
        };
        size.ok_or_else(|| {
            format!("'{text}' is not a size: write WIDTHxHEIGHT, e.g. 640x480, or 640 for the longer side")
        })
    }
}

impl Render {
    /// The command that writes all latents of `model` onto one sheet.
    pub(super) fn sheet(model: &str, output: &Path) -> Self {
        Self {
            model: model.into(),
            latent: LatentArgs::default(),
            all: true,
            layers_from: None,
            morph: MorphArgs::default(),
            solid: SolidArgs::default(),
            size: None,
            region: None,
            aa: 1,
            depth: Depth::Eight,
            output: output.into(),
        }
    }

    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let mut model = open_model(&self.model)?;
        let size = self.size.unwrap_or(Size::Longer(if self.all { 64 } else { 256 }));
        if model.solid.is_none() && model.inr.inputs != 2 {
            bail!("{}: an INR of {} inputs is no picture", self.model, model.inr.inputs);
        }
        let Batch { mut z, names, columns } = self.batch(&model)?;
        if let Some(layers) = &self.layers_from {
            let (other, first) = split_layers(layers)?;
            model = Arc::new(model.crossed(&z, &one(&model, other)?, first)?);
            z.clear();
        }
        let target = self.target(&names)?;
        let engine = global.engine()?;
        if model.solid.is_some() {
            let size = size.pixels();
            let (view, aa, depth) = (&self.solid, self.aa, self.depth);
            let solids = Solids { engine: &engine, model: &model, view, size, aa, depth, global };
            let latents: Vec<&[f32]> = match model.latent_dim() {
                0 => vec![&[]],
                dim => z.chunks_exact(dim).collect(),
            };
            return self.draw(&solids, &latents, columns, &target);
        }
        if self.solid.is_some() {
            bail!(
                "{}: pictures have no --camera, --look, --slice, --level and --plain: those are of solids",
                self.model
            );
        }
        let [width, height] = match size {
            Size::Longer(side) => model.coordinates.sized(side, self.region),
            Size::Exactly(size) => size,
        };
        let grid = model.coordinates.grid(width, height, self.region)?;
        let field = engine.load(&model)?;
        let pictures = names.len().max(1);
        let report = match target {
            Target::Sheet => {
                let mosaic = Mosaic::new(grid, pictures, columns, self.aa)?;
                self.write(&self.output, &mosaic, &field, &z, global)?
            }
            Target::Animation => self.animate(&Mosaic::single(grid, self.aa)?, &field, &z, global)?,
            Target::Files(files) => {
                let mosaic = Mosaic::single(grid, self.aa)?;
                let mut report = Report::default();
                for (file, z) in files.iter().zip(z.chunks_exact(model.latent_dim())) {
                    report.merge(&self.write(file, &mosaic, &field, z, global)?);
                }
                report
            }
        };
        let json = json!({
            "output": self.output.display().to_string(), "size": [width, height], "pictures": pictures,
            "device": engine.describe(), "report": report,
        });
        global.report(&json, || {
            let t = &report.timings;
            format!(
                "{}: {pictures} of {width}x{height} on {}, {}: generated in {:.1} ms, evaluated in {:.1} ms",
                self.output.display(),
                engine.describe(),
                report.strategy,
                t.generate_s * 1e3,
                t.evaluate_s * 1e3
            )
        });
        Ok(())
    }

    /// Pictures of solids.
    fn draw(&self, solids: &Solids<'_>, latents: &[&[f32]], columns: Option<usize>, target: &Target) -> Result<()> {
        if self.region.is_some() {
            bail!("--region is a part of a picture; of a solid --camera shows another side");
        }
        let mut statistics = Statistics::default();
        match target {
            Target::Sheet => statistics = solids.sheet(&self.output, latents, columns)?,
            Target::Animation => statistics = solids.animate(&self.output, latents, self.morph.fps.unwrap_or(20))?,
            Target::Files(files) => {
                for (file, z) in files.iter().zip(latents) {
                    statistics.merge(&solids.write(file, z)?);
                }
            }
        }
        let (size, device) = (solids.size, solids.engine.describe());
        let steps = statistics.steps as f64 / (statistics.traced as f64).max(1.0);
        let json = json!({
            "output": self.output.display().to_string(), "size": size, "pictures": latents.len(), "device": device,
            "trace": statistics, "steps_per_ray": steps, "rays_per_s": statistics.rays_per_second(),
        });
        solids.global.report(&json, || {
            format!(
                "{}: {} of {}x{} on {}: {} rays, {steps:.1} steps each, {:.2} s",
                self.output.display(),
                latents.len(),
                size[0],
                size[1],
                device,
                statistics.rays,
                statistics.seconds
            )
        });
        Ok(())
    }

    /// The latents to render.
    fn batch(&self, model: &Model) -> Result<Batch> {
        if let Some(morph) = self.morph.morph(model, self.latent.path())? {
            let steps = self.morph.steps.unwrap_or(8);
            let names: Vec<String> = (0..steps).map(|i| format!("{i:05}")).collect();
            let z = morph.frames(steps.into()).flatten().collect();
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

    /// Where the pictures of those names are to go, by the output's ending; a folder is made, any other output that could
    /// not be written is refused before any work is done.
    fn target(&self, names: &[String]) -> Result<Target> {
        let ending = self.output.extension().unwrap_or_default();
        if ending.eq_ignore_ascii_case("gif") {
            if self.morph.from.is_none() {
                bail!("{}: an animation is made of a morph; give --from and --to", self.output.display());
            }
            check_writable(&self.output)?;
            return Ok(Target::Animation);
        }
        if self.morph.fps.is_some() {
            bail!("--fps is for animations; name a .gif with -o");
        }
        if names.is_empty() || picture_format(&self.output).is_ok() {
            picture_format(&self.output)?;
            check_writable(&self.output)?;
            return Ok(Target::Sheet);
        }
        std::fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot make the folder {}", self.output.display()))?;
        Ok(Target::Files(self.files(names)))
    }

    /// Writes the latents' pictures as frames of an animation, with a bar where that takes long.
    fn animate(&self, mosaic: &Mosaic, field: &Field, z: &[f32], global: &Global) -> Result<Report> {
        let canvas = canvas(mosaic, field);
        let frames = z.chunks_exact(field.model().latent_dim());
        let bar = global.progress(frames.len() as u64, "{bar:40} {pos}/{len} frames, {eta} left");
        let report = write_gif(&self.output, &canvas, self.morph.fps.unwrap_or(20), |frame| {
            let (mut report, mut picture) = (Report::default(), Vec::new());
            for z in frames {
                picture.clear();
                report.merge(&mosaic.render(field, z, global.strategy, |rows| {
                    picture.extend_from_slice(rows);
                    Ok(())
                })?);
                frame(&picture)?;
                bar.inc(1);
            }
            Ok(report)
        })?;
        bar.finish_and_clear();
        Ok(report)
    }

    /// Writes one file, with a bar where that takes long.
    fn write(&self, path: &Path, mosaic: &Mosaic, field: &Field, z: &[f32], global: &Global) -> Result<Report> {
        let canvas = canvas(mosaic, field);
        let bar = global.progress(u64::from(canvas.height), "{bar:40} {pos}/{len} rows, {eta} left");
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

/// What a mosaic of a field's pictures is.
fn canvas(mosaic: &Mosaic, field: &Field) -> Canvas {
    let [width, height] = mosaic.size();
    let Model { inr, values, .. } = &**field.model();
    Canvas { width, height, channels: inr.outputs, range: *values }
}
