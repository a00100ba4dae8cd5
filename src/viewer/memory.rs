//! What the window remembers between runs: its size and looks, and where a person was in each model.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::latent::{Codes, Player};
use super::panel::Tab;
use super::sight::Sight;
use super::view::View;
use crate::output::write_atomically;
use crate::{Error, Result};

/// Models of which something is remembered.
const MOST: usize = 50;

/// All that is remembered. What a newer or older version wrote and this one cannot read is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// In logical pixels.
    pub size: Option<[u32; 2]>,
    pub dark: Option<bool>,
    pub tab: Tab,
    /// By the model's name or full path.
    pub models: BTreeMap<String, Place>,
}

/// Where a person was in a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub codes: Codes,
    pub player: Player,
    pub view: View,
    #[serde(default)]
    pub sight: Sight,
}

fn file() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    use etcetera::BaseStrategy;
    let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    Some(state.join("hypersine").join("viewer.json"))
}

impl Memory {
    /// What was remembered; nothing where there is nothing to be read.
    pub(super) fn load() -> Self {
        file()
            .and_then(|f| std::fs::read_to_string(f).ok())
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default()
    }

    /// Keeps it for the next run.
    pub(super) fn store(&mut self) -> Result<()> {
        let Some(path) = file() else { return Ok(()) };
        while self.models.len() > MOST {
            self.models.pop_first();
        }
        let text = serde_json::to_string(self).map_err(|e| Error::invalid(format!("the window's state: {e}")))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        }
        write_atomically(&path, |f| f.write_all(text.as_bytes()).map_err(Error::io("write", &path)))
    }
}
