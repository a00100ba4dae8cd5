//! The coordinate network: layer sizes and activations, without weights.

use serde::{Deserialize, Serialize};

use super::dense::check_tensor;
use crate::math::{Real, zip};
use crate::{Error, Result};

/// Largest number of coordinates a point may have.
pub(super) const MAX_INPUTS: usize = 4;
/// Largest number of values at a point.
pub(super) const MAX_OUTPUTS: usize = 16;
/// Largest layer width.
pub(super) const MAX_WIDTH: usize = 512;
/// Largest number of features that an encoding may make.
pub(super) const MAX_ENCODED: usize = 1024;
/// Largest number of activated layers.
pub(super) const MAX_DEPTH: usize = 16;

/// Numbers at a time where an activation is not applied in place: they stay in the first-level cache.
const CHUNK: usize = 512;

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
        let turns = |omega: f32| T::from_f64(f64::from(omega) / std::f64::consts::TAU);
        let real = T::from_f32;
        match *self {
            Self::Sine { omega } => T::sine(values, turns(omega)),
            Self::Relu => T::leaky_relu(values, T::ZERO),
            Self::LeakyRelu { slope } => T::leaky_relu(values, real(slope)),
            Self::Tanh => T::tanh(values),
            Self::Sigmoid => T::sigmoid(values),
            Self::Softplus { beta } => T::softplus(values, real(beta)),
            Self::Gaussian { scale } => T::gaussian(values, real(scale)),
            Self::Finer { omega } => T::finer(values, turns(omega)),
            Self::Gabor { omega, scale } => T::gabor(values, turns(omega), real(scale)),
        }
    }

    /// Writes `act(u)` to `out`.
    pub fn apply_to<T: Real>(&self, u: &[T], out: &mut [T]) {
        for (u, out) in u.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            out.copy_from_slice(u);
            self.apply(out);
        }
    }

    /// Multiplies `delta`, the gradient with respect to `act(u)`, by the derivative at `u`. Where there is none (ReLU's
    /// corner) it is the left one, as in PyTorch.
    pub fn vjp<T: Real>(&self, u: &[T], delta: &mut [T]) {
        let (mut a, mut b) = ([T::ZERO; CHUNK], [T::ZERO; CHUNK]);
        for (u, delta) in u.chunks(CHUNK).zip(delta.chunks_mut(CHUNK)) {
            let (a, b) = (&mut a[..u.len()], &mut b[..u.len()]);
            a.copy_from_slice(u);
            self.vjp_chunk(u, delta, a, b);
        }
    }

    /// [`Activation::vjp`] of one chunk; `a` holds a copy of `u`, `b` is free.
    fn vjp_chunk<T: Real>(&self, u: &[T], delta: &mut [T], a: &mut [T], b: &mut [T]) {
        let turns = |omega: f32| T::from_f64(f64::from(omega) / std::f64::consts::TAU);
        let real = T::from_f32;
        let leak = |u: T, slope: T| if u > T::ZERO { T::ONE } else { slope };
        match *self {
            Self::Sine { omega } => {
                T::cosine(a, turns(omega));
                let omega = real(omega);
                zip(delta, a, |d, cosine| d * (omega * cosine));
            }
            Self::Relu => zip(delta, a, |d, u| d * leak(u, T::ZERO)),
            Self::LeakyRelu { slope } => {
                let slope = real(slope);
                zip(delta, a, |d, u| d * leak(u, slope));
            }
            Self::Tanh => {
                T::tanh(a);
                zip(delta, a, |d, t| d * (T::ONE - t * t));
            }
            Self::Sigmoid => {
                T::sigmoid(a);
                zip(delta, a, |d, s| d * (s * (T::ONE - s)));
            }
            Self::Softplus { beta } => {
                let beta = real(beta);
                zip(a, u, |_, u| beta * u);
                T::sigmoid(a);
                zip(delta, a, |d, s| d * s);
            }
            Self::Gaussian { scale } => {
                T::gaussian(a, real(scale));
                let slope = T::from_f64(-2.0 * f64::from(scale).powi(2));
                zip(a, u, |bell, u| bell * (slope * u));
                zip(delta, a, |d, slope| d * slope);
            }
            Self::Finer { omega } => {
                zip(a, u, |_, u| (u.abs() + T::ONE) * u);
                T::cosine(a, turns(omega));
                let (omega, two) = (real(omega), real(2.0));
                zip(a, u, |cosine, u| cosine * (omega * (two * u.abs() + T::ONE)));
                zip(delta, a, |d, slope| d * slope);
            }
            Self::Gabor { omega, scale } => {
                // With E = exp(-(scale u)^2): -omega sin(omega u) E - 2 scale^2 u cos(omega u) E
                T::sine(a, turns(omega));
                let omega_t = real(omega);
                b.copy_from_slice(u);
                T::cosine(b, turns(omega));
                let slope = T::from_f64(2.0 * f64::from(scale).powi(2));
                zip(b, u, |cosine, u| slope * u * cosine);
                zip(a, b, |sine, b| T::ZERO - (omega_t * sine + b));
                b.copy_from_slice(u);
                T::gaussian(b, real(scale));
                zip(a, b, |a, bell| a * bell);
                zip(delta, a, |d, slope| d * slope);
            }
        }
    }

    fn validate(&self, l: usize) -> Result<()> {
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

/// What is done to a point's coordinates before the first layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Nothing.
    #[default]
    Identity,
    /// Fourier features (Tancik et al. 2020): `[sin(2 pi B x), cos(2 pi B x)]`.
    Fourier {
        /// Rows of B; there are twice as many features.
        features: usize,
        /// B, `[features, inputs]` row-major; a tensor of its own in a file.
        #[serde(skip)]
        frequencies: Vec<f32>,
    },
    /// NeRF's octaves: x itself (if `input`), then for k = 0, 1, ...: `sin(2^k pi x)`, `cos(2^k pi x)`, each over
    /// all coordinates.
    Octaves {
        /// Number of octaves.
        count: usize,
        /// Whether x itself comes first.
        input: bool,
    },
}

impl Encoding {
    /// Features of a point of `inputs` coordinates.
    pub fn width(&self, inputs: usize) -> usize {
        match self {
            Self::Identity => inputs,
            // Saturating: a file's numbers are measured before they are believed.
            Self::Fourier { features, .. } => features.saturating_mul(2),
            Self::Octaves { count, input } => {
                count.saturating_mul(2).saturating_add(usize::from(*input)).saturating_mul(inputs)
            }
        }
    }

    /// Encodes a block of points: `x` is `[inputs][points]`, `out` `[width][points]`.
    pub fn apply<T: Real>(&self, points: usize, x: &[T], out: &mut [T]) {
        let inputs = x.len() / points;
        match self {
            Self::Identity => out.copy_from_slice(x),
            Self::Fourier { features, frequencies } => {
                let (sines, cosines) = out.split_at_mut(features * points);
                for (row, f) in sines.chunks_exact_mut(points).zip(frequencies.chunks_exact(inputs)) {
                    row.fill(T::ZERO);
                    for (x, &f) in x.chunks_exact(points).zip(f) {
                        row.iter_mut().zip(x).for_each(|(r, &x)| *r += T::from_f32(f) * x);
                    }
                }
                cosines.copy_from_slice(sines);
                T::sine(sines, T::ONE);
                T::cosine(cosines, T::ONE);
            }
            Self::Octaves { count, input } => {
                let (plain, waves) = out.split_at_mut(if *input { x.len() } else { 0 });
                plain.copy_from_slice(&x[..plain.len()]);
                for (k, octave) in waves.chunks_exact_mut(2 * x.len()).take(*count).enumerate() {
                    let (sines, cosines) = octave.split_at_mut(x.len());
                    sines.copy_from_slice(x);
                    cosines.copy_from_slice(x);
                    // 2^k pi x is 2^(k-1) x turns, which f32 scales without error.
                    let turns = T::from_f64(0.5 * (k as f64).exp2());
                    T::sine(sines, turns);
                    T::cosine(cosines, turns);
                }
            }
        }
    }

    fn validate(&self, inputs: usize) -> Result<()> {
        let width = self.width(inputs);
        if !(1..=MAX_ENCODED).contains(&width) {
            return Err(Error::invalid(format!(
                "the encoding makes {width} features; 1 to {MAX_ENCODED} are supported"
            )));
        }
        match self {
            Self::Octaves { count, .. } if *count > 24 => {
                Err(Error::invalid(format!("{count} octaves: f32 coordinates carry at most 24")))
            }
            Self::Fourier { features, frequencies } => {
                check_tensor("encoding.frequencies", frequencies, features * inputs)
            }
            _ => Ok(()),
        }
    }
}

/// One activated layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HiddenLayer {
    /// Number of outputs.
    pub width: usize,
    /// What is applied to them.
    pub activation: Activation,
    /// Whether the encoded coordinates are appended to this layer's inputs (DeepSDF).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
}

impl HiddenLayer {
    /// A layer without a skip connection.
    pub fn new(width: usize, activation: Activation) -> Self {
        Self { width, activation, skip: false }
    }
}

/// An INR's architecture: `R^inputs -> R^outputs`: an encoding, hidden layers, then one linear layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inr {
    /// Coordinates per point.
    pub inputs: usize,
    /// Values per point.
    pub outputs: usize,
    /// What the first layer sees of them.
    #[serde(default)]
    pub encoding: Encoding,
    /// The activated layers, first to last.
    pub hidden: Vec<HiddenLayer>,
}

/// The shape of one layer: `[outputs, inputs]` weights, `[outputs]` biases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    /// Number of outputs (rows).
    pub outputs: usize,
    /// Number of inputs (columns).
    pub inputs: usize,
    /// How many of the inputs are the previous layer's outputs; encoded coordinates follow.
    pub previous: usize,
    /// None for the last layer, which is linear.
    pub activation: Option<Activation>,
}

impl LayerShape {
    /// Number of weights, without biases.
    pub fn weights(&self) -> usize {
        self.outputs * self.inputs
    }
}

impl Inr {
    /// A SIREN with `depth` sine layers of the same width and one omega.
    pub fn siren(inputs: usize, width: usize, depth: usize, outputs: usize, omega: f32) -> Self {
        let layer = HiddenLayer::new(width, Activation::Sine { omega });
        Self { inputs, outputs, encoding: Encoding::Identity, hidden: vec![layer; depth] }
    }

    /// Every layer's shape, first to last; the last one has no activation.
    pub fn layers(&self) -> Vec<LayerShape> {
        let encoded = self.encoding.width(self.inputs);
        let mut previous = 0;
        let mut shapes = Vec::with_capacity(self.hidden.len() + 1);
        for (l, layer) in self.hidden.iter().enumerate() {
            let inputs = previous + if l == 0 || layer.skip { encoded } else { 0 };
            shapes.push(LayerShape { outputs: layer.width, inputs, previous, activation: Some(layer.activation) });
            previous = layer.width;
        }
        shapes.push(LayerShape { outputs: self.outputs, inputs: previous, previous, activation: None });
        shapes
    }

    /// All weights and biases.
    pub fn weight_count(&self) -> usize {
        self.layers().iter().map(|l| l.weights() + l.outputs).sum()
    }

    /// Multiply-adds of one evaluated point, activations not counted.
    pub fn macs_per_point(&self) -> usize {
        self.layers().iter().map(LayerShape::weights).sum()
    }

    /// The widest hidden layer.
    pub fn max_width(&self) -> usize {
        self.hidden.iter().map(|l| l.width).max().unwrap_or(0)
    }

    /// Checks the architecture against the limits of the engine.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the number that is out of range.
    pub fn validate(&self) -> Result<()> {
        let within = |what: &str, n: usize, max: usize| {
            if (1..=max).contains(&n) {
                Ok(())
            } else {
                Err(Error::invalid(format!("the INR has {n} {what}; 1 to {max} are supported")))
            }
        };
        within("inputs", self.inputs, MAX_INPUTS)?;
        within("outputs", self.outputs, MAX_OUTPUTS)?;
        within("hidden layers", self.hidden.len(), MAX_DEPTH)?;
        for (l, layer) in self.hidden.iter().enumerate() {
            within(&format!("neurons in layer {l}"), layer.width, MAX_WIDTH)?;
            layer.activation.validate(l)?;
        }
        self.encoding.validate(self.inputs)?;
        Ok(())
    }
}

impl std::fmt::Display for Inr {
    /// The brief's shorthand: `2-256x4-3`, or the widths one by one where they differ.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-", self.inputs)?;
        let same = self.hidden.windows(2).all(|w| w[0].width == w[1].width);
        match self.hidden.first() {
            Some(first) if same => write!(f, "{}x{}", first.width, self.hidden.len())?,
            _ => {
                let widths: Vec<String> = self.hidden.iter().map(|l| l.width.to_string()).collect();
                f.write_str(&widths.join("-"))?;
            }
        }
        write!(f, "-{}", self.outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_encodings_are_refused() {
        for count in [25, usize::MAX, usize::MAX / 2 + 1] {
            let inr = Inr { encoding: Encoding::Octaves { count, input: true }, ..Inr::siren(2, 8, 2, 1, 30.0) };
            assert!(inr.validate().is_err(), "{count}");
        }
        let frequencies = vec![0.0; 8];
        let encoding = Encoding::Fourier { features: usize::MAX / 2 + 1, frequencies };
        assert!(Inr { encoding, ..Inr::siren(2, 8, 2, 1, 30.0) }.validate().is_err());
    }
}
