//! The number type over which the CPU twin is generic, and the functions of it that networks need.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// A real number: `f32` is the fallback backend, `f64` the oracle of every test.
///
/// Functions are compiled for the widest vector unit found at run time where a loop over slices ([`map`](super::map),
/// [`zip`](super::zip)) calls them. Sines take their argument in turns, `omega u / 2 pi`.
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
    + Div<Output = Self>
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
    /// The square root.
    fn sqrt(self) -> Self;
    /// `1 / sqrt(self)`
    fn inverse_sqrt(self) -> Self {
        Self::ONE / self.sqrt()
    }
    /// Its size without its sign.
    fn abs(self) -> Self;

    /// `sin(2 pi t)`
    fn sine(self) -> Self;
    /// `cos(2 pi t)`
    fn cosine(self) -> Self;
    /// `exp(x)` for x <= 0
    fn exp_negative(self) -> Self;
    /// `ln(1 + e)` for 0 <= e <= 1
    fn ln_one_plus(self) -> Self;
    /// `tanh(u)`
    fn tanh(self) -> Self;
    /// `1 / (1 + exp(-u))`
    fn sigmoid(self) -> Self;
}

/// `sin(2 pi s)` on |s| <= 1/4: an odd polynomial of degree 9, a minimax fit with an error of 3.3e-9 before
/// rounding. The same arithmetic as `shaders/include/functions.wgsl`.
#[inline(always)]
#[expect(clippy::approx_constant, reason = "the fit's first coefficient is near 2 pi and not equal to it")]
fn quarter_turn(s: f32) -> f32 {
    let z = s * s;
    let p = 39.536_705_f32;
    let p = p * z - 76.549_78;
    let p = p * z + 81.601_006;
    let p = p * z - 41.341_656;
    let p = p * z + 6.283_185;
    p * s
}

/// `sin(2 pi t)`: `t - round(t)` is exact, so a large argument costs no accuracy beyond its own rounding; the
/// fold into a quarter turn is exact too. The error over |t| <= 50 is 2.1e-7 at most.
#[inline(always)]
fn sine_turns(t: f32) -> f32 {
    let r = t - t.round_ties_even();
    let a = r.abs();
    quarter_turn(a.min(0.5 - a).copysign(r))
}

/// `cos(2 pi t)`, as accurate as [`sine_turns`].
#[inline(always)]
fn cosine_turns(t: f32) -> f32 {
    quarter_turn(0.25 - (t - t.round_ties_even()).abs())
}

/// `exp(x)` for x <= 0, to 2e-7 of its size (0 below -87): 2^n times a minimax polynomial of degree 6.
#[inline(always)]
fn exp_negative(x: f32) -> f32 {
    let t = (x * std::f32::consts::LOG2_E).max(-126.0);
    let n = t.round_ties_even();
    let f = t - n;
    let p = 1.535_336_3e-4_f32;
    let p = p * f + 1.339_887_5e-3;
    let p = p * f + 9.618_437e-3;
    let p = p * f + 5.550_332_4e-2;
    let p = p * f + 2.402_264_8e-1;
    let p = p * f + 6.931_472e-1;
    // 2^n: beside 1.5 2^23 the last bits of a number are whole, here n + 127, the exponent's. (A conversion to u32, which must
    // saturate, is no vector instruction.)
    let power = f32::from_bits((n + (12_582_912.0 + 127.0)).to_bits() << 23);
    (p * f + 1.0) * power
}

/// `ln(1 + e)` for 0 <= e <= 1: 2 atanh(e / (2 + e)) as a series in s^2 <= 1/9.
#[inline(always)]
fn ln_one_plus(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let z = s * s;
    let p = 1.0 / 13.0_f32;
    let p = p * z + 1.0 / 11.0;
    let p = p * z + 1.0 / 9.0;
    let p = p * z + 1.0 / 7.0;
    let p = p * z + 1.0 / 5.0;
    let p = p * z + 1.0 / 3.0;
    2.0 * s * (p * z + 1.0)
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
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self::abs(self)
    }
    #[inline(always)]
    fn sine(self) -> Self {
        sine_turns(self)
    }
    #[inline(always)]
    fn cosine(self) -> Self {
        cosine_turns(self)
    }
    #[inline(always)]
    fn exp_negative(self) -> Self {
        exp_negative(self)
    }
    #[inline(always)]
    fn ln_one_plus(self) -> Self {
        ln_one_plus(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let e = exp_negative(-2.0 * self.abs());
        ((1.0 - e) / (1.0 + e)).copysign(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let e = exp_negative(-self.abs());
        let r = 1.0 / (1.0 + e);
        if self < 0.0 { e * r } else { r }
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
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self::abs(self)
    }
    fn sine(self) -> Self {
        (std::f64::consts::TAU * self).sin()
    }
    fn cosine(self) -> Self {
        (std::f64::consts::TAU * self).cos()
    }
    fn exp_negative(self) -> Self {
        self.exp()
    }
    fn ln_one_plus(self) -> Self {
        self.ln_1p()
    }
    fn tanh(self) -> Self {
        Self::tanh(self)
    }
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest difference between the f32 and the f64 instance over [low, high].
    fn worst(low: f64, high: f64, single: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> f64 {
        const N: usize = 1_000_001;
        (0..N)
            .map(|i| f32::from_f64(low + (high - low) * i as f64 / (N - 1) as f64))
            .map(|x| (f64::from(single(x)) - double(f64::from(x))).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_accurate_over_the_range_that_networks_use() {
        type Case = (&'static str, f64, f64);
        let cases: [Case; 6] = [
            ("sine", worst(-50.0, 50.0, Real::sine, Real::sine), 2.5e-7),
            ("cosine", worst(-50.0, 50.0, Real::cosine, Real::cosine), 2.5e-7),
            ("exponential", worst(-90.0, 0.0, Real::exp_negative, Real::exp_negative), 2e-7),
            ("logarithm", worst(0.0, 1.0, Real::ln_one_plus, Real::ln_one_plus), 2e-7),
            ("tanh", worst(-100.0, 100.0, <f32 as Real>::tanh, <f64 as Real>::tanh), 2e-7),
            ("sigmoid", worst(-100.0, 100.0, Real::sigmoid, Real::sigmoid), 2e-7),
        ];
        for (name, error, bound) in cases {
            println!("{name}: max abs error {error:.2e}");
            assert!(error <= bound, "{name}: {error:e}");
        }
    }

    #[test]
    fn sine_is_exact_at_quarter_turns() {
        for (turns, want) in [0.0_f32, 0.25, 0.5, -0.25, 1.0, 1234.75].into_iter().zip([0.0, 1.0, 0.0, -1.0, 0.0, -1.0])
        {
            assert!((turns.sine() - want).abs() < 1e-6, "{turns}");
        }
    }
}
