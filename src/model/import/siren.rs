//! The layouts of vsitzmann/siren: a plain SIREN (`net.net.{l}.0.weight`), and a hypernetwork with one
//! MLP per target tensor (`hyper_net.nets.{k}.net.{i}.0.weight`, k = 2 layer + (0 weight | 1 bias)).

use super::Conventions;
use super::network::{Layer, Network};
use super::state::{self, StateDict, dense, prefix_of_layer};
use crate::model::{Activation, Dense, Head, Source, Trunk, TrunkLayer, heads};
use crate::{Error, Result};

/// What only these layouts have.
pub(super) fn matches(state: &StateDict) -> bool {
    state.keys().any(|k| k.contains("hyper_net.nets.") || k.ends_with("net.0.0.weight"))
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    if state.keys().any(|k| k.contains("hyper_net.nets.")) {
        hypernetwork(state, conventions)
    } else {
        plain(state, conventions)
    }
}

fn plain(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    // FCBlock wraps each layer in a Sequential (`0.0.weight`); the Colab names it `0.linear.weight`.
    let unknown = || {
        let some: Vec<&str> = state.keys().take(4).map(String::as_str).collect();
        Error::invalid(format!("the layout is not known: no SIREN layers among tensors like '{}'", some.join("', '")))
    };
    let (prefix, wrapper) = [("0.0", ".0"), ("0.linear", ".linear"), ("0", "")]
        .iter()
        .find_map(|(first, wrapper)| prefix_of_layer(state, first).map(|p| (p, wrapper)))
        .ok_or_else(unknown)?;
    let maps = block(state, |l| format!("{prefix}{l}"), wrapper)?;
    Network::siren(maps.into_iter().map(Layer::shared).collect(), 0, Vec::new(), conventions)
}

fn hypernetwork(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    let prefix = (state.keys().find_map(|k| k.find("hyper_net.nets.").map(|at| k[..at].to_owned())))
        .ok_or_else(|| Error::invalid("tensors of 'hyper_net.nets' are missing"))?;
    let mut trunks = Vec::new();
    let mut generated = Vec::new();
    for k in 0..state::count(state, |k| format!("{prefix}hyper_net.nets.{k}"))? {
        let net = format!("{prefix}hyper_net.nets.{k}.net");
        let mut layers = block(state, |i| format!("{net}.{i}"), ".0")?;
        let map = layers.pop().ok_or_else(|| Error::invalid(format!("'{net}' has no layers")))?;
        generated.push(heads::Generated { trunk: trunks.len(), map });
        trunks.push(relu_trunk(layers));
    }
    if generated.len() < 4 || !generated.len().is_multiple_of(2) {
        return Err(Error::invalid(format!(
            "the hypernetwork writes {} tensors; a weight and a bias for each of at least two layers are needed, so some are missing from the checkpoint",
            generated.len()
        )));
    }
    let latent_dim = trunks[0].layers.first().map_or(generated[0].map.inputs, |l| l.map.inputs);
    let mut layers: Vec<Layer> = Vec::new();
    let mut rest = generated.into_iter();
    while let (Some(weight), Some(bias)) = (rest.next(), rest.next()) {
        let (numbers, outputs) = (weight.map.outputs, bias.map.outputs);
        if !numbers.is_multiple_of(outputs) {
            return Err(Error::invalid(format!(
                "layer {}: {numbers} generated weights do not fit {outputs} biases",
                layers.len()
            )));
        }
        let head = Head { weight: Source::Linear(weight), bias: Source::Linear(bias), modulation: None };
        layers.push(Layer { outputs, inputs: numbers / outputs, skip: false, residual: false, head });
    }
    Network::siren(layers, latent_dim, trunks, conventions)
}

/// The maps of the layers of those names, each in its wrapper or (as the last layer of the Colab's SIREN) without.
fn block(state: &StateDict, name: impl Fn(usize) -> String, wrapper: &str) -> Result<Vec<Dense<f32>>> {
    let map = |l: usize| {
        let bare = name(l);
        let inside = format!("{bare}.");
        let map = if state.contains_key(&format!("{inside}weight")) { bare } else { format!("{bare}{wrapper}") };
        let known = [format!("{map}.weight"), format!("{map}.bias")];
        // Scene representation networks have a LayerNorm there; without it the numbers would be wrong.
        if let Some((other, _)) =
            state.range(inside.clone()..).take_while(|(k, _)| k.starts_with(&inside)).find(|(k, _)| !known.contains(k))
        {
            return Err(Error::invalid(format!(
                "'{other}': only a linear map and its activation are known in a layer"
            )));
        }
        dense(state, &map)
    };
    (0..state::count(state, &name)?).map(map).collect()
}

/// An MLP with ReLU after every layer.
pub(super) fn relu_trunk(layers: Vec<Dense<f32>>) -> Trunk<f32> {
    Trunk::new(layers.into_iter().map(|map| TrunkLayer::new(map, Activation::Relu)).collect())
}
