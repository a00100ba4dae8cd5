//! The functions that activations are: each one's value and derivatives; see [`Activation`](super::Activation). Where there
//! is no derivative it is the left one.

use crate::math::{Function, Real};

#[derive(Clone, Copy)]
pub(super) struct Sine<T> {
    pub turns: T,
    pub omega: T,
}

impl<T: Real> Function<T> for Sine<T> {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let t = u * self.turns;
        let (sine, slope) = (t.sine(), self.omega * t.cosine());
        let square = T::ZERO - self.omega * self.omega;
        [sine, slope, square * sine, square * slope]
    }
}

/// ReLU and leaky ReLU.
#[derive(Clone, Copy)]
pub(super) struct Leaky<T> {
    pub leak: T,
}

impl<T: Real> Function<T> for Leaky<T> {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let slope = if u > T::ZERO { T::ONE } else { self.leak };
        [slope * u, slope, T::ZERO, T::ZERO]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl<T: Real> Function<T> for Tanh {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let t = u.tanh();
        let slope = T::ONE - t * t;
        let double = slope + slope;
        [t, slope, T::ZERO - t * double, double * (t * t + t * t - slope)]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

impl<T: Real> Function<T> for Sigmoid {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let s = u.sigmoid();
        let slope = s * (T::ONE - s);
        let fall = T::ONE - (s + s);
        let second = slope * fall;
        [s, slope, second, second * fall - (slope + slope) * slope]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Softplus<T> {
    pub beta: T,
}

impl<T: Real> Function<T> for Softplus<T> {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let v = self.beta * u;
        let positive = if v > T::ZERO { v } else { T::ZERO };
        let value = (positive + (T::ZERO - v.abs()).exp_negative().ln_one_plus()) / self.beta;
        // Its derivative is the sigmoid of v.
        let [slope, second, third, _] = Sigmoid.at(v);
        [value, slope, self.beta * second, self.beta * self.beta * third]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Gaussian<T> {
    pub scale: T,
}

impl<T: Real> Gaussian<T> {
    /// The bell, and its derivatives as multiples of it.
    #[inline(always)]
    fn parts(self, u: T) -> (T, [T; 3]) {
        let v = self.scale * u;
        let square = self.scale * self.scale;
        let c = square + square;
        let w = c * u;
        ((T::ZERO - v * v).exp_negative(), [T::ZERO - w, w * w - c, w * (c + c + c - w * w)])
    }
}

impl<T: Real> Function<T> for Gaussian<T> {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let (bell, [first, second, third]) = self.parts(u);
        [bell, bell * first, bell * second, bell * third]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Finer<T> {
    pub turns: T,
    pub omega: T,
}

impl<T: Real> Function<T> for Finer<T> {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let t = (u.abs() + T::ONE) * u * self.turns;
        let (sine, cosine) = (t.sine(), t.cosine());
        // The derivatives of omega (|u| + 1) u: omega (2 |u| + 1), then 2 omega or -2 omega.
        let v1 = self.omega * (u.abs() + u.abs() + T::ONE);
        let double = self.omega + self.omega;
        let v2 = if u > T::ZERO { double } else { T::ZERO - double };
        let third = (v2 + v2 + v2) * sine + v1 * v1 * cosine;
        [sine, v1 * cosine, v2 * cosine - v1 * v1 * sine, T::ZERO - v1 * third]
    }
}

#[derive(Clone, Copy)]
pub(super) struct Gabor<T> {
    pub turns: T,
    pub omega: T,
    pub bell: Gaussian<T>,
}

impl<T: Real> Function<T> for Gabor<T> {
    #[inline(always)]
    fn at(self, u: T) -> [T; 4] {
        let t = u * self.turns;
        let square = self.omega * self.omega;
        // The wave is the cosine: its derivatives are `first`, -omega^2 cosine, -omega^2 first.
        let (cosine, first) = (t.cosine(), T::ZERO - self.omega * t.sine());
        let (bell, [e1, e2, e3]) = self.bell.parts(u);
        // Leibniz' rule.
        let second = e2 * cosine + (e1 + e1) * first - square * cosine;
        let third = e3 * cosine + (e2 + e2 + e2) * first - square * ((e1 + e1 + e1) * cosine + first);
        [bell * cosine, bell * (e1 * cosine + first), bell * second, bell * third]
    }
}
