//! What a pickle of tensors means: the names that it may mention, and the tensors and arrays in its tree of
//! dictionaries and lists, each under its path.

use super::element::{Element, View};
use super::pickle::{self, Value};
use crate::{Error, Result};

/// A tensor found in a pickle.
pub(super) enum Found<'a> {
    /// PyTorch's: its numbers are in the storage of that key.
    Stored { key: &'a str, view: View },
    /// NumPy's: its numbers are in the pickle.
    Inline { data: &'a [u8], view: View },
}

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the checkpoint is damaged or cut short ({what})"))
}

/// The element type of PyTorch's storage classes.
fn of_storage(class: &str) -> Option<Element> {
    Some(match class.strip_prefix("torch.")? {
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::BF16,
        "FloatStorage" => Element::F32,
        "DoubleStorage" => Element::F64,
        "LongStorage" => Element::Other(8),
        "IntStorage" => Element::Other(4),
        "ShortStorage" => Element::Other(2),
        "CharStorage" | "ByteStorage" | "BoolStorage" => Element::Other(1),
        _ => return None,
    })
}

/// Reads one pickle of plain data, tensors and arrays.
pub(super) fn read(bytes: &[u8]) -> Result<(Value<'_>, usize)> {
    pickle::read(bytes, |name| what(name) != Callee::Unknown || of_storage(name).is_some())
}

/// What a name stands for that a checkpoint of plain data may mention.
#[derive(PartialEq)]
enum Callee {
    /// Mappings whose parts are in their arguments.
    Mapping,
    /// Their first argument is the tensor.
    Parameter,
    /// PyTorch's tensors.
    Tensor,
    /// NumPy's arrays.
    Array,
    /// JAX's arrays, which hold a NumPy array's parts.
    JaxArray,
    /// Parts of the above, or settings of a training run, which are read over.
    Other,
    Unknown,
}

fn what(name: &str) -> Callee {
    match name {
        "collections.OrderedDict"
        | "haiku._src.data_structures.FlatMap"
        | "haiku._src.data_structures.FlatMapping"
        | "haiku._src.data_structures.frozendict" => Callee::Mapping,
        "torch._utils._rebuild_parameter" => Callee::Parameter,
        "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => Callee::Tensor,
        "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => Callee::Array,
        "jax._src.array._reconstruct_array"
        | "jax._src.device_array.reconstruct_device_array"
        | "jax.interpreters.xla.reconstruct_device_array" => Callee::JaxArray,
        "torch.Size"
        | "torch.device"
        | "argparse.Namespace"
        | "numpy.ndarray"
        | "numpy.dtype"
        | "numpy.core.multiarray.scalar"
        | "numpy._core.multiarray.scalar" => Callee::Other,
        _ => Callee::Unknown,
    }
}

/// All tensors of a pickle: of the `state_dict` itself, or of one inside a training checkpoint
/// (`{'model': state_dict, 'optimizer': ..}` and the like).
pub(super) fn tensors<'a>(root: &Value<'a>) -> Result<Vec<(String, Found<'a>)>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    if found.is_empty() {
        return Err(Error::invalid("there are no tensors in this checkpoint"));
    }
    // A wrapping key (`model.`, `state_dict.`) is not part of the names.
    for wrapper in ["model.", "state_dict.", "model_state_dict.", "net_state_dict.", "params."] {
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

fn collect<'a>(value: &Value<'a>, path: &str, found: &mut Vec<(String, Found<'a>)>) -> Result<()> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Dict(entries) => {
            for (key, value) in entries {
                if let Value::Text(key) = key {
                    collect(value, &below(key), found)?;
                }
            }
        }
        // Numbered so that the order of the names is that of the list.
        Value::List(items) | Value::Tuple(items) => {
            for (i, item) in items.iter().enumerate() {
                collect(item, &below(&format!("{i:07}")), found)?;
            }
        }
        Value::Call(name, arguments) => match what(name) {
            Callee::Mapping => {
                for argument in arguments {
                    collect(argument, path, found)?;
                }
            }
            Callee::Parameter => {
                if let Some(tensor) = arguments.first() {
                    collect(tensor, path, found)?;
                }
            }
            Callee::Tensor => found.push((path.to_owned(), tensor(arguments)?)),
            Callee::Array => match arguments.last() {
                Some(Value::Tuple(state)) => array(state, path, found)?,
                _ => return Err(damaged("an array without its state")),
            },
            Callee::JaxArray => match arguments.get(2) {
                Some(Value::Tuple(state)) => array(state, path, found)?,
                _ => return Err(damaged("an array without its state")),
            },
            Callee::Other | Callee::Unknown => {}
        },
        _ => {}
    }
    Ok(())
}

fn size(value: &Value<'_>) -> Result<usize> {
    match value {
        Value::Int(n) => usize::try_from(*n).map_err(|_| damaged("a negative size")),
        _ => Err(damaged("a size that is no integer")),
    }
}

fn sizes(value: &Value<'_>) -> Result<Vec<usize>> {
    let items = match value {
        Value::Tuple(items) => items,
        Value::Call(_, arguments) => match &arguments[..] {
            [Value::Tuple(items)] => items,
            _ => return Err(damaged("a shape that is no tuple")),
        },
        _ => return Err(damaged("a shape that is no tuple")),
    };
    if items.len() > 8 {
        return Err(damaged("a shape of more than 8 axes"));
    }
    items.iter().map(size).collect()
}

/// The arguments of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, where the storage is
/// `('storage', class, key, location, numel, ...)`.
fn tensor<'a>(arguments: &[Value<'a>]) -> Result<Found<'a>> {
    let [Value::Persistent(storage), offset, shape, strides, ..] = arguments else {
        return Err(damaged("a tensor without its description"));
    };
    let Value::Tuple(storage) = &**storage else {
        return Err(damaged("a storage without its description"));
    };
    let [Value::Text(_), Value::Global(class), Value::Text(key), ..] = &storage[..] else {
        return Err(damaged("a storage without its description"));
    };
    let element =
        of_storage(class).ok_or_else(|| Error::invalid(format!("storages of class '{class}' are not understood")))?;
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    if shape.len() != strides.len() {
        return Err(damaged("shape and strides do not match"));
    }
    Ok(Found::Stored { key, view: View { element, offset: size(offset)?, shape, strides } })
}

/// An array's state: `(version, shape, dtype, whether Fortran's order, bytes | list of objects)`.
fn array<'a>(state: &[Value<'a>], path: &str, found: &mut Vec<(String, Found<'a>)>) -> Result<()> {
    let [_, shape, Value::Call(_, dtype), Value::Bool(fortran), data] = state else {
        return Err(damaged("an array's state is not understood"));
    };
    match data {
        Value::Bytes(data) => {
            let Some(Value::Text(kind)) = dtype.first() else { return Err(damaged("an array without a type")) };
            // A type's state is (version, byte order, ...).
            let order = match dtype.last() {
                Some(Value::Tuple(state)) => state.get(1),
                _ => None,
            };
            let order = if let Some(Value::Text(order)) = order { order } else { "<" };
            let view = View::contiguous(element(&format!("{order}{kind}"))?, sizes(shape)?, *fortran);
            found.push((path.to_owned(), Found::Inline { data, view }));
        }
        // An array of one object is a box around it: numpy.save of a dictionary.
        Value::List(objects) => match &objects[..] {
            [object] => collect(object, path, found)?,
            _ => collect(data, path, found)?,
        },
        _ => return Err(damaged("an array without numbers")),
    }
    Ok(())
}

/// The element of a NumPy type such as `<f4` (little-endian, float of 4 bytes).
pub(super) fn element(kind: &str) -> Result<Element> {
    let unknown = || Error::invalid(format!("arrays of type '{kind}' are not understood; save them as float32"));
    let plain = kind.trim_start_matches(['<', '|', '=']);
    Ok(match plain {
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => match plain.split_at_checked(1) {
            Some(("b" | "i" | "u", n)) => match n {
                "1" => Element::Other(1),
                "2" => Element::Other(2),
                "4" => Element::Other(4),
                "8" => Element::Other(8),
                _ => return Err(unknown()),
            },
            _ => return Err(unknown()),
        },
    })
}
