//! The network that writes the INR's weights: trunks (z -> features h) and one head per INR layer.

use rayon::prelude::*;

use super::heads::{Adjoint, Slots};
use super::{Activation, Head, Inr, LayerShape};
use crate::math::{Matrix, MatrixMut, Real, add_product, dot, product, sum, zip};
use crate::{Error, Result};

/// Widest trunk or latent that is accepted.
pub(super) const MAX_FEATURES: usize = 8192;

/// Multiply-adds that are worth a thread's while.
const TASK: usize = 1 << 20;
/// Most pieces that a map's rows are cut into where each piece has a gradient of the map's inputs of its own.
const PIECES: usize = 16;

/// An affine map `y = W x + b` with `W` stored row-major as `[outputs, inputs]`, as PyTorch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense<T> {
    /// Rows of `W`.
    pub outputs: usize,
    /// Columns of `W`.
    pub inputs: usize,
    /// `outputs * inputs` numbers.
    pub weight: Vec<T>,
    /// `outputs` numbers.
    pub bias: Vec<T>,
}

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

/// Trunks and heads together: `z -> theta`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypernetwork<T> {
    /// Length of z. 0 where every head is shared.
    pub latent_dim: usize,
    /// One for all heads, or one per target tensor (SIREN's own code); heads name theirs by index.
    pub trunks: Vec<Trunk<T>>,
    /// One per INR layer, first to last.
    pub heads: Vec<Head<T>>,
}

/// The outputs of all trunks for a batch of latents: row `b` holds trunk 0's features, then trunk 1's, ...
#[derive(Clone, Debug)]
pub struct Features<T> {
    /// `batch * stride` numbers.
    pub data: Vec<T>,
    /// Features of one latent, all trunks together.
    pub stride: usize,
    /// Where each trunk's features start in a row.
    pub offsets: Vec<usize>,
}

impl<T: Copy> Features<T> {
    /// The features of some of the latents.
    #[must_use]
    pub fn rows(&self, latents: std::ops::Range<usize>) -> Self {
        let data = self.data[latents.start * self.stride..latents.end * self.stride].to_vec();
        Self { data, stride: self.stride, offsets: self.offsets.clone() }
    }
}

impl<T: Real> Dense<T> {
    /// `out[b] = W x[b] + b` for a batch: `x` has rows of `x_stride`, `out` rows of `out_stride`.
    ///
    /// # Panics
    /// Where a slice is too short for `batch` rows.
    pub fn apply(&self, batch: usize, x: &[T], x_stride: usize, out: &mut [T], out_stride: usize) {
        // out^T [outputs, batch] += W [outputs, inputs] x^T [inputs, batch], piece by piece of W's rows: each number of W is
        // read once.
        let out = MatrixMut::strided(out, self.outputs, batch, 1, out_stride);
        let x = Matrix::strided(x, self.inputs, batch, 1, x_stride);
        let rows = self.rows_per_task(batch);
        out.row_chunks(rows).into_par_iter().zip(self.bias.par_chunks(rows)).enumerate().for_each(
            |(i, (mut out, bias))| {
                (0..batch).for_each(|b| out.column(b).copy_from_slice(bias));
                add_product(out, self.rows(i * rows, bias.len()), x);
            },
        );
    }

    /// `count` rows of `W`.
    fn rows(&self, first: usize, count: usize) -> Matrix<'_, T> {
        Matrix::row_major(&self.weight[first * self.inputs..], count, self.inputs)
    }

    /// Rows of `W` that make a piece of work, whatever the number of threads.
    fn rows_per_task(&self, batch: usize) -> usize {
        TASK.div_ceil((self.inputs * batch).max(1)).next_multiple_of(16)
    }

    /// Adjoint of [`Dense::apply`] at `x [batch, inputs]`: `dy [batch, outputs]` is the gradient with respect to what it
    /// writes. `gradient` is overwritten with `dW = dy^T x` and `db`, unless its tensors are empty; `dx` (rows of `dx_stride`)
    /// has `dy W` added. Sums are of fixed order; 16 gradients of `x` are held at most.
    pub(super) fn vjp(&self, x: Matrix<'_, T>, dy: Matrix<'_, T>, gradient: &mut Self, dx: &mut [T], dx_stride: usize) {
        let (batch, inputs) = (x.rows(), self.inputs);
        let rows = self.rows_per_task(batch).max(self.outputs.div_ceil(PIECES)).max(1);
        let pieces = self.bias.chunks(rows).enumerate().map(|(i, piece)| i * rows..i * rows + piece.len());
        let mut wanted: Vec<Option<(MatrixMut<'_, T>, &mut [T])>> = Vec::new();
        if !gradient.weight.is_empty() {
            let dw = MatrixMut::row_major(&mut gradient.weight, self.outputs, inputs).row_chunks(rows);
            wanted.extend(dw.into_iter().zip(gradient.bias.chunks_mut(rows)).map(Some));
        }
        wanted.resize_with(pieces.len(), || None);
        let partial: Vec<Vec<T>> = (pieces.zip(wanted).collect::<Vec<_>>().into_par_iter())
            .map(|(piece, wanted)| {
                let dy = dy.columns(piece.clone());
                if let Some((dw, db)) = wanted {
                    dy.sum_rows(db);
                    product(dw, dy.transposed(), x);
                }
                let mut dx = vec![T::ZERO; batch * inputs];
                product(MatrixMut::row_major(&mut dx, batch, inputs), dy, self.rows(piece.start, piece.len()));
                dx
            })
            .collect();
        for partial in &partial {
            add_rows(dx, dx_stride, partial, inputs);
        }
    }

    pub(super) fn tensors_mut<'a>(&'a mut self, name: &str, list: &mut Vec<(String, &'a mut [T])>) {
        list.push((format!("{name}.weight"), &mut self.weight));
        list.push((format!("{name}.bias"), &mut self.bias));
    }

    fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>) -> Dense<U> {
        Dense { outputs: self.outputs, inputs: self.inputs, weight: tensor(&self.weight), bias: tensor(&self.bias) }
    }

    /// Checks sizes and finiteness; `name` says which map in the message.
    pub(super) fn validate(&self, name: &str) -> Result<()> {
        check_tensor(&format!("{name}.weight"), &self.weight, self.outputs * self.inputs)?;
        check_tensor(&format!("{name}.bias"), &self.bias, self.outputs)
    }
}

/// Converts a slice of numbers to the other precision.
pub(super) fn cast<T: Real, U: Real>(values: &[T]) -> Vec<U> {
    values.iter().map(|v| U::from_f64(v.to_f64())).collect()
}

/// Fails where `values` has not `len` numbers or one of them is NaN or infinite.
pub(super) fn check_tensor<T: Real>(name: &str, values: &[T], len: usize) -> Result<()> {
    if values.len() != len {
        return Err(Error::invalid(format!("tensor '{name}' has {} numbers where {len} are needed", values.len())));
    }
    match values.iter().position(|v| !v.to_f64().is_finite()) {
        Some(i) => Err(Error::invalid(format!(
            "tensor '{name}' holds {:?} at element {i}: the weights must be finite; the training that wrote it diverged or the file is damaged",
            values[i]
        ))),
        None => Ok(()),
    }
}

/// Adds the rows of `x`, of `width` numbers, to those of `out`.
fn add_rows<T: Real>(out: &mut [T], stride: usize, x: &[T], width: usize) {
    for (out, x) in out.chunks_mut(stride.max(1)).zip(x.chunks_exact(width.max(1))) {
        zip(&mut out[..width], x, |sum, v| sum + v);
    }
}

impl<T: Real> LayerNorm<T> {
    /// A row's mean, and what its distance from the mean is multiplied by.
    fn moments(row: &[T]) -> (T, T) {
        let inverse = T::from_f64(1.0 / row.len() as f64);
        let mean = row.iter().fold(T::ZERO, |s, &v| s + v) * inverse;
        let variance = row.iter().fold(T::ZERO, |s, &v| s + (v - mean) * (v - mean)) * inverse;
        (mean, (variance + T::from_f64(NORM_EPSILON)).inverse_sqrt())
    }

    fn apply(&self, rows: &mut [T]) {
        for row in rows.chunks_exact_mut(self.weight.len()) {
            let (mean, scale) = Self::moments(row);
            for ((v, &w), &b) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *v = (*v - mean) * scale * w + b;
            }
        }
    }

    /// Adjoint of [`LayerNorm::apply`] at `u`: `delta` is the gradient with respect to its result, then to `u`. With
    /// `n = (u - mean) scale` and `d = delta weight`: `du = scale (d - mean(d) - n mean(d n))`.
    fn vjp(&self, u: &[T], delta: &mut [T], gradient: &mut Self) {
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

    fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>) -> TrunkLayer<U> {
        let norm = self.norm.as_ref().map(|n| LayerNorm { weight: tensor(&n.weight), bias: tensor(&n.bias) });
        TrunkLayer { map: self.map.map(&tensor), norm, activation: self.activation, skip: self.skip }
    }

    fn validate(&self, name: &str) -> Result<()> {
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
    fn inputs(&self, start: usize, latent_dim: usize) -> impl Iterator<Item = (usize, usize)> {
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
    fn apply(
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
    fn vjp(
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
struct Recorded<T> {
    inputs: Vec<T>,
    mapped: Vec<T>,
    normalised: Vec<T>,
}

/// `width` columns from `first` on of the rows of `data`, one row after another.
fn columns<T: Copy>(data: &[T], stride: usize, first: usize, width: usize) -> Vec<T> {
    data.chunks_exact(stride.max(1)).flat_map(|row| &row[first..first + width]).copied().collect()
}

/// Rows of `a_width` numbers of `a`, each followed by one of `b`.
fn appended<T: Copy>(a: &[T], a_width: usize, b: &[T], b_width: usize) -> Vec<T> {
    if a_width == 0 {
        return b.to_vec();
    }
    a.chunks_exact(a_width).zip(b.chunks_exact(b_width)).flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
}

impl<T: Real> Hypernetwork<T> {
    /// The hypernetwork with every tensor replaced.
    fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>) -> Hypernetwork<U> {
        let trunk = |t: &Trunk<T>| Trunk { from: t.from, layers: t.layers.iter().map(|l| l.map(&tensor)).collect() };
        Hypernetwork {
            latent_dim: self.latent_dim,
            trunks: self.trunks.iter().map(trunk).collect(),
            heads: self.heads.iter().map(|h| h.map(&tensor, |dense| dense.map(&tensor))).collect(),
        }
    }

    /// The hypernetwork in another precision.
    pub fn cast<U: Real>(&self) -> Hypernetwork<U> {
        self.map(cast)
    }

    /// Total number of stored parameters, latents not counted.
    pub fn parameter_count(&self) -> usize {
        let layer = |l: &TrunkLayer<T>| {
            l.map.weight.len() + l.map.bias.len() + l.norm.as_ref().map_or(0, |n| n.weight.len() + n.bias.len())
        };
        let trunks: usize = self.trunks.iter().flat_map(|t| &t.layers).map(layer).sum();
        trunks + self.heads.iter().map(Head::parameter_count).sum::<usize>()
    }

    /// Multiply-adds to generate one theta from one latent.
    pub fn macs_per_latent(&self) -> usize {
        self.trunk_macs() + self.heads.iter().map(Head::macs_per_latent).sum::<usize>()
    }

    /// Those of the trunks.
    pub fn trunk_macs(&self) -> usize {
        self.trunks.iter().flat_map(|t| &t.layers).map(|l| l.map.weight.len()).sum()
    }

    /// Features of a trunk, of which the earlier ones have `widths`.
    fn feature_width(&self, trunk: &Trunk<T>, widths: &[usize]) -> usize {
        let start = trunk.from.map_or(self.latent_dim, |f| widths[f]);
        trunk.layers.last().map_or(start, |l| l.map.outputs)
    }

    /// Features of each trunk.
    pub fn feature_widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::with_capacity(self.trunks.len());
        for trunk in &self.trunks {
            widths.push(self.feature_width(trunk, &widths));
        }
        widths
    }

    /// Of each layer of trunk `t`: how many inputs are the outputs of the layer or trunk before, and how many inputs
    /// there are; entries of the latent come last. `widths` are the trunks' features, as far as trunk `t` reads them.
    pub(crate) fn trunk_inputs(&self, t: usize, widths: &[usize]) -> Vec<(usize, usize)> {
        let trunk = &self.trunks[t];
        trunk.inputs(trunk.from.map_or(0, |f| widths[f]), self.latent_dim).collect()
    }

    /// Where every layer's parameters stand in a latent's row of theta.
    pub fn slots(&self, inr: &Inr) -> Vec<Slots> {
        let mut at = 0;
        let next = |(head, shape): (&Head<T>, LayerShape)| {
            let slots = head.slots(&shape, at);
            at = slots.end;
            slots
        };
        self.heads.iter().zip(inr.layers()).map(next).collect()
    }

    /// Numbers of one latent's theta.
    pub fn theta_len(&self, inr: &Inr) -> usize {
        self.slots(inr).last().map_or(0, |s| s.end)
    }

    /// Runs the trunks: `z` is `batch x latent_dim`, row-major.
    ///
    /// # Panics
    /// Where `z` is shorter than that.
    pub fn features(&self, batch: usize, z: &[T]) -> Features<T> {
        assert_eq!(z.len(), batch * self.latent_dim, "latents do not match the hypernetwork");
        let widths = self.feature_widths();
        let stride = widths.iter().sum();
        let mut end = 0;
        let offsets: Vec<usize> = (widths.iter())
            .map(|width| {
                end += width;
                end - width
            })
            .collect();
        let mut data = vec![T::ZERO; batch * stride];
        for (t, trunk) in self.trunks.iter().enumerate() {
            let (x, start) = match trunk.from {
                Some(f) => (columns(&data, stride, offsets[f], widths[f]), widths[f]),
                None if trunk.layers.is_empty() => (z.to_vec(), self.latent_dim),
                None => (Vec::new(), 0),
            };
            let features = trunk.apply(batch, x, start, z, self.latent_dim, None);
            for (b, row) in features.chunks_exact(widths[t].max(1)).enumerate() {
                data[b * stride + offsets[t]..][..widths[t]].copy_from_slice(row);
            }
        }
        Features { data, stride, offsets }
    }

    /// Adjoint of [`Hypernetwork::features`]: from `dfeatures`, the gradients of the trunks (overwritten) and of the
    /// latents (added to `dz`). Trunks run forward once more, which costs less than to keep what they computed. What
    /// chained trunks receive from later ones is added to `dfeatures`.
    fn trunks_vjp(
        &self,
        z: &[T],
        features: &Features<T>,
        dfeatures: &mut Features<T>,
        gradient: &mut Self,
        dz: &mut [T],
    ) {
        let (widths, stride) = (self.feature_widths(), features.stride);
        let batch = features.data.len().checked_div(stride).unwrap_or(0);
        for (t, trunk) in self.trunks.iter().enumerate().rev() {
            let at = |t: usize| features.offsets[t];
            let (x, start) =
                trunk.from.map_or((Vec::new(), 0), |f| (columns(&features.data, stride, at(f), widths[f]), widths[f]));
            let delta = columns(&dfeatures.data, stride, at(t), widths[t]);
            let mut tape = Vec::new();
            if !trunk.layers.is_empty() {
                trunk.apply(batch, x, start, z, self.latent_dim, Some(&mut tape));
            }
            let delta = trunk.vjp(&tape, (start, self.latent_dim), delta, &mut gradient.trunks[t], dz);
            match trunk.from {
                Some(f) => add_rows(&mut dfeatures.data[at(f)..], stride, &delta, widths[f]),
                None if trunk.layers.is_empty() => zip(dz, &delta, |sum, d| sum + d),
                None => {}
            }
        }
    }

    /// Adjoint of generation: from dL/dtheta of a batch of latents `z` (rows of `stride` numbers, of which the first
    /// `theta_len` count), the gradients of all parameters and of the latents. Both are overwritten; `gradient` has this
    /// hypernetwork's shapes, or is empty ([`Hypernetwork::empty_like`]).
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn vjp(
        &self,
        inr: &Inr,
        (z, features): (&[T], &Features<T>),
        (dtheta, stride): (&[T], usize),
        gradient: &mut Self,
        dz: &mut [T],
    ) {
        let batch = dtheta.len() / stride;
        let mut dfeatures = Features {
            data: vec![T::ZERO; features.data.len()],
            stride: features.stride,
            offsets: features.offsets.clone(),
        };
        let mut adjoint = Adjoint { batch, features, dtheta, stride, dfeatures: &mut dfeatures };
        let layers = inr.layers();
        let heads = self.heads.iter().zip(&mut gradient.heads).zip(layers.iter().zip(self.slots(inr)));
        for ((head, gradient), (shape, slots)) in heads {
            head.vjp(shape, &slots, &mut adjoint, gradient);
        }
        dz.fill(T::ZERO);
        self.trunks_vjp(z, features, &mut dfeatures, gradient, dz);
    }

    /// Every stored tensor, by its name in a model file, row-major.
    pub fn tensors_mut(&mut self) -> Vec<(String, &mut [T])> {
        let mut list = Vec::new();
        for (t, trunk) in self.trunks.iter_mut().enumerate() {
            for (l, layer) in trunk.layers.iter_mut().enumerate() {
                let name = format!("trunk.{t}.{l}");
                layer.map.tensors_mut(&name, &mut list);
                if let Some(norm) = &mut layer.norm {
                    list.push((format!("{name}.norm.weight"), &mut norm.weight));
                    list.push((format!("{name}.norm.bias"), &mut norm.bias));
                }
            }
        }
        for (l, head) in self.heads.iter_mut().enumerate() {
            head.tensors_mut(&format!("head.{l}"), &mut list);
        }
        list
    }

    /// The same shapes, all numbers 0: a place for gradients.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.map(|tensor| vec![T::ZERO; tensor.len()])
    }

    /// The same structure, all tensors empty: in place of gradients, it says that none of the parameters is wanted.
    #[must_use]
    pub fn empty_like(&self) -> Self {
        self.map(|_| Vec::new())
    }

    /// Writes theta for the latents behind `features`: per latent, layer by layer, weights `[out, in]` row-major,
    /// biases, then gains and shifts where there are any. `theta` has `batch * theta_len` numbers.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn materialise(&self, inr: &Inr, batch: usize, features: &Features<T>, theta: &mut [T]) {
        let stride = self.theta_len(inr);
        assert_eq!(theta.len(), batch * stride, "theta has the wrong size");
        if batch == 0 {
            return;
        }
        for ((head, shape), slots) in self.heads.iter().zip(inr.layers()).zip(self.slots(inr)) {
            head.materialise(&shape, &slots, batch, features, theta, stride);
        }
    }

    /// Checks every shape against the INR's, and every number.
    pub(super) fn validate(&self, inr: &Inr) -> Result<()> {
        if self.latent_dim > MAX_FEATURES {
            return Err(Error::invalid(format!(
                "latents of {} entries; at most {MAX_FEATURES} are supported",
                self.latent_dim
            )));
        }
        let mut widths = Vec::new();
        for (t, trunk) in self.trunks.iter().enumerate() {
            if let Some(from) = trunk.from.filter(|&f| f >= t) {
                return Err(Error::invalid(format!("trunk {t} starts from trunk {from}, which is no earlier one")));
            }
            for (l, (layer, (_, inputs))) in trunk.layers.iter().zip(self.trunk_inputs(t, &widths)).enumerate() {
                let map = &layer.map;
                if map.inputs != inputs || map.outputs == 0 || map.outputs > MAX_FEATURES {
                    return Err(Error::invalid(format!(
                        "layer {l} of trunk {t} is [{}, {}]; it should take {inputs} inputs and give 1 to {MAX_FEATURES} features",
                        map.outputs, map.inputs
                    )));
                }
                layer.validate(&format!("trunk.{t}.{l}"))?;
            }
            widths.push(self.feature_width(trunk, &widths));
        }
        let shapes = inr.layers();
        if self.heads.len() != shapes.len() {
            return Err(Error::invalid(format!("{} heads for an INR of {} layers", self.heads.len(), shapes.len())));
        }
        for (l, (head, shape)) in self.heads.iter().zip(&shapes).enumerate() {
            head.validate(l, shape, &widths)?;
        }
        Ok(())
    }
}
