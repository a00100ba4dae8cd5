//! Loops over slices, compiled for the widest vector unit found at run time. Every element, and every lane of a sum,
//! is computed alike whatever that unit is, so that results do not depend on it.

use pulp::{Arch, WithSimd};

use super::Real;

/// Lanes of a sum: as many as keep the additions of any vector unit busy.
const LANES: usize = 32;

struct Map<'a, T, F> {
    values: &'a mut [T],
    f: F,
}

impl<T: Real, F: Fn(T) -> T> WithSimd for Map<'_, T, F> {
    type Output = ();

    // Inlined into a function compiled for that unit; the plain loop is then vectorised by the compiler.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for v in self.values {
            *v = (self.f)(*v);
        }
    }
}

/// `values[i] = f(values[i])`
#[inline]
pub fn map<T: Real>(values: &mut [T], f: impl Fn(T) -> T) {
    Arch::new().dispatch(Map { values, f });
}

struct Zip<'a, T, F> {
    a: &'a mut [T],
    b: &'a [T],
    f: F,
}

impl<T: Real, F: Fn(T, T) -> T> WithSimd for Zip<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for (a, &b) in self.a.iter_mut().zip(self.b) {
            *a = (self.f)(*a, b);
        }
    }
}

/// `a[i] = f(a[i], b[i])`
#[inline]
pub fn zip<T: Real>(a: &mut [T], b: &[T], f: impl Fn(T, T) -> T) {
    Arch::new().dispatch(Zip { a, b, f });
}

struct Dot<'a, T> {
    a: &'a [T],
    b: &'a [T],
}

impl<T: Real> WithSimd for Dot<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> T {
        let (a, a_rest) = self.a.as_chunks::<LANES>();
        let (b, b_rest) = self.b.as_chunks::<LANES>();
        let mut lanes = [T::ZERO; LANES];
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                lanes[i] += a[i] * b[i];
            }
        }
        let rest = a_rest.iter().zip(b_rest).fold(T::ZERO, |s, (&a, &b)| s + a * b);
        fold(lanes) + rest
    }
}

/// The sum of `a[i] b[i]`.
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    Arch::new().dispatch(Dot { a, b })
}

struct Sum<'a, T>(&'a [T]);

impl<T: Real> WithSimd for Sum<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> T {
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        let mut lanes = [T::ZERO; LANES];
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += chunk[i];
            }
        }
        fold(lanes) + rest.iter().fold(T::ZERO, |s, &v| s + v)
    }
}

/// The sum of the numbers.
pub fn sum<T: Real>(values: &[T]) -> T {
    Arch::new().dispatch(Sum(values))
}

#[inline(always)]
fn fold<T: Real>(lanes: [T; LANES]) -> T {
    lanes.into_iter().fold(T::ZERO, |s, v| s + v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_every_length() {
        for n in [0, 1, 31, 32, 33, 100] {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let total = f64::from(n * (n - 1) / 2);
            assert_eq!(sum(&a), total);
            assert_eq!(dot(&a, &vec![2.0; a.len()]), 2.0 * total);
            let mut b = a.clone();
            zip(&mut b, &a, |b, a| b - a);
            assert!(b.iter().all(|&v| v == 0.0));
        }
    }
}
