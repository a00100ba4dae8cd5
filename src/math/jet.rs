//! Jets: numbers with their derivatives with respect to a point's coordinates, and the chain rule.
//!
//! A row holds one number for each of some points, column by column: values, then the derivatives along each coordinate,
//! then Laplacians. So a product with a matrix takes rows of jets as it takes rows of values.

use pulp::{Arch, WithSimd};

use super::{Function, Real};

/// Points at a time: what is kept of them stays in the first-level cache.
const CHUNK: usize = 256;

/// What a row holds: [`Lanes::columns`] columns of `points` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Numbers of a column.
    pub points: usize,
    /// Derivatives: along as many coordinates.
    pub gradient: usize,
    /// Whether the Laplacian follows; only after a gradient.
    pub laplacian: bool,
}

impl Lanes {
    /// Columns of a row.
    pub fn columns(self) -> usize {
        1 + self.gradient + usize::from(self.laplacian)
    }

    /// Numbers of a row.
    pub fn row(self) -> usize {
        self.columns() * self.points
    }
}

/// `f` of the jets in `rows` (`[rows][columns][points]`), in place: with `u`, `U_k` and `L` for value, derivatives and
/// Laplacian, `f(u)`, `f' U_k` and `f' L + f'' sum_k U_k^2`.
pub fn chain<T: Real>(lanes: Lanes, rows: &mut [T], f: impl Function<T>) {
    Arch::new().dispatch(Chain { lanes, rows, f });
}

/// Adjoint of [`chain`] at the jets in `at`: `delta` is the gradient with respect to its result, then to `at`. With `g`,
/// `G_k` and `H` for the gradient's columns they become `f' g + f'' sum_k U_k G_k + (f'' L + f''' sum_k U_k^2) H`,
/// `f' G_k + 2 f'' U_k H` and `f' H`.
pub fn chain_vjp<T: Real>(lanes: Lanes, at: &[T], delta: &mut [T], f: impl Function<T>) {
    Arch::new().dispatch(ChainVjp { lanes, at, delta, f });
}

struct Chain<'a, T, F> {
    lanes: Lanes,
    rows: &'a mut [T],
    f: F,
}

impl<T: Real, F: Function<T>> WithSimd for Chain<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self { lanes, rows, f } = self;
        let (mut first, mut second, mut squares) = ([T::ZERO; CHUNK], [T::ZERO; CHUNK], [T::ZERO; CHUNK]);
        for row in rows.chunks_exact_mut(lanes.row()) {
            let (values, derivatives) = row.split_at_mut(lanes.points);
            let (slopes, laplacian) = derivatives.split_at_mut(lanes.gradient * lanes.points);
            for start in (0..lanes.points).step_by(CHUNK) {
                let n = CHUNK.min(lanes.points - start);
                let (first, second, squares) = (&mut first[..n], &mut second[..n], &mut squares[..n]);
                let u = &mut values[start..][..n];
                for i in 0..n {
                    [u[i], first[i], second[i], _] = f.at(u[i]);
                    squares[i] = T::ZERO;
                }
                for column in slopes.chunks_exact_mut(lanes.points) {
                    let slope = &mut column[start..][..n];
                    for i in 0..n {
                        squares[i] += slope[i] * slope[i];
                        slope[i] = first[i] * slope[i];
                    }
                }
                if lanes.laplacian {
                    let laplacian = &mut laplacian[start..][..n];
                    for i in 0..n {
                        laplacian[i] = first[i] * laplacian[i] + second[i] * squares[i];
                    }
                }
            }
        }
    }
}

struct ChainVjp<'a, T, F> {
    lanes: Lanes,
    at: &'a [T],
    delta: &'a mut [T],
    f: F,
}

impl<T: Real, F: Function<T>> WithSimd for ChainVjp<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self { lanes, at, delta, f } = self;
        let Lanes { points, gradient, laplacian } = lanes;
        let row = lanes.row();
        let [mut first, mut second, mut third, mut along, mut squares, mut above] = [[T::ZERO; CHUNK]; 6];

        for (at, delta) in at.chunks_exact(row).zip(delta.chunks_exact_mut(row)) {
            let (u, at) = at.split_at(points);
            let (slopes, bends) = at.split_at(gradient * points);
            let (g, delta) = delta.split_at_mut(points);
            let (gs, hs) = delta.split_at_mut(gradient * points);
            for start in (0..points).step_by(CHUNK) {
                let n = CHUNK.min(points - start);
                let (first, second, third) = (&mut first[..n], &mut second[..n], &mut third[..n]);
                let (along, squares, above) = (&mut along[..n], &mut squares[..n], &mut above[..n]);
                let (u, g) = (&u[start..][..n], &mut g[start..][..n]);
                for i in 0..n {
                    [_, first[i], second[i], third[i]] = f.at(u[i]);
                    along[i] = T::ZERO;
                    squares[i] = T::ZERO;
                }
                // `above` is the Laplacian's gradient H; 0 where there is none.
                if laplacian {
                    above.copy_from_slice(&hs[start..][..n]);
                }
                for (slope, g) in slopes.chunks_exact(points).zip(gs.chunks_exact_mut(points)) {
                    let (slope, g) = (&slope[start..][..n], &mut g[start..][..n]);
                    for i in 0..n {
                        let bent = second[i] * slope[i];
                        along[i] += slope[i] * g[i];
                        squares[i] += slope[i] * slope[i];
                        g[i] = first[i] * g[i] + (bent + bent) * above[i];
                    }
                }
                for i in 0..n {
                    g[i] = first[i] * g[i] + second[i] * along[i];
                }
                if laplacian {
                    let (bend, h) = (&bends[start..][..n], &mut hs[start..][..n]);
                    for i in 0..n {
                        g[i] += (second[i] * bend[i] + third[i] * squares[i]) * above[i];
                        h[i] = first[i] * h[i];
                    }
                }
            }
        }
    }
}
