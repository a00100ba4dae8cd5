//! `import`: checkpoints of other programs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use hypersine::model::file::{self, Precision};
use hypersine::model::import::{Final, Imported, Layout, Options, import};
use hypersine::model::{Align, Interval, Order, Span, ValueRange};
use serde_json::json;

use super::{Global, check_model_output};

/// Turn a checkpoint of another program into a model
///
/// The container (PyTorch's zip or legacy pickle, safetensors, NumPy) is told by its first bytes, the layout by the
/// names of the tensors. A pickle is read by a restricted reader: no code in it is run. What a checkpoint does not
/// say about itself is as its codebase has it; the flags below say otherwise, and the model file records it.
#[derive(Args)]
#[command(after_long_help = LAYOUTS)]
pub(super) struct Import {
    /// .pth, .safetensors, .npz or a pickle of arrays
    checkpoint: PathBuf,
    /// The model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The codebase it comes from [default: told by the names of the tensors]
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// The latents, where they are in a file of their own: a tensor, a list, or DeepSDF's `latent_codes`
    #[arg(long, value_name = "FILE")]
    latents: Option<PathBuf>,
    /// Names of the latents: a JSON list of strings
    #[arg(long, value_name = "FILE.json")]
    names: Option<PathBuf>,
    /// Where on a pixel its coordinate was taken
    #[arg(long, value_enum)]
    coords: Option<Align>,
    /// Which axis comes first
    #[arg(long, value_enum)]
    axes: Option<Order>,
    /// What [-1, 1] spans on a picture that is not square
    #[arg(long, value_enum)]
    span: Option<Span>,
    /// The interval of the coordinates: [-1, 1] or [0, 1]
    #[arg(long, value_enum)]
    interval: Option<Interval>,
    /// `omega_0` of the sine layers
    #[arg(long)]
    omega: Option<f32>,
    /// `omega_0` of the first layer [default: as --omega, but 30 in siren-pytorch]
    #[arg(long)]
    first_omega: Option<f32>,
    /// What is applied to the outputs
    #[arg(long = "final", value_enum)]
    last: Option<Final>,
    /// What the outputs span: black,white
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, value_parser = parse_range)]
    range: Option<ValueRange>,
    /// Precision of the numbers in the model file
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
}

/// What each layout's conventions are; the numbers are [`Layout::conventions`]'.
const LAYOUTS: &str = "\
Layouts and their conventions:

  layout         coords  axes  span         interval   range  omega        final
  siren          centre  xy    longer-side  symmetric  -1,1   30           none
  coin           corner  yx    height       symmetric  0,1    30           none
  coin++         corner  yx    each-axis    unit       0,1    30           none
  functa         centre  yx    each-axis    unit       0,1    30           none
  deepsdf        (points x, y, z)           symmetric  -1,1   -            tanh
  siren-pytorch  corner  yx    each-axis    symmetric  0,1    30, then 1   none
  onet           (points x, y, z)           symmetric  -1,1   -            none

siren is vsitzmann/siren in Hypersine's own conventions; for files trained with that code as
it stands say --coords corner --axes yx, which spans each axis. coin++ and functa add 1/2 to
the output; so does the model. onet is Occupancy Networks' decoder: its values are logits, and
its own meshes are drawn at a probability of 0.2, which is mesh --level=-1.386.";

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
        let options = Options {
            layout: self.layout,
            order: self.axes,
            align: self.coords,
            span: self.span,
            interval: self.interval,
            values: self.range,
            first_omega: self.first_omega,
            omega: self.omega,
            last: self.last,
            names: self.names.as_deref().map(read_names).transpose()?,
            latents: self.latents.clone(),
        };
        check_model_output(&self.output)?;
        let Imported { model, layout } = import(&self.checkpoint, &options)?;
        file::save(&model, &self.output, self.precision)?;
        let parameters = model.hypernetwork.parameter_count();
        let json = json!({
            "output": self.output.display().to_string(), "layout": layout.to_string(), "inr": model.inr.to_string(), "latents": model.latents.len(),
            "latent_dim": model.latent_dim(), "parameters": parameters,
        });
        global.report(&json, || {
            let z = if model.latent_dim() == 0 {
                String::new()
            } else {
                format!(", {} latents of {}", model.latents.len(), model.latent_dim())
            };
            format!("{}: {layout} layout, INR {}, {parameters} parameters{z}", self.output.display(), model.inr)
        });
        Ok(())
    }
}
