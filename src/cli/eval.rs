//! `eval`: how well a model reconstructs its signals.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::engine::Field;
use hypersine::model::Domain;
use hypersine::signal::{Picture, pictures, psnr, ssim};
use serde_json::json;

use super::{Global, open_model};

/// Compare reconstructions with the signals: PSNR and SSIM of each, and their mean
///
/// A picture belongs to the latent that has the file's name. Predictions are clipped to the value range
/// and not quantised; transparent pictures are laid on white where the model has no alpha.
#[derive(Args)]
pub(super) struct Eval {
    /// Model file, @emoji or @faces
    model: String,
    /// A picture, or a folder of pictures
    signals: PathBuf,
}

struct Figures {
    name: String,
    psnr: f64,
    ssim: Option<f64>,
}

impl Eval {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let model = open_model(&self.model)?;
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
