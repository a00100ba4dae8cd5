//! A safe face of the `gemm` crate: strided matrix views and one product.

use super::Real;

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
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

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
}

impl<'a, T> MatrixMut<'a, T> {
    /// A `rows x cols` view with free strides. Panics where it would leave `data`.
    pub fn strided(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride, col_stride);
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// A dense row-major view.
    pub fn row_major(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }
}

/// `dst += a b`, on the calling thread.
///
/// # Panics
/// Where the shapes do not agree.
#[expect(unsafe_code, reason = "gemm's interface is raw pointers; the views above were checked against their slices")]
#[expect(clippy::needless_pass_by_value, reason = "a writable view is used up, as a mutable reference would be")]
pub fn add_product<T: Real>(dst: MatrixMut<'_, T>, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    assert!(
        dst.rows == a.rows && dst.cols == b.cols && a.cols == b.rows,
        "cannot add {}x{} times {}x{} to {}x{}",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        dst.rows,
        dst.cols
    );
    if dst.rows == 0 || dst.cols == 0 || a.cols == 0 {
        return;
    }
    let stride = |s: usize| isize::try_from(s).expect("a slice's strides fit isize: no slice is longer");
    // SAFETY: every element each view names lies inside its slice (checked when it was made), `dst`
    // is borrowed mutably and so does not overlap `a` or `b`, and T is f32 or f64.
    unsafe {
        gemm::gemm(
            dst.rows,
            dst.cols,
            a.cols,
            dst.data.as_mut_ptr(),
            stride(dst.col_stride),
            stride(dst.row_stride),
            true,
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
