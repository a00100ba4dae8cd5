//! Generation and evaluation on the CPU.
//!
//! Points are taken in blocks that fit the second-level cache; each block walks through all layers, and
//! blocks are spread over all cores. Memory is bounded by the block, not by the picture.

use std::sync::Arc;

use rayon::prelude::*;

use crate::math::{Matrix, MatrixMut, Real, add_product};
use crate::model::{Activation, Domain, Features, Hypernetwork, Inr, LayerShape, Model};

/// A model as the CPU evaluates it, in precision `T`.
#[derive(Clone, Debug)]
pub struct Network<T> {
    inr: Inr,
    layers: Vec<LayerShape>,
    hypernetwork: Arc<Hypernetwork<T>>,
}

/// The activations of one block: `[width, points]`, two of them to go back and forth between.
struct Scratch<T> {
    from: Vec<T>,
    to: Vec<T>,
}

impl Network<f32> {
    /// The fallback backend's network; shares the model's weights.
    pub fn new(model: &Model) -> Self {
        Self { layers: model.inr.layers(), inr: model.inr.clone(), hypernetwork: Arc::clone(&model.hypernetwork) }
    }
}

impl Network<f64> {
    /// The oracle: the same model, all arithmetic in double precision.
    pub fn oracle(model: &Model) -> Self {
        Self { layers: model.inr.layers(), inr: model.inr.clone(), hypernetwork: Arc::new(model.hypernetwork.cast()) }
    }
}

impl<T: Real> Network<T> {
    /// The trunks' outputs for a batch of latents (`z`: `batch x latent_dim`).
    ///
    /// # Panics
    /// Where `z` has another size.
    pub fn features(&self, batch: usize, z: &[T]) -> Features<T> {
        self.hypernetwork.features(batch, z)
    }

    /// theta of a batch: per latent, layer by layer, weights `[out, in]` and then biases.
    pub fn materialise(&self, batch: usize, features: &Features<T>) -> Vec<T> {
        let mut theta = vec![T::ZERO; batch * self.inr.weight_count()];
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
        assert_eq!(out.len() / per_latent, theta.len() / self.inr.weight_count(), "one theta per output picture");
        out.par_chunks_mut(per_latent)
            .zip(theta.par_chunks(self.inr.weight_count()))
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
        let bytes = 2 * self.inr.max_width().max(16) * size_of::<T>();
        ((1 << 19) / bytes).clamp(64, 1024)
    }

    fn evaluate_one(&self, theta: &[T], domain: &Domain<'_>, out: &mut [T]) {
        let block = self.block();
        let rows = self.inr.max_width().max(self.inr.inputs);
        out.par_chunks_mut(block * self.inr.outputs).enumerate().for_each_init(
            || Scratch { from: vec![T::ZERO; rows * block], to: vec![T::ZERO; rows * block] },
            |scratch, (i, out)| self.evaluate_block(theta, domain, i * block, scratch, out),
        );
    }

    /// Walks the points `first ..` of one block, as many as `out` holds, through all layers.
    fn evaluate_block(&self, theta: &[T], domain: &Domain<'_>, first: usize, scratch: &mut Scratch<T>, out: &mut [T]) {
        let points = out.len() / self.inr.outputs;
        let Scratch { from, to } = scratch;
        load_points(domain, first, points, from);
        let mut at = 0;
        for shape in &self.layers {
            let (weight, bias) = theta[at..][..shape.weights() + shape.outputs].split_at(shape.weights());
            at += shape.weights() + shape.outputs;
            let weight = Matrix::row_major(weight, shape.outputs, shape.inputs);
            let input = Matrix::row_major(from, shape.inputs, points);
            match shape.activation {
                Some(Activation::Sine { omega }) => {
                    let used = &mut to[..shape.outputs * points];
                    for (row, &b) in used.chunks_exact_mut(points).zip(bias) {
                        row.fill(b);
                    }
                    add_product(MatrixMut::row_major(used, shape.outputs, points), weight, input);
                    T::sine(used, T::from_f64(f64::from(omega) / std::f64::consts::TAU));
                    std::mem::swap(from, to);
                }
                None => {
                    for pixel in out.chunks_exact_mut(shape.outputs) {
                        pixel.copy_from_slice(bias);
                    }
                    add_product(MatrixMut::strided(out, shape.outputs, points, 1, shape.outputs), weight, input);
                }
            }
        }
    }
}

/// Writes the coordinates of `points` points from `first` on, one row per coordinate.
fn load_points<T: Real>(domain: &Domain<'_>, first: usize, points: usize, rows: &mut [T]) {
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
