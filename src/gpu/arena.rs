//! A model's numbers on their way to GPU memory: what evaluation reads, and the maps that generation reads, page by page.

use super::GpuError;
use half::f16;

use super::layout::{Map, NO_ACTIVATION, Placed};
use crate::Result;
use crate::model::Dense;

/// A model's numbers, as they lie in GPU memory.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// What evaluation reads: shared tensors, bases of low-rank ones, frequencies; and what normalisation does.
    pub parameters: Vec<f32>,
    /// Trunks and heads, in pages of at most one binding.
    pub pages: Vec<Vec<f32>>,
}

/// How much larger the halves of a page are stored: see `shaders/include/page.wgsl`.
pub(super) const PAGE_UP: u16 = 1024;

/// A page as halves of 16 bits, where each of its numbers is one, as those of models are that were saved so; None where not, or
/// where one is too large (beyond 63).
pub(super) fn halves(page: &[f32]) -> Option<Vec<u16>> {
    let stored = |&v: &f32| {
        let large = v * f32::from(PAGE_UP);
        let half = f16::from_f32(large);
        (half.to_f32() == large && (half.is_normal() || large == 0.0)).then_some(half.to_bits())
    };
    page.iter().map(stored).collect()
}

/// The numbers while they are being laid out.
pub(super) struct Arena {
    pub numbers: Numbers,
    /// Most vec4s of a page.
    pub capacity: usize,
}

/// Appends `columns` rows of `rows` numbers, each padded to vec4s: element (r, k) is `at(r, k)`. Returns the first
/// vec4 and the vec4s per row.
fn push(target: &mut Vec<f32>, rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Result<(u32, u32)> {
    let base = target.len() / 4;
    let padded = rows.next_multiple_of(4);
    target.reserve(padded * columns);
    for k in 0..columns {
        target.extend((0..rows).map(|r| at(r, k)));
        target.resize(target.len().next_multiple_of(4), 0.0);
    }
    Ok((index(base)?, index(padded / 4)?))
}

impl Arena {
    /// Appends to what evaluation reads; see [`push`].
    pub(super) fn push(&mut self, rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Result<(u32, u32)> {
        push(&mut self.numbers.parameters, rows, columns, at)
    }

    /// The last page and how many vec4s still fit it.
    fn page(&self) -> (usize, usize) {
        let used = self.numbers.pages.last().map_or(self.capacity, |p| p.len() / 4);
        (self.numbers.pages.len(), self.capacity - used)
    }

    /// Appends an affine map onto `numbers` numbers, of which number i is row `element(i)` of the map (None: padding, 0).
    /// The map's bias is the last row. Where a page ends, the map's rows go on on the next;
    /// the parts' destinations count from the tensor's start.
    pub(super) fn push_map(
        &mut self,
        map: &Dense<f32>,
        source: u32,
        numbers: usize,
        element: impl Fn(usize) -> Option<usize>,
    ) -> Result<Vec<Placed>> {
        let (rows, length) = (map.inputs + 1, numbers.div_ceil(4));
        let inputs = index(map.inputs)?;
        let mut parts = Vec::new();
        let mut done = 0;
        while done < length {
            let (mut pages, room) = self.page();
            let mut fits = room / rows;
            // A page's last few vec4s are left: many small parts would be many small dispatches.
            if fits < (length - done).min(64) {
                self.numbers.pages.push(Vec::new());
                (pages, fits) = (pages + 1, self.capacity / rows);
            }
            if fits == 0 {
                let (needed, bytes) = (rows * 16, self.capacity * 16);
                let message = format!(
                    "a map of {} inputs needs {needed} bytes in one binding, this adapter allows {bytes}; use --device cpu",
                    map.inputs
                );
                return Err(GpuError::Limit(message).into());
            }
            let part = fits.min(length - done);
            let at = |i: usize, j: usize| {
                let weight = |e: usize| if j < map.inputs { map.weight[e * map.inputs + j] } else { map.bias[e] };
                element(4 * done + i).map_or(0.0, weight)
            };
            let (matrix, length) =
                push(&mut self.numbers.pages[pages - 1], (4 * part).min(numbers - 4 * done), rows, at)?;
            let map = Map {
                matrix,
                length,
                inputs,
                previous: inputs,
                source,
                destination: index(done)?,
                activation: NO_ACTIVATION,
                parameters: [0.0; 2],
            };
            parts.push(Placed { page: pages - 1, map });
            done += part;
        }
        Ok(parts)
    }
}

pub(super) fn index(n: usize) -> Result<u32> {
    let error = || {
        GpuError::Limit(format!("the model needs {n} addresses on the GPU, more than 32 bits hold; use --device cpu"))
    };
    u32::try_from(n).map_err(|_| error().into())
}
