//! What was measured on this machine: one JSON file for each kind of knowledge in the user's cache folder, an entry for each
//! device.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use etcetera::BaseStrategy;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::output::write_atomically;
use crate::{Error, Result};

#[derive(Default, Serialize, Deserialize)]
struct Document {
    devices: BTreeMap<String, serde_json::Value>,
}

/// What is known of a device; None where it was never measured, or the file cannot be read: `suite` of the harness makes
/// it anew.
pub(crate) fn load<T: DeserializeOwned>(name: &str, device: &str, suite: &str) -> Option<T> {
    let text = std::fs::read_to_string(file(name)?).ok()?;
    let read = serde_json::from_str::<Document>(&text)
        .and_then(|mut document| document.devices.remove(device).map(serde_json::from_value).transpose());
    read.unwrap_or_else(|e| {
        log::warn!("{name} in the cache folder cannot be read ({e}); `hypersine bench {suite}` makes it anew");
        None
    })
}

/// Keeps it; returns the file.
///
/// # Errors
/// Where there is no cache folder or it cannot be written.
pub(crate) fn store(name: &str, device: &str, knowledge: &impl Serialize) -> Result<PathBuf> {
    let path = file(name).ok_or_else(|| Error::invalid("this system names no cache folder to keep measurements in"))?;
    let text = std::fs::read_to_string(&path).ok();
    let mut document: Document = text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    let unwritten = |e| Error::invalid(format!("what was measured cannot be written ({e})"));
    document.devices.insert(device.to_owned(), serde_json::to_value(knowledge).map_err(unwritten)?);
    let text = serde_json::to_string_pretty(&document).map_err(unwritten)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
    }
    write_atomically(&path, |f| f.write_all(text.as_bytes()).map_err(Error::io("write", &path)))?;
    Ok(path)
}

/// Where it is kept, as the system has it for caches.
fn file(name: &str) -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|s| s.cache_dir().join("hypersine").join(name))
}
