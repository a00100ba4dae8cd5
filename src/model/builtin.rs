//! Models that travel inside the binary; see assets/README.md for where they come from.

use super::{Model, file};
use crate::{Error, Result};

/// Name and file of every built-in model. On the command line they are written with an `@`.
const MODELS: &[(&str, &[u8])] = &[
    ("emoji", include_bytes!("../../assets/emoji.safetensors")),
    ("faces", include_bytes!("../../assets/faces.safetensors")),
    ("bodies", include_bytes!("../../assets/bodies.safetensors")),
];

/// The built-in model of that name (without the `@`).
///
/// # Errors
/// Where there is none; the message lists those there are.
pub fn builtin(name: &str) -> Result<Model> {
    let Some((_, bytes)) = MODELS.iter().find(|(n, _)| *n == name) else {
        let names: Vec<String> = MODELS.iter().map(|(n, _)| format!("@{n}")).collect();
        return Err(Error::invalid(format!("there is no built-in model '@{name}'; there is {}", names.join(", "))));
    };
    file::from_bytes(bytes)
}
