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
    /// A latent: its name, its index (#7 where names are numbers), a file with one in .npy format, or its numbers
    /// (--latent=-0.1,0.5,...); other options take latents in the same way
    #[arg(long, value_name = "NAME|INDEX|FILE.npy|NUMBERS", allow_hyphen_values = true)]
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
    /// ... so many times its distance from the mean: less than 1 for what is more usual [default: 1]
    #[arg(long, value_name = "T", allow_hyphen_values = true, requires = "sample", conflicts_with_all = ["latent", "all", "from"])]
    pub truncation: Option<f32>,
}

impl LatentArgs {
    /// The latent code, ready for the engine; empty for a single INR.
    pub(super) fn resolve(&self, model: &Model) -> Result<Vec<f32>> {
        if let Some(seed) = self.sample {
            return Ok(model.latents.sample(seed, self.truncation.unwrap_or(1.0))?);
        }
        let Some(name) = &self.latent else {
            if model.latent_dim() == 0 {
                return Ok(Vec::new());
            }
            bail!(
                "this model has {} latents: choose one with --latent NAME (`info --names` lists them; `render --all` shows all)",
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

/// The two parts of `OTHER:K`.
pub(super) fn split_layers(layers: &str) -> Result<(&str, usize)> {
    let split = layers.rsplit_once(':').and_then(|(other, k)| Some((other, k.parse().ok()?)));
    split.with_context(|| format!("--layers-from {layers}: write OTHER:K with a layer's number, e.g. cat:2"))
}

/// The latent that `key` stands for: a name, a .npy file, comma-separated numbers, or an index; in this order.
pub(super) fn one(model: &Model, key: &str) -> Result<Vec<f32>> {
    let named = model.latents.names().iter().any(|name| name == key);
    if !named && Path::new(key).extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        return from_npy(Path::new(key), model.latent_dim());
    }
    match numbers(key) {
        Some(z) if !named => fitting(z, model.latent_dim()),
        _ => Ok(model.latents.get(model.latents.find(key)?).to_vec()),
    }
}

/// Two or more comma-separated numbers, each the f32 nearest to what is written.
fn numbers(text: &str) -> Option<Vec<f32>> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    numbers.filter(|n| n.len() > 1)
}

/// Numbers that were given for a latent, if they can be one.
fn fitting(z: Vec<f32>, dim: usize) -> Result<Vec<f32>> {
    if z.len() != dim {
        bail!("{} numbers were given for a latent; this model's have {dim}", z.len());
    }
    if z.iter().any(|v| !v.is_finite()) {
        bail!("a latent's numbers must be finite");
    }
    Ok(z)
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
