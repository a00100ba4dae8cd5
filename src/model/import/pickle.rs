//! A restricted reader of Python pickles: it builds plain values and calls nothing.
//!
//! Only the opcodes that PyTorch's own `torch.save` of tensors and plain containers writes are known.
//! A pickle names what it wants called (`GLOBAL`); every name is recorded and compared with a short list by
//! the caller ([`super::pth`]), and no name is ever executed. Reference: `CPython`'s `pickletools`.

use crate::{Error, Result};

/// Deepest nesting that is accepted.
const MAX_DEPTH: usize = 64;

/// A value built by a pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    /// Integers wider than 64 bits saturate; only PyTorch's magic number is so wide.
    Int(i64),
    /// An integer of more than 8 bytes, little-endian.
    BigInt(Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// `module.name`, not resolved.
    Global(String),
    /// What `persistent_load` would get: in PyTorch's files, a storage.
    Persistent(Box<Value>),
    /// A recorded call: the callee's name and its arguments.
    Call(String, Vec<Value>),
}

/// Which names a pickle may mention.
pub(super) type Allowed = fn(&str) -> bool;

/// What lies on the machine's stack.
enum Item {
    Mark,
    Value(Value),
}

/// Reads one pickle from the start of `bytes`; returns its value and how many bytes it took.
pub(super) fn read(bytes: &[u8], allowed: Allowed) -> Result<(Value, usize)> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new(), allowed, copied: 0 };
    let value = machine.run()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Item>,
    memo: Vec<Option<Value>>,
    allowed: Allowed,
    /// Nodes copied out of the memo so far: a pickle of a few bytes can name exponentially many.
    copied: usize,
}

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the pickle in this checkpoint is damaged or cut short ({what})"))
}

impl Value {
    /// Number of values in this one, itself included, and its depth.
    fn size(&self) -> (usize, usize) {
        let sum = |items: &mut dyn Iterator<Item = &Self>| {
            items.map(Self::size).fold((1, 1), |(n, d), (m, e)| (n + m, d.max(e + 1)))
        };
        match self {
            Self::Tuple(v) | Self::List(v) | Self::Call(_, v) => sum(&mut v.iter()),
            Self::Dict(v) => sum(&mut v.iter().flat_map(|(k, v)| [k, v])),
            Self::Persistent(v) => sum(&mut std::iter::once(&**v)),
            _ => (1, 1),
        }
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end =
            self.at.checked_add(n).filter(|&e| e <= self.bytes.len()).ok_or_else(|| damaged("it ends too early"))?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let part = self.take(N)?;
        Ok(part.try_into().expect("take returned N bytes"))
    }

    fn length(&mut self, bytes: usize) -> Result<usize> {
        let mut wide = [0; 8];
        wide[..bytes].copy_from_slice(self.take(bytes)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| damaged("a length beyond this machine"))
    }

    fn text(&mut self, n: usize) -> Result<String> {
        String::from_utf8(self.take(n)?.to_vec()).map_err(|_| damaged("text that is not UTF-8"))
    }

    fn line(&mut self) -> Result<String> {
        let n =
            self.bytes[self.at..].iter().position(|&b| b == b'\n').ok_or_else(|| damaged("a line without an end"))?;
        let text = self.text(n)?;
        self.at += 1;
        Ok(text)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item::Value(value));
    }

    fn pop(&mut self) -> Result<Value> {
        match self.stack.pop() {
            Some(Item::Value(v)) => Ok(v),
            _ => Err(damaged("a value is missing")),
        }
    }

    fn top(&mut self) -> Result<&mut Value> {
        match self.stack.last_mut() {
            Some(Item::Value(v)) => Ok(v),
            _ => Err(damaged("a value is missing")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Item::Value(v)) => values.push(v),
                Some(Item::Mark) => break,
                None => return Err(damaged("a mark is missing")),
            }
        }
        values.reverse();
        Ok(values)
    }

    fn remember(&mut self, slot: usize) -> Result<()> {
        // A memo slot costs the writer at least one byte, so no honest one lies beyond the file.
        if slot > self.bytes.len() {
            return Err(damaged("a memo slot out of range"));
        }
        let value = self.top()?.clone();
        self.count(&value)?;
        if self.memo.len() <= slot {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(value);
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Result<()> {
        let value = self.memo.get(slot).cloned().flatten().ok_or_else(|| damaged("an empty memo slot is read"))?;
        self.count(&value)?;
        self.push(value);
        Ok(())
    }

    fn count(&mut self, value: &Value) -> Result<()> {
        let (nodes, depth) = value.size();
        self.copied += nodes;
        if depth > MAX_DEPTH || self.copied > 64 * self.bytes.len() + 4096 {
            return Err(damaged("it is nested absurdly deep or large"));
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let full = format!("{module}.{name}");
        if !(self.allowed)(&full) {
            return Err(Error::invalid(format!(
                "this pickle asks for '{full}', which is not plain data: nothing was run and nothing is imported; save the bare state_dict, or safetensors"
            )));
        }
        self.push(Value::Global(full));
        Ok(())
    }

    fn pairs(values: Vec<Value>) -> Result<Vec<(Value, Value)>> {
        if !values.len().is_multiple_of(2) {
            return Err(damaged("a key without a value"));
        }
        let mut pairs = Vec::with_capacity(values.len() / 2);
        let mut rest = values.into_iter();
        while let (Some(k), Some(v)) = (rest.next(), rest.next()) {
            pairs.push((k, v));
        }
        Ok(pairs)
    }

    fn set_items(&mut self, items: Vec<(Value, Value)>) -> Result<()> {
        match self.top()? {
            Value::Dict(entries) => entries.extend(items),
            // OrderedDict() is a call whose items follow; they are kept as one more argument.
            Value::Call(_, arguments) => arguments.push(Value::Dict(items)),
            _ => return Err(damaged("items set on what is no dictionary")),
        }
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<()> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            _ => return Err(damaged("items appended to what is no list")),
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Value> {
        loop {
            let opcode = self.array::<1>()?[0];
            match opcode {
                // Protocol and framing.
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'.' => {
                    let value = self.pop()?;
                    self.count(&value)?;
                    return Ok(value);
                }
                // The stack and the memo.
                b'(' => self.stack.push(Item::Mark),
                // Dropped: a value no longer wanted, or the state of an object (PyTorch sets `_metadata` on
                // OrderedDicts), which is not needed.
                b'0' | b'b' => drop(self.pop()?),
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let value = self.top()?.clone();
                    self.count(&value)?;
                    self.push(value);
                }
                b'q' => {
                    let slot = self.length(1)?;
                    self.remember(slot)?;
                }
                b'r' => {
                    let slot = self.length(4)?;
                    self.remember(slot)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let slot = self.length(1)?;
                    self.recall(slot)?;
                }
                b'j' => {
                    let slot = self.length(4)?;
                    self.recall(slot)?;
                }
                // Plain values.
                b'N' => self.push(Value::None),
                0x88 => self.push(Value::Bool(true)),
                0x89 => self.push(Value::Bool(false)),
                b'K' => {
                    let v = self.array::<1>()?[0];
                    self.push(Value::Int(v.into()));
                }
                b'M' => {
                    let v = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(v.into()));
                }
                b'J' => {
                    let v = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(v.into()));
                }
                0x8a => {
                    let n = self.length(1)?;
                    let bytes = self.take(n)?.to_vec();
                    self.push(integer(bytes));
                }
                b'G' => {
                    let v = f64::from_be_bytes(self.array()?);
                    self.push(Value::Float(v));
                }
                b'X' => {
                    let n = self.length(4)?;
                    let text = self.text(n)?;
                    self.push(Value::Text(text));
                }
                0x8c => {
                    let n = self.length(1)?;
                    let text = self.text(n)?;
                    self.push(Value::Text(text));
                }
                b'U' => {
                    let n = self.length(1)?;
                    let bytes = self.take(n)?.to_vec();
                    // Python 2's str: text where it can be.
                    self.push(String::from_utf8(bytes).map_or_else(|e| Value::Bytes(e.into_bytes()), Value::Text));
                }
                b'C' => {
                    let n = self.length(1)?;
                    let bytes = self.take(n)?.to_vec();
                    self.push(Value::Bytes(bytes));
                }
                b'B' => {
                    let n = self.length(4)?;
                    let bytes = self.take(n)?.to_vec();
                    self.push(Value::Bytes(bytes));
                }
                // Containers.
                b')' => self.push(Value::Tuple(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items));
                }
                b'l' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::List(items));
                }
                b'd' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Dict(Self::pairs(items)?));
                }
                0x85..=0x87 => {
                    let mut items = Vec::new();
                    for _ in 0x84..opcode {
                        items.push(self.pop()?);
                    }
                    items.reverse();
                    self.push(Value::Tuple(items));
                }
                b's' => {
                    let (v, k) = (self.pop()?, self.pop()?);
                    self.set_items(vec![(k, v)])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(Self::pairs(items)?)?;
                }
                b'a' => {
                    let v = self.pop()?;
                    self.append(vec![v])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.append(items)?;
                }
                // Names and calls: recorded, never made.
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                0x93 => match (self.pop()?, self.pop()?) {
                    (Value::Text(name), Value::Text(module)) => self.global(&module, &name)?,
                    _ => return Err(damaged("a name that is not text")),
                },
                b'R' => match (self.pop()?, self.pop()?) {
                    (Value::Tuple(arguments), Value::Global(name)) => self.push(Value::Call(name, arguments)),
                    _ => return Err(damaged("a call of what is no name")),
                },
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(Box::new(id)));
                }
                other => {
                    return Err(Error::invalid(format!(
                        "this pickle uses opcode 0x{other:02x} at byte {}, which plain tensors never need: nothing is imported; save the bare state_dict, or safetensors",
                        self.at - 1
                    )));
                }
            }
        }
    }
}

/// A little-endian two's complement integer of any length.
fn integer(bytes: Vec<u8>) -> Value {
    if bytes.len() > 8 {
        return Value::BigInt(bytes);
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(&bytes);
    Value::Int(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> bool {
        false
    }

    #[test]
    fn plain_values() {
        // {'a': (1, -2, 3.5), 'b': [None, True]} as protocol 2.
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01J\xfe\xff\xff\xffG\x40\x0c\x00\x00\x00\x00\x00\x00\x87X\x01\x00\x00\x00b](N\x88eu.";
        let (value, used) = read(bytes, none).unwrap();
        assert_eq!(used, bytes.len());
        let text = |s: &str| Value::Text(s.into());
        assert_eq!(
            value,
            Value::Dict(vec![
                (text("a"), Value::Tuple(vec![Value::Int(1), Value::Int(-2), Value::Float(3.5)])),
                (text("b"), Value::List(vec![Value::None, Value::Bool(true)])),
            ])
        );
    }

    #[test]
    fn code_is_refused_by_name() {
        let error = read(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", none).unwrap_err();
        assert!(error.to_string().contains("'os.system'"), "{error}");
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01J\xfe\xff\xff\xff\x86h\x00\x85X\x01\x00\x00\x00b](N\x88eu.";
        for n in 0..bytes.len() {
            assert!(read(&bytes[..n], none).is_err());
        }
    }

    #[test]
    fn exponential_memo_bombs_are_refused() {
        // Each round pairs the last value with itself: 2^40 nodes from 200 bytes.
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for _ in 0..40 {
            bytes.extend(b"h\x00h\x00\x86q\x00");
        }
        bytes.push(b'.');
        assert!(read(&bytes, none).is_err());
    }
}
