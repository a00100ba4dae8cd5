//! The number type over which the CPU twin is generic.

use std::ops::{Add, AddAssign, Mul, Sub};

use pulp::{Arch, WithSimd};

/// A real number: `f32` is the fallback backend, `f64` the oracle of every test.
pub trait Real:
    Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + std::fmt::Debug
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;

    /// The nearest representable number.
    fn from_f64(value: f64) -> Self;
    /// Exact for both instances.
    fn from_f32(value: f32) -> Self;
    /// Rounds where this type is wider.
    fn to_f32(self) -> f32;
    /// Exact for both instances.
    fn to_f64(self) -> f64;

    /// Replaces every `u` by `sin(2 pi scale u)`: the argument is taken in turns, `scale = omega / 2 pi`.
    fn sine(values: &mut [Self], scale: Self);

    /// Replaces every `u` by `max(u, 0)`.
    fn relu(values: &mut [Self]) {
        for u in values {
            if *u < Self::ZERO {
                *u = Self::ZERO;
            }
        }
    }
}

/// `sin(2 pi t)` in single precision, the same arithmetic as `shaders/activations/sine.wgsl`.
///
/// `t - round(t)` is exact, so the argument's size costs no accuracy beyond its own rounding. The
/// result is folded into a quarter turn, where an odd polynomial of degree 9 (a minimax fit of
/// `sin(2 pi s)` on |s| <= 1/4, error 3.3e-9 before rounding) takes over. The error over
/// |t| <= 8 is 2.1e-7 at most.
#[inline(always)]
#[expect(clippy::approx_constant, reason = "the fit's first coefficient is near 2 pi and not equal to it")]
fn sine_turns(t: f32) -> f32 {
    let r = t - t.round_ties_even();
    let a = r.abs();
    let s = a.min(0.5 - a).copysign(r);
    // For a > 1/4 the fold 1/2 - a is exact; a.min(..) picks it there and a itself below.
    let z = s * s;
    let p = 39.536_705_f32;
    let p = p * z - 76.549_78;
    let p = p * z + 81.601_006;
    let p = p * z - 41.341_656;
    let p = p * z + 6.283_185;
    p * s
}

struct Sine<'a> {
    values: &'a mut [f32],
    scale: f32,
}

impl WithSimd for Sine<'_> {
    type Output = ();

    // Inlined into a function compiled for the widest vector unit found at run time; the plain loop
    // is then vectorised by the compiler.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for u in self.values {
            *u = sine_turns(*u * self.scale);
        }
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn from_f32(value: f32) -> Self {
        value
    }
    fn to_f32(self) -> f32 {
        self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn sine(values: &mut [Self], scale: Self) {
        Arch::new().dispatch(Sine { values, scale });
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }
    fn from_f32(value: f32) -> Self {
        Self::from(value)
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn sine(values: &mut [Self], scale: Self) {
        for u in values {
            *u = (std::f64::consts::TAU * scale * *u).sin();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_in_turns_is_accurate_over_the_range_that_sirens_use() {
        let mut worst: f64 = 0.0;
        for i in -2_000_000..=2_000_000_i32 {
            let t = i as f32 * 2.5e-5; // |t| <= 50 turns: arguments up to 314
            let mut row = [t];
            f32::sine(&mut row, 1.0);
            let exact = (std::f64::consts::TAU * f64::from(t)).sin();
            worst = worst.max((f64::from(row[0]) - exact).abs());
        }
        println!("sine_turns: max abs error {worst:.2e}");
        assert!(worst < 2.5e-7, "{worst:e}");
    }

    #[test]
    fn sine_is_odd_and_exact_at_quarter_turns() {
        let mut row = [0.0, 0.25, 0.5, -0.25, 1.0, 1234.75];
        f32::sine(&mut row, 1.0);
        for (got, want) in row.iter().zip([0.0, 1.0, 0.0, -1.0, 0.0, -1.0]) {
            assert!((got - want).abs() < 1e-6, "{row:?}");
        }
    }
}
