//! Between a model's tensors and the numbers as they lie in GPU memory.

use std::sync::Arc;

use crate::Result;
use crate::gpu::layout::Layout;
use crate::model::{Encoding, Hypernetwork, Model};

/// Which parameter each number in GPU memory is, counted over the model's tensors in the order of
/// [`Hypernetwork::tensors_mut`] from 1 on; 0: padding, or nothing that is learned.
#[derive(Debug)]
pub(super) struct Addresses {
    /// What evaluation reads, then the pages.
    buffers: Vec<Vec<u32>>,
    shapes: Arc<Hypernetwork<f32>>,
}

impl Addresses {
    /// Asks the layout itself: it lays out a model whose parameters are their own addresses, as the bits of numbers that it
    /// only copies.
    pub(super) fn new(model: &Model, binding: u64) -> Result<Self> {
        let mut probe = model.clone();
        if let Encoding::Fourier { frequencies, .. } = &mut probe.inr.encoding {
            frequencies.fill(0.0);
        }
        let mut next = 0_u32;
        for (_, values) in Arc::make_mut(&mut probe.hypernetwork).tensors_mut() {
            for value in values {
                // 0 is left for padding.
                next += 1;
                *value = f32::from_bits(next);
            }
        }
        let (_, numbers) = Layout::new(&probe, binding)?;
        let read = |numbers: &Vec<f32>| numbers.iter().map(|n| n.to_bits()).collect();
        let buffers = std::iter::once(&numbers.parameters).chain(&numbers.pages).map(read).collect();
        Ok(Self { buffers, shapes: Arc::clone(&model.hypernetwork) })
    }

    /// Numbers of each buffer.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.buffers.iter().map(Vec::len)
    }

    /// The tensors whose numbers lie in `buffers`.
    pub(super) fn gather(&self, buffers: &[Vec<f32>]) -> Hypernetwork<f32> {
        let mut flat = vec![0.0; 1 + self.shapes.parameter_count()];
        for (addresses, numbers) in self.buffers.iter().zip(buffers) {
            for (&address, &number) in addresses.iter().zip(numbers) {
                flat[address as usize] = number;
            }
        }
        let mut tensors = (*self.shapes).clone();
        let mut rest = &flat[1..];
        for (_, values) in tensors.tensors_mut() {
            let (these, others) = rest.split_at(values.len());
            values.copy_from_slice(these);
            rest = others;
        }
        tensors
    }

    /// The numbers of every buffer, from tensors one after another; 0 where no parameter lies.
    pub(super) fn scatter<'a>(&self, tensors: impl Iterator<Item = &'a [f32]>) -> Vec<Vec<f32>> {
        let flat: Vec<f32> = std::iter::once(&0.0).chain(tensors.flatten()).copied().collect();
        let number = |&address: &u32| flat[address as usize];
        self.buffers.iter().map(|addresses| addresses.iter().map(number).collect()).collect()
    }
}
