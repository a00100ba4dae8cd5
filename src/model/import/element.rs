//! Numbers as containers store them, and how a tensor is gathered from a storage.

use half::{bf16, f16};

use super::{StateDict, Tensor};
use crate::{Error, Result};

/// More numbers than any model here may have.
const MAX_ELEMENTS: usize = 1 << 31;

pub(super) fn damaged(what: &str) -> Error {
    Error::invalid(format!("the checkpoint is damaged or cut short ({what})"))
}

/// A number's type. Integers (counters of optimisers, masks) and text are read over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    F16,
    BF16,
    F32,
    F64,
    /// Of that many bytes, and of no use to an INR.
    Other(usize),
}

impl Element {
    pub(super) fn bytes(self) -> usize {
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
            let start = i.checked_mul(N)?;
            data.get(start..start.checked_add(N)?).and_then(|c| c.try_into().ok())
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

/// How a tensor lies in its storage; offset and strides count elements.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) element: Element,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl View {
    /// A contiguous tensor: row-major, or column-major as Fortran has it.
    pub(super) fn contiguous(element: Element, shape: Vec<usize>, fortran: bool) -> Self {
        let mut strides = vec![1_usize; shape.len()];
        let mut step = 1_usize;
        for i in 0..shape.len() {
            let axis = if fortran { i } else { shape.len() - 1 - i };
            strides[axis] = step;
            step = step.saturating_mul(shape[axis]);
        }
        Self { element, offset: 0, shape, strides }
    }

    /// Adds the tensor under its name, if it is one of use.
    pub(super) fn insert(&self, state: &mut StateDict, name: &str, data: &[u8], left: &mut usize) -> Result<()> {
        if !matches!(self.element, Element::Other(_)) {
            state.insert(name.to_owned(), self.gather(name, data, left)?);
        }
        Ok(())
    }

    /// Gathers the tensor's numbers from its storage. `left` is how many numbers the checkpoint may still hold: views
    /// may share a storage, but not a thousand of them.
    fn gather(&self, name: &str, data: &[u8], left: &mut usize) -> Result<Tensor> {
        let count = self.shape.iter().try_fold(1_usize, |n, &s| n.checked_mul(s)).filter(|&n| n <= MAX_ELEMENTS);
        let count =
            count.ok_or_else(|| Error::invalid(format!("tensor '{name}' claims an absurd shape {:?}", self.shape)))?;
        // Strides of 0 may repeat numbers, but a weight is never larger than its storage.
        if count > data.len() / self.element.bytes() {
            return Err(damaged(&format!("tensor '{name}' is larger than its storage")));
        }
        *left = left
            .checked_sub(count)
            .ok_or_else(|| Error::invalid(format!("up to '{name}' the tensors hold more numbers than the file")))?;
        let mut numbers = Vec::with_capacity(count);
        let mut index = vec![0_usize; self.shape.len()];
        for _ in 0..count {
            let i = index
                .iter()
                .zip(&self.strides)
                .try_fold(self.offset, |at, (i, s)| i.checked_mul(*s).and_then(|d| at.checked_add(d)));
            let number = i
                .and_then(|i| self.element.get(data, i))
                .ok_or_else(|| damaged(&format!("tensor '{name}' leaves its storage")))?;
            numbers.push(number);
            for (i, &n) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < n {
                    break;
                }
                *i = 0;
            }
        }
        Ok(Tensor { shape: self.shape.clone(), data: numbers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_cannot_multiply_a_storage() {
        let (data, mut left) = ([0; 64], 40);
        let view = View::contiguous(Element::F32, vec![4, 4], false);
        assert!(view.gather("a", &data, &mut left).is_ok());
        // Tied weights may share a storage once or twice.
        assert!(view.gather("b", &data, &mut left).is_ok());
        assert!(view.gather("c", &data, &mut left).is_err());
        // A stride of 0 repeats a number, and nothing lies beyond the storage.
        let of = |shape: usize, stride: usize, offset: usize| View {
            element: Element::F32,
            offset,
            shape: vec![shape],
            strides: vec![stride],
        };
        assert!(of(17, 0, 0).gather("d", &data, &mut 1000).is_err());
        assert!(of(2, usize::MAX, 1).gather("e", &data, &mut 1000).is_err());
        assert!(of(1, 1, usize::MAX).gather("f", &data, &mut 1000).is_err());
        assert!(of(16, 1, 1).gather("g", &data, &mut 1000).is_err());
    }
}
