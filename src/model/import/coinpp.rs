//! COIN++ (Dupont et al. 2022, EmilienDupont/coinpp): COIN's SIREN with a modulation network from latent to shifts
//! (and gains) of the hidden layers. `modulation_net.net` is a linear map or a Sequential with ReLU between its layers.

use super::modulated::{self, Gains};
use super::network::Network;
use super::state::{StateDict, dense, prefix_of, sequence};
use super::{Conventions, coin};
use crate::{Error, Result};

pub(super) fn matches(state: &StateDict) -> bool {
    state.keys().any(|k| k.contains("modulation_net."))
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    let (prefix, maps) = coin::layers(state)?;
    if prefix_of(state, "modulation_net.bias").is_some() {
        return Err(Error::invalid(
            "this COIN++ model applies modulations without a latent (use_latent = 0); only models with a latent can be imported",
        ));
    }
    let net = format!("{prefix}modulation_net.net");
    let modulation = if state.contains_key(&format!("{net}.weight")) {
        vec![dense(state, &net)?]
    } else {
        // The activations between the layers take every other number.
        sequence(state, |i| format!("{net}.{}", 2 * i))?
    };
    modulated::build(maps, modulation, Gains::First, conventions)
}
