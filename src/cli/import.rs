//! `import`: checkpoints of other programs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use hypersine::model::file::{self, Precision};
use hypersine::model::import::{Conventions, import};
use hypersine::model::{Align, Coordinates, Order, Span, ValueRange};
use serde_json::json;

use super::Global;

/// Turn a PyTorch or safetensors checkpoint into a model
///
/// Known layouts: vsitzmann/siren's plain SIREN and its hypernetwork (one MLP per target tensor), with a
/// table of latents where there is one. A .pth file is read by a restricted reader: no code in it is run.
/// What a checkpoint does not say is a flag; the defaults are Hypersine's own conventions. For files trained
/// with vsitzmann/siren as it stands: --coords corner --axes yx.
#[derive(Args)]
pub(super) struct Import {
    /// .pth (zip or legacy) or .safetensors
    checkpoint: PathBuf,
    /// The model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Names of the latents: a JSON list of strings
    #[arg(long, value_name = "FILE.json")]
    names: Option<PathBuf>,
    /// Where on a pixel its coordinate was taken
    #[arg(long, value_enum, default_value_t)]
    coords: Align,
    /// Which axis comes first
    #[arg(long, value_enum, default_value_t)]
    axes: Order,
    /// `omega_0` of the sine layers
    #[arg(long, default_value_t = 30.0)]
    omega: f32,
    /// `omega_0` of the first layer [default: as --omega]
    #[arg(long)]
    first_omega: Option<f32>,
    /// What the outputs span: black,white
    #[arg(long, value_name = "LOW,HIGH", default_value = "-1,1", allow_hyphen_values = true, value_parser = parse_range)]
    range: ValueRange,
    /// Precision of the numbers in the model file
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
}

fn parse_range(text: &str) -> Result<ValueRange, String> {
    let parts: Option<Vec<f32>> = text.split(',').map(|p| p.trim().parse().ok()).collect();
    match parts.as_deref() {
        Some(&[low, high]) if low < high && low.is_finite() && high.is_finite() => Ok(ValueRange { low, high }),
        _ => Err(format!("'{text}' is not an interval: write LOW,HIGH, e.g. -1,1")),
    }
}

fn read_names(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: not a JSON list of strings", path.display()))
}

impl Import {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        // linspace(-1, 1, n) codebases span each axis by itself.
        let span = if self.coords == Align::Corner { Span::EachAxis } else { Span::LongerSide };
        let conventions = Conventions {
            coordinates: Coordinates { order: self.axes, align: self.coords, span },
            values: self.range,
            first_omega: self.first_omega.unwrap_or(self.omega),
            omega: self.omega,
            names: self.names.as_deref().map(read_names).transpose()?,
        };
        let model = import(&self.checkpoint, &conventions)?;
        file::save(&model, &self.output, self.precision)?;
        let parameters = model.hypernetwork.parameter_count();
        let json = json!({
            "output": self.output, "inr": model.inr.to_string(), "latents": model.latents.len(),
            "latent_dim": model.latent_dim(), "parameters": parameters,
        });
        global.report(&json, || {
            let z = if model.latent_dim() == 0 {
                String::new()
            } else {
                format!(", {} latents of {}", model.latents.len(), model.latent_dim())
            };
            format!("{}: INR {}, {parameters} parameters{z}", self.output.display(), model.inr)
        });
        Ok(())
    }
}
