//! Latent tables: in the checkpoint itself, or in a second file.

use std::path::Path;

use super::state::{StateDict, Tensor};
use crate::model::LatentTable;
use crate::{Error, Result};

/// Names under which a checkpoint holds its latent table.
const OWN: [&str; 5] = ["latents.weight", "latent_codes.weight", "latents", "latent_codes", "auto_decoder.weight"];
/// What the names of tables have among their components.
const TABLES: [&str; 5] = ["latents", "latent_codes", "modulation", "modulations", "latent_vector"];

/// Whether a tensor is a latent table by its name.
pub(super) fn is_table(name: &str) -> bool {
    name.split(['.', '/']).any(|part| TABLES.contains(&part))
}

/// No table.
pub(super) fn none(names: Option<&[String]>) -> Result<LatentTable> {
    named(Vec::new(), Vec::new(), names)
}

/// The table in the checkpoint itself, under `other` or a usual name; empty where there is none.
pub(super) fn own(state: &StateDict, other: Option<&str>, names: Option<&[String]>) -> Result<LatentTable> {
    let table = other.into_iter().chain(OWN).find_map(|n| state.get(n));
    // functa's checkpoints hold the latent from which every signal's fit starts.
    let table = table.or_else(|| state.iter().find(|(k, _)| k.ends_with("latent_vector")).map(|(_, t)| t));
    let Some(table) = table else { return none(names) };
    let (rows, values) = match table.shape[..] {
        [_] => (1, table.data.clone()),
        // Rows of nothing could be any number.
        [rows, columns] if columns > 0 => (rows, table.data.clone()),
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
    let table = in_state(&state, dim, names).and_then(|table| table.validate(dim).map(|()| table));
    table.map_err(|e| e.in_file(path))
}

fn in_state(state: &StateDict, dim: usize, names: Option<&[String]>) -> Result<LatentTable> {
    let fits = |t: &Tensor| t.shape.last() == Some(&dim) && !t.data.is_empty();
    let mut tables: Vec<(&String, &Tensor)> = state.iter().filter(|(_, t)| fits(t)).collect();
    if tables.iter().any(|(n, _)| is_table(n)) {
        tables.retain(|(n, _)| is_table(n));
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
