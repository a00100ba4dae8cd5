//! The layouts of vsitzmann/siren: a plain SIREN (`net.net.{l}.0.weight`), and a hypernetwork with one
//! MLP per target tensor (`hyper_net.nets.{k}.net.{i}.0.weight`, k = 2 layer + (0 weight | 1 bias)).

use std::sync::Arc;

use super::{Conventions, StateDict, Tensor};
use crate::model::{
    Activation, Dense, Encoding, Head, HiddenLayer, Hypernetwork, Inr, LatentTable, Model, Source, Trunk, TrunkLayer,
    heads,
};
use crate::{Error, Result};

/// Names under which a latent table is found.
const LATENT_TABLES: [&str; 4] = ["latents.weight", "latent_codes.weight", "latents", "auto_decoder.weight"];

/// Builds the model that `state` describes.
pub(super) fn build(mut state: StateDict, conventions: &Conventions, source: &str) -> Result<Model> {
    let is_hyper = state.keys().any(|k| k.contains("hyper_net.nets."));
    let latents = if is_hyper { LATENT_TABLES.iter().find_map(|n| state.remove(*n)) } else { None };
    let (layers, hypernetwork) = if is_hyper { hypernetwork(&state)? } else { plain(&state)? };
    let omega = |l: usize| if l == 0 { conventions.first_omega } else { conventions.omega };
    let last = layers.len() - 1;
    let inr = Inr {
        inputs: layers[0].1,
        encoding: Encoding::Identity,
        outputs: layers[last].0,
        hidden: (layers[..last].iter().enumerate())
            .map(|(l, &(width, _))| HiddenLayer::new(width, Activation::Sine { omega: omega(l) }))
            .collect(),
    };
    let latents = match latents {
        Some(table) => {
            let [rows, _] = table.shape[..] else {
                return Err(Error::invalid(format!(
                    "the latent table has shape {:?}; it should be [latents, entries]",
                    table.shape
                )));
            };
            let names = conventions.names.clone().unwrap_or_else(|| (0..rows).map(|i| i.to_string()).collect());
            if names.len() != rows {
                return Err(Error::invalid(format!("{} names were given for {rows} latents", names.len())));
            }
            LatentTable::new(names, table.data)?
        }
        None => LatentTable::default(),
    };
    let model = Model {
        inr,
        hypernetwork: Arc::new(hypernetwork),
        latents,
        coordinates: conventions.coordinates,
        values: conventions.values,
        provenance: format!("imported from {source}"),
    };
    model.validate()?;
    Ok(model)
}

/// Layer shapes `(outputs, inputs)` and what writes them.
type Layers = (Vec<(usize, usize)>, Hypernetwork<f32>);

fn matrix(state: &StateDict, name: &str) -> Result<(usize, usize, Vec<f32>)> {
    let tensor = get(state, name)?;
    match tensor.shape[..] {
        [rows, cols] => Ok((rows, cols, tensor.data.clone())),
        _ => Err(Error::invalid(format!("tensor '{name}' has shape {:?}; a matrix is needed", tensor.shape))),
    }
}

fn get<'a>(state: &'a StateDict, name: &str) -> Result<&'a Tensor> {
    state.get(name).ok_or_else(|| Error::invalid(format!("tensor '{name}' is missing from the checkpoint")))
}

fn dense(state: &StateDict, name: &str) -> Result<Dense<f32>> {
    let (outputs, inputs, weight) = matrix(state, &format!("{name}.weight"))?;
    let bias = get(state, &format!("{name}.bias"))?.data.clone();
    if outputs == 0 || inputs == 0 || bias.len() != outputs {
        return Err(Error::invalid(format!(
            "'{name}' is [{outputs}, {inputs}] with {} biases; they do not fit",
            bias.len()
        )));
    }
    Ok(Dense { outputs, inputs, weight, bias })
}

/// The shortest prefix before `ending` in some key, e.g. `net.net.` of `net.net.0.0.weight`.
fn prefix_of(state: &StateDict, ending: &str) -> Option<String> {
    state.keys().filter_map(|k| k.strip_suffix(ending)).min_by_key(|p| p.len()).map(str::to_owned)
}

fn plain(state: &StateDict) -> Result<Layers> {
    // FCBlock wraps each layer in a Sequential (`0.0.weight`); the Colab names it `0.linear.weight`.
    let unknown = || {
        let some: Vec<&str> = state.keys().take(4).map(String::as_str).collect();
        Error::invalid(format!("the layout is not known: no SIREN layers among tensors like '{}'", some.join("', '")))
    };
    let (prefix, wrapper) = [("0.0.weight", "0."), ("0.linear.weight", "linear."), ("0.weight", "")]
        .iter()
        .find_map(|(ending, wrapper)| prefix_of(state, ending).map(|p| (p, wrapper)))
        .ok_or_else(unknown)?;
    let mut layers = Vec::new();
    let mut shared = Vec::new();
    for l in 0.. {
        // The last layer of the Colab's SIREN is a bare Linear, without the wrapper.
        let names = [format!("{prefix}{l}.{wrapper}"), format!("{prefix}{l}.")];
        let Some(name) = names.iter().find(|n| state.contains_key(&format!("{n}weight"))) else { break };
        let Dense { outputs, inputs, weight, bias } = dense(state, name.trim_end_matches('.'))?;
        layers.push((outputs, inputs));
        shared.push(Head::shared(weight, bias));
    }
    check_chain(&layers)?;
    Ok((layers, Hypernetwork { latent_dim: 0, trunks: Vec::new(), heads: shared }))
}

fn hypernetwork(state: &StateDict) -> Result<Layers> {
    let prefix = (state.keys().find_map(|k| k.find("hyper_net.nets.").map(|at| k[..at].to_owned())))
        .ok_or_else(|| Error::invalid("tensors of 'hyper_net.nets' are missing"))?;
    let mut trunks = Vec::new();
    let mut generated = Vec::new();
    for k in 0.. {
        let net = format!("{prefix}hyper_net.nets.{k}.net");
        if !state.contains_key(&format!("{net}.0.0.weight")) && !state.contains_key(&format!("{net}.0.weight")) {
            break;
        }
        let mut layers = Vec::new();
        for i in 0.. {
            let wrapped = format!("{net}.{i}.0");
            let bare = format!("{net}.{i}");
            match [wrapped, bare].iter().find(|n| state.contains_key(&format!("{n}.weight"))) {
                Some(name) => layers.push(dense(state, name)?),
                None => break,
            }
        }
        let map = layers.pop().ok_or_else(|| Error::invalid(format!("'{net}' has no layers")))?;
        generated.push(heads::Generated { trunk: trunks.len(), map });
        let layers = layers.into_iter().map(|map| TrunkLayer::new(map, Activation::Relu)).collect();
        trunks.push(Trunk { layers });
    }
    if generated.len() < 4 || !generated.len().is_multiple_of(2) {
        return Err(Error::invalid(format!(
            "the hypernetwork writes {} tensors; a weight and a bias for each of at least two layers are needed, so some are missing from the checkpoint",
            generated.len()
        )));
    }
    let latent_dim = trunks[0].layers.first().map_or(generated[0].map.inputs, |l| l.map.inputs);
    let mut layers = Vec::new();
    let mut layer_heads = Vec::new();
    let mut rest = generated.into_iter();
    while let (Some(weight), Some(bias)) = (rest.next(), rest.next()) {
        let (numbers, outputs) = (weight.map.outputs, bias.map.outputs);
        if !numbers.is_multiple_of(outputs) {
            return Err(Error::invalid(format!(
                "layer {}: {numbers} generated weights do not fit {outputs} biases",
                layers.len()
            )));
        }
        layers.push((outputs, numbers / outputs));
        layer_heads.push(Head { weight: Source::Linear(weight), bias: Source::Linear(bias), modulation: None });
    }
    check_chain(&layers)?;
    Ok((layers, Hypernetwork { latent_dim, trunks, heads: layer_heads }))
}

/// Fails where one layer's inputs are not the outputs of the layer before it.
fn check_chain(layers: &[(usize, usize)]) -> Result<()> {
    if layers.len() < 2 {
        return Err(Error::invalid(format!("{} layers were found; an INR has at least two", layers.len())));
    }
    for (l, pair) in layers.windows(2).enumerate() {
        if pair[1].1 != pair[0].0 {
            return Err(Error::invalid(format!(
                "layer {} takes {} inputs, but layer {l} gives {}",
                l + 1,
                pair[1].1,
                pair[0].0
            )));
        }
    }
    Ok(())
}
