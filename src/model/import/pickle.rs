//! A restricted reader of Python pickles: it builds plain values and calls nothing.
//!
//! Only the opcodes are known that `torch.save` and NumPy write for tensors, arrays and plain containers.
//! A pickle names what it wants called (`GLOBAL`); every name is recorded and compared with a short list by
//! the caller ([`super::tree`]), and no name is ever executed. Reference: `CPython`'s `pickletools`.

use std::collections::HashMap;

use crate::{Error, Result};

/// Deepest nesting that is accepted.
const MAX_DEPTH: usize = 64;
/// Most values that may be made, per byte of the pickle (the memo's copies make more than one) and in all.
const VALUES_PER_BYTE: usize = 16;
const MAX_VALUES: usize = 1 << 22;

/// A value built by a pickle. Text and bytes are the file's own.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 8 bytes, little-endian; only PyTorch's magic number is so wide.
    BigInt(&'a [u8]),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// `module.name`, not resolved.
    Global(String),
    /// What `persistent_load` would get: in PyTorch's files, a storage.
    Persistent(Box<Value<'a>>),
    /// A recorded call or construction: the callee's name and its arguments; then, where there is one, the
    /// object's state or its items.
    Call(String, Vec<Value<'a>>),
}

/// Which names a pickle may mention.
pub(super) type Allowed = fn(&str) -> bool;

/// A value with what is known about it.
#[derive(Clone)]
struct Node<'a> {
    value: Value<'a>,
    /// Containers within containers; bounded, so that nothing that walks a value can exhaust the stack.
    depth: usize,
    /// Where in the memo it stands: an object's state comes after it was remembered.
    slot: Option<usize>,
}

/// What lies on the machine's stack.
enum Item<'a> {
    Mark,
    Node(Node<'a>),
}

/// Reads one pickle from the start of `bytes`; returns its value and how many bytes it took.
pub(super) fn read(bytes: &[u8], allowed: Allowed) -> Result<(Value<'_>, usize)> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: HashMap::new(), allowed, made: 0 };
    let value = machine.run()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Item<'a>>,
    memo: HashMap<usize, Node<'a>>,
    allowed: Allowed,
    /// Values made so far: through the memo a pickle of a few bytes can name exponentially many.
    made: usize,
}

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the pickle in this checkpoint is damaged or cut short ({what})"))
}

impl Value<'_> {
    /// Number of values in this one, itself included.
    fn size(&self) -> usize {
        let sum = |items: &mut dyn Iterator<Item = &Self>| items.map(Self::size).sum::<usize>();
        1 + match self {
            Self::Tuple(v) | Self::List(v) | Self::Call(_, v) => sum(&mut v.iter()),
            Self::Dict(v) => sum(&mut v.iter().flat_map(|(k, v)| [k, v])),
            Self::Persistent(v) => v.size(),
            _ => 0,
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

    /// As many bytes as a length in front of them says, itself of `n` bytes.
    fn counted(&mut self, n: usize) -> Result<&'a [u8]> {
        let length = self.length(n)?;
        self.take(length)
    }

    fn text(&mut self, n: usize) -> Result<&'a str> {
        std::str::from_utf8(self.counted(n)?).map_err(|_| damaged("text that is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str> {
        let n =
            self.bytes[self.at..].iter().position(|&b| b == b'\n').ok_or_else(|| damaged("a line without an end"))?;
        let text = self.take(n)?;
        self.at += 1;
        std::str::from_utf8(text).map_err(|_| damaged("text that is not UTF-8"))
    }

    /// Pushes a value without parts.
    fn push(&mut self, value: Value<'a>) {
        self.made += 1;
        self.stack.push(Item::Node(Node { value, depth: 0, slot: None }));
    }

    /// Pushes a container of parts of at most the given depth.
    fn push_around(&mut self, depth: usize, value: Value<'a>) -> Result<()> {
        let depth = one_deeper(depth)?;
        self.made += 1;
        self.stack.push(Item::Node(Node { value, depth, slot: None }));
        Ok(())
    }

    fn pop(&mut self) -> Result<Node<'a>> {
        match self.stack.pop() {
            Some(Item::Node(node)) => Ok(node),
            _ => Err(damaged("a value is missing")),
        }
    }

    fn top(&mut self) -> Result<&mut Node<'a>> {
        match self.stack.last_mut() {
            Some(Item::Node(node)) => Ok(node),
            _ => Err(damaged("a value is missing")),
        }
    }

    /// The values above the last mark and the depth of the deepest.
    fn pop_to_mark(&mut self) -> Result<(Vec<Value<'a>>, usize)> {
        let (mut values, mut depth) = (Vec::new(), 0);
        loop {
            match self.stack.pop() {
                Some(Item::Node(node)) => {
                    depth = depth.max(node.depth);
                    values.push(node.value);
                }
                Some(Item::Mark) => break,
                None => return Err(damaged("a mark is missing")),
            }
        }
        values.reverse();
        Ok((values, depth))
    }

    fn remember(&mut self, slot: usize) -> Result<()> {
        let node = self.top()?;
        node.slot = Some(slot);
        let node = node.clone();
        self.count(&node.value)?;
        self.memo.insert(slot, node);
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Result<()> {
        let node = self.memo.get(&slot).cloned().ok_or_else(|| damaged("an empty memo slot is read"))?;
        self.count(&node.value)?;
        self.stack.push(Item::Node(node));
        Ok(())
    }

    fn count(&mut self, value: &Value<'_>) -> Result<()> {
        self.made += value.size();
        self.bounded()
    }

    fn bounded(&self) -> Result<()> {
        let most = (VALUES_PER_BYTE * self.bytes.len() + 4096).min(MAX_VALUES);
        if self.made <= most { Ok(()) } else { Err(damaged("it is absurdly large")) }
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

    fn pairs(values: Vec<Value<'a>>) -> Result<Vec<(Value<'a>, Value<'a>)>> {
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

    fn set_items(&mut self, values: Vec<Value<'a>>, depth: usize) -> Result<()> {
        let items = Self::pairs(values)?;
        let node = self.top()?;
        let depth = match &mut node.value {
            Value::Dict(entries) => {
                entries.extend(items);
                one_deeper(depth)?
            }
            // OrderedDict() is a call whose items follow; they are kept as one more argument.
            Value::Call(_, arguments) => {
                arguments.push(Value::Dict(items));
                one_deeper(depth + 1)?
            }
            _ => return Err(damaged("items set on what is no dictionary")),
        };
        node.depth = node.depth.max(depth);
        Ok(())
    }

    fn append(&mut self, items: Vec<Value<'a>>, depth: usize) -> Result<()> {
        let node = self.top()?;
        let Value::List(list) = &mut node.value else {
            return Err(damaged("items appended to what is no list"));
        };
        list.extend(items);
        node.depth = node.depth.max(one_deeper(depth)?);
        Ok(())
    }

    /// The state of an object: one more argument of the call that made it, there and in the memo. That of anything
    /// else is not needed.
    fn set_state(&mut self, state: Node<'a>) -> Result<()> {
        let node = self.top()?;
        let Value::Call(_, arguments) = &mut node.value else { return Ok(()) };
        arguments.push(state.value);
        node.depth = node.depth.max(one_deeper(state.depth)?);
        node.slot.map_or(Ok(()), |slot| self.remember(slot))
    }

    /// A recorded call: of a name, with a tuple of arguments.
    fn call(&mut self) -> Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        match (arguments.value, callee.value) {
            (Value::Tuple(values), Value::Global(name)) => self.push_around(arguments.depth, Value::Call(name, values)),
            _ => Err(damaged("a call of what is no name")),
        }
    }

    fn run(&mut self) -> Result<Value<'a>> {
        loop {
            self.bounded()?;
            let opcode = self.array::<1>()?[0];
            match opcode {
                // Protocol and framing.
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'.' => return Ok(self.pop()?.value),
                // The stack and the memo.
                b'(' => {
                    // It takes as much memory as a value.
                    self.made += 1;
                    self.stack.push(Item::Mark);
                }
                b'0' => drop(self.pop()?),
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let node = self.top()?.clone();
                    self.count(&node.value)?;
                    self.stack.push(Item::Node(node));
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
                    let bytes = self.counted(1)?;
                    self.push(integer(bytes));
                }
                b'G' => {
                    let v = f64::from_be_bytes(self.array()?);
                    self.push(Value::Float(v));
                }
                b'X' => {
                    let text = self.text(4)?;
                    self.push(Value::Text(text));
                }
                0x8c => {
                    let text = self.text(1)?;
                    self.push(Value::Text(text));
                }
                b'U' => {
                    let bytes = self.counted(1)?;
                    // Python 2's str: text where it can be.
                    self.push(std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Text));
                }
                b'C' => {
                    let bytes = self.counted(1)?;
                    self.push(Value::Bytes(bytes));
                }
                b'B' => {
                    let bytes = self.counted(4)?;
                    self.push(Value::Bytes(bytes));
                }
                // Containers.
                b')' => self.push(Value::Tuple(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' => {
                    let (items, depth) = self.pop_to_mark()?;
                    self.push_around(depth, Value::Tuple(items))?;
                }
                b'l' => {
                    let (items, depth) = self.pop_to_mark()?;
                    self.push_around(depth, Value::List(items))?;
                }
                b'd' => {
                    let (items, depth) = self.pop_to_mark()?;
                    self.push_around(depth, Value::Dict(Self::pairs(items)?))?;
                }
                0x85..=0x87 => {
                    let (mut items, mut depth) = (Vec::new(), 0);
                    for _ in 0x84..opcode {
                        let node = self.pop()?;
                        depth = depth.max(node.depth);
                        items.push(node.value);
                    }
                    items.reverse();
                    self.push_around(depth, Value::Tuple(items))?;
                }
                b's' => {
                    let (v, k) = (self.pop()?, self.pop()?);
                    self.set_items(vec![k.value, v.value], v.depth.max(k.depth))?;
                }
                b'u' => {
                    let (items, depth) = self.pop_to_mark()?;
                    self.set_items(items, depth)?;
                }
                b'a' => {
                    let node = self.pop()?;
                    self.append(vec![node.value], node.depth)?;
                }
                b'e' => {
                    let (items, depth) = self.pop_to_mark()?;
                    self.append(items, depth)?;
                }
                // Names, calls and objects: recorded, never made.
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                0x93 => match (self.pop()?.value, self.pop()?.value) {
                    (Value::Text(name), Value::Text(module)) => self.global(module, name)?,
                    _ => return Err(damaged("a name that is not text")),
                },
                b'R' | 0x81 => self.call()?,
                b'b' => {
                    let state = self.pop()?;
                    self.set_state(state)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push_around(id.depth, Value::Persistent(Box::new(id.value)))?;
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

/// The depth of a container of parts of this depth.
fn one_deeper(depth: usize) -> Result<usize> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(damaged("it is nested absurdly deep")) }
}

/// A little-endian two's complement integer of any length.
fn integer(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::BigInt(bytes);
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
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
        let text = Value::Text;
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

    #[test]
    fn nesting_is_bounded_without_a_memo_too() {
        // A tuple around a tuple around ... : a megabyte of it would exhaust the stack of whatever walks the value.
        let mut bytes = b"\x80\x02N".to_vec();
        bytes.extend(vec![0x85; 1 << 20]);
        bytes.push(b'.');
        assert!(read(&bytes, none).is_err());
        let mut lists = b"\x80\x02".to_vec();
        lists.extend(vec![b']'; 1 << 20]);
        lists.extend(vec![b'a'; 1 << 20]);
        assert!(read(&lists, none).is_err());
    }

    #[test]
    fn plain_values_are_bounded_too() {
        // Each None costs a byte in the file and fifty in memory; marks and empty containers are no cheaper.
        for part in [b"N".as_slice(), b"(", b"(t", b"(l", b")"] {
            let bytes = [b"\x80\x02(", &part.repeat(MAX_VALUES + 1)[..]].concat();
            let error = read(&bytes, none).unwrap_err().to_string();
            assert!(error.contains("absurdly large"), "{error}");
        }
    }

    #[test]
    fn the_memo_holds_an_object_with_its_state() {
        // x = c(); x.__setstate__(7); [x, x]
        let bytes = b"\x80\x02](cm\nc\n)Rq\x00K\x07bh\x00e.";
        let (value, _) = read(bytes, |name| name == "m.c").unwrap();
        let x = Value::Call("m.c".into(), vec![Value::Int(7)]);
        assert_eq!(value, Value::List(vec![x.clone(), x]));
    }
}
