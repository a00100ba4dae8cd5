//! lucidrains/siren-pytorch: a SIREN, `layers.{l}.weight` (before its modulator came: `net.{l}.weight`) and
//! `last_layer.weight`. Its first omega is 30, the others' 1.

use super::Conventions;
use super::network::{Layer, Network};
use super::state::{self, StateDict, dense, prefix_of_layer};
use crate::{Error, Result};

const LAST: &str = "last_layer";

pub(super) fn matches(state: &StateDict) -> bool {
    prefix_of_layer(state, LAST).is_some()
}

pub(super) fn build(state: &StateDict, conventions: &Conventions) -> Result<Network> {
    if let Some(name) = state.keys().find(|k| k.contains("modulator.layers.")) {
        return Err(Error::invalid(format!(
            "'{name}': siren-pytorch's modulator cannot be imported yet; a SirenNet without one can"
        )));
    }
    let prefix = prefix_of_layer(state, LAST)
        .ok_or_else(|| Error::invalid(format!("tensor '{LAST}.weight' is missing from the checkpoint")))?;
    let list = if state.keys().any(|k| k.starts_with(&format!("{prefix}layers."))) { "layers" } else { "net" };
    let mut maps = state::sequence(state, |l| format!("{prefix}{list}.{l}"))?;
    maps.push(dense(state, &format!("{prefix}last_layer"))?);
    Network::siren(maps.into_iter().map(Layer::shared).collect(), 0, Vec::new(), conventions)
}
