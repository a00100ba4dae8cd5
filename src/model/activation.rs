//! What a layer does with its sums, and its derivatives.

use serde::{Deserialize, Serialize};

use super::functions::{Finer, Gabor, Gaussian, Leaky, Sigmoid, Sine, Softplus, Tanh};
use crate::math::{Function, Lanes, Real, apply, apply_to, apply_vjp, chain, chain_vjp};
use crate::{Error, Result};

/// What a layer does with `u = W x + b`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `sin(omega u)` (Sitzmann et al. 2020).
    Sine {
        /// The frequency factor, SIREN's omega_0.
        omega: f32,
    },
    /// `max(u, 0)`
    Relu,
    /// `u` where it is positive, `slope u` elsewhere.
    LeakyRelu {
        /// Usually 0.01 or 0.2.
        slope: f32,
    },
    /// `tanh(u)`
    Tanh,
    /// `1 / (1 + exp(-u))`
    Sigmoid,
    /// `ln(1 + exp(beta u)) / beta`
    Softplus {
        /// Sharpness; PyTorch's default is 1.
        beta: f32,
    },
    /// `exp(-(scale u)^2)`
    Gaussian {
        /// Inverse width.
        scale: f32,
    },
    /// `sin(omega (|u| + 1) u)` (FINER, Liu et al. 2024).
    Finer {
        /// The frequency factor.
        omega: f32,
    },
    /// `cos(omega u) exp(-(scale u)^2)`: the real part of WIRE's wavelet (Saragadam et al. 2023) for a real u.
    Gabor {
        /// Frequency of the wave.
        omega: f32,
        /// Inverse width of the envelope.
        scale: f32,
    },
}

impl Activation {
    /// The frequency factor of those that have one.
    pub fn omega(&self) -> Option<f32> {
        match *self {
            Self::Sine { omega } | Self::Finer { omega } | Self::Gabor { omega, .. } => Some(omega),
            _ => None,
        }
    }

    /// Whether its values lie in [-1, 1].
    pub fn is_bounded(&self) -> bool {
        !matches!(self, Self::Relu | Self::LeakyRelu { .. } | Self::Softplus { .. })
    }

    /// The name in files and reports, which is also that of its shader in `shaders/activations/`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sine { .. } => "sine",
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky-relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Softplus { .. } => "softplus",
            Self::Gaussian { .. } => "gaussian",
            Self::Finer { .. } => "finer",
            Self::Gabor { .. } => "gabor",
        }
    }

    /// Its parameters as the shaders take them: sines in turns (omega / 2 pi), then what else there is.
    pub fn parameters(&self) -> [f32; 2] {
        let turns = |omega: f32| f32::from_f64(f64::from(omega) / std::f64::consts::TAU);
        match *self {
            Self::Sine { omega } | Self::Finer { omega } => [turns(omega), 0.0],
            Self::Gabor { omega, scale } => [turns(omega), scale],
            Self::Gaussian { scale } => [scale, 0.0],
            Self::Softplus { beta } => [beta, 0.0],
            Self::LeakyRelu { slope } => [slope, 0.0],
            Self::Relu | Self::Tanh | Self::Sigmoid => [0.0; 2],
        }
    }

    /// Applies it in place: the CPU twin of `shaders/activations/`.
    pub fn apply<T: Real>(&self, values: &mut [T]) {
        self.with(Apply(values));
    }

    /// Writes `act(u)` to `out`.
    pub fn apply_to<T: Real>(&self, u: &[T], out: &mut [T]) {
        self.with(ApplyTo(u, out));
    }

    /// Multiplies `delta`, the gradient with respect to `act(u)`, by the derivative at `u`. Where there is none (ReLU's
    /// corner) it is the left one, as in PyTorch.
    pub fn vjp<T: Real>(&self, u: &[T], delta: &mut [T]) {
        self.with(Vjp(u, delta));
    }

    /// Applies it to jets in place, see [`chain`].
    pub fn jet<T: Real>(&self, lanes: Lanes, rows: &mut [T]) {
        if lanes.columns() == 1 { self.apply(rows) } else { self.with(JetOf(lanes, rows)) }
    }

    /// Adjoint of [`Activation::jet`] at `u`: `delta` is the gradient with respect to its result, then to `u`.
    pub fn jet_vjp<T: Real>(&self, lanes: Lanes, u: &[T], delta: &mut [T]) {
        if lanes.columns() == 1 { self.vjp(u, delta) } else { self.with(JetVjp(lanes, u, delta)) }
    }

    /// Hands `used` the function that this activation is.
    fn with<T: Real>(&self, used: impl Used<T>) {
        // Sines take turns, omega / 2 pi.
        let turns = |omega: f32| T::from_f64(f64::from(omega) / std::f64::consts::TAU);
        let real = T::from_f32;
        match *self {
            Self::Sine { omega } => used.by(Sine { turns: turns(omega), omega: real(omega) }),
            Self::Relu => used.by(Leaky { leak: T::ZERO }),
            Self::LeakyRelu { slope } => used.by(Leaky { leak: real(slope) }),
            Self::Tanh => used.by(Tanh),
            Self::Sigmoid => used.by(Sigmoid),
            Self::Softplus { beta } => used.by(Softplus { beta: real(beta) }),
            Self::Gaussian { scale } => used.by(Gaussian { scale: real(scale) }),
            Self::Finer { omega } => used.by(Finer { turns: turns(omega), omega: real(omega) }),
            Self::Gabor { omega, scale } => {
                used.by(Gabor { turns: turns(omega), omega: real(omega), bell: Gaussian { scale: real(scale) } });
            }
        }
    }

    pub(super) fn validate(&self, l: usize) -> Result<()> {
        let (values, positive): (&[f32], bool) = match self {
            Self::Sine { omega } | Self::Finer { omega } => (&[*omega], false),
            Self::Gabor { omega, scale } => (&[*omega, *scale], false),
            Self::Gaussian { scale } => (&[*scale], false),
            Self::Softplus { beta } => (&[*beta], true),
            Self::LeakyRelu { .. } | Self::Relu | Self::Tanh | Self::Sigmoid => (&[], false),
        };
        let good = |v: &f32| v.is_finite() && if positive { *v > 0.0 } else { *v != 0.0 };
        let slope = if let Self::LeakyRelu { slope } = self { slope.is_finite() } else { true };
        if values.iter().all(good) && slope {
            return Ok(());
        }
        Err(Error::invalid(format!("layer {l} has the activation {self}, whose parameters make no sense")))
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sine { omega } => write!(f, "sin({omega} u)"),
            Self::Relu | Self::Tanh | Self::Sigmoid => f.write_str(self.kind()),
            Self::LeakyRelu { slope } => write!(f, "leaky-relu({slope})"),
            Self::Softplus { beta } => write!(f, "softplus({beta})"),
            Self::Gaussian { scale } => write!(f, "exp(-({scale} u)^2)"),
            Self::Finer { omega } => write!(f, "sin({omega} (|u| + 1) u)"),
            Self::Gabor { omega, scale } => write!(f, "cos({omega} u) exp(-({scale} u)^2)"),
        }
    }
}

/// A use that is made of a function whose type is known only where the activation is.
trait Used<T> {
    fn by(self, f: impl Function<T>);
}

struct Apply<'a, T>(&'a mut [T]);
struct ApplyTo<'a, T>(&'a [T], &'a mut [T]);
struct Vjp<'a, T>(&'a [T], &'a mut [T]);
struct JetOf<'a, T>(Lanes, &'a mut [T]);
struct JetVjp<'a, T>(Lanes, &'a [T], &'a mut [T]);

impl<T: Real> Used<T> for Apply<'_, T> {
    fn by(self, f: impl Function<T>) {
        apply(self.0, f);
    }
}

impl<T: Real> Used<T> for ApplyTo<'_, T> {
    fn by(self, f: impl Function<T>) {
        apply_to(self.0, self.1, f);
    }
}

impl<T: Real> Used<T> for Vjp<'_, T> {
    fn by(self, f: impl Function<T>) {
        apply_vjp(self.0, self.1, f);
    }
}

impl<T: Real> Used<T> for JetOf<'_, T> {
    fn by(self, f: impl Function<T>) {
        chain(self.0, self.1, f);
    }
}

impl<T: Real> Used<T> for JetVjp<'_, T> {
    fn by(self, f: impl Function<T>) {
        chain_vjp(self.0, self.1, self.2, f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 9] = [
        Activation::Sine { omega: 17.0 },
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus { beta: 3.0 },
        Activation::Gaussian { scale: 2.0 },
        Activation::Finer { omega: 5.0 },
        Activation::Gabor { omega: 9.0, scale: 1.5 },
    ];

    /// Value and three derivatives at each number.
    fn all<T: Real>(activation: Activation, u: &[T]) -> [Vec<T>; 4] {
        struct All<'a, T>(&'a [T], &'a mut [Vec<T>; 4]);
        impl<T: Real> Used<T> for All<'_, T> {
            fn by(self, f: impl Function<T>) {
                for (d, out) in self.1.iter_mut().enumerate() {
                    out.extend(self.0.iter().map(|&u| f.at(u)[d]));
                }
            }
        }
        let mut out = [const { Vec::new() }; 4];
        activation.with(All(u, &mut out));
        out
    }

    #[test]
    fn derivatives_equal_central_differences() {
        const H: f64 = 1e-6;
        let u: Vec<f64> = (0..400).map(|i| (f64::from(i) - 199.5) * 0.01).collect();
        let at = |activation, by: f64| all(activation, &u.iter().map(|u| u + by).collect::<Vec<_>>());
        for activation in ALL {
            let (here, ahead, behind) = (at(activation, 0.0), at(activation, H), at(activation, -H));
            for d in 1..4 {
                let size = here[d].iter().fold(1.0, |m: f64, v| m.max(v.abs()));
                let difference = |i: usize| (ahead[d - 1][i] - behind[d - 1][i]) / (2.0 * H);
                let error = (0..u.len()).map(|i| (difference(i) - here[d][i]).abs()).fold(0.0, f64::max) / size;
                println!("{activation}: derivative {d} is wrong by {error:.1e} of its size {size:.1e}");
                assert!(error < 1e-8);
            }
        }
    }

    #[test]
    fn single_precision_equals_double() {
        let single: Vec<f32> = (-30_000..=30_000_i16).map(|i| f32::from(i) * 1e-4).collect();
        let double: Vec<f64> = single.iter().map(|&u| f64::from(u)).collect();
        for activation in ALL {
            let (got, exact) = (all(activation, &single), all(activation, &double));
            for (d, (got, exact)) in got.iter().zip(&exact).enumerate() {
                let size = exact.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
                let errors = got.iter().zip(exact).map(|(&g, e)| (f64::from(g) - e).abs());
                let error = errors.fold(0.0, f64::max) / size;
                println!("{activation}: derivative {d} in f32 is wrong by {error:.1e} of its size {size:.1e}");
                assert!(error < 1e-5);
            }
        }
    }

    #[test]
    fn extremes_stay_finite() {
        let extreme = [0.0, -0.0, 1e-30, -1e30, 1e30, f32::MAX];
        for activation in [
            Activation::Tanh,
            Activation::Sigmoid,
            Activation::Gaussian { scale: 1e3 },
            Activation::Softplus { beta: 1.0 },
        ] {
            let mut values = extreme;
            activation.apply(&mut values);
            assert!(values.iter().all(|v| v.is_finite()), "{activation}: {values:?}");
        }
    }
}
