//! A checkpoint's tensors by name, and how layouts look things up in them.

use std::collections::BTreeMap;

use crate::model::Dense;
use crate::model::inr::MAX_DEPTH;
use crate::{Error, Result};

/// A tensor as it stood in the checkpoint, converted to f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

/// A checkpoint's tensors by name.
pub type StateDict = BTreeMap<String, Tensor>;

pub(super) fn get<'a>(state: &'a StateDict, name: &str) -> Result<&'a Tensor> {
    state.get(name).ok_or_else(|| Error::invalid(format!("tensor '{name}' is missing from the checkpoint")))
}

/// The affine map of `{name}.weight` `[out, in]` and `{name}.bias` `[out]`.
pub(super) fn dense(state: &StateDict, name: &str) -> Result<Dense<f32>> {
    let weight = get(state, &format!("{name}.weight"))?;
    with_bias(state, name, weight)
}

/// The affine map of this weight and `{name}.bias`.
pub(super) fn with_bias(state: &StateDict, name: &str, weight: &Tensor) -> Result<Dense<f32>> {
    let [outputs, inputs] = weight.shape[..] else {
        return Err(Error::invalid(format!("the weight of '{name}' has shape {:?}; a matrix is needed", weight.shape)));
    };
    let bias = get(state, &format!("{name}.bias"))?.data.clone();
    if outputs == 0 || inputs == 0 || bias.len() != outputs {
        return Err(Error::invalid(format!(
            "'{name}' is [{outputs}, {inputs}] with {} biases; they do not fit",
            bias.len()
        )));
    }
    Ok(Dense { outputs, inputs, weight: weight.data.clone(), bias })
}

/// How many of the names for 0, 1, ... have tensors.
///
/// # Errors
/// Where some are left out.
pub(super) fn count(state: &StateDict, name: impl Fn(usize) -> String) -> Result<usize> {
    let present = |i: usize| {
        let inside = format!("{}.", name(i));
        state.range(inside.clone()..).next().is_some_and(|(key, _)| key.starts_with(&inside))
    };
    let count = (0..).take_while(|&i| present(i)).count();
    if (count..count + MAX_DEPTH).any(present) {
        return Err(Error::invalid(format!("tensors of '{}' are missing from the checkpoint", name(count))));
    }
    Ok(count)
}

/// The affine maps of the names for 0, 1, ..., as many as there are.
pub(super) fn sequence(state: &StateDict, name: impl Fn(usize) -> String) -> Result<Vec<Dense<f32>>> {
    (0..count(state, &name)?).map(|i| dense(state, &name(i))).collect()
}

/// The shortest prefix before `ending` in some key, e.g. `net.net.` of `net.net.0.0.weight`; whole components only.
pub(super) fn prefix_of(state: &StateDict, ending: &str) -> Option<String> {
    let prefixes = state.keys().filter_map(|k| k.strip_suffix(ending));
    prefixes.filter(|p| p.is_empty() || p.ends_with('.')).min_by_key(|p| p.len()).map(str::to_owned)
}

/// The prefix of the layer `name`, of which not all tensors need to be there.
pub(super) fn prefix_of_layer(state: &StateDict, name: &str) -> Option<String> {
    ["weight", "bias"].iter().find_map(|part| prefix_of(state, &format!("{name}.{part}")))
}
