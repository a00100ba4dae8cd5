//! The model file: safetensors, with one JSON document in `__metadata__` under the key `hypersine`.
//!
//! | tensor | shape |
//! |---|---|
//! | `latents` | `[latents, latent_dim]` |
//! | `trunk.{t}.{l}.weight`, `.bias` | `[features, inputs]`, `[features]` |
//! | `head.{l}.weight.map.weight`, `.bias` (linear) | `[out * in, features]`, `[out * in]` |
//! | `head.{l}.bias.map.weight`, `.bias` (linear) | `[out, features]`, `[out]` |
//! | `head.{l}.weight`, `head.{l}.bias` (shared) | `[out, in]`, `[out]` |
//!
//! Numbers may be F16, BF16, F32 or F64 in the file; they are f32 in memory.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{
    Coordinates, Dense, Head, Hypernetwork, Inr, LatentTable, Model, Trunk, TrunkActivation, ValueRange, heads,
};
use crate::{Error, Result};

/// The version this program writes, and the newest it reads.
pub const VERSION: u32 = 1;
const KEY: &str = "hypersine";

/// Precision of the numbers in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 4 bytes a number, exact.
    F32,
    /// 2 bytes a number, about 3 digits.
    F16,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    inr: Inr,
    latent_dim: usize,
    trunks: Vec<TrunkEntry>,
    heads: Vec<HeadEntry>,
    latents: Vec<String>,
    coordinates: Coordinates,
    values: ValueRange,
    #[serde(default)]
    provenance: String,
}

#[derive(Serialize, Deserialize)]
struct TrunkEntry {
    widths: Vec<usize>,
    activation: TrunkActivation,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum HeadEntry {
    Linear { weight_trunk: usize, bias_trunk: usize },
    Shared,
}

/// Only the version, to tell a newer file from a damaged one.
#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// Reads a model.
///
/// # Errors
/// One sentence on what is wrong with the file: unreadable, truncated, newer, incomplete, of the wrong
/// shapes, or with numbers that are not finite.
pub fn load(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    from_bytes(&bytes).map_err(|e| e.in_file(path))
}

/// Reads a model from the bytes of a file.
///
/// # Errors
/// As [`load`], without the file's name.
pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
    let damaged = |e: safetensors::SafeTensorError| {
        Error::invalid(format!(
            "this is no safetensors file, or one that is damaged or cut short ({e}); fetch it again"
        ))
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
        Error::invalid("a safetensors file, but not a Hypersine model; `hypersine import` turns a checkpoint into one")
    })?;
    let described = |e: serde_json::Error| Error::invalid(format!("the model's description cannot be read ({e})"));
    let VersionOnly { version } = serde_json::from_str(text).map_err(described)?;
    if version > VERSION {
        return Err(Error::invalid(format!(
            "written by a newer Hypersine (file version {version}, this program reads up to {VERSION}); update it"
        )));
    }
    let document: Document = serde_json::from_str(text).map_err(described)?;
    build(document, &tensors)
}

fn build(document: Document, tensors: &SafeTensors<'_>) -> Result<Model> {
    document.inr.validate()?;
    let mut inputs;
    let mut trunks = Vec::new();
    for (t, entry) in document.trunks.iter().enumerate() {
        inputs = document.latent_dim;
        let mut layers = Vec::new();
        for (l, &width) in entry.widths.iter().enumerate() {
            layers.push(dense(tensors, &format!("trunk.{t}.{l}"), width, inputs)?);
            inputs = width;
        }
        trunks.push(Trunk { layers, activation: entry.activation });
    }
    let shapes = document.inr.layers();
    if document.heads.len() != shapes.len() {
        return Err(Error::invalid(format!("{} heads for an INR of {} layers", document.heads.len(), shapes.len())));
    }
    let generated = |name: &str, trunk: usize, numbers: usize| {
        let entry: &Trunk<f32> = trunks
            .get(trunk)
            .ok_or_else(|| Error::invalid(format!("head '{name}' reads trunk {trunk}; there are {}", trunks.len())))?;
        let map = dense(tensors, &format!("head.{name}.map"), numbers, entry.features(document.latent_dim))?;
        Ok::<_, Error>(heads::Generated { trunk, map })
    };
    let mut layer_heads = Vec::new();
    for (l, (entry, shape)) in document.heads.iter().zip(&shapes).enumerate() {
        layer_heads.push(match *entry {
            HeadEntry::Linear { weight_trunk, bias_trunk } => Head::Linear(heads::Linear {
                weight: generated(&format!("{l}.weight"), weight_trunk, shape.weights())?,
                bias: generated(&format!("{l}.bias"), bias_trunk, shape.outputs)?,
            }),
            HeadEntry::Shared => Head::Shared(heads::Shared {
                weight: numbers(tensors, &format!("head.{l}.weight"), &[shape.outputs, shape.inputs])?,
                bias: numbers(tensors, &format!("head.{l}.bias"), &[shape.outputs])?,
            }),
        });
    }
    let latents = if document.latents.is_empty() {
        LatentTable::default()
    } else {
        let values = numbers(tensors, "latents", &[document.latents.len(), document.latent_dim])?;
        LatentTable::new(document.latents, values)?
    };
    let model = Model {
        inr: document.inr,
        hypernetwork: Arc::new(Hypernetwork { latent_dim: document.latent_dim, trunks, heads: layer_heads }),
        latents,
        coordinates: document.coordinates,
        values: document.values,
        provenance: document.provenance,
    };
    model.validate()?;
    Ok(model)
}

fn dense(tensors: &SafeTensors<'_>, name: &str, outputs: usize, inputs: usize) -> Result<Dense<f32>> {
    let weight = numbers(tensors, &format!("{name}.weight"), &[outputs, inputs])?;
    let bias = numbers(tensors, &format!("{name}.bias"), &[outputs])?;
    Ok(Dense { outputs, inputs, weight, bias })
}

/// Reads one tensor, which must have exactly this shape.
fn numbers(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let view = tensors.tensor(name).map_err(|_| Error::invalid(format!("tensor '{name}' is missing from the file")))?;
    if view.shape() != shape {
        return Err(Error::invalid(format!(
            "tensor '{name}' has shape {:?}; the model's description needs {shape:?}",
            view.shape()
        )));
    }
    decode(name, view.dtype(), view.data())
}

/// Little-endian numbers of a safetensors dtype as f32.
pub(super) fn decode(name: &str, dtype: Dtype, data: &[u8]) -> Result<Vec<f32>> {
    fn each<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        data.as_chunks::<N>().0.iter().map(|&c| convert(c)).collect()
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "f32 is the engine's storage type; f64 files are rounded to it"
    )]
    Ok(match dtype {
        Dtype::F32 => each(data, f32::from_le_bytes),
        Dtype::F16 => each(data, |c| f16::from_le_bytes(c).to_f32()),
        Dtype::BF16 => each(data, |c| bf16::from_le_bytes(c).to_f32()),
        Dtype::F64 => each(data, |c| f64::from_le_bytes(c) as f32),
        other => {
            return Err(Error::invalid(format!(
                "tensor '{name}' holds {other:?} numbers; F16, BF16, F32 and F64 are understood"
            )));
        }
    })
}

/// Writes a model. The file appears under its name only when it is complete.
///
/// # Errors
/// Where the model is not valid, a number does not fit the precision, or the file cannot be written.
pub fn save(model: &Model, path: &Path, precision: Precision) -> Result<()> {
    let bytes = to_bytes(model, precision)?;
    crate::output::write_atomically(path, |file| file.write_all(&bytes))
}

/// The bytes of a model's file.
///
/// # Errors
/// Where the model is not valid or a number does not fit the precision.
pub fn to_bytes(model: &Model, precision: Precision) -> Result<Vec<u8>> {
    model.validate()?;
    let mut tensors: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, values| tensors.push((name, shape, values));
    if !model.latents.is_empty() {
        add("latents".into(), vec![model.latents.len(), model.latent_dim()], model.latents.values());
    }
    let mut maps: Vec<(String, &Dense<f32>)> = Vec::new();
    for (t, trunk) in model.hypernetwork.trunks.iter().enumerate() {
        maps.extend(trunk.layers.iter().enumerate().map(|(l, d)| (format!("trunk.{t}.{l}"), d)));
    }
    let mut head_entries = Vec::new();
    for (l, (head, shape)) in model.hypernetwork.heads.iter().zip(model.inr.layers()).enumerate() {
        head_entries.push(match head {
            Head::Linear(h) => {
                maps.push((format!("head.{l}.weight.map"), &h.weight.map));
                maps.push((format!("head.{l}.bias.map"), &h.bias.map));
                HeadEntry::Linear { weight_trunk: h.weight.trunk, bias_trunk: h.bias.trunk }
            }
            Head::Shared(h) => {
                add(format!("head.{l}.weight"), vec![shape.outputs, shape.inputs], &h.weight);
                add(format!("head.{l}.bias"), vec![shape.outputs], &h.bias);
                HeadEntry::Shared
            }
        });
    }
    for (name, map) in maps {
        add(format!("{name}.weight"), vec![map.outputs, map.inputs], &map.weight);
        add(format!("{name}.bias"), vec![map.outputs], &map.bias);
    }
    let document = Document {
        version: VERSION,
        inr: model.inr.clone(),
        latent_dim: model.latent_dim(),
        trunks: (model.hypernetwork.trunks.iter())
            .map(|t| TrunkEntry { widths: t.layers.iter().map(|l| l.outputs).collect(), activation: t.activation })
            .collect(),
        heads: head_entries,
        latents: model.latents.names().to_vec(),
        coordinates: model.coordinates,
        values: model.values,
        provenance: model.provenance.clone(),
    };
    let text = serde_json::to_string(&document)
        .map_err(|e| Error::invalid(format!("the description cannot be written ({e})")))?;

    let encoded: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, shape, values)| encode(&name, values, precision).map(|b| (name, shape, b)))
        .collect::<Result<_>>()?;
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let views: Vec<(&str, TensorView<'_>)> = (encoded.iter())
        .map(|(name, shape, bytes)| TensorView::new(dtype, shape.clone(), bytes).map(|v| (name.as_str(), v)))
        .collect::<Result<_, _>>()
        .map_err(|e| Error::invalid(format!("the tensors cannot be laid out ({e})")))?;
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)])))
        .map_err(|e| Error::invalid(format!("the tensors cannot be laid out ({e})")))
}

fn encode(name: &str, values: &[f32], precision: Precision) -> Result<Vec<u8>> {
    match precision {
        Precision::F32 => Ok(bytemuck::cast_slice(values).to_vec()),
        Precision::F16 => {
            let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
            if halves.iter().any(|h| !h.is_finite()) {
                return Err(Error::invalid(format!(
                    "tensor '{name}' holds numbers too large for f16; write f32 instead"
                )));
            }
            Ok(halves.iter().flat_map(|h| h.to_le_bytes()).collect())
        }
    }
}
