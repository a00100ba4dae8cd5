//! DeepSDF's decoder (Park et al. 2019, facebookresearch/DeepSDF): layers `lin{l}` with ReLU, a tanh at the end, and an
//! input `[z, xyz]` that some layers take again, or only xyz, behind the layer before.
//!
//! A latent that is an input adds the same to a neuron at every point: `W [x, z] + b = W_x x + (W_z z + b)`. So its
//! columns become a linear head of the bias, which reads the latent itself.

use super::Conventions;
use super::network::{Layer, Network};
use super::state::{StateDict, Tensor, count, get, prefix_of_layer, with_bias};
use crate::model::heads::Generated;
use crate::model::{Activation, Dense, Head, Source, Trunk};
use crate::{Error, Result};

/// Coordinates of a point.
const POINT: usize = 3;
/// Names of a layer's lengths and directions under weight normalisation, and under its successor of PyTorch 2.
const NORMALISED: [(&str, &str); 2] =
    [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")];

pub(super) fn matches(state: &StateDict) -> bool {
    prefix(state).is_some()
}

fn prefix(state: &StateDict) -> Option<String> {
    prefix_of_layer(state, "lin0")
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    let prefix = prefix(state).ok_or_else(|| Error::invalid("tensor 'lin0.weight' is missing from the checkpoint"))?;
    if let Some(name) = state.keys().find(|k| k.strip_prefix(&prefix).is_some_and(|k| k.starts_with("bn"))) {
        return Err(Error::invalid(format!(
            "'{name}': this decoder normalises its layers over their neurons (LayerNorm), which no INR here can; decoders with weight_norm can be imported"
        )));
    }
    let name = |l: usize| format!("{prefix}lin{l}");
    let maps = (0..count(state, name)?)
        .map(|l| with_bias(state, &name(l), &weight(state, &name(l))?))
        .collect::<Result<Vec<_>>>()?;
    let input = maps.first().map_or(0, |m| m.inputs);
    let latent_dim = input
        .checked_sub(POINT)
        .ok_or_else(|| Error::invalid(format!("'{prefix}lin0' takes {input} inputs; a point alone has {POINT}")))?;
    let mut layers = Vec::new();
    let mut previous = 0;
    for (l, map) in maps.iter().enumerate() {
        let (latent, point) = match map.inputs.checked_sub(previous) {
            Some(0) if l > 0 => (0, 0),
            Some(n) if n == input => (latent_dim, POINT),
            Some(POINT) => (0, POINT),
            _ => {
                return Err(Error::invalid(format!(
                    "'{prefix}lin{l}' takes {} inputs; behind {previous} features there may be nothing, a point ({POINT}) or latent and point ({input})",
                    map.inputs
                )));
            }
        };
        layers.push(layer(map, previous, latent, point));
        previous = map.outputs;
    }
    let trunks = if latent_dim > 0 { vec![Trunk::default()] } else { Vec::new() };
    Network::new(layers, |_| Activation::Relu, conventions.last, latent_dim, trunks)
}

/// A layer whose inputs are that many features, then latent, then point.
fn layer(map: &Dense<f32>, previous: usize, latent: usize, point: usize) -> Layer {
    let columns = |of_latent: bool| -> Vec<f32> {
        let latent = previous..previous + latent;
        let numbers = map.weight.iter().enumerate();
        numbers.filter(|(i, _)| latent.contains(&(i % map.inputs)) == of_latent).map(|(_, &w)| w).collect()
    };
    let weight = columns(false);
    let bias = if latent > 0 {
        let weight = columns(true);
        let map = Dense { outputs: map.outputs, inputs: latent, weight, bias: map.bias.clone() };
        Source::Linear(Generated { trunk: 0, map })
    } else {
        Source::Shared(map.bias.clone())
    };
    let head = Head { weight: Source::Shared(weight), bias, modulation: None };
    let first = previous == 0;
    let inputs = if first { point } else { previous };
    Layer { outputs: map.outputs, inputs, skip: !first && point > 0, residual: false, head }
}

/// A layer's weight; under weight normalisation (Salimans and Kingma 2016) `g v / |v|`, row by row.
fn weight(state: &StateDict, name: &str) -> Result<Tensor> {
    let has = |part: &str| state.contains_key(&format!("{name}.{part}"));
    let Some((g, v)) = NORMALISED.iter().find(|(g, v)| has(g) || has(v)) else {
        return get(state, &format!("{name}.weight")).cloned();
    };
    let (g, mut v) = (get(state, &format!("{name}.{g}"))?, get(state, &format!("{name}.{v}"))?.clone());
    let [rows, columns] = v.shape[..] else {
        return Err(Error::invalid(format!("the weight of '{name}' has shape {:?}; a matrix is needed", v.shape)));
    };
    if g.data.len() != rows || columns == 0 {
        return Err(Error::invalid(format!(
            "'{name}' has {} lengths for a weight of {:?}; one a row is needed",
            g.data.len(),
            v.shape
        )));
    }
    for (row, &g) in v.data.chunks_exact_mut(columns).zip(&g.data) {
        let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "f32 is the engine's storage type")]
        row.iter_mut().for_each(|v| *v = (f64::from(*v) * f64::from(g) / length) as f32);
    }
    Ok(v)
}
