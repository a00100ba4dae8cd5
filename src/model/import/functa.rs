//! functa (Dupont et al. 2022, google-deepmind/functa): Haiku's parameters of a SIREN with shifts (and gains) that a
//! linear map (or MLP) makes of a latent. Weights are `[in, out]`; their names are paths such as
//! `latent_modulated_siren/modulated_siren_layer_1/linear` with `w` and `b`.

use super::Conventions;
use super::modulated::{self, Gains};
use super::network::Network;
use super::state::{StateDict, Tensor, sequence};
use crate::{Error, Result};

const LAYER: &str = "modulated_siren_layer";
const MAP: &str = "latent_to_modulation";

pub(super) fn matches(state: &StateDict) -> bool {
    state.keys().any(|k| k.contains(LAYER))
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    if let Some(name) = state.keys().find(|k| k.contains("fi_lm")) {
        return Err(Error::invalid(format!(
            "'{name}': this functa model holds the modulations of a single signal; only models with a map from latents can be imported"
        )));
    }
    let named = as_pytorch(state)?;
    let maps = sequence(&named, |l| format!("layer.{l}"))?;
    let modulation = sequence(&named, |l| format!("map.{l}"))?;
    if modulation.is_empty() {
        return Err(Error::invalid(format!("tensors of '{MAP}' are missing from the checkpoint")));
    }
    modulated::build(maps, modulation, Gains::Interleaved, conventions)
}

/// The layers under names and in shapes as PyTorch has them: `layer.{l}.weight` and `map.{l}.weight`, `[out, in]`.
fn as_pytorch(state: &StateDict) -> Result<StateDict> {
    let mut named = StateDict::new();
    for (key, tensor) in state {
        let parts: Vec<&str> = key.split(['/', '.', ':']).collect();
        let [.., module, name] = parts[..] else { continue };
        let layer = parts.iter().find_map(|p| p.strip_prefix(LAYER).and_then(number));
        let place = match (layer, module.strip_prefix("linear_")) {
            (Some(l), _) => format!("layer.{l}"),
            (None, Some(l)) if parts.contains(&MAP) => format!("map.{l}"),
            _ => continue,
        };
        match name {
            "w" => named.insert(format!("{place}.weight"), transposed(key, tensor)?),
            "b" => named.insert(format!("{place}.bias"), tensor.clone()),
            _ => continue,
        };
    }
    Ok(named)
}

/// The number of a layer, by what stands behind its name: Haiku numbers equal names from the second on.
fn number(behind: &str) -> Option<&str> {
    if behind.is_empty() { Some("0") } else { behind.strip_prefix('_') }
}

fn transposed(name: &str, tensor: &Tensor) -> Result<Tensor> {
    let (&[rows, columns], false) = (&tensor.shape[..], tensor.data.is_empty()) else {
        return Err(Error::invalid(format!("tensor '{name}' has shape {:?}; a matrix is needed", tensor.shape)));
    };
    let data = (0..columns).flat_map(|c| (0..rows).map(move |r| tensor.data[r * columns + c])).collect();
    Ok(Tensor { shape: vec![columns, rows], data })
}
