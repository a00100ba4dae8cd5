//! The model file: safetensors, with one JSON document in `__metadata__` under the key `hypersine`.
//!
//! | tensor | shape |
//! |---|---|
//! | `latents` | `[latents, latent_dim]` |
//! | `encoding.frequencies` (Fourier features) | `[features, inputs]` |
//! | `trunk.{t}.{l}.weight`, `.bias` | `[features, inputs]`, `[features]` |
//! | `trunk.{t}.{l}.norm.weight`, `.bias` (where there is one) | `[features]` each |
//! | `head.{l}.weight`, `head.{l}.bias` (shared) | `[out, in]`, `[out]` |
//! | `head.{l}.{weight, bias, gain, shift}.map.weight`, `.bias` (linear) | `[numbers, features]`, `[numbers]` |
//! | `head.{l}.weight.base` (low-rank) | `[out, in]` |
//! | `head.{l}.weight.factors.map.weight`, `.bias` (low-rank) | `[(out + in) * rank, features]`, `[(out + in) * rank]` |
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

use super::heads::{Generated, LowRank, Modulation, Multiplier, Place};
use super::{
    Activation, Coordinates, Dense, Encoding, Head, Hypernetwork, Inr, Interval, LatentTable, LayerNorm, Model, Solid,
    Source, Span, Trunk, TrunkLayer, ValueRange,
};
use crate::{Error, Result};

/// The newest version this program reads and writes. Version 2 knows more conventions of coordinates, version 3 trunks
/// that start from another's features or take the latent again, version 4 solids, version 5 residual layers.
pub const VERSION: u32 = 5;
const KEY: &str = "hypersine";
/// Where a checkpoint says how its run goes on.
const RUN_KEY: &str = "hypersine.run";

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    solid: Option<Solid>,
    #[serde(default)]
    provenance: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    training: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct TrunkEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<usize>,
    layers: Vec<TrunkLayerEntry>,
}

#[derive(Serialize, Deserialize)]
struct TrunkLayerEntry {
    width: usize,
    #[serde(default)]
    norm: bool,
    activation: Option<Activation>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    skip: bool,
}

#[derive(Serialize, Deserialize)]
struct HeadEntry {
    weight: SourceEntry,
    bias: SourceEntry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modulation: Option<ModulationEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum SourceEntry {
    Shared,
    Linear { trunk: usize },
    LowRank { trunk: usize, rank: usize, multiplier: Multiplier },
}

/// The trunks that gain and shift are generated from, where there are any.
#[derive(Serialize, Deserialize)]
struct ModulationEntry {
    place: Place,
    gain: Option<usize>,
    shift: Option<usize>,
}

/// What a checkpoint has beside its model: what a run needs to go on as if it had never stopped. A checkpoint is a model
/// file in f32; a reader of models does not see the rest.
#[derive(Clone, Debug, Default)]
pub struct RunState {
    /// A JSON document.
    pub document: String,
    /// Named tensors.
    pub tensors: Vec<(String, Vec<f32>)>,
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
    let (metadata, tensors) = open(bytes)?;
    let text = metadata.get(KEY).ok_or_else(|| {
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

/// What people have at hand that is no safetensors file, told by its first bytes.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 4] = [
        (b"PK\x03\x04", "a checkpoint of PyTorch or NumPy; `hypersine import` turns it into a model"),
        (b"\x80", "a pickle, as PyTorch and NumPy write them; `hypersine import` turns it into a model"),
        (b"\x89PNG", "a picture; `hypersine fit` makes a model of it"),
        (b"\xff\xd8\xff", "a picture; `hypersine fit` makes a model of it"),
    ];
    // As `import` has it: what begins with a safetensors file's header is one, whose length may be the others' first bytes.
    let is_safetensors = bytes.get(8) == Some(&b'{');
    kinds.iter().find(|(first, _)| bytes.starts_with(first) && !is_safetensors).map(|&(_, what)| what)
}

/// A file's metadata and tensors.
fn open(bytes: &[u8]) -> Result<(HashMap<String, String>, SafeTensors<'_>)> {
    let damaged = |e: safetensors::SafeTensorError| {
        Error::invalid(other_kind(bytes).map_or_else(
            || format!("this is no safetensors file, or one that is damaged or cut short ({e}); fetch it again"),
            |what| format!("this is no model, but {what}"),
        ))
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    Ok((metadata.metadata().clone().unwrap_or_default(), tensors))
}

/// Reads a checkpoint: the model as far as it was trained, and the state of its run.
///
/// # Errors
/// As [`load`], or where the file is a model but no checkpoint.
pub fn load_checkpoint(path: &Path) -> Result<(Model, RunState)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let read = || {
        let model = from_bytes(&bytes)?;
        let (metadata, tensors) = open(&bytes)?;
        let document = metadata.get(RUN_KEY).ok_or_else(|| {
            Error::invalid("a model that holds no run to be continued; name what `--resume` of an unfinished run left")
        })?;
        let names = tensors.names().into_iter().filter(|n| n.starts_with("run."));
        let tensors = names
            .map(|n| {
                let view =
                    tensors.tensor(n).map_err(|e| Error::invalid(format!("tensor '{n}' cannot be read ({e})")))?;
                Ok((n.to_owned(), decode(n, view.dtype(), view.data())?))
            })
            .collect::<Result<_>>()?;
        Ok((model, RunState { document: document.clone(), tensors }))
    };
    read().map_err(|e: Error| e.in_file(path))
}

/// Writes a checkpoint; it appears under its name only when it is complete, and until then an older one stands.
///
/// # Errors
/// As [`save`].
pub fn save_checkpoint(model: &Model, run: &RunState, path: &Path) -> Result<()> {
    let bytes = encode_file(model, Precision::F32, Some(run))?;
    crate::output::write_atomically(path, |file| file.write_all(&bytes).map_err(Error::io("write", path)))
}

fn build(mut document: Document, tensors: &SafeTensors<'_>) -> Result<Model> {
    if let Encoding::Fourier { features, frequencies } = &mut document.inr.encoding {
        *frequencies = numbers(tensors, "encoding.frequencies", &[*features, document.inr.inputs])?;
    }
    document.inr.validate()?;
    let mut trunks = Vec::new();
    let mut features = Vec::new();
    for (t, entry) in document.trunks.iter().enumerate() {
        let start: usize = match entry.from {
            None => 0,
            Some(f) => *features
                .get(f)
                .ok_or_else(|| Error::invalid(format!("trunk {t} starts from trunk {f}, which is no earlier one")))?,
        };
        let mut previous = start;
        let mut layers = Vec::new();
        for (l, layer) in entry.layers.iter().enumerate() {
            let name = format!("trunk.{t}.{l}");
            let vector = |part: &str| numbers(tensors, &format!("{name}.norm.{part}"), &[layer.width]);
            let norm =
                if layer.norm { Some(LayerNorm { weight: vector("weight")?, bias: vector("bias")? }) } else { None };
            let latent = if layer.skip || (l == 0 && entry.from.is_none()) { document.latent_dim } else { 0 };
            layers.push(TrunkLayer {
                map: dense(tensors, &name, layer.width, previous.saturating_add(latent))?,
                norm,
                activation: layer.activation,
                skip: layer.skip,
            });
            previous = layer.width;
        }
        features.push(if layers.is_empty() && entry.from.is_none() { document.latent_dim } else { previous });
        trunks.push(Trunk { from: entry.from, layers });
    }
    let shapes = document.inr.layers();
    if document.heads.len() != shapes.len() {
        return Err(Error::invalid(format!("{} heads for an INR of {} layers", document.heads.len(), shapes.len())));
    }
    let generated = |name: &str, trunk: usize, numbers: usize| {
        let &width = features
            .get(trunk)
            .ok_or_else(|| Error::invalid(format!("'{name}' reads trunk {trunk}; there are {}", trunks.len())))?;
        let map = dense(tensors, &format!("{name}.map"), numbers, width)?;
        Ok::<_, Error>(Generated { trunk, map })
    };
    let source = |name: &str, entry: &SourceEntry, shape: &[usize]| {
        Ok::<_, Error>(match *entry {
            SourceEntry::Shared => Source::Shared(numbers(tensors, name, shape)?),
            SourceEntry::Linear { trunk } => Source::Linear(generated(name, trunk, shape.iter().product())?),
            SourceEntry::LowRank { trunk, rank, multiplier } => Source::LowRank(LowRank {
                rank,
                multiplier,
                base: numbers(tensors, &format!("{name}.base"), shape)?,
                factors: generated(
                    &format!("{name}.factors"),
                    trunk,
                    shape.iter().sum::<usize>().saturating_mul(rank),
                )?,
            }),
        })
    };
    let mut layer_heads = Vec::new();
    for (l, (entry, shape)) in document.heads.iter().zip(&shapes).enumerate() {
        let modulation = match &entry.modulation {
            None => None,
            Some(m) => {
                let part = |trunk: Option<usize>, what: &str| {
                    trunk.map(|t| generated(&format!("head.{l}.{what}"), t, shape.outputs)).transpose()
                };
                Some(Modulation { place: m.place, gain: part(m.gain, "gain")?, shift: part(m.shift, "shift")? })
            }
        };
        layer_heads.push(Head {
            weight: source(&format!("head.{l}.weight"), &entry.weight, &[shape.outputs, shape.inputs])?,
            bias: source(&format!("head.{l}.bias"), &entry.bias, &[shape.outputs])?,
            modulation,
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
        solid: document.solid,
        provenance: document.provenance,
        training: document.training,
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
    crate::output::write_atomically(path, |file| file.write_all(&bytes).map_err(Error::io("write", path)))
}

/// The bytes of a model's file.
///
/// # Errors
/// Where the model is not valid or a number does not fit the precision.
pub fn to_bytes(model: &Model, precision: Precision) -> Result<Vec<u8>> {
    encode_file(model, precision, None)
}

fn encode_file(model: &Model, precision: Precision, run: Option<&RunState>) -> Result<Vec<u8>> {
    model.validate()?;
    let mut list = Listing::default();
    for (name, values) in run.iter().flat_map(|r| &r.tensors) {
        list.add(name, &[values.len()], values);
    }
    if !model.latents.is_empty() {
        list.add("latents", &[model.latents.len(), model.latent_dim()], model.latents.values());
    }
    if let Encoding::Fourier { features, frequencies } = &model.inr.encoding {
        list.add("encoding.frequencies", &[*features, model.inr.inputs], frequencies);
    }
    for (t, trunk) in model.hypernetwork.trunks.iter().enumerate() {
        for (l, layer) in trunk.layers.iter().enumerate() {
            let name = format!("trunk.{t}.{l}");
            list.add_map(&name, &layer.map);
            if let Some(norm) = &layer.norm {
                list.add(&format!("{name}.norm.weight"), &[norm.weight.len()], &norm.weight);
                list.add(&format!("{name}.norm.bias"), &[norm.bias.len()], &norm.bias);
            }
        }
    }
    let mut head_entries = Vec::new();
    for (l, (head, shape)) in model.hypernetwork.heads.iter().zip(model.inr.layers()).enumerate() {
        let modulation = head.modulation.as_ref().map(|m| {
            let part = |generated: &Option<Generated<f32>>| generated.as_ref().map(|g| g.trunk);
            ModulationEntry { place: m.place, gain: part(&m.gain), shift: part(&m.shift) }
        });
        head_entries.push(HeadEntry {
            weight: list.add_source(&format!("head.{l}.weight"), &[shape.outputs, shape.inputs], &head.weight),
            bias: list.add_source(&format!("head.{l}.bias"), &[shape.outputs], &head.bias),
            modulation,
        });
        if let Some(m) = &head.modulation {
            for (generated, part) in [(&m.gain, "gain"), (&m.shift, "shift")] {
                if let Some(g) = generated {
                    list.add_map(&format!("head.{l}.{part}.map"), &g.map);
                }
            }
        }
    }
    let layer_entry = |l: &TrunkLayer<f32>| TrunkLayerEntry {
        width: l.map.outputs,
        norm: l.norm.is_some(),
        activation: l.activation,
        skip: l.skip,
    };
    let document = Document {
        version: version_of(model),
        inr: model.inr.clone(),
        latent_dim: model.latent_dim(),
        trunks: (model.hypernetwork.trunks.iter())
            .map(|t| TrunkEntry { from: t.from, layers: t.layers.iter().map(layer_entry).collect() })
            .collect(),
        heads: head_entries,
        latents: model.latents.names().to_vec(),
        coordinates: model.coordinates,
        values: model.values,
        solid: model.solid.clone(),
        provenance: model.provenance.clone(),
        training: model.training.clone(),
    };
    let text = serde_json::to_string(&document)
        .map_err(|e| Error::invalid(format!("the description cannot be written ({e})")))?;

    let encoded: Vec<(String, Vec<usize>, Vec<u8>)> = list
        .0
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
    let mut metadata = HashMap::from([(KEY.to_owned(), text)]);
    metadata.extend(run.map(|r| (RUN_KEY.to_owned(), r.document.clone())));
    safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::invalid(format!("the tensors cannot be laid out ({e})")))
}

/// The oldest version that has all that the model needs, so that older programs read what they can.
fn version_of(model: &Model) -> u32 {
    let Coordinates { span, interval, .. } = model.coordinates;
    if model.inr.is_residual() {
        5
    } else if model.solid.is_some() {
        4
    } else if model.hypernetwork.trunks.iter().any(|t| t.from.is_some() || t.layers.iter().any(|l| l.skip)) {
        3
    } else if span == Span::Height || interval != Interval::Symmetric {
        2
    } else {
        1
    }
}

/// The tensors of a file: name, shape, numbers.
#[derive(Default)]
struct Listing<'a>(Vec<(String, Vec<usize>, &'a [f32])>);

impl<'a> Listing<'a> {
    fn add(&mut self, name: &str, shape: &[usize], values: &'a [f32]) {
        self.0.push((name.to_owned(), shape.to_vec(), values));
    }

    fn add_map(&mut self, name: &str, map: &'a Dense<f32>) {
        self.add(&format!("{name}.weight"), &[map.outputs, map.inputs], &map.weight);
        self.add(&format!("{name}.bias"), &[map.outputs], &map.bias);
    }

    fn add_source(&mut self, name: &str, shape: &[usize], source: &'a Source<f32>) -> SourceEntry {
        match source {
            Source::Shared(values) => {
                self.add(name, shape, values);
                SourceEntry::Shared
            }
            Source::Linear(g) => {
                self.add_map(&format!("{name}.map"), &g.map);
                SourceEntry::Linear { trunk: g.trunk }
            }
            Source::LowRank(h) => {
                self.add(&format!("{name}.base"), shape, &h.base);
                self.add_map(&format!("{name}.factors.map"), &h.factors.map);
                SourceEntry::LowRank { trunk: h.factors.trunk, rank: h.rank, multiplier: h.multiplier }
            }
        }
    }
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
