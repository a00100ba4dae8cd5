//! PyTorch's `torch.save`, both containers: a zip of `data.pkl` and one file per storage (1.6 and later),
//! and the legacy stream of pickles with the storages behind them (before 1.6).

use std::collections::HashMap;
use std::io::{Cursor, Read};

use half::{bf16, f16};
use zip::ZipArchive;

use super::pickle::{self, Value};
use super::{StateDict, Tensor};
use crate::{Error, Result};

/// `torch.serialization.MAGIC_NUMBER`, little-endian, as pickle stores it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// More numbers than any model here may have.
const MAX_ELEMENTS: usize = 1 << 31;

/// Element types of storages. Integers (counters of optimisers, masks) are read over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    F16,
    BF16,
    F32,
    F64,
    Other(usize),
}

impl Element {
    fn of_storage(class: &str) -> Option<Self> {
        let name = class.strip_prefix("torch.")?;
        Some(match name {
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::BF16,
            "FloatStorage" => Self::F32,
            "DoubleStorage" => Self::F64,
            "LongStorage" => Self::Other(8),
            "IntStorage" => Self::Other(4),
            "ShortStorage" => Self::Other(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Other(1),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(n) => n,
        }
    }

    /// Element `i` of a storage; None beyond its end.
    fn get(self, data: &[u8], i: usize) -> Option<f32> {
        fn at<const N: usize>(data: &[u8], i: usize) -> Option<[u8; N]> {
            data.get(i * N..(i + 1) * N).and_then(|c| c.try_into().ok())
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "f32 is the engine's storage type; f64 files are rounded to it"
        )]
        match self {
            Self::F16 => at(data, i).map(|c| f16::from_le_bytes(c).to_f32()),
            Self::BF16 => at(data, i).map(|c| bf16::from_le_bytes(c).to_f32()),
            Self::F32 => at(data, i).map(f32::from_le_bytes),
            Self::F64 => at(data, i).map(|c| f64::from_le_bytes(c) as f32),
            Self::Other(_) => None,
        }
    }
}

/// The names that a checkpoint of plain tensors mentions.
fn allowed(name: &str) -> bool {
    matches!(
        name,
        "collections.OrderedDict"
            | "torch._utils._rebuild_tensor_v2"
            | "torch._utils._rebuild_tensor"
            | "torch._utils._rebuild_parameter"
            | "torch.Size"
    ) || Element::of_storage(name).is_some()
}

/// A tensor's description in the pickle: which storage, and how it lies in it.
struct Description {
    key: String,
    element: Element,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the checkpoint is damaged or cut short ({what})"))
}

/// Reads the zip container.
pub(super) fn read_zip(bytes: &[u8]) -> Result<StateDict> {
    let broken = |e: &dyn std::fmt::Display| {
        Error::invalid(format!("the checkpoint's zip archive is damaged or cut short ({e})"))
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
    let listing = archive
        .file_names()
        .filter_map(std::result::Result::ok)
        .find(|n| n == "data.pkl" || n.ends_with("/data.pkl"))
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::invalid("a zip archive without data.pkl: not a PyTorch checkpoint"))?;
    let folder = listing.trim_end_matches("data.pkl").to_owned();
    let mut entry = |name: &str| -> Result<Vec<u8>> {
        let mut file = archive.by_name(name).map_err(|e| broken(&format!("{name}: {e}")))?;
        // PyTorch stores without compression: an entry that promises more than the file holds is a lie.
        if file.size() > bytes.len() as u64 {
            return Err(broken(&format!("{name} claims {} bytes", file.size())));
        }
        let mut data = Vec::new();
        file.read_to_end(&mut data).map_err(|e| broken(&format!("{name}: {e}")))?;
        Ok(data)
    };
    let (root, _) = pickle::read(&entry(&listing)?, allowed)?;
    let mut storages: HashMap<String, Vec<u8>> = HashMap::new();
    let mut state = StateDict::new();
    for (name, tensor) in describe(&root)? {
        if !storages.contains_key(&tensor.key) {
            storages.insert(tensor.key.clone(), entry(&format!("{folder}data/{}", tensor.key))?);
        }
        insert(&mut state, name, &tensor, &storages[&tensor.key])?;
    }
    Ok(state)
}

/// Reads the legacy container: magic number, protocol, system description, the object, the list of
/// storage keys (a pickle each), then per storage its length and its numbers.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<StateDict> {
    let mut at = 0;
    let mut next = || -> Result<Value> {
        let (value, used) = pickle::read(&bytes[at..], allowed)?;
        at += used;
        Ok(value)
    };
    if next()? != Value::BigInt(MAGIC.to_vec()) {
        return Err(Error::invalid("a pickle, but not a PyTorch checkpoint (no magic number)"));
    }
    let _protocol = next()?;
    let _system = next()?;
    let root = next()?;
    let Value::List(keys) = next()? else {
        return Err(damaged("the list of storages is missing"));
    };
    let tensors = describe(&root)?;
    let elements: HashMap<&str, Element> = tensors.iter().map(|(_, t)| (t.key.as_str(), t.element)).collect();
    let mut storages: HashMap<String, &[u8]> = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else {
            return Err(damaged("a storage key is not text"));
        };
        let &element = elements.get(key.as_str()).ok_or_else(|| damaged("a storage that no tensor names"))?;
        let head: [u8; 8] =
            bytes.get(at..at + 8).and_then(|c| c.try_into().ok()).ok_or_else(|| damaged("a storage is missing"))?;
        let length = usize::try_from(u64::from_le_bytes(head)).ok().and_then(|n| n.checked_mul(element.bytes()));
        let end = length.and_then(|n| n.checked_add(at + 8)).filter(|&e| e <= bytes.len());
        let end = end.ok_or_else(|| damaged("a storage ends too early"))?;
        storages.insert(key, &bytes[at + 8..end]);
        at = end;
    }
    let mut state = StateDict::new();
    for (name, tensor) in tensors {
        let data = storages.get(&tensor.key).ok_or_else(|| damaged("a tensor without its storage"))?;
        insert(&mut state, name, &tensor, data)?;
    }
    Ok(state)
}

/// Gathers a tensor's numbers from its storage.
fn insert(state: &mut StateDict, name: String, tensor: &Description, data: &[u8]) -> Result<()> {
    if matches!(tensor.element, Element::Other(_)) {
        return Ok(());
    }
    let count = tensor.shape.iter().try_fold(1_usize, |n, &s| n.checked_mul(s)).filter(|&n| n <= MAX_ELEMENTS);
    let count =
        count.ok_or_else(|| Error::invalid(format!("tensor '{name}' claims an absurd shape {:?}", tensor.shape)))?;
    // Strides of 0 may repeat numbers, but a weight is never much larger than its storage.
    if count > data.len() / tensor.element.bytes() {
        return Err(damaged(&format!("tensor '{name}' is larger than its storage")));
    }
    let mut numbers = Vec::with_capacity(count);
    let mut index = vec![0_usize; tensor.shape.len()];
    for _ in 0..count {
        let i = index
            .iter()
            .zip(&tensor.strides)
            .try_fold(tensor.offset, |at, (i, s)| i.checked_mul(*s).and_then(|d| at.checked_add(d)));
        let number = i
            .and_then(|i| tensor.element.get(data, i))
            .ok_or_else(|| damaged(&format!("tensor '{name}' leaves its storage")))?;
        numbers.push(number);
        for (i, &n) in index.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
    state.insert(name, Tensor { shape: tensor.shape.clone(), data: numbers });
    Ok(())
}

/// All tensors of a checkpoint: of the `state_dict` itself, or of one inside a training checkpoint
/// (`{'model': state_dict, 'optimizer': ..}` and the like).
fn describe(root: &Value) -> Result<Vec<(String, Description)>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    if found.is_empty() {
        return Err(Error::invalid("there are no tensors in this checkpoint"));
    }
    // A wrapping key (`model.`, `state_dict.`) is not part of the names.
    for wrapper in ["model.", "state_dict.", "model_state_dict.", "net_state_dict."] {
        if found.iter().any(|(n, _)| n.starts_with(wrapper)) && !found.iter().all(|(n, _)| n.starts_with(wrapper)) {
            found.retain(|(n, _)| n.starts_with(wrapper));
        }
        if found.iter().all(|(n, _)| n.starts_with(wrapper)) {
            for (name, _) in &mut found {
                *name = name.split_off(wrapper.len());
            }
        }
    }
    Ok(found)
}

fn collect(value: &Value, prefix: &str, found: &mut Vec<(String, Description)>) -> Result<()> {
    match value {
        Value::Dict(entries) => {
            for (key, value) in entries {
                if let Value::Text(key) = key {
                    let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    collect(value, &name, found)?;
                }
            }
        }
        Value::Call(name, arguments) => match name.as_str() {
            "collections.OrderedDict" => {
                for argument in arguments {
                    collect(argument, prefix, found)?;
                }
            }
            "torch._utils._rebuild_parameter" => {
                if let Some(tensor) = arguments.first() {
                    collect(tensor, prefix, found)?;
                }
            }
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                found.push((prefix.to_owned(), tensor(arguments)?));
            }
            _ => {}
        },
        _ => {}
    }
    Ok(())
}

/// The arguments of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, where the storage is
/// `('storage', class, key, location, numel, ...)`.
fn tensor(arguments: &[Value]) -> Result<Description> {
    let [Value::Persistent(storage), Value::Int(offset), size, stride, ..] = arguments else {
        return Err(damaged("a tensor without its description"));
    };
    let Value::Tuple(storage) = &**storage else {
        return Err(damaged("a storage without its description"));
    };
    let [Value::Text(_), Value::Global(class), Value::Text(key), ..] = &storage[..] else {
        return Err(damaged("a storage without its description"));
    };
    let element = Element::of_storage(class)
        .ok_or_else(|| Error::invalid(format!("storages of class '{class}' are not understood")))?;
    let sizes = |value: &Value| -> Result<Vec<usize>> {
        let items = match value {
            Value::Tuple(items) => items,
            Value::Call(_, arguments) => match &arguments[..] {
                [Value::Tuple(items)] => items,
                _ => return Err(damaged("a shape that is no tuple")),
            },
            _ => return Err(damaged("a shape that is no tuple")),
        };
        (items.iter())
            .map(|v| match v {
                Value::Int(n) => usize::try_from(*n).map_err(|_| damaged("a negative size")),
                _ => Err(damaged("a size that is no integer")),
            })
            .collect()
    };
    let (shape, strides) = (sizes(size)?, sizes(stride)?);
    if shape.len() != strides.len() || shape.len() > 8 {
        return Err(damaged("shape and strides do not match"));
    }
    let offset = usize::try_from(*offset).map_err(|_| damaged("a negative offset"))?;
    Ok(Description { key: key.clone(), element, offset, shape, strides })
}
