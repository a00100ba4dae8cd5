//! lucidrains/siren-pytorch: a SIREN, `layers.{l}.weight` (before its modulator came: `net.{l}.weight`) and
//! `last_layer.weight`. Its first omega is 30, the others' 1. `SirenWrapper` calls it `net` and may have a modulator beside it
//! (Mehta et al. 2021): an MLP with ReLU, each layer of which takes the latent again and multiplies one layer's sines.

use super::Conventions;
use super::network::{Layer, Network, identity};
use super::state::{self, StateDict, dense, prefix_of_layer};
use crate::model::heads::{Generated, Modulation, Place};
use crate::model::{Activation, Dense, Trunk, TrunkLayer};
use crate::{Error, Result};

const LAST: &str = "last_layer";
const MODULATOR: &str = "modulator.layers.";

pub(super) fn matches(state: &StateDict) -> bool {
    prefix_of_layer(state, LAST).is_some()
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    let prefix = prefix_of_layer(state, LAST)
        .ok_or_else(|| Error::invalid(format!("tensor '{LAST}.weight' is missing from the checkpoint")))?;
    let list = if state.keys().any(|k| k.starts_with(&format!("{prefix}layers."))) { "layers" } else { "net" };
    let mut maps = state::sequence(state, |l| format!("{prefix}{list}.{l}"))?;
    let widths: Vec<usize> = maps.iter().map(|m| m.outputs).collect();
    maps.push(dense(state, &format!("{prefix}{LAST}"))?);
    let layers = maps.into_iter().map(Layer::shared).collect();

    let Some(wrapper) = state.keys().find_map(|k| k.find(MODULATOR).map(|at| &k[..at])) else {
        return Network::siren(layers, 0, Vec::new(), conventions);
    };
    // Each is a Sequential of the map and its ReLU.
    let modulator = state::sequence(state, |l| format!("{wrapper}{MODULATOR}{l}.0"))?;
    let gains: Vec<usize> = modulator.iter().map(|m| m.outputs).collect();
    if gains != widths {
        return Err(Error::invalid(format!(
            "the modulator writes {gains:?} gains for layers of {widths:?} neurons; one a neuron is needed"
        )));
    }
    let latent_dim = modulator.first().map_or(0, |m| m.inputs);
    let trunks = modulator.into_iter().enumerate().map(|(l, map)| trunk(l, map)).collect();
    let mut network = Network::siren(layers, latent_dim, trunks, conventions)?;
    // Only now the widths are known to be sane, and so is the size of an identity.
    for (l, (head, &width)) in network.hypernetwork.heads.iter_mut().zip(&widths).enumerate() {
        let gain = Some(Generated { trunk: l, map: identity(width) });
        head.modulation = Some(Modulation { place: Place::AfterActivation, gain, shift: None });
    }
    Ok(network)
}

/// A layer of the modulator: `relu(W [features of the layer before, latent] + b)`. Its features are wanted, so it is a
/// trunk of its own.
fn trunk(l: usize, map: Dense<f32>) -> Trunk<f32> {
    let layer = TrunkLayer { skip: l > 0, ..TrunkLayer::new(map, Activation::Relu) };
    Trunk { from: l.checked_sub(1), layers: vec![layer] }
}
