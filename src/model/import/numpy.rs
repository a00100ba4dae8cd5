//! NumPy's `.npy` (a header that is a Python dictionary, then the numbers) and `.npz` (a zip of those).
//! Format: `numpy.lib.format`, versions 1 to 3.

use std::collections::BTreeMap;

use super::StateDict;
use super::archive::Archive;
use super::element::View;
use super::tree;
use crate::{Error, Result};

/// A `.npy` file's first bytes.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the .npy array is damaged or cut short ({what})"))
}

/// Reads an archive of arrays, each under its name.
pub(super) fn read_npz(archive: &mut Archive<'_>, limit: usize) -> Result<StateDict> {
    let mut state = StateDict::new();
    let mut left = limit;
    for entry in archive.names() {
        if let Some(name) = entry.strip_suffix(".npy") {
            let bytes = archive.read(&entry)?;
            insert(&mut state, name, &bytes, &mut left)?;
        }
    }
    if state.is_empty() {
        return Err(Error::invalid("there are no arrays of numbers in this archive"));
    }
    Ok(state)
}

/// Reads one array; its name is empty.
pub(super) fn read_npy(bytes: &[u8]) -> Result<StateDict> {
    let mut state = StateDict::new();
    insert(&mut state, "", bytes, &mut bytes.len())?;
    Ok(state)
}

fn insert(state: &mut StateDict, name: &str, bytes: &[u8], left: &mut usize) -> Result<()> {
    let (header, data) = split(bytes).ok_or_else(|| damaged("no header"))?;
    let kind = field(header, "descr").and_then(quoted).ok_or_else(|| damaged("no plain type"))?;
    if kind.ends_with('O') {
        // Objects are a pickle: dictionaries of arrays, as in numpy.savez(path, params=params).
        let (root, _) = tree::read(data)?;
        for (path, found) in tree::tensors(&root)? {
            let tree::Found::Inline { data, view } = found else {
                return Err(damaged("a PyTorch tensor among NumPy's objects"));
            };
            let full = if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
            view.insert(state, &full, data, left)?;
        }
        return Ok(());
    }
    let element = tree::element(kind)?;
    let shape = field(header, "shape").and_then(sizes).ok_or_else(|| damaged("no shape"))?;
    let fortran = field(header, "fortran_order").is_some_and(|v| v.starts_with("True"));
    View::contiguous(element, shape, fortran).insert(state, name, data, left)
}

/// An array of numbers of any type, which f64 holds exactly up to 2^53.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    /// Row-major.
    pub(crate) data: Vec<f64>,
}

/// Reads the arrays of a `.npz` that is no checkpoint: whole numbers too, but nothing else than numbers.
pub(crate) fn arrays(bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    let mut archive = Archive::open_compressed(bytes)?;
    let mut arrays = BTreeMap::new();
    for entry in archive.names() {
        if let Some(name) = entry.strip_suffix(".npy") {
            let array = numbers(&archive.read(&entry)?).map_err(|e| Error::invalid(format!("array '{name}': {e}")))?;
            arrays.insert(name.to_owned(), array);
        }
    }
    Ok(arrays)
}

/// Reads one array of numbers, little-endian and row-major as NumPy writes them.
fn numbers(bytes: &[u8]) -> Result<Array> {
    let (header, data) = split(bytes).ok_or_else(|| damaged("no header"))?;
    let kind = field(header, "descr").and_then(quoted).ok_or_else(|| damaged("no plain type"))?;
    let shape = field(header, "shape").and_then(sizes).ok_or_else(|| damaged("no shape"))?;
    if field(header, "fortran_order").is_some_and(|v| v.starts_with("True")) {
        return Err(Error::invalid("the array is stored column by column; save numpy.ascontiguousarray of it"));
    }
    fn all<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> (usize, Vec<f64>) {
        let (numbers, _) = data.as_chunks::<N>();
        (N, numbers.iter().map(|n| read(*n)).collect())
    }
    #[expect(clippy::cast_precision_loss, reason = "indices are below 2^53")]
    let (size, numbers) = match kind.trim_start_matches(['<', '|', '=']) {
        "f2" => all(data, |n| half::f16::from_le_bytes(n).to_f64()),
        "f4" => all(data, |n| f64::from(f32::from_le_bytes(n))),
        "f8" => all(data, f64::from_le_bytes),
        "u1" => all(data, |n| f64::from(u8::from_le_bytes(n))),
        "u2" => all(data, |n| f64::from(u16::from_le_bytes(n))),
        "u4" => all(data, |n| f64::from(u32::from_le_bytes(n))),
        "u8" => all(data, |n| u64::from_le_bytes(n) as f64),
        "i1" => all(data, |n| f64::from(i8::from_le_bytes(n))),
        "i2" => all(data, |n| f64::from(i16::from_le_bytes(n))),
        "i4" => all(data, |n| f64::from(i32::from_le_bytes(n))),
        "i8" => all(data, |n| i64::from_le_bytes(n) as f64),
        _ => {
            return Err(Error::invalid(format!(
                "numbers of type '{kind}' are not understood; save them as float32 or int32"
            )));
        }
    };
    let count = shape.iter().try_fold(1_usize, |n, &s| n.checked_mul(s));
    if count != Some(numbers.len()) || data.len() != numbers.len() * size {
        return Err(damaged(&format!("{} numbers for the shape {shape:?}", numbers.len())));
    }
    Ok(Array { shape, data: numbers })
}

/// Header and numbers: magic, version (major, minor), the header's length (2 bytes in version 1, else 4), header.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_at_checked(2)?;
    let (length, rest) = if version[0] == 1 {
        let (n, rest) = rest.split_first_chunk::<2>()?;
        (usize::from(u16::from_le_bytes(*n)), rest)
    } else {
        let (n, rest) = rest.split_first_chunk::<4>()?;
        (usize::try_from(u32::from_le_bytes(*n)).ok()?, rest)
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What stands behind `'key':` in the header, to its end.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let behind = header.split_once(&format!("'{key}'"))?.1;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    Some(text.strip_prefix('\'')?.split_once('\'')?.0)
}

/// A tuple of sizes: `()`, `(3,)`, `(3, 4)`.
fn sizes(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    let parts: Vec<&str> = inside.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
    // NumPy 1 on Python 2 wrote long integers: 3L.
    let sizes: Option<Vec<usize>> = parts.iter().map(|p| p.trim_end_matches('L').parse().ok()).collect();
    sizes.filter(|s| s.len() <= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[f32]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), bytemuck::cast_slice(data)].concat()
    }

    #[test]
    fn both_orders() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for (order, want) in [("False", data), ("True", [1.0, 3.0, 5.0, 2.0, 4.0, 6.0])] {
            let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': (2, 3), }}\n");
            let state = read_npy(&npy(&header, &data)).unwrap();
            assert_eq!((&state[""].shape[..], &state[""].data[..]), (&[2, 3][..], &want[..]));
        }
    }

    #[test]
    fn lies_are_refused_before_anything_is_allocated() {
        for shape in ["(9999999999999,)", "(4294967296, 4294967296, 4294967296)", "(7,)", "(-1,)", "(1,", "x"] {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
            assert!(read_npy(&npy(&header, &[0.0; 6])).is_err(), "{shape}");
        }
        for kind in ["'>f4'", "'<c8'", "[('a', '<f4')]", "'<f16'"] {
            let header = format!("{{'descr': {kind}, 'fortran_order': False, 'shape': (1,), }}\n");
            assert!(read_npy(&npy(&header, &[0.0; 6])).is_err(), "{kind}");
        }
    }

    #[test]
    fn integers_and_text_are_read_over() {
        for kind in ["<i8", "|b1", "|u1", "<U12", "|S3"] {
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,), }}\n");
            assert!(read_npy(&npy(&header, &[0.0; 12])).unwrap().is_empty(), "{kind}");
        }
    }

    #[test]
    fn whole_numbers_are_read_where_they_are_asked_for() {
        let array = |kind: &str, shape: &str, data: &[u8]| {
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
            let length = u16::try_from(header.len()).unwrap().to_le_bytes();
            numbers(&[MAGIC, &[1, 0], &length, header.as_bytes(), data].concat())
        };
        assert_eq!(array("<i4", "(2,)", &[255, 255, 255, 255, 1, 1, 0, 0]).unwrap().data, [-1.0, 257.0]);
        assert_eq!(array("|u1", "(2, 1)", &[255, 7]).unwrap(), Array { shape: vec![2, 1], data: vec![255.0, 7.0] });
        assert_eq!(array("<f8", "()", &1e300_f64.to_le_bytes()).unwrap().data, [1e300]);
        for (kind, shape) in
            [("<i4", "(3,)"), ("<i4", "(99999999999, 99999999999)"), (">i4", "(2,)"), ("|O", "(1,)"), ("<i8", "(2,)")]
        {
            assert!(array(kind, shape, &[0; 9]).is_err(), "{kind} {shape}");
        }
    }

    #[test]
    fn objects_are_read_by_the_restricted_reader() {
        let header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }\n";
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        let evil = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
        let error = read_npy(&[MAGIC, &[1, 0], &length, header.as_bytes(), evil].concat()).unwrap_err();
        assert!(error.to_string().contains("'os.system'"), "{error}");
    }
}
