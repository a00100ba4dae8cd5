//! Trunks: the part of a hypernetwork from the latent to features.

use super::Activation;
use super::dense::{Dense, add_rows, check_tensor};
use crate::Result;
use crate::math::{Matrix, Real, dot, sum, zip};

/// Layer normalisation over a row's features: `(u - mean) / sqrt(variance + 1e-5) * weight + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm<T> {
    /// One number a feature.
    pub weight: Vec<T>,
    /// One number a feature.
    pub bias: Vec<T>,
}

/// Added to the variance under the root; PyTorch's default.
pub const NORM_EPSILON: f64 = 1e-5;

/// One layer of a trunk: `act(norm(W x + b))`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkLayer<T> {
    /// The affine map.
    pub map: Dense<T>,
    /// Normalisation of its outputs (SRN and MetaAvatar have one).
    pub norm: Option<LayerNorm<T>>,
    /// None: linear.
    pub activation: Option<Activation>,
    /// Whether the latent is appended to this layer's inputs (siren-pytorch's modulator).
    pub skip: bool,
}

/// An MLP from latent to features. With no layers it is the identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trunk<T> {
    /// An earlier trunk whose features are the first layer's inputs; None: the latent.
    pub from: Option<usize>,
    /// First to last.
    pub layers: Vec<TrunkLayer<T>>,
}

impl<T: Real> LayerNorm<T> {
    /// A row's mean, and what its distance from the mean is multiplied by.
    fn moments(row: &[T]) -> (T, T) {
        let inverse = T::from_f64(1.0 / row.len() as f64);
        let mean = row.iter().fold(T::ZERO, |s, &v| s + v) * inverse;
        let variance = row.iter().fold(T::ZERO, |s, &v| s + (v - mean) * (v - mean)) * inverse;
        (mean, (variance + T::from_f64(NORM_EPSILON)).inverse_sqrt())
    }

    pub(super) fn apply(&self, rows: &mut [T]) {
        for row in rows.chunks_exact_mut(self.weight.len()) {
            let (mean, scale) = Self::moments(row);
            for ((v, &w), &b) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *v = (*v - mean) * scale * w + b;
            }
        }
    }

    /// Adjoint of [`LayerNorm::apply`] at `u`: `delta` is the gradient with respect to its result, then to `u`. With
    /// `n = (u - mean) scale` and `d = delta weight`: `du = scale (d - mean(d) - n mean(d n))`.
    pub(super) fn vjp(&self, u: &[T], delta: &mut [T], gradient: &mut Self) {
        let n = self.weight.len();
        let inverse = T::from_f64(1.0 / n as f64);
        gradient.weight.fill(T::ZERO);
        gradient.bias.fill(T::ZERO);
        let mut normal = vec![T::ZERO; n];
        for (u, delta) in u.chunks_exact(n).zip(delta.chunks_exact_mut(n)) {
            let (mean, scale) = Self::moments(u);
            zip(&mut normal, u, |_, u| (u - mean) * scale);
            zip(&mut gradient.bias, delta, |sum, d| sum + d);
            for ((sum, &d), &n) in gradient.weight.iter_mut().zip(&*delta).zip(&normal) {
                *sum += d * n;
            }
            zip(delta, &self.weight, |d, w| d * w);
            let (level, along) = (sum(delta) * inverse, dot(delta, &normal) * inverse);
            zip(delta, &normal, |d, n| scale * (d - level - n * along));
        }
    }
}

impl<T: Real> TrunkLayer<T> {
    /// A layer without normalisation and skip connection.
    pub fn new(map: Dense<T>, activation: Activation) -> Self {
        Self { map, norm: None, activation: Some(activation), skip: false }
    }

    pub(super) fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>) -> TrunkLayer<U> {
        let norm = self.norm.as_ref().map(|n| LayerNorm { weight: tensor(&n.weight), bias: tensor(&n.bias) });
        TrunkLayer { map: self.map.map(&tensor), norm, activation: self.activation, skip: self.skip }
    }

    pub(super) fn validate(&self, name: &str) -> Result<()> {
        self.map.validate(name)?;
        if let Some(norm) = &self.norm {
            check_tensor(&format!("{name}.norm.weight"), &norm.weight, self.map.outputs)?;
            check_tensor(&format!("{name}.norm.bias"), &norm.bias, self.map.outputs)?;
        }
        Ok(())
    }
}

impl<T: Real> Trunk<T> {
    /// A trunk that starts from the latent.
    pub fn new(layers: Vec<TrunkLayer<T>>) -> Self {
        Self { from: None, layers }
    }

    /// What goes into each layer: how many of its inputs are the previous layer's outputs (those of `start` features
    /// before the first, 0 where it starts from the latent), and how many inputs it has; the latent's entries follow.
    pub(super) fn inputs(&self, start: usize, latent_dim: usize) -> impl Iterator<Item = (usize, usize)> {
        let outputs = self.layers.iter().map(|l| l.map.outputs);
        let previous = std::iter::once(start).chain(outputs);
        let latent = self.layers.iter().enumerate().map(move |(l, layer)| {
            let whole = layer.skip || (l == 0 && self.from.is_none());
            if whole { latent_dim } else { 0 }
        });
        previous.zip(latent).map(|(previous, latent)| (previous, previous + latent))
    }

    /// Turns the rows `x` (`batch x start`) into features, with the latents `z` (`batch x latent_dim`) at hand. Where a
    /// `tape` is given, what [`Trunk::vjp`] needs of each layer is left on it.
    pub(super) fn apply(
        &self,
        batch: usize,
        mut x: Vec<T>,
        start: usize,
        z: &[T],
        latent_dim: usize,
        mut tape: Option<&mut Vec<Recorded<T>>>,
    ) -> Vec<T> {
        for (layer, (previous, inputs)) in self.layers.iter().zip(self.inputs(start, latent_dim)) {
            if inputs > previous {
                x = appended(&x, previous, z, latent_dim);
            }
            let mut y = vec![T::ZERO; batch * layer.map.outputs];
            layer.map.apply(batch, &x, inputs, &mut y, layer.map.outputs);
            let mapped = if tape.is_some() { y.clone() } else { Vec::new() };
            if let Some(norm) = &layer.norm {
                norm.apply(&mut y);
            }
            if let Some(tape) = &mut tape {
                tape.push(Recorded { inputs: x, mapped, normalised: y.clone() });
            }
            if let Some(activation) = &layer.activation {
                activation.apply(&mut y);
            }
            x = y;
        }
        x
    }

    /// Adjoint of [`Trunk::apply`]: `delta` comes as the gradient with respect to the features and leaves as that with
    /// respect to the rows it started from (`batch x start`); the latents' is added to `dz`. Overwrites `gradient`.
    pub(super) fn vjp(
        &self,
        tape: &[Recorded<T>],
        (start, latent_dim): (usize, usize),
        mut delta: Vec<T>,
        gradient: &mut Self,
        dz: &mut [T],
    ) -> Vec<T> {
        let shapes: Vec<(usize, usize)> = self.inputs(start, latent_dim).collect();
        let layers = self.layers.iter().zip(&mut gradient.layers).zip(tape.iter().zip(&shapes));
        for ((layer, gradient), (recorded, &(previous, inputs))) in layers.rev() {
            if let Some(activation) = &layer.activation {
                activation.vjp(&recorded.normalised, &mut delta);
            }
            if let (Some(norm), Some(gradient)) = (&layer.norm, &mut gradient.norm) {
                norm.vjp(&recorded.mapped, &mut delta, gradient);
            }
            let batch = delta.len() / layer.map.outputs;
            let mut dx = vec![T::ZERO; batch * inputs];
            let x = Matrix::row_major(&recorded.inputs, batch, inputs);
            layer.map.vjp(x, Matrix::row_major(&delta, batch, layer.map.outputs), &mut gradient.map, &mut dx, inputs);
            delta = columns(&dx, inputs, 0, previous);
            if inputs > previous {
                add_rows(dz, latent_dim, &columns(&dx, inputs, previous, latent_dim), latent_dim);
            }
        }
        delta
    }
}

/// What the backward pass of a trunk's layer needs: rows of its inputs, of what its map makes of them, and of that
/// normalised.
pub(super) struct Recorded<T> {
    inputs: Vec<T>,
    mapped: Vec<T>,
    normalised: Vec<T>,
}

/// `width` columns from `first` on of the rows of `data`, one row after another.
pub(super) fn columns<T: Copy>(data: &[T], stride: usize, first: usize, width: usize) -> Vec<T> {
    data.chunks_exact(stride.max(1)).flat_map(|row| &row[first..first + width]).copied().collect()
}

/// Rows of `a_width` numbers of `a`, each followed by one of `b`.
fn appended<T: Copy>(a: &[T], a_width: usize, b: &[T], b_width: usize) -> Vec<T> {
    if a_width == 0 {
        return b.to_vec();
    }
    a.chunks_exact(a_width).zip(b.chunks_exact(b_width)).flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
}
