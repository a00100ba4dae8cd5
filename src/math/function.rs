//! Functions of one number that know their derivatives, over slices.

use pulp::{Arch, WithSimd};

use super::Real;

/// A function of one number with its first three derivatives. What a loop does not use of them is not computed.
pub trait Function<T>: Copy {
    /// `[f(u), f'(u), f''(u), f'''(u)]`. To be inlined always, for loops are compiled for the widest vector unit found at
    /// run time, and what they call is not.
    fn at(self, u: T) -> [T; 4];
}

/// `values[i] = f(values[i])`
pub fn apply<T: Real>(values: &mut [T], f: impl Function<T>) {
    Arch::new().dispatch(Apply { values, f });
}

/// `out[i] = f(u[i])`
pub fn apply_to<T: Real>(u: &[T], out: &mut [T], f: impl Function<T>) {
    Arch::new().dispatch(ApplyTo { u, out, f });
}

/// `delta[i] *= f'(u[i])`: the adjoint of [`apply`].
pub fn apply_vjp<T: Real>(u: &[T], delta: &mut [T], f: impl Function<T>) {
    Arch::new().dispatch(ApplyVjp { u, delta, f });
}

struct Apply<'a, T, F> {
    values: &'a mut [T],
    f: F,
}

impl<T: Real, F: Function<T>> WithSimd for Apply<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for v in self.values {
            [*v, ..] = self.f.at(*v);
        }
    }
}

struct ApplyTo<'a, T, F> {
    u: &'a [T],
    out: &'a mut [T],
    f: F,
}

impl<T: Real, F: Function<T>> WithSimd for ApplyTo<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for (out, &u) in self.out.iter_mut().zip(self.u) {
            [*out, ..] = self.f.at(u);
        }
    }
}

struct ApplyVjp<'a, T, F> {
    u: &'a [T],
    delta: &'a mut [T],
    f: F,
}

impl<T: Real, F: Function<T>> WithSimd for ApplyVjp<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for (delta, &u) in self.delta.iter_mut().zip(self.u) {
            *delta = *delta * self.f.at(u)[1];
        }
    }
}
