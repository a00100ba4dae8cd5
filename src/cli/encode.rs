//! `encode`: latents of signals that the model never saw.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use hypersine::engine::{Body, Engine};
use hypersine::fidelity::{Fidelity, fidelity, mean};
use hypersine::model::file::{self, Precision};
use hypersine::model::{Coordinates, Domain, Frame, LatentTable, Model, Solid, ValueRange};
use hypersine::output::{check_writable, write_npy};
use hypersine::signal::shape::load::family;
use hypersine::signal::shape::{Closeness, Comparison, Shape, jitter};
use hypersine::signal::{Picture, pictures, psnr};
use hypersine::train::{EncodeConfig, InnerLoop, Observation, Observed, Search, Signals, encode};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::training::overlaid;
use super::{Global, open_model};

/// Cells along an axis of the surfaces that are compared with the shapes.
const RESOLUTION: u32 = 128;

/// Find the latents of signals that the model never saw: of pictures from all or some of their pixels, of shapes from
/// points on their surfaces and the normals there
///
/// `render --latent FILE.npy` then shows what the model makes of them: with --mask or --points, it completes them.
#[derive(Args)]
pub(super) struct Encode {
    /// Model file, @emoji, @faces or @bodies
    model: String,
    /// Pictures or shapes, or folders of them
    #[arg(required = true)]
    signals: Vec<PathBuf>,
    /// Where the latents go: FILE.npy for one picture, FOLDER/ for an .npy each, MODEL.safetensors for a copy of the model
    /// with these latents in place of its own
    #[arg(short, long, value_name = "LATENTS")]
    output: PathBuf,
    /// Only the white pixels of this picture are observed, of every signal
    #[arg(long, value_name = "FILE", conflicts_with = "points")]
    mask: Option<PathBuf>,
    /// Only so many random pixels are observed; of shapes, so many points on the surface [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1 << 22))]
    points: Option<usize>,
    /// Of shapes: standard deviation by which the points are off, in the box [-1, 1]^3
    #[arg(long, value_name = "DISTANCE", default_value_t = 0.0)]
    noise: f64,
    /// Search by Adam even where the model was meta-learned. Otherwise such a model takes the inner steps that it was
    /// trained for, of which --steps and --lr change the number and the size
    #[arg(long)]
    adam: bool,
    #[command(flatten)]
    config: EncodeConfig,
}

impl Encode {
    pub(super) fn run(&self, global: &Global, matches: &ArgMatches) -> Result<()> {
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            bail!("--noise {}: give a distance, 0 or more", self.noise);
        }
        let engine = Engine::open(&global.device)?;
        let model = open_model(&self.model)?;
        if model.solid.is_some() {
            return self.solids(&engine, &model, global, matches);
        }
        let mut files = Vec::new();
        for path in &self.signals {
            files.extend(pictures(path)?);
        }
        let signals = Signals::from_files(&files, model.inr.outputs, model.values, model.coordinates)?;
        let to = Destination::of(&self.output, files.len())?;
        let known = Observation::of_pictures(&signals, &self.observed(&signals)?, global.seed)?;
        let z = self.found(&engine, &model, &known, global, matches)?;
        let coordinates = Coordinates { size: signals.size(), ..model.coordinates };
        to.write(&self.output, &Model { coordinates, ..(*model).clone() }, signals.names(), &z)?;

        let field = engine.load(&model)?;
        let mut figures = Vec::new();
        for (i, (name, truth)) in signals.names().iter().zip(signals.pictures()).enumerate() {
            let grid = model.coordinates.grid(truth.width, truth.height, None)?;
            let z = &z[i * model.latent_dim()..][..model.latent_dim()];
            let (values, _) = field.evaluate(z, &Domain::Grid(grid), global.strategy)?;
            let psnr = psnr(&Picture { values, ..truth.clone() }, truth)?;
            // Of values in [0, 1], as papers on completion have it.
            figures.push((name, psnr, 10_f64.powf(-psnr / 10.0)));
        }
        let count = figures.len() as f64;
        let mean = |f: fn(&(&String, f64, f64)) -> f64| figures.iter().map(f).sum::<f64>() / count;
        let (mean_psnr, mean_mse) = (mean(|f| f.1), mean(|f| f.2));
        let rows: Vec<_> = figures.iter().map(|(n, p, m)| json!({"name": n, "psnr": p, "mse": m})).collect();
        let json = json!({"output": self.output.display().to_string(), "signals": rows, "mean": {"psnr": mean_psnr, "mse": mean_mse}});
        global.report(&json, || {
            let mut text = format!("{:<32} {:>9} {:>10}\n", "signal", "PSNR dB", "MSE [0, 1]");
            for (name, psnr, mse) in &figures {
                text += &format!("{name:<32} {psnr:>9.3} {mse:>10.5}\n");
            }
            text + &format!("{:<32} {mean_psnr:>9.3} {mean_mse:>10.5}", format!("mean of {}", figures.len()))
        });
        Ok(())
    }

    /// Latents of solids from points on their surfaces, and how close they come to the shapes of which these are points.
    fn solids(&self, engine: &Engine, model: &Arc<Model>, global: &Global, matches: &ArgMatches) -> Result<()> {
        if self.mask.is_some() {
            bail!("--mask is of pictures; of shapes --points are observed");
        }
        let mut shapes = Vec::new();
        for path in &self.signals {
            for (name, geometry) in family(path)? {
                let frame = geometry.frame(Frame::REACH).with_context(|| name.clone())?;
                shapes.push((name, frame, Shape::new(geometry.in_frame(&frame))));
            }
        }
        let to = Destination::of(&self.output, shapes.len())?;
        let (side, points) =
            (model.solid.as_ref().map(|s| s.values).unwrap_or_default(), self.points.unwrap_or(10_000));
        let known: Vec<Observation> = (shapes.iter().enumerate())
            .map(|(i, (name, _, shape))| {
                let mut rng = ChaCha8Rng::seed_from_u64(global.seed.wrapping_add(i as u64));
                let mut cloud = shape.surface(points, &mut rng).with_context(|| name.clone())?;
                jitter(&mut cloud.points, self.noise, &mut rng);
                Ok(Observation::of_surface(side, &cloud))
            })
            .collect::<Result<_>>()?;
        let z = self.found(engine, model, &known, global, matches)?;
        let names: Vec<String> = shapes.iter().map(|(name, ..)| name.clone()).collect();
        // Where the shapes lie is known of each.
        let frames = shapes.iter().map(|(_, frame, _)| *frame).collect();
        let placed = Model { solid: Some(Solid { values: side, frames }), ..(**model).clone() };
        to.write(&self.output, &placed, &names, &z)?;

        let how = Comparison { seed: global.seed, ..Comparison::default() };
        let mut figures = Vec::new();
        for ((name, _, shape), z) in shapes.iter().zip(z.chunks_exact(model.latent_dim())) {
            let mut body = Body::new(engine, model, z)?;
            figures.push(fidelity(&mut body, shape, RESOLUTION, &how).with_context(|| name.clone())?);
        }
        // A mean over some of them alone would not be one over the same shapes as the others.
        let all_known = figures.iter().all(|f| f.closeness.iou.is_some());
        let all = mean(&figures).closeness;
        let all = Closeness { iou: all.iou.filter(|_| all_known), ..all };
        let shown = |Closeness { iou, chamfer_l1, normal_consistency, .. }: Closeness| json!({"iou": iou, "chamfer_l1": chamfer_l1, "normal_consistency": normal_consistency});
        let named = |(name, f): (&String, &Fidelity)| {
            let mut row = shown(f.closeness);
            row["name"] = json!(name);
            row
        };
        let rows: Vec<_> = names.iter().zip(&figures).map(named).collect();
        let json =
            json!({"output": self.output.display().to_string(), "points": points, "signals": rows, "mean": shown(all)});
        global.report(&json, || {
            let mut text = format!("{:<32} {:>7} {:>11} {:>8}\n", "signal", "IoU", "Chamfer-L1", "normals");
            let mut line = |name: &str, Closeness { iou, chamfer_l1, normal_consistency, .. }: Closeness| {
                let iou = iou.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
                text += &format!("{name:<32} {iou:>7} {chamfer_l1:>11.6} {normal_consistency:>8.4}\n");
            };
            names.iter().zip(&figures).for_each(|(name, f)| line(name, f.closeness));
            line(&format!("mean of {}", figures.len()), all);
            text.trim_end().to_owned()
        });
        Ok(())
    }

    /// Searches.
    fn found(
        &self,
        engine: &Engine,
        model: &Arc<Model>,
        known: &[Observation],
        global: &Global,
        matches: &ArgMatches,
    ) -> Result<Vec<f32>> {
        let bar = global.progress(known.len() as u64, "{bar:40} {pos}/{len} {eta}");
        let search = self.search(model, matches)?;
        let z = encode(engine, model, known, &search, global.seed, &mut |progress| {
            if progress.step == progress.steps {
                bar.inc(progress.signals.len() as u64);
            }
            true
        })?;
        bar.finish_and_clear();
        if z.iter().any(|v| !v.is_finite()) {
            bail!("the search ran away to numbers that are not finite; try a smaller --lr");
        }
        Ok(z)
    }

    /// The model's own search, or Adam's; flags win over the model's settings.
    fn search(&self, model: &Model, matches: &ArgMatches) -> Result<Search> {
        let &EncodeConfig { steps, lr, .. } = &self.config;
        let Some(own) = InnerLoop::of(model).filter(|_| !self.adam) else {
            return Ok(Search::Adam(self.config.clone()));
        };
        if matches.value_source("prior") == Some(ValueSource::CommandLine) {
            bail!("--prior: this model was meta-learned, and its inner steps know no prior; --adam has one");
        }
        Ok(Search::Inner(overlaid(&own, &InnerLoop { steps, lr }, matches)?))
    }

    fn observed(&self, signals: &Signals) -> Result<Observed> {
        let Some(path) = &self.mask else { return Ok(self.points.map_or(Observed::All, Observed::Random)) };
        let mask = Picture::load(path, 1, ValueRange { low: 0.0, high: 1.0 })?;
        for (name, picture) in signals.names().iter().zip(signals.pictures()) {
            let [size, own] = [&mask, picture].map(|p| format!("{}x{}", p.width, p.height));
            if size != own {
                bail!("{}: the mask has {size} pixels, '{name}' has {own}; give them the same size", path.display());
            }
        }
        let white = mask.values.iter().enumerate().filter(|(_, v)| **v > 0.5).map(|(i, _)| i);
        Ok(Observed::Pixels(white.collect()))
    }
}

/// What kind of output the latents go to.
enum Destination {
    Npy,
    Folder,
    Model,
}

impl Destination {
    fn of(path: &Path, count: usize) -> Result<Self> {
        let shown = path.display().to_string();
        let to = match path.extension().and_then(|e| e.to_str()) {
            Some("npy") if count == 1 => Self::Npy,
            Some("npy") => bail!("{shown} holds one latent; name a folder/ or a .safetensors for {count} pictures"),
            Some("safetensors") => Self::Model,
            _ if path.is_dir() || shown.ends_with('/') => Self::Folder,
            _ => bail!("{shown}: give FILE.npy, FOLDER/ or MODEL.safetensors"),
        };
        if !matches!(to, Self::Folder) {
            check_writable(path)?;
        }
        Ok(to)
    }

    fn write(&self, path: &Path, model: &Model, names: &[String], z: &[f32]) -> Result<()> {
        match self {
            Self::Npy => Ok(write_npy(path, z)?),
            Self::Folder => {
                std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
                let rows = names.iter().zip(z.chunks_exact(model.latent_dim()));
                rows.into_iter().try_for_each(|(name, z)| Ok(write_npy(&path.join(format!("{name}.npy")), z)?))
            }
            Self::Model => {
                let latents = LatentTable::new(names.to_vec(), z.to_vec())?;
                Ok(file::save(&Model { latents, ..model.clone() }, path, Precision::F32)?)
            }
        }
    }
}
