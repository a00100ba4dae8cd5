//! What a pickle of tensors means: the names that it may mention, and the tensors and arrays in its tree of
//! dictionaries and lists, each under its path.

use std::collections::HashMap;

use super::element::{Element, View, damaged};
use super::latents;
use super::pickle::{self, Value};
use crate::{Error, Result};

/// A tensor found in a pickle.
pub(super) enum Found<'a> {
    /// PyTorch's: its numbers are in the storage of that key.
    Stored { key: &'a str, view: View },
    /// NumPy's: its numbers are in the pickle.
    Inline { data: &'a [u8], view: View },
}

/// Keys under which training checkpoints hold the model.
const WRAPPERS: [&str; 5] = ["model", "state_dict", "model_state_dict", "net_state_dict", "params"];
/// Longest name of a tensor: thousands of tensors under one key of a megabyte would fill the memory with names.
const MAX_NAME: usize = 512;

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
/// (`{'model': state_dict, 'optimizer': ..}` and the like) with the latents that lie beside it.
pub(super) fn tensors<'a>(root: &Value<'a>) -> Result<Vec<(String, Found<'a>)>> {
    let mut found = Vec::new();
    let mut model = root;
    while let Some(inner) = wrapped(model) {
        for (key, value) in entries(model).filter(|(key, _)| latents::is_table(key)) {
            collect(value, key, &mut found)?;
        }
        model = inner;
    }
    collect(model, "", &mut found)?;
    if found.is_empty() {
        return Err(Error::invalid("there are no tensors in this checkpoint"));
    }
    // A module's name that all tensors bear says nothing.
    for wrapper in WRAPPERS {
        let all = found.iter().all(|(n, _)| n.strip_prefix(wrapper).is_some_and(|n| n.starts_with('.')));
        if all {
            found.iter_mut().for_each(|(name, _)| *name = name.split_off(wrapper.len() + 1));
        }
    }
    Ok(found)
}

/// The model in a training checkpoint.
fn wrapped<'v, 'a>(value: &'v Value<'a>) -> Option<&'v Value<'a>> {
    // `model` may as well be a name or a list of settings.
    let holds_tensors = |value: &Value<'a>| {
        let mut found = Vec::new();
        collect(value, "", &mut found).is_err() || !found.is_empty()
    };
    let under = |wrapper: &str| entries(value).find(|(key, value)| *key == wrapper && holds_tensors(value));
    WRAPPERS.iter().find_map(|w| under(w)).map(|(_, model)| model)
}

/// What a mapping holds under its text keys.
fn entries<'v, 'a>(value: &'v Value<'a>) -> impl Iterator<Item = (&'a str, &'v Value<'a>)> {
    let parts = match value {
        Value::Call(name, arguments) if what(name) == Callee::Mapping => &arguments[..],
        other => std::slice::from_ref(other),
    };
    let dicts = parts.iter().filter_map(|v| if let Value::Dict(entries) = v { Some(entries) } else { None });
    dicts.flatten().filter_map(|(key, value)| if let Value::Text(key) = key { Some((*key, value)) } else { None })
}

fn collect<'a>(value: &Value<'a>, path: &str, found: &mut Vec<(String, Found<'a>)>) -> Result<()> {
    if path.len() > MAX_NAME {
        return Err(damaged("the name of a tensor is absurdly long"));
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Dict(_) => {
            for (key, value) in entries(value) {
                collect(value, &below(key), found)?;
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

/// Key and element type of a storage, `('storage', class, key, location, numel, ...)`.
fn storage<'a>(id: &Value<'a>) -> Result<(&'a str, Element)> {
    let Value::Tuple(parts) = id else {
        return Err(damaged("a storage without its description"));
    };
    let [Value::Text(_), Value::Global(class), Value::Text(key), ..] = &parts[..] else {
        return Err(damaged("a storage without its description"));
    };
    let element =
        of_storage(class).ok_or_else(|| Error::invalid(format!("storages of class '{class}' are not understood")))?;
    Ok((key, element))
}

/// Adds all storages that a pickle names, those of an optimiser and the like, too.
pub(super) fn storages<'a>(value: &Value<'a>, found: &mut HashMap<&'a str, Element>) -> Result<()> {
    match value {
        Value::Tuple(parts) | Value::List(parts) | Value::Call(_, parts) => {
            parts.iter().try_for_each(|part| storages(part, found))
        }
        Value::Dict(entries) => entries.iter().try_for_each(|(_, value)| storages(value, found)),
        Value::Persistent(id) => {
            let (key, element) = storage(id)?;
            found.insert(key, element);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The arguments of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`.
fn tensor<'a>(arguments: &[Value<'a>]) -> Result<Found<'a>> {
    let [Value::Persistent(id), offset, shape, strides, ..] = arguments else {
        return Err(damaged("a tensor without its description"));
    };
    let (key, element) = storage(id)?;
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
        // Integers and text.
        _ => match plain.split_at_checked(1) {
            Some(("b" | "i" | "u" | "U" | "S", n)) => Element::Other(n.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of one number as a pickle has it.
    fn array() -> Value<'static> {
        let dtype = Value::Call("numpy.dtype".into(), vec![Value::Text("f4")]);
        let shape = Value::Tuple(vec![Value::Int(1)]);
        let state = vec![Value::Int(1), shape, dtype, Value::Bool(false), Value::Bytes(&[0; 4])];
        Value::Call("numpy.core.multiarray._reconstruct".into(), vec![Value::Tuple(state)])
    }

    fn dict(entries: Vec<(&'static str, Value<'static>)>) -> Value<'static> {
        Value::Dict(entries.into_iter().map(|(k, v)| (Value::Text(k), v)).collect())
    }

    fn names(root: &Value<'_>) -> Vec<String> {
        tensors(root).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_training_checkpoint_is_its_model_and_the_latents_beside_it() {
        let model = || Value::Call("collections.OrderedDict".into(), vec![dict(vec![("net.0.w", array())])]);
        let other = || dict(vec![("momentum", array())]);
        let root =
            dict(vec![("optimizer", other()), ("model", model()), ("latents", array()), ("epoch", Value::Int(3))]);
        assert_eq!(names(&root), ["latents", "net.0.w"]);
        let root = dict(vec![("state_dict", dict(vec![("model", model())])), ("codes", other())]);
        assert_eq!(names(&root), ["net.0.w"]);
        // A model's name is no model, and neither are its settings.
        let settings = dict(vec![("width", Value::Int(3))]);
        for no_model in [Value::Text("siren"), settings] {
            let root = dict(vec![("model", no_model), ("params", model()), ("ema", model())]);
            assert_eq!(names(&root), ["net.0.w"]);
        }
    }

    #[test]
    fn modules_of_a_flat_state_dict_are_all_kept() {
        let root = dict(vec![("model.net.0.w", array()), ("modulator.w", array())]);
        assert_eq!(names(&root), ["model.net.0.w", "modulator.w"]);
        let root = dict(vec![("model.net.0.w", array()), ("model.latents.w", array())]);
        assert_eq!(names(&root), ["net.0.w", "latents.w"]);
    }

    #[test]
    fn names_are_bounded() {
        let key: &'static str = "k".repeat(MAX_NAME + 1).leak();
        assert!(tensors(&dict(vec![(key, Value::List(vec![array(), array()]))])).is_err());
    }
}
