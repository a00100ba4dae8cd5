//! Generation and evaluation on the CPU.
//!
//! Points are taken in blocks that fit the second-level cache; each block walks through all layers, and
//! blocks are spread over all cores. Memory is bounded by the block, not by the picture.

use std::sync::Arc;

use rayon::prelude::*;

use crate::math::{Matrix, MatrixMut, Real, add_product};
use crate::measure::Work;
use crate::model::heads::{Place, Slots};
use crate::model::{Domain, Features, Hypernetwork, Inr, LayerShape, Model};

/// A model as the CPU evaluates it, in precision `T`.
#[derive(Clone, Debug)]
pub struct Network<T> {
    pub(super) inr: Inr,
    pub(super) layers: Vec<LayerShape>,
    pub(super) slots: Vec<Slots>,
    pub(super) hypernetwork: Arc<Hypernetwork<T>>,
}

/// One block: its points, their encoding, and activations `[width, points]`, two of them to go back and forth.
struct Scratch<T> {
    from: Vec<T>,
    to: Vec<T>,
    points: Vec<T>,
    encoded: Vec<T>,
}

impl Network<f32> {
    /// The fallback backend's network; shares the model's weights.
    pub fn new(model: &Model) -> Self {
        Self::of(&model.inr, Arc::clone(&model.hypernetwork))
    }
}

impl Network<f64> {
    /// The oracle: the same model, all arithmetic in double precision.
    pub fn oracle(model: &Model) -> Self {
        Self::of(&model.inr, Arc::new(model.hypernetwork.cast()))
    }
}

impl<T: Real> Network<T> {
    fn of(inr: &Inr, hypernetwork: Arc<Hypernetwork<T>>) -> Self {
        Self { layers: inr.layers(), slots: hypernetwork.slots(inr), inr: inr.clone(), hypernetwork }
    }

    /// The parameters that generate theta.
    pub fn hypernetwork(&self) -> &Arc<Hypernetwork<T>> {
        &self.hypernetwork
    }

    /// The parameters, to be changed. Where another holds them too, this network gets a copy of its own.
    pub fn hypernetwork_mut(&mut self) -> &mut Hypernetwork<T> {
        Arc::make_mut(&mut self.hypernetwork)
    }

    /// Numbers of one latent's theta.
    pub fn theta_len(&self) -> usize {
        self.slots.last().map_or(0, |s| s.end)
    }

    /// The work of evaluating so many latents at so many points each: trunks and, under the materialised strategy, heads
    /// serve many latents at a time; fused, the heads run once per latent where they are used.
    pub fn work(&self, latents: usize, points: usize, fused: bool) -> Work {
        let batch = latents as f64;
        let (trunks, all) = (self.hypernetwork.trunk_macs() as f64, self.hypernetwork.macs_per_latent() as f64);
        let blocks = points.div_ceil(self.block()) as f64;
        let (generated, filled) = if fused { (trunks, all - trunks) } else { (all, 0.0) };
        Work {
            dispatches: if fused { 1.0 } else { 2.0 },
            generated: batch * generated,
            written: if fused { 0.0 } else { batch * self.theta_len() as f64 },
            evaluated: batch * (points * self.inr.macs_per_point()) as f64,
            loaded: batch * blocks * self.theta_len() as f64,
            filled: batch * filled,
        }
    }

    /// The trunks' outputs for a batch of latents (`z`: `batch x latent_dim`).
    ///
    /// # Panics
    /// Where `z` has another size.
    pub fn features(&self, batch: usize, z: &[T]) -> Features<T> {
        self.hypernetwork.features(batch, z)
    }

    /// theta of a batch: per latent, layer by layer, weights `[out, in]`, biases, gains and shifts.
    pub fn materialise(&self, batch: usize, features: &Features<T>) -> Vec<T> {
        let mut theta = vec![T::ZERO; batch * self.theta_len()];
        self.hypernetwork.materialise(&self.inr, batch, features, &mut theta);
        theta
    }

    /// Evaluates every latent's INR at every point. `out` is `[batch][points][outputs]`; `theta` comes
    /// from [`Network::materialise`].
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn evaluate(&self, theta: &[T], domain: &Domain<'_>, out: &mut [T]) {
        let per_latent = domain.len() * self.inr.outputs;
        if per_latent == 0 {
            return;
        }
        assert_eq!(out.len() / per_latent, theta.len() / self.theta_len(), "one theta per output picture");
        out.par_chunks_mut(per_latent)
            .zip(theta.par_chunks(self.theta_len()))
            .for_each(|(out, theta)| self.evaluate_one(theta, domain, out));
    }

    /// As [`Network::evaluate`], but each latent's theta is generated where it is used and then forgotten:
    /// memory does not grow with the number of latents.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn evaluate_fused(&self, features: &Features<T>, domain: &Domain<'_>, out: &mut [T]) {
        let per_latent = domain.len() * self.inr.outputs;
        if per_latent == 0 {
            return;
        }
        out.par_chunks_mut(per_latent).enumerate().for_each(|(latent, out)| {
            let theta = self.materialise(1, &features.rows(latent..latent + 1));
            self.evaluate_one(&theta, domain, out);
        });
    }

    /// Points per block: two blocks of activations within about half a megabyte.
    fn block(&self) -> usize {
        let bytes = 2 * self.rows().max(16) * size_of::<T>();
        ((1 << 19) / bytes).clamp(64, 1024)
    }

    /// The most inputs or outputs that a layer has.
    fn rows(&self) -> usize {
        self.layers.iter().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(0)
    }

    fn evaluate_one(&self, theta: &[T], domain: &Domain<'_>, out: &mut [T]) {
        let block = self.block();
        let buffer = |rows: usize| vec![T::ZERO; rows * block];
        let encoded = self.inr.encoding.width(self.inr.inputs);
        out.par_chunks_mut(block * self.inr.outputs).enumerate().for_each_init(
            || Scratch {
                from: buffer(self.rows()),
                to: buffer(self.rows()),
                points: buffer(self.inr.inputs),
                encoded: buffer(encoded),
            },
            |scratch, (i, out)| self.evaluate_block(theta, domain, i * block, scratch, out),
        );
    }

    /// Walks the points `first ..` of one block, as many as `out` holds, through all layers.
    fn evaluate_block(&self, theta: &[T], domain: &Domain<'_>, first: usize, scratch: &mut Scratch<T>, out: &mut [T]) {
        let count = out.len() / self.inr.outputs;
        let Scratch { from, to, points, encoded } = scratch;
        let points = &mut points[..self.inr.inputs * count];
        let encoded = &mut encoded[..self.inr.encoding.width(self.inr.inputs) * count];
        load_points(domain, first, count, points);
        self.inr.encoding.apply(count, points, encoded);
        let last = self.layers.len() - 1;
        for (l, shape) in self.layers.iter().enumerate() {
            self.append_coordinates(l, encoded, count, from);
            if l == last {
                self.affine(l, theta, from, count, out);
            } else {
                let used = &mut to[..shape.outputs * count];
                self.affine(l, theta, from, count, used);
                self.activate(l, theta, count, used);
                std::mem::swap(from, to);
            }
        }
    }

    /// Completes layer `l`'s inputs: the previous layer's outputs, then, in the first layer and where there is a skip, the
    /// encoded coordinates.
    pub(super) fn append_coordinates(&self, l: usize, encoded: &[T], count: usize, inputs: &mut [T]) {
        let shape = &self.layers[l];
        if shape.inputs > shape.previous {
            inputs[shape.previous * count..][..encoded.len()].copy_from_slice(encoded);
        }
    }

    /// Layer `l`'s `W x + b` of a block: `input` is `[inputs][count]`, `out` `[outputs][count]`, but point by point in the
    /// last layer.
    pub(super) fn affine(&self, l: usize, theta: &[T], input: &[T], count: usize, out: &mut [T]) {
        let (shape, slots) = (&self.layers[l], &self.slots[l]);
        let bias = &theta[slots.bias..][..shape.outputs];
        let out = if shape.activation.is_some() {
            for (row, &b) in out.chunks_exact_mut(count).zip(bias) {
                row.fill(b);
            }
            MatrixMut::row_major(out, shape.outputs, count)
        } else {
            for point in out.chunks_exact_mut(shape.outputs) {
                point.copy_from_slice(bias);
            }
            MatrixMut::strided(out, shape.outputs, count, 1, shape.outputs)
        };
        add_product(out, self.weight(l, theta), Matrix::row_major(input, shape.inputs, count));
    }

    /// Layer `l`'s weights.
    pub(super) fn weight<'a>(&self, l: usize, theta: &'a [T]) -> Matrix<'a, T> {
        let (shape, slots) = (&self.layers[l], &self.slots[l]);
        Matrix::row_major(&theta[slots.weight..slots.bias], shape.outputs, shape.inputs)
    }

    /// Where layer `l` is modulated, and the factor of its shifts.
    pub(super) fn modulation(&self, l: usize) -> Option<(Place, T)> {
        Some(self.hypernetwork.heads[l].modulation.as_ref()?.acts(self.layers[l].activation))
    }

    /// What hidden layer `l` does with `W x + b`, in place: activation and modulation.
    pub(super) fn activate(&self, l: usize, theta: &[T], count: usize, values: &mut [T]) {
        self.modulate(l, theta, count, Place::BeforeOmega, values);
        if let Some(activation) = &self.layers[l].activation {
            activation.apply(values);
        }
        self.modulate(l, theta, count, Place::AfterActivation, values);
    }

    /// Hidden layer `l`'s modulation, in place, if that is where it acts.
    pub(super) fn modulate(&self, l: usize, theta: &[T], count: usize, at: Place, values: &mut [T]) {
        if let Some((_, scale)) = self.modulation(l).filter(|(place, _)| *place == at) {
            self.slots[l].modulate(theta, scale, count, values);
        }
    }
}

/// Writes the coordinates of `points` points from `first` on, one row per coordinate.
pub(super) fn load_points<T: Real>(domain: &Domain<'_>, first: usize, points: usize, rows: &mut [T]) {
    match domain {
        Domain::Grid(grid) => {
            let width = grid.width as usize;
            let (a, b) = rows.split_at_mut(points);
            for (p, (a, b)) in a.iter_mut().zip(b).enumerate() {
                let at = first + p;
                #[expect(clippy::cast_possible_truncation, reason = "a grid's sides are u32")]
                let [c0, c1] = grid.point((at % width) as u32, (at / width) as u32);
                (*a, *b) = (T::from_f64(c0), T::from_f64(c1));
            }
        }
        Domain::Points { coordinates, inputs } => {
            for (p, point) in coordinates[first * inputs..].chunks_exact(*inputs).take(points).enumerate() {
                for (d, &c) in point.iter().enumerate() {
                    rows[d * points + p] = T::from_f32(c);
                }
            }
        }
    }
}
