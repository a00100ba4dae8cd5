//! Latent tables: in the checkpoint itself, or in a second file.

use std::path::Path;

use super::state::{StateDict, Tensor};
use crate::model::LatentTable;
use crate::{Error, Result};

/// Names under which a checkpoint holds its latent table.
const OWN: [&str; 5] = ["latents.weight", "latent_codes.weight", "latents", "latent_codes", "auto_decoder.weight"];
/// How the names of tables end in files of latents.
const TABLES: [&str; 6] = ["latents", "latent_codes", "weight", "modulation", "modulations", "latent_vector"];

/// The table in the checkpoint itself; empty where there is none.
pub(super) fn own(state: &StateDict, names: Option<&[String]>) -> Result<LatentTable> {
    let table = OWN.iter().find_map(|n| state.get(*n));
    // functa's checkpoints hold the latent from which every signal's fit starts.
    let table = table.or_else(|| state.iter().find(|(k, _)| k.ends_with("latent_vector")).map(|(_, t)| t));
    let Some(table) = table else { return Ok(LatentTable::default()) };
    let (rows, values) = match table.shape[..] {
        [_] => (1, table.data.clone()),
        [rows, _] => (rows, table.data.clone()),
        _ => {
            return Err(Error::invalid(format!(
                "the latent table has shape {:?}; it should be [latents, entries]",
                table.shape
            )));
        }
    };
    named((0..rows).map(|i| i.to_string()).collect(), values, names)
}

/// The table in a file of its own: one tensor, a list of tensors, or such among others under a usual name
/// (DeepSDF's `latent_codes`, COIN++'s and functa's modulations). Its rows are what has `dim` entries.
pub(super) fn from_file(path: &Path, dim: usize, names: Option<&[String]>) -> Result<LatentTable> {
    let state = super::read(path)?;
    in_state(&state, dim, names).map_err(|e| e.in_file(path))
}

fn in_state(state: &StateDict, dim: usize, names: Option<&[String]>) -> Result<LatentTable> {
    let usual = |name: &str| TABLES.iter().any(|t| name.rsplit(['.', '/']).next() == Some(t));
    let fits = |t: &Tensor| t.shape.last() == Some(&dim) && !t.data.is_empty();
    let mut tables: Vec<(&String, &Tensor)> = state.iter().filter(|(_, t)| fits(t)).collect();
    if tables.iter().any(|(n, _)| usual(n)) {
        tables.retain(|(n, _)| usual(n));
    }
    if tables.is_empty() {
        let found: Vec<String> = state.iter().take(4).map(|(n, t)| format!("'{n}' {:?}", t.shape)).collect();
        return Err(Error::invalid(format!(
            "no latents of {dim} entries, which the model takes; found {}",
            found.join(", ")
        )));
    }
    let rows = |t: &Tensor| t.data.len() / dim;
    // One table, or a list of latents one by one, is numbered; several tables are told apart by their names.
    let plain = tables.len() == 1 || tables.iter().all(|(_, t)| rows(t) == 1);
    let label = |name: &str| name.parse::<usize>().map_or_else(|_| name.to_owned(), |i| i.to_string());
    let labels = (tables.iter()).flat_map(|(name, t)| (0..rows(t)).map(move |row| format!("{}/{row}", label(name))));
    let count: usize = tables.iter().map(|(_, t)| rows(t)).sum();
    let labels = if plain { (0..count).map(|i| i.to_string()).collect() } else { labels.collect() };
    named(labels, tables.iter().flat_map(|(_, t)| t.data.iter().copied()).collect(), names)
}

/// The table under the names that were given, else under its own.
fn named(own: Vec<String>, values: Vec<f32>, given: Option<&[String]>) -> Result<LatentTable> {
    match given {
        Some(names) if names.len() != own.len() => {
            Err(Error::invalid(format!("{} names were given for {} latents", names.len(), own.len())))
        }
        Some(names) => LatentTable::new(names.to_vec(), values),
        None => LatentTable::new(own, values),
    }
}
