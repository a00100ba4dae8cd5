//! COIN (Dupont et al. 2021, EmilienDupont/coin): a picture as one SIREN, `net.{l}.linear.weight` and
//! `last_layer.linear.weight`. Rows come before columns, both divided by the height; colours are in [0, 1].

use super::Conventions;
use super::network::{Layer, Network};
use super::state::{self, StateDict, dense, prefix_of_layer};
use crate::model::Dense;
use crate::{Error, Result};

/// What COIN and COIN++ have in common.
const LAST: &str = "last_layer.linear";

pub(super) fn matches(state: &StateDict) -> bool {
    prefix_of_layer(state, LAST).is_some()
}

/// The SIREN's layers and the prefix of the model's names.
pub(super) fn layers(state: &StateDict) -> Result<(String, Vec<Dense<f32>>)> {
    let prefix = prefix_of_layer(state, LAST)
        .ok_or_else(|| Error::invalid(format!("tensor '{LAST}.weight' is missing from the checkpoint")))?;
    let mut maps = state::sequence(state, |l| format!("{prefix}net.{l}.linear"))?;
    maps.push(dense(state, &format!("{prefix}last_layer.linear"))?);
    Ok((prefix, maps))
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    let (_, maps) = layers(state)?;
    Network::siren(maps.into_iter().map(Layer::shared).collect(), 0, Vec::new(), conventions)
}
