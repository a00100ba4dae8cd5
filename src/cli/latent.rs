//! The latent that the command line asks for.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::model::{Model, Path as ModelPath};

/// Which latent to use.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct LatentArgs {
    /// A latent: its name, its index (#7 where names are numbers), or a file with one in .npy format
    #[arg(long, value_name = "NAME|INDEX|FILE.npy")]
    pub latent: Option<String>,
    /// Mix in another latent: OTHER:0.3 is 70 % --latent and 30 % OTHER
    #[arg(long, value_name = "OTHER:T", requires = "latent")]
    pub mix: Option<String>,
    /// Mix and morph along the sphere instead of the straight line
    #[arg(long)]
    pub slerp: bool,
    /// A random latent with the table's own mean and covariance
    #[arg(long, value_name = "SEED", conflicts_with_all = ["latent", "mix"])]
    pub sample: Option<u64>,
}

impl LatentArgs {
    /// The latent code, ready for the engine; empty for a single INR.
    pub(super) fn resolve(&self, model: &Model) -> Result<Vec<f32>> {
        if let Some(seed) = self.sample {
            return Ok(model.latents.sample(seed)?);
        }
        let Some(name) = &self.latent else {
            if model.latent_dim() == 0 {
                return Ok(Vec::new());
            }
            bail!(
                "this model has {} latents: choose one with --latent NAME, or render them with --all",
                model.latents.len()
            );
        };
        if model.latent_dim() == 0 {
            bail!("--latent {name}: this model is a single INR without latents; leave --latent away");
        }
        let mut z = one(model, name)?;
        if let Some(mix) = &self.mix {
            let (other, t) = split_mix(mix)?;
            z = self.path().at(&z, &one(model, other)?, t);
        }
        Ok(z)
    }
}

impl LatentArgs {
    /// The kind of path that mixes and morphs take.
    pub(super) fn path(&self) -> ModelPath {
        if self.slerp { ModelPath::Spherical } else { ModelPath::Linear }
    }
}

/// The two parts of `OTHER:T`.
pub(super) fn split_mix(mix: &str) -> Result<(&str, f32)> {
    let (other, t) = mix.rsplit_once(':').with_context(|| format!("--mix {mix}: write OTHER:T, e.g. cat:0.5"))?;
    let number = t.parse().ok().filter(|t: &f32| t.is_finite());
    Ok((other, number.with_context(|| format!("--mix {mix}: '{t}' is no number"))?))
}

/// The latent of that name or index, or in that .npy file.
pub(super) fn one(model: &Model, name: &str) -> Result<Vec<f32>> {
    if Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        return from_npy(Path::new(name), model.latent_dim());
    }
    Ok(model.latents.get(model.latents.find(name)?).to_vec())
}

/// Reads one latent from a numpy file of f32 or f64.
fn from_npy(path: &Path, dim: usize) -> Result<Vec<f32>> {
    let shown = path.display();
    let open = || File::open(path).with_context(|| format!("cannot read {shown}"));
    let array =
        npyz::NpyFile::new(BufReader::new(open()?)).map_err(|e| anyhow::anyhow!("{shown}: not a .npy file ({e})"))?;
    // The header's own count is not believed before it is compared: it could ask for any amount of memory.
    if array.len() != dim as u64 {
        bail!("{shown}: holds {} numbers; a latent of this model has {dim}", array.len());
    }
    let damaged = |e: std::io::Error| anyhow::anyhow!("{shown}: damaged ({e})");
    let values: Vec<f32> = match array.try_data::<f32>() {
        Ok(data) => data.collect::<Result<_, _>>().map_err(damaged)?,
        Err(array) => match array.try_data::<f64>() {
            #[expect(clippy::cast_possible_truncation, reason = "latents are f32")]
            Ok(data) => data.map(|v| v.map(|v| v as f32)).collect::<Result<_, _>>().map_err(damaged)?,
            Err(_) => bail!("{shown}: holds neither float32 nor float64 numbers"),
        },
    };
    if values.iter().any(|v| !v.is_finite()) {
        bail!("{shown}: holds numbers that are not finite");
    }
    Ok(values)
}
