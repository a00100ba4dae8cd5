//! The number type over which the CPU twin is generic, and the functions of it that networks need.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

use pulp::{Arch, WithSimd};

/// A real number: `f32` is the fallback backend, `f64` the oracle of every test.
///
/// The functions work in place on slices, so that the f32 instance can use the widest vector unit found at
/// run time. Sines take their argument in turns: `scale = omega / 2 pi`.
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

    /// `sin(2 pi scale u)`
    fn sine(values: &mut [Self], scale: Self);
    /// `cos(2 pi scale u)`
    fn cosine(values: &mut [Self], scale: Self);
    /// FINER: `sin(2 pi scale (|u| + 1) u)`
    fn finer(values: &mut [Self], scale: Self);
    /// `exp(-(width u)^2)`
    fn gaussian(values: &mut [Self], width: Self);
    /// The real Gabor wavelet: `cos(2 pi scale u) exp(-(width u)^2)`
    fn gabor(values: &mut [Self], scale: Self, width: Self);
    /// `tanh(u)`
    fn tanh(values: &mut [Self]);
    /// `1 / (1 + exp(-u))`
    fn sigmoid(values: &mut [Self]);
    /// `ln(1 + exp(beta u)) / beta`
    fn softplus(values: &mut [Self], beta: Self);
    /// `u` where it is positive, `slope u` elsewhere
    fn leaky_relu(values: &mut [Self], slope: Self);
}

/// Applies a function to every number, compiled for the widest vector unit found at run time.
struct Map<'a, F> {
    values: &'a mut [f32],
    f: F,
}

impl<F: Fn(f32) -> f32> WithSimd for Map<'_, F> {
    type Output = ();

    // Inlined into a function compiled for that unit; the plain loop is then vectorised by the compiler.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self { values, f } = self;
        for v in values {
            *v = f(*v);
        }
    }
}

#[inline]
fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    Arch::new().dispatch(Map { values, f });
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
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "n is whole, -126 to 0")]
    let power = f32::from_bits(((n + 127.0) as u32) << 23);
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
    fn sine(values: &mut [Self], scale: Self) {
        map(values, |u| sine_turns(u * scale));
    }
    fn cosine(values: &mut [Self], scale: Self) {
        map(values, |u| cosine_turns(u * scale));
    }
    fn finer(values: &mut [Self], scale: Self) {
        map(values, |u| sine_turns((u.abs() + 1.0) * u * scale));
    }
    fn gaussian(values: &mut [Self], width: Self) {
        map(values, |u| exp_negative(-(width * u) * (width * u)));
    }
    fn gabor(values: &mut [Self], scale: Self, width: Self) {
        map(values, |u| cosine_turns(u * scale) * exp_negative(-(width * u) * (width * u)));
    }
    fn tanh(values: &mut [Self]) {
        map(values, |u| {
            let e = exp_negative(-2.0 * u.abs());
            ((1.0 - e) / (1.0 + e)).copysign(u)
        });
    }
    fn sigmoid(values: &mut [Self]) {
        map(values, |u| {
            let e = exp_negative(-u.abs());
            let r = 1.0 / (1.0 + e);
            if u < 0.0 { e * r } else { r }
        });
    }
    fn softplus(values: &mut [Self], beta: Self) {
        map(values, |u| {
            let v = beta * u;
            (v.max(0.0) + ln_one_plus(exp_negative(-v.abs()))) / beta
        });
    }
    fn leaky_relu(values: &mut [Self], slope: Self) {
        map(values, |u| if u > 0.0 { u } else { slope * u });
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
    fn sine(values: &mut [Self], scale: Self) {
        values.iter_mut().for_each(|u| *u = (std::f64::consts::TAU * scale * *u).sin());
    }
    fn cosine(values: &mut [Self], scale: Self) {
        values.iter_mut().for_each(|u| *u = (std::f64::consts::TAU * scale * *u).cos());
    }
    fn finer(values: &mut [Self], scale: Self) {
        values.iter_mut().for_each(|u| *u = (std::f64::consts::TAU * scale * (u.abs() + 1.0) * *u).sin());
    }
    fn gaussian(values: &mut [Self], width: Self) {
        values.iter_mut().for_each(|u| *u = (-(width * *u).powi(2)).exp());
    }
    fn gabor(values: &mut [Self], scale: Self, width: Self) {
        values.iter_mut().for_each(|u| *u = (std::f64::consts::TAU * scale * *u).cos() * (-(width * *u).powi(2)).exp());
    }
    fn tanh(values: &mut [Self]) {
        values.iter_mut().for_each(|u| *u = Self::tanh(*u));
    }
    fn sigmoid(values: &mut [Self]) {
        values.iter_mut().for_each(|u| *u = 1.0 / (1.0 + (-*u).exp()));
    }
    fn softplus(values: &mut [Self], beta: Self) {
        values.iter_mut().for_each(|u| {
            let v = beta * *u;
            *u = (v.max(0.0) + (-v.abs()).exp().ln_1p()) / beta;
        });
    }
    fn leaky_relu(values: &mut [Self], slope: Self) {
        values.iter_mut().filter(|u| **u <= 0.0).for_each(|u| *u *= slope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest difference between the f32 and the f64 instance over [-limit, limit].
    fn worst(limit: f64, single: impl Fn(&mut [f32]), double: impl Fn(&mut [f64])) -> f64 {
        const N: usize = 1_000_001;
        let xs: Vec<f32> = (0..N).map(|i| f32::from_f64(limit * (2.0 * i as f64 / (N - 1) as f64 - 1.0))).collect();
        let mut exact: Vec<f64> = xs.iter().map(|&x| f64::from(x)).collect();
        let mut got = xs;
        single(&mut got);
        double(&mut exact);
        got.iter().zip(&exact).map(|(g, e)| (f64::from(*g) - e).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_accurate_over_the_range_that_networks_use() {
        type Case = (&'static str, f64, f64);
        let cases: [Case; 7] = [
            ("sine", worst(50.0, |v| f32::sine(v, 1.0), |v| f64::sine(v, 1.0)), 2.5e-7),
            ("cosine", worst(50.0, |v| f32::cosine(v, 1.0), |v| f64::cosine(v, 1.0)), 2.5e-7),
            ("gaussian", worst(12.0, |v| f32::gaussian(v, 1.0), |v| f64::gaussian(v, 1.0)), 3e-7),
            ("gabor", worst(3.0, |v| f32::gabor(v, 1.0, 1.0), |v| f64::gabor(v, 1.0, 1.0)), 4e-7),
            ("tanh", worst(100.0, <f32 as Real>::tanh, <f64 as Real>::tanh), 2e-7),
            ("sigmoid", worst(100.0, f32::sigmoid, f64::sigmoid), 2e-7),
            ("softplus", worst(8.0, |v| f32::softplus(v, 2.0), |v| f64::softplus(v, 2.0)), 1e-6),
        ];
        for (name, error, bound) in cases {
            println!("{name}: max abs error {error:.2e}");
            assert!(error <= bound, "{name}: {error:e}");
        }
    }

    #[test]
    fn extremes_stay_finite() {
        let extreme = [0.0, -0.0, 1e-30, -1e30, 1e30, f32::MAX];
        for f in [
            <f32 as Real>::tanh,
            f32::sigmoid,
            |v: &mut [f32]| f32::gaussian(v, 1e3),
            |v: &mut [f32]| f32::softplus(v, 1.0),
        ] {
            let mut values = extreme;
            f(&mut values);
            assert!(values.iter().all(|v| v.is_finite()), "{values:?}");
        }
    }

    #[test]
    fn sine_is_exact_at_quarter_turns() {
        let mut values = [0.0, 0.25, 0.5, -0.25, 1.0, 1234.75];
        f32::sine(&mut values, 1.0);
        for (got, want) in values.iter().zip([0.0, 1.0, 0.0, -1.0, 0.0, -1.0]) {
            assert!((got - want).abs() < 1e-6, "{values:?}");
        }
    }
}
