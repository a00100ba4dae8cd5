//! `eval`: how well a model reconstructs its signals.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::engine::{Body, Field};
use hypersine::fidelity::{Fidelity, fidelity, mean};
use hypersine::model::{Domain, Model};
use hypersine::signal::shape::load::family;
use hypersine::signal::shape::{Closeness, Comparison, Shape};
use hypersine::signal::{Picture, pictures, psnr, ssim};
use serde_json::json;

use super::{Global, open_model};

/// Compare reconstructions with the signals: PSNR and SSIM of pictures, IoU and distances of shapes, and their mean
///
/// A signal belongs to the latent that has the file's name. Predictions are clipped to the value range
/// and not quantised; transparent pictures are laid on white where the model has no alpha.
///
/// Of shapes: IoU, Chamfer distances, normal consistency and F-score at 1 % of the longest side, as Occupancy Networks
/// defines them, of meshes in the box [-1, 1]^3; and for signed distances the mean of | |gradient| - 1 | near the surface.
#[derive(Args)]
pub(super) struct Eval {
    /// Model file, @emoji, @faces or @bodies
    model: String,
    /// A picture or shape, or a folder of them
    signals: PathBuf,
    /// Of shapes: cells along each axis for the mesh that is compared
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..=2048))]
    resolution: u32,
}

struct Figures {
    name: String,
    psnr: f64,
    ssim: Option<f64>,
}

impl Eval {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let model = open_model(&self.model)?;
        if model.solid.is_some() {
            return self.solids(&model, global);
        }
        if model.inr.inputs != 2 {
            bail!("{}: an INR of {} inputs is no picture", self.model, model.inr.inputs);
        }
        let files = pictures(&self.signals)?;
        let engine = global.engine()?;
        let field = engine.load(&model)?;
        let mut figures = Vec::new();
        let mut strategy = "";
        let bar = global.progress(files.len() as u64, "{bar:40} {pos}/{len} {msg}");
        for file in &files {
            let (row, used) = self.one(&field, file, files.len() == 1, global)?;
            strategy = used;
            bar.set_message(row.name.clone());
            bar.inc(1);
            figures.push(row);
        }
        bar.finish_and_clear();
        let count = figures.len() as f64;
        let mean_psnr = figures.iter().map(|f| f.psnr).sum::<f64>() / count;
        let similar: Vec<f64> = figures.iter().filter_map(|f| f.ssim).collect();
        let mean_ssim = (!similar.is_empty()).then(|| similar.iter().sum::<f64>() / similar.len() as f64);
        let signals: Vec<_> = figures.iter().map(|f| json!({"name": f.name, "psnr": f.psnr, "ssim": f.ssim})).collect();
        let json = json!({
            "device": engine.describe(), "strategy": strategy,
            "signals": signals, "mean": {"psnr": mean_psnr, "ssim": mean_ssim},
        });
        global.report(&json, || {
            let shown = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
            let mut text = format!("{:<32} {:>9} {:>7}\n", "signal", "PSNR dB", "SSIM");
            for f in &figures {
                text += &format!("{:<32} {:>9.3} {:>7}\n", f.name, f.psnr, shown(f.ssim));
            }
            text + &format!("{:<32} {mean_psnr:>9.3} {:>7}", format!("mean of {}", figures.len()), shown(mean_ssim))
        });
        Ok(())
    }

    /// How close the surfaces of solids are to the true ones, in their boxes.
    fn solids(&self, model: &Arc<Model>, global: &Global) -> Result<()> {
        let engine = global.engine()?;
        let truths = family(&self.signals)?;
        let solid = model.solid.clone().unwrap_or_default();
        let how = Comparison { seed: global.seed, ..Comparison::default() };
        let bar = global.progress(truths.len() as u64, "{bar:40} {pos}/{len} {msg}");
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        // Which latents they are, before anything is computed.
        let alone = truths.len() == 1;
        let row = |name: &str| match model.latent_dim() {
            0 if alone => Ok(None),
            0 => bail!("{}: a single INR has one signal; name one file", self.model),
            _ => Ok(Some(model.latents.find(name).with_context(|| format!("{}", self.signals.display()))?)),
        };
        let found = truths.iter().map(|(name, _)| row(name)).collect::<Result<Vec<_>>>()?;
        for ((name, geometry), row) in truths.into_iter().zip(found) {
            bar.set_message(name.clone());
            let z = row.map_or(&[][..], |row| model.latents.get(row));
            let truth = Shape::new(geometry.in_frame(&solid.frame(row)));
            let mut body = Body::new(&engine, model, z)?;
            rows.push(fidelity(&mut body, &truth, self.resolution, &how).with_context(|| name.clone())?);
            names.push(name);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let mean = mean(&rows);
        let named = |(name, row): (&String, &Fidelity)| {
            let mut json = json!(row);
            json["name"] = json!(name);
            json
        };
        let signals: Vec<_> = names.iter().zip(&rows).map(named).collect();
        let json = json!({
            "device": engine.describe(), "resolution": self.resolution, "signals": signals, "mean": mean,
        });
        global.report(&json, || {
            let mut text = format!(
                "{:<32} {:>7} {:>11} {:>11} {:>7} {:>7} {:>9}\n",
                "signal", "IoU", "Chamfer-L1", "Chamfer-L2", "normals", "F-score", "eikonal"
            );
            let mut line = |name: &str, f: &Fidelity| {
                let iou = f.closeness.iou.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
                let Closeness { chamfer_l1, chamfer_l2, normal_consistency, f_score, .. } = f.closeness;
                let eikonal = f.eikonal.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
                text += &format!(
                    "{name:<32} {iou:>7} {chamfer_l1:>11.6} {chamfer_l2:>11.3e} {normal_consistency:>7.4} {f_score:>7.4} {eikonal:>9}\n"
                );
            };
            names.iter().zip(&rows).for_each(|(name, row)| line(name, row));
            line(&format!("mean of {}", rows.len()), &mean);
            text.trim_end().to_owned()
        });
        Ok(())
    }

    fn one(&self, field: &Field, file: &Path, alone: bool, global: &Global) -> Result<(Figures, &'static str)> {
        let model = field.model();
        let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let z = match model.latent_dim() {
            0 if alone => &[],
            0 => bail!("{}: a single INR has one signal; name one file", self.model),
            _ => model.latents.get(model.latents.find(&name).with_context(|| format!("{}", file.display()))?),
        };
        let truth = Picture::load(file, model.inr.outputs, model.values)?;
        let grid = model.coordinates.grid(truth.width, truth.height, None)?;
        let (values, report) = field.evaluate(z, &Domain::Grid(grid), global.strategy)?;
        let prediction = Picture { values, ..truth.clone() };
        Ok((Figures { name, psnr: psnr(&prediction, &truth)?, ssim: ssim(&prediction, &truth)? }, report.strategy))
    }
}
