//! What a peer is told to do: a JSON document, and files of little-endian numbers that it names.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::heads::{Generated, LowRank, Multiplier};
use crate::model::{Activation, Head, Model, Source, TrunkLayer};
use crate::{Error, Result};

/// Kinds of work; what a peer says it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::bench) enum Kind {
    /// A single SIREN at points.
    Evaluate,
    /// From latents to a family's values, generation and all.
    Family,
    /// A step of a family's training: forward, backward, Adam.
    TrainStep,
}

/// What there is to be done.
pub(in crate::bench) struct Task<'a> {
    pub kind: Kind,
    pub model: &'a Model,
    /// `[latents][latent_dim]`
    pub z: &'a [f32],
    pub latents: usize,
    /// `[points][inputs]` for all latents, or in training `[latents][points][inputs]`.
    pub coordinates: Vec<f32>,
    /// `[latents][points][outputs]` and the learning rate, in training.
    pub lesson: Option<(&'a [f32], f64)>,
}

impl Task<'_> {
    /// Writes it to files whose names begin with `stem`; returns that of the document.
    ///
    /// # Errors
    /// Where the model is of another kind than peers know, or a file cannot be written.
    pub(super) fn write(&self, stem: &Path) -> Result<PathBuf> {
        let place = |what: &str| stem.with_extension(what);
        let Self { model, z, latents, coordinates, .. } = self;
        let Some(Activation::Sine { omega }) = model.inr.hidden.first().map(|l| l.activation) else {
            return Err(Error::invalid("peers evaluate SIRENs only"));
        };
        let mut hypernetwork = (*model.hypernetwork).clone();
        let tensors = hypernetwork.tensors_mut();
        let weights: Vec<f32> = tensors.iter().flat_map(|(_, values)| values.iter()).copied().collect();
        let mut about = json!({
            "layers": model.inr.layers().iter().map(|l| [l.outputs, l.inputs]).collect::<Vec<_>>(),
            "omega": omega,
            "weights": store(&place("weights"), &weights)?,
            "coordinates": store(&place("points"), coordinates)?,
        });
        if self.kind != Kind::Evaluate {
            about["tensors"] = tensors.iter().map(|(name, values)| json!([name, values.len()])).collect();
            about["trunks"] = trunks(model)?;
            about["heads"] = model.hypernetwork.heads.iter().map(head).collect::<Result<_>>()?;
            about["latents"] = (*latents).into();
            about["z"] = json!(store(&place("z"), z)?);
        } else if !model.hypernetwork.heads.iter().all(Head::is_shared) {
            return Err(Error::invalid("a family is no single INR"));
        }
        if let Some((targets, rate)) = self.lesson {
            about["targets"] = json!(store(&place("targets"), targets)?);
            about["rate"] = rate.into();
        }
        let path = place("json");
        std::fs::write(&path, about.to_string()).map_err(Error::io("write", &path))?;
        Ok(path)
    }
}

/// Of each trunk its layers' activations: `relu` or null.
fn trunks(model: &Model) -> Result<Value> {
    let layer = |layer: &TrunkLayer<f32>| match layer.activation {
        Some(Activation::Relu) if layer.norm.is_none() && !layer.skip => Ok(json!("relu")),
        None if layer.norm.is_none() && !layer.skip => Ok(Value::Null),
        _ => Err(Error::invalid("peers know trunks of plain layers with ReLUs only")),
    };
    let trunks = model.hypernetwork.trunks.iter();
    trunks.map(|trunk| trunk.layers.iter().map(layer).collect::<Result<Value>>()).collect()
}

/// Of a head how its weight and its bias come about.
fn head(head: &Head<f32>) -> Result<Value> {
    if head.modulation.is_some() {
        return Err(Error::invalid("peers know no modulations"));
    }
    Ok(json!({"weight": source(&head.weight), "bias": source(&head.bias)}))
}

fn source(source: &Source<f32>) -> Value {
    match source {
        Source::Shared(_) => json!({"kind": "shared"}),
        Source::Linear(Generated { trunk, .. }) => json!({"kind": "linear", "trunk": trunk}),
        Source::LowRank(LowRank { rank, multiplier, factors, .. }) => {
            let multiplier: &Multiplier = multiplier;
            json!({"kind": "low-rank", "trunk": factors.trunk, "rank": rank, "multiplier": multiplier})
        }
    }
}

/// Writes little-endian numbers.
fn store(path: &Path, numbers: &[f32]) -> Result<PathBuf> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(path, bytes).map_err(Error::io("write", path))?;
    Ok(path.to_owned())
}
