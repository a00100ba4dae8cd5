//! A safe face of the `gemm` crate: strided matrix views and their product.

use std::marker::PhantomData;
use std::ops::Range;

use super::{Real, zip};

/// A read-only strided matrix: element `(r, c)` is `data[r * row_stride + c * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// A writable strided matrix; see [`Matrix`].
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    // A pointer and not a slice, because the rows of two pieces of a matrix may interleave.
    data: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: a view is an exclusive borrow of its elements, as `&mut [T]` is.
#[expect(unsafe_code, reason = "the pointer stands for a mutable borrow, which may cross threads")]
unsafe impl<T: Send> Send for MatrixMut<'_, T> {}

/// Panics unless every element of the described matrix lies inside a slice of `len` elements.
fn check(len: usize, rows: usize, cols: usize, row_stride: usize, col_stride: usize) {
    let inside = rows == 0 || cols == 0 || (rows - 1) * row_stride + (cols - 1) * col_stride < len;
    assert!(inside, "a {rows}x{cols} view (strides {row_stride}, {col_stride}) leaves its slice of {len}");
}

impl<'a, T> Matrix<'a, T> {
    /// A `rows x cols` view with free strides. Panics where it would leave `data`.
    pub fn strided(data: &'a [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride, col_stride);
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// A dense row-major view, as PyTorch stores `[rows, cols]`.
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows for columns, without moving a number.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// Where there are fewer.
    #[must_use]
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.cols, "columns {range:?} of {}", self.cols);
        let data = self.data.get(range.start * self.col_stride..).unwrap_or_default();
        Self::strided(data, self.rows, range.len(), self.row_stride, self.col_stride)
    }

    /// A row whose numbers are neighbours in memory.
    ///
    /// # Panics
    /// Where they are not.
    pub fn row(self, r: usize) -> &'a [T] {
        assert_eq!(self.col_stride, 1, "the numbers of a row are not neighbours");
        &self.data[r * self.row_stride..][..self.cols]
    }
}

impl<T: Real> Matrix<'_, T> {
    /// The sum of the rows, each of which must be neighbours in memory.
    pub fn sum_rows(self, out: &mut [T]) {
        out.fill(T::ZERO);
        for r in 0..self.rows {
            zip(out, self.row(r), |sum, v| sum + v);
        }
    }
}

impl<'a, T> MatrixMut<'a, T> {
    /// A `rows x cols` view with free strides.
    ///
    /// # Panics
    /// Where it would leave `data` or name an element twice.
    pub fn strided(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride, col_stride);
        // Either rows follow each other, or columns do and rows lie within the gaps of a column.
        let by_rows = rows <= 1 || row_stride > cols.saturating_sub(1) * col_stride;
        let by_columns = cols <= 1 || (row_stride > 0 && col_stride > rows.saturating_sub(1) * row_stride);
        assert!(
            by_rows || (by_columns && row_stride > 0),
            "a writable view (strides {row_stride}, {col_stride}) names an element twice"
        );
        Self { data: data.as_mut_ptr(), rows, cols, row_stride, col_stride, borrow: PhantomData }
    }

    /// A dense row-major view.
    pub fn row_major(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A column whose numbers are neighbours in memory.
    ///
    /// # Panics
    /// Where they are not.
    #[expect(unsafe_code, reason = "a slice of the view's own elements")]
    pub fn column(&mut self, c: usize) -> &mut [T] {
        assert!(self.row_stride == 1 && c < self.cols, "the numbers of a column are not neighbours");
        // SAFETY: the elements (0, c) to (rows - 1, c), which lie inside the slice, and nobody else's while `self` is
        // borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(c * self.col_stride), self.rows) }
    }

    /// The view cut into pieces of `rows` rows, the last one of what is left: for threads to fill.
    pub fn row_chunks(self, rows: usize) -> Vec<Self> {
        let piece = |first: usize| Self {
            // Stays inside the slice: `first` is a row of the view.
            data: self.data.wrapping_add(first * self.row_stride),
            rows: rows.min(self.rows - first),
            ..self
        };
        (0..self.rows).step_by(rows.max(1)).map(piece).collect()
    }
}

/// `dst += a b`, on the calling thread.
///
/// # Panics
/// Where the shapes do not agree.
pub fn add_product<T: Real>(dst: MatrixMut<'_, T>, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    multiply(dst, a, b, true);
}

/// `dst = a b`, on the calling thread.
///
/// # Panics
/// Where the shapes do not agree.
pub fn product<T: Real>(dst: MatrixMut<'_, T>, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    multiply(dst, a, b, false);
}

#[expect(unsafe_code, reason = "gemm's interface is raw pointers; the views above were checked against their slices")]
#[expect(clippy::needless_pass_by_value, reason = "a writable view is used up, as a mutable reference would be")]
fn multiply<T: Real>(dst: MatrixMut<'_, T>, a: Matrix<'_, T>, b: Matrix<'_, T>, add: bool) {
    assert!(
        dst.rows == a.rows && dst.cols == b.cols && a.cols == b.rows,
        "cannot put {}x{} times {}x{} into {}x{}",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        dst.rows,
        dst.cols
    );
    let stride = |s: usize| isize::try_from(s).expect("a slice's strides fit isize: no slice is longer");
    // SAFETY: every element each view names lies inside its slice (checked when it was made), `dst`
    // is borrowed mutably and so does not overlap `a`, `b` or another piece of its matrix (no element has two
    // names: checked too), and T is f32 or f64.
    unsafe {
        gemm::gemm(
            dst.rows,
            dst.cols,
            a.cols,
            dst.data,
            stride(dst.col_stride),
            stride(dst.row_stride),
            add,
            a.data.as_ptr(),
            stride(a.col_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.col_stride),
            stride(b.row_stride),
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_transposed_matrix_interleave() {
        // dst^T [5, 2] = a [5, 3] b [3, 2], dst stored [2][7].
        let a: Vec<f64> = (0..15).map(f64::from).collect();
        let b: Vec<f64> = (0..6).map(|v| f64::from(v) - 2.0).collect();
        let (a, b) = (Matrix::row_major(&a, 5, 3), Matrix::row_major(&b, 3, 2));
        let mut whole = vec![1.0; 14];
        product(MatrixMut::strided(&mut whole, 5, 2, 1, 7), a, b);
        let mut pieces = vec![1.0; 14];
        for (i, piece) in MatrixMut::strided(&mut pieces, 5, 2, 1, 7).row_chunks(2).into_iter().enumerate() {
            let rows = 2 * i..(2 * i + 2).min(5);
            product(piece, a.transposed().columns(rows).transposed(), b);
        }
        assert_eq!(whole, pieces);
        assert_eq!(whole[0], 4.0, "0 * -2 + 1 * 0 + 2 * 2");
        assert_eq!(whole[5..7], [1.0, 1.0], "outside the view");
    }

    #[test]
    #[should_panic(expected = "names an element twice")]
    fn overlapping_rows_are_refused() {
        MatrixMut::strided(&mut [0.0_f32; 9], 3, 3, 1, 1);
    }
}
