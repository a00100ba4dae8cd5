//! Affine maps, of which trunks and heads are made.

use rayon::prelude::*;

use crate::math::{Matrix, MatrixMut, Real, add_product, product, zip};
use crate::{Error, Result};

/// Multiply-adds that are worth a thread's while.
const TASK: usize = 1 << 20;
/// Most pieces that a map's rows are cut into where each piece has a gradient of the map's inputs of its own.
const PIECES: usize = 16;

/// An affine map `y = W x + b` with `W` stored row-major as `[outputs, inputs]`, as PyTorch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense<T> {
    /// Rows of `W`.
    pub outputs: usize,
    /// Columns of `W`.
    pub inputs: usize,
    /// `outputs * inputs` numbers.
    pub weight: Vec<T>,
    /// `outputs` numbers.
    pub bias: Vec<T>,
}

impl<T: Real> Dense<T> {
    /// `out[b] = W x[b] + b` for a batch: `x` has rows of `x_stride`, `out` rows of `out_stride`.
    ///
    /// # Panics
    /// Where a slice is too short for `batch` rows.
    pub fn apply(&self, batch: usize, x: &[T], x_stride: usize, out: &mut [T], out_stride: usize) {
        // out^T [outputs, batch] += W [outputs, inputs] x^T [inputs, batch], piece by piece of W's rows: each number of W is
        // read once.
        let out = MatrixMut::strided(out, self.outputs, batch, 1, out_stride);
        let x = Matrix::strided(x, self.inputs, batch, 1, x_stride);
        let rows = self.rows_per_task(batch);
        out.row_chunks(rows).into_par_iter().zip(self.bias.par_chunks(rows)).enumerate().for_each(
            |(i, (mut out, bias))| {
                (0..batch).for_each(|b| out.column(b).copy_from_slice(bias));
                add_product(out, self.rows(i * rows, bias.len()), x);
            },
        );
    }

    /// `count` rows of `W`.
    fn rows(&self, first: usize, count: usize) -> Matrix<'_, T> {
        Matrix::row_major(&self.weight[first * self.inputs..], count, self.inputs)
    }

    /// Rows of `W` that make a piece of work, whatever the number of threads.
    fn rows_per_task(&self, batch: usize) -> usize {
        TASK.div_ceil((self.inputs * batch).max(1)).next_multiple_of(16)
    }

    /// Adjoint of [`Dense::apply`] at `x [batch, inputs]`: `dy [batch, outputs]` is the gradient with respect to what it
    /// writes. `gradient` is overwritten with `dW = dy^T x` and `db`, unless its tensors are empty; `dx` (rows of `dx_stride`)
    /// has `dy W` added. Sums are of fixed order; 16 gradients of `x` are held at most.
    pub(super) fn vjp(&self, x: Matrix<'_, T>, dy: Matrix<'_, T>, gradient: &mut Self, dx: &mut [T], dx_stride: usize) {
        let (batch, inputs) = (x.rows(), self.inputs);
        let rows = self.rows_per_task(batch).max(self.outputs.div_ceil(PIECES)).max(1);
        let pieces = self.bias.chunks(rows).enumerate().map(|(i, piece)| i * rows..i * rows + piece.len());
        let mut wanted: Vec<Option<(MatrixMut<'_, T>, &mut [T])>> = Vec::new();
        if !gradient.weight.is_empty() {
            let dw = MatrixMut::row_major(&mut gradient.weight, self.outputs, inputs).row_chunks(rows);
            wanted.extend(dw.into_iter().zip(gradient.bias.chunks_mut(rows)).map(Some));
        }
        wanted.resize_with(pieces.len(), || None);
        let partial: Vec<Vec<T>> = (pieces.zip(wanted).collect::<Vec<_>>().into_par_iter())
            .map(|(piece, wanted)| {
                let dy = dy.columns(piece.clone());
                if let Some((dw, db)) = wanted {
                    dy.sum_rows(db);
                    product(dw, dy.transposed(), x);
                }
                let mut dx = vec![T::ZERO; batch * inputs];
                product(MatrixMut::row_major(&mut dx, batch, inputs), dy, self.rows(piece.start, piece.len()));
                dx
            })
            .collect();
        for partial in &partial {
            add_rows(dx, dx_stride, partial, inputs);
        }
    }

    pub(super) fn tensors_mut<'a>(&'a mut self, name: &str, list: &mut Vec<(String, &'a mut [T])>) {
        list.push((format!("{name}.weight"), &mut self.weight));
        list.push((format!("{name}.bias"), &mut self.bias));
    }

    pub(super) fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>) -> Dense<U> {
        Dense { outputs: self.outputs, inputs: self.inputs, weight: tensor(&self.weight), bias: tensor(&self.bias) }
    }

    /// Checks sizes and finiteness; `name` says which map in the message.
    pub(super) fn validate(&self, name: &str) -> Result<()> {
        check_tensor(&format!("{name}.weight"), &self.weight, self.outputs * self.inputs)?;
        check_tensor(&format!("{name}.bias"), &self.bias, self.outputs)
    }
}

/// Converts a slice of numbers to the other precision.
pub(super) fn cast<T: Real, U: Real>(values: &[T]) -> Vec<U> {
    values.iter().map(|v| U::from_f64(v.to_f64())).collect()
}

/// Fails where `values` has not `len` numbers or one of them is NaN or infinite.
pub(super) fn check_tensor<T: Real>(name: &str, values: &[T], len: usize) -> Result<()> {
    if values.len() != len {
        return Err(Error::invalid(format!("tensor '{name}' has {} numbers where {len} are needed", values.len())));
    }
    match values.iter().position(|v| !v.to_f64().is_finite()) {
        Some(i) => Err(Error::invalid(format!(
            "tensor '{name}' holds {:?} at element {i}: the weights must be finite; the training that wrote it diverged or the file is damaged",
            values[i]
        ))),
        None => Ok(()),
    }
}

/// Adds the rows of `x`, of `width` numbers, to those of `out`.
pub(super) fn add_rows<T: Real>(out: &mut [T], stride: usize, x: &[T], width: usize) {
    for (out, x) in out.chunks_mut(stride.max(1)).zip(x.chunks_exact(width.max(1))) {
        zip(&mut out[..width], x, |sum, v| sum + v);
    }
}
