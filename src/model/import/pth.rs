//! PyTorch's `torch.save`, both containers: a zip of `data.pkl` and one file per storage (1.6 and later),
//! and the legacy stream of pickles with the storages behind them (before 1.6). Pickles of NumPy arrays, too.

use std::collections::HashMap;

use super::StateDict;
use super::archive::Archive;
use super::element::damaged;
use super::pickle::Value;
use super::tree::{self, Found};
use crate::Result;

/// `torch.serialization.MAGIC_NUMBER`, little-endian, as pickle stores it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Reads the zip container; `listing` is its `data.pkl`.
pub(super) fn read_zip(archive: &mut Archive<'_>, listing: &str, limit: usize) -> Result<StateDict> {
    let folder = listing.trim_end_matches("data.pkl");
    let pickle = archive.read(listing)?;
    let (root, _) = tree::read(&pickle)?;
    let found = tree::tensors(&root)?;
    let mut storages = HashMap::new();
    for (_, tensor) in &found {
        if let Found::Stored { key, .. } = tensor
            && !storages.contains_key(key)
        {
            storages.insert(*key, archive.read(&format!("{folder}data/{key}"))?);
        }
    }
    assemble(&found, limit, |key| storages.get(key).map(Vec::as_slice))
}

/// Reads what is no zip: the legacy container (magic number, protocol, system description, the object, the list of
/// storage keys (a pickle each), then per storage its length and its numbers), or a pickle of arrays.
pub(super) fn read_pickles(bytes: &[u8]) -> Result<StateDict> {
    let mut at = 0;
    let mut next = || -> Result<Value<'_>> {
        let (value, used) = tree::read(&bytes[at..])?;
        at += used;
        Ok(value)
    };
    let first = next()?;
    if first != Value::BigInt(&MAGIC) {
        let found = tree::tensors(&first)?;
        return assemble(&found, bytes.len(), |_| None);
    }
    let _protocol = next()?;
    let _system = next()?;
    let root = next()?;
    let Value::List(keys) = next()? else {
        return Err(damaged("the list of storages is missing"));
    };
    let found = tree::tensors(&root)?;
    let mut elements = HashMap::new();
    tree::storages(&root, &mut elements)?;
    let mut storages: HashMap<&str, &[u8]> = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else {
            return Err(damaged("a storage key is not text"));
        };
        let &element = elements.get(key).ok_or_else(|| damaged("a storage that no tensor names"))?;
        let head: [u8; 8] =
            bytes.get(at..at + 8).and_then(|c| c.try_into().ok()).ok_or_else(|| damaged("a storage is missing"))?;
        let length = usize::try_from(u64::from_le_bytes(head)).ok().and_then(|n| n.checked_mul(element.bytes()));
        let end = length.and_then(|n| n.checked_add(at + 8)).filter(|&e| e <= bytes.len());
        let end = end.ok_or_else(|| damaged("a storage ends too early"))?;
        storages.insert(key, &bytes[at + 8..end]);
        at = end;
    }
    assemble(&found, bytes.len(), |key| storages.get(key).copied())
}

/// Gathers every tensor's numbers: at most `limit` in all.
fn assemble<'s>(
    found: &[(String, Found<'_>)],
    limit: usize,
    storage: impl Fn(&str) -> Option<&'s [u8]>,
) -> Result<StateDict> {
    let mut left = limit;
    let mut state = StateDict::new();
    for (name, tensor) in found {
        let (data, view) = match tensor {
            Found::Inline { data, view } => (*data, view),
            Found::Stored { key, view } => {
                (storage(key).ok_or_else(|| damaged(&format!("tensor '{name}' without its storage")))?, view)
            }
        };
        view.insert(&mut state, name, data, &mut left)?;
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tensor of two numbers in the storage of that key.
    fn tensor(key: u8) -> Vec<u8> {
        let storage =
            [b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00".as_slice(), &[key]].concat();
        let rest = b"X\x03\x00\x00\x00cpuK\x02NtQK\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR";
        [b"ctorch._utils\n_rebuild_tensor_v2\n", &storage[..], rest].concat()
    }

    #[test]
    fn a_legacy_checkpoint_may_hold_an_optimiser() {
        let text = |s: &str| [b"X", &u32::try_from(s.len()).unwrap().to_le_bytes()[..], s.as_bytes()].concat();
        // {'model': {'w': tensor a}, 'optimizer': {0: tensor b}}
        let model = [b"}".as_slice(), &text("w"), &tensor(b'a'), b"s"].concat();
        let optimizer = [b"}K\x00".as_slice(), &tensor(b'b'), b"s"].concat();
        let root = [b"\x80\x02}(", &text("model")[..], &model, &text("optimizer"), &optimizer, b"u."].concat();
        let storage = |numbers: [f32; 2]| [&2_u64.to_le_bytes()[..], bytemuck::cast_slice(&numbers)].concat();
        let bytes = [
            &[b"\x80\x02\x8a\x0a".as_slice(), &MAGIC, b"."].concat()[..],
            b"\x80\x02M\xe9\x03.",
            b"\x80\x02}.",
            &root,
            &[b"\x80\x02](", &text("b")[..], &text("a"), b"e."].concat(),
            &storage([3.0, 4.0]),
            &storage([1.0, 2.0]),
        ]
        .concat();
        let state = read_pickles(&bytes).unwrap();
        assert_eq!(state.iter().map(|(k, t)| (k.as_str(), &t.data[..])).collect::<Vec<_>>(), [("w", &[1.0, 2.0][..])]);
        assert!(read_pickles(&bytes[..bytes.len() - 1]).is_err());
    }
}
