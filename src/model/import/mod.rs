//! Checkpoints of other programs: first the container (safetensors, PyTorch zip or legacy), then the
//! layout of the names in it.

mod pickle;
mod pth;
mod siren;

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;

use super::{Coordinates, Model, ValueRange, file};
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

/// What a checkpoint does not say about itself.
#[derive(Clone, Debug)]
pub struct Conventions {
    /// Order, alignment and span of the coordinates.
    pub coordinates: Coordinates,
    /// What the outputs span.
    pub values: ValueRange,
    /// `omega_0` of the first layer.
    pub first_omega: f32,
    /// `omega_0` of the other sine layers.
    pub omega: f32,
    /// Names of the latents, in the order of the table's rows; None names them 0, 1, ...
    pub names: Option<Vec<String>>,
}

impl Default for Conventions {
    fn default() -> Self {
        Self {
            coordinates: Coordinates::default(),
            values: ValueRange::default(),
            first_omega: 30.0,
            omega: 30.0,
            names: None,
        }
    }
}

/// Reads a checkpoint and turns it into a model.
///
/// # Errors
/// Where the file cannot be read, is damaged, would run code, or has a layout that is not known.
pub fn import(path: &Path, conventions: &Conventions) -> Result<Model> {
    let state = read(path)?;
    let source = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    siren::build(state, conventions, &source).map_err(|e| e.in_file(path))
}

/// Reads a checkpoint's tensors, whatever its container.
///
/// # Errors
/// As [`import`], but for the layout.
pub fn read(path: &Path) -> Result<StateDict> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    from_bytes(&bytes).map_err(|e| e.in_file(path))
}

/// Reads a checkpoint's tensors from the bytes of a file; the container is told by its first bytes.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<StateDict> {
    match bytes {
        [b'P', b'K', ..] => pth::read_zip(bytes),
        [0x80, ..] => pth::read_legacy(bytes),
        [_, _, _, _, _, _, _, _, b'{', ..] => read_safetensors(bytes),
        [] => Err(Error::invalid("the file is empty")),
        _ => Err(Error::invalid("neither a PyTorch checkpoint nor a safetensors file")),
    }
}

fn read_safetensors(bytes: &[u8]) -> Result<StateDict> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::invalid(format!("the safetensors file is damaged or cut short ({e})")))?;
    let mut state = StateDict::new();
    for (name, view) in tensors.tensors() {
        // Counters and masks are of no use to an INR.
        if matches!(
            view.dtype(),
            safetensors::Dtype::F16 | safetensors::Dtype::BF16 | safetensors::Dtype::F32 | safetensors::Dtype::F64
        ) {
            let data = file::decode(&name, view.dtype(), view.data())?;
            state.insert(name, Tensor { shape: view.shape().to_vec(), data });
        }
    }
    Ok(state)
}
