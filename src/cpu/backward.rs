//! Learning's forward and backward pass: gradients of every parameter and of the latents of a batch.
//!
//! Each latent's points are cut into segments and these into blocks that fit the second-level cache. A block walks
//! through all layers, keeping their inputs and pre-activations, and back, adding to its segment's dL/dtheta; segments
//! spread over all cores. Then the heads and trunks take dL/dtheta back to the parameters. How the work is cut depends on
//! the batch alone and sums are of fixed order: the same batch gives the same bits on any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::Network;
use super::network::Encoded;
use crate::math::{Lanes, Matrix, MatrixMut, Real, add_product, product, sum, zip};
use crate::model::heads::Place;
use crate::model::{Batch, Domain, Hypernetwork, Jet, Losses, Objective, Source};

/// Segments that a batch is cut into, over all its latents: work for so many cores.
const SEGMENTS: usize = 32;
/// Fewest points of a segment, for each costs a dL/dtheta of memory.
const SEGMENT_POINTS: usize = 512;

/// Gradients, and the memory in which a step computes them, which the next step uses again.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// With respect to the parameters; all tensors empty where none is wanted.
    pub hypernetwork: Hypernetwork<T>,
    /// With respect to the latents, `[count][latent_dim]`.
    pub latents: Vec<T>,
    /// `[count][theta_len]`
    theta: Vec<T>,
    /// dL/dtheta `[count][segments][theta_len]`; the sum ends up in each latent's first.
    dtheta: Vec<T>,
}

impl<T: Real> Gradients<T> {
    /// Room for the gradients of `network`.
    pub fn new(network: &Network<T>) -> Self {
        Self::with(network.hypernetwork.zeros_like())
    }

    /// Room for the gradients of latents alone, the network being frozen: [`Network::backward`] leaves out what only
    /// parameters would need.
    pub fn of_latents(network: &Network<T>) -> Self {
        Self::with(network.hypernetwork.empty_like())
    }

    fn with(hypernetwork: Hypernetwork<T>) -> Self {
        Self { hypernetwork, latents: Vec::new(), theta: Vec::new(), dtheta: Vec::new() }
    }
}

/// One block on its way through the layers.
pub(super) struct Tape<T> {
    encoded: Encoded<T>,
    /// Of each layer: its inputs, `[inputs][columns][points]`.
    pub(super) inputs: Vec<Vec<T>>,
    /// Of each hidden layer: `W x + b`, and the stream where it is residual, `[outputs][columns][points]`.
    pub(super) sums: Vec<Vec<T>>,
    /// `[points][columns][outputs]`
    pub(super) outputs: Vec<T>,
    /// The gradient with respect to what a layer writes, and two more buffers of its size.
    delta: Vec<T>,
    next: Vec<T>,
    spare: Vec<T>,
    /// The residual stream, or its gradient; empty where there is none.
    stream: Vec<T>,
    /// Of each layer: whether anybody asks for the gradient of its weights.
    wanted: Vec<bool>,
}

impl<T: Real> Network<T> {
    /// Forward, then backward: the value of `objective` on a batch, its gradients in `gradients` (overwritten).
    ///
    /// Memory besides the gradients: theta once, dL/dtheta once for each of at most `count + 32` segments, and on every
    /// thread half a megabyte of activations, or those of 128 points where that is more. None of it
    /// grows with the number of points.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn backward(&self, batch: Batch<'_, T>, objective: &impl Objective<T>, gradients: &mut Gradients<T>) -> Losses {
        let Batch { count, latents: z, coordinates } = batch;
        let points = coordinates.len() / (count * self.inr.inputs).max(1);
        assert_eq!(coordinates.len(), count * points * self.inr.inputs, "as many points for every latent");
        let dim = self.hypernetwork.latent_dim;
        let Gradients { hypernetwork: gradient, latents: dz, theta, dtheta } = gradients;
        dz.clear();
        dz.resize(count * dim, T::ZERO);
        if count == 0 {
            gradient.tensors_mut().into_iter().for_each(|(_, values)| values.fill(T::ZERO));
            return Losses::default();
        }

        let features = self.features(count, z);
        let len = self.theta_len();
        theta.resize(count * len, T::ZERO);
        self.hypernetwork.materialise(&self.inr, count, &features, theta);

        let segments = SEGMENTS.div_ceil(count).min(points.div_ceil(SEGMENT_POINTS)).max(1);
        let segment = points.div_ceil(segments);
        dtheta.resize(count * segments * len, T::ZERO);
        let domain = Domain::Points { coordinates, inputs: self.inr.inputs };
        // Weights that no latent changes need no gradient where only the latents' are wanted.
        let unwanted = |source: &Source<T>| matches!(source, Source::Shared(gradient) if gradient.is_empty());
        let wanted: Vec<bool> = gradient.heads.iter().map(|head| !unwanted(&head.weight)).collect();
        let losses: Vec<f64> = (dtheta.par_chunks_mut(len).enumerate())
            .map_init(
                || Tape { wanted: wanted.clone(), ..self.tape(segment, objective.jet()) },
                |tape, (i, dtheta)| {
                    let (latent, first) = (i / segments, (i % segments * segment).min(points));
                    let range = first..(first + segment).min(points);
                    dtheta.fill(T::ZERO);
                    self.segment(&theta[latent * len..][..len], &domain, latent, points, range, objective, tape, dtheta)
                },
            )
            .collect();
        let penalties: Vec<f64> = (dtheta.par_chunks_mut(segments * len).zip(theta.par_chunks(len)))
            .map(|(dtheta, theta)| {
                let (total, others) = dtheta.split_at_mut(len);
                others.chunks_exact(len).for_each(|other| zip(total, other, |sum, d| sum + d));
                objective.theta(theta, total)
            })
            .collect();

        self.hypernetwork.vjp(&self.inr, (z, &features), (dtheta, segments * len), gradient, dz);
        let latents = z.chunks_exact(dim.max(1)).zip(dz.chunks_exact_mut(dim.max(1)));
        Losses {
            outputs: losses.iter().sum(),
            theta: penalties.iter().sum(),
            latents: latents.map(|(z, dz)| objective.latent(z, dz)).sum(),
        }
    }

    /// Points per block: inputs and sums of all layers within about half a megabyte, but enough for fast products.
    pub(super) fn backward_block(&self, jet: Jet) -> usize {
        let rows: usize = self.layers.iter().map(|l| l.inputs + l.outputs).sum();
        let values = ((1 << 19) / (rows * size_of::<T>())).next_multiple_of(32).clamp(128, 1024);
        (values / jet.columns(self.inr.inputs)).next_multiple_of(32)
    }

    /// Room for a block of at most so many points.
    pub(super) fn tape(&self, points: usize, jet: Jet) -> Tape<T> {
        let block = self.backward_block(jet).min(points);
        let columns = jet.columns(self.inr.inputs);
        let buffer = |rows: usize| vec![T::ZERO; rows * columns * block];
        let hidden = &self.layers[..self.layers.len() - 1];
        let widest = self.layers.iter().map(|l| l.outputs).max().unwrap_or(0);
        let width = self.inr.encoding.width(self.inr.inputs);
        Tape {
            encoded: Encoded::new(self.inr.inputs, width, columns, block),
            inputs: self.layers.iter().map(|l| buffer(l.inputs)).collect(),
            sums: hidden.iter().map(|l| buffer(l.outputs)).collect(),
            outputs: buffer(self.inr.outputs),
            delta: buffer(widest),
            next: buffer(widest),
            spare: buffer(widest),
            stream: buffer(self.stream_rows()),
            wanted: vec![true; self.layers.len()],
        }
    }

    /// A segment's loss, block by block; its gradient is added to `dtheta`.
    #[expect(clippy::too_many_arguments, reason = "one call; a struct would only name the same things again")]
    fn segment(
        &self,
        theta: &[T],
        domain: &Domain<'_>,
        latent: usize,
        points: usize,
        range: Range<usize>,
        objective: &impl Objective<T>,
        tape: &mut Tape<T>,
        dtheta: &mut [T],
    ) -> f64 {
        let (mut loss, jet) = (0.0, objective.jet());
        let most = self.backward_block(jet);
        for first in range.clone().step_by(most) {
            let block = first..(first + most).min(range.end);
            let lanes = jet.lanes(self.inr.inputs, block.len());
            self.record_block(theta, domain, latent * points + first, lanes, tape);
            let numbers = lanes.row() * self.inr.outputs;
            loss += objective.outputs(latent, block, &tape.outputs[..numbers], &mut tape.delta[..numbers]);
            self.backward_block_of(theta, lanes, tape, dtheta);
        }
        loss
    }

    /// Walks a block of points, from `first` on, through all layers and keeps what they compute.
    pub(super) fn record_block(
        &self,
        theta: &[T],
        domain: &Domain<'_>,
        first: usize,
        lanes: Lanes,
        tape: &mut Tape<T>,
    ) {
        let encoded = self.encode(domain, first, lanes, &mut tape.encoded);
        tape.stream.fill(T::ZERO);
        for (l, shape) in self.layers.iter().enumerate() {
            let (done, following) = tape.inputs.split_at_mut(l + 1);
            let inputs = &mut done[l];
            self.append_coordinates(l, encoded, lanes, inputs);
            if let Some(following) = following.first_mut() {
                let sums = &mut tape.sums[l][..shape.outputs * lanes.row()];
                self.affine(l, theta, inputs, lanes, sums);
                self.join_stream(l, &mut tape.stream, sums);
                let activated = &mut following[..sums.len()];
                match (&shape.activation, self.modulation(l)) {
                    (Some(activation), None) if lanes.columns() == 1 => activation.apply_to(sums, activated),
                    _ => {
                        activated.copy_from_slice(sums);
                        self.activate(l, theta, lanes, activated);
                    }
                }
            } else {
                self.affine(l, theta, inputs, lanes, &mut tape.outputs[..shape.outputs * lanes.row()]);
            }
        }
    }

    /// And back: `tape.delta` holds the gradient with respect to the outputs, `[points][columns][outputs]`.
    fn backward_block_of(&self, theta: &[T], lanes: Lanes, tape: &mut Tape<T>, dtheta: &mut [T]) {
        tape.stream.fill(T::ZERO);
        for (l, (shape, slots)) in self.layers.iter().zip(&self.slots).enumerate().rev() {
            let delta = &mut tape.delta[..shape.outputs * lanes.row()];
            let inputs = Matrix::row_major(&tape.inputs[l], shape.inputs, lanes.row());
            // What is one matrix: all columns, but one by one in the last layer, whose outputs lie point by point.
            let (pieces, numbers) = if shape.activation.is_some() {
                self.activate_vjp(l, theta, lanes, &tape.sums[l], &mut tape.spare, delta, dtheta);
                self.join_stream(l, &mut tape.stream, delta);
                for (db, row) in dtheta[slots.bias..].iter_mut().zip(delta.chunks_exact(lanes.row())) {
                    *db += sum(&row[..lanes.points]);
                }
                (1, lanes.row())
            } else {
                for point in delta.chunks_exact(lanes.columns() * shape.outputs) {
                    dtheta[slots.bias..slots.bias + shape.outputs].iter_mut().zip(point).for_each(|(db, &d)| *db += d);
                }
                (lanes.columns(), lanes.points)
            };
            for piece in 0..pieces {
                let delta = if shape.activation.is_some() {
                    Matrix::row_major(delta, shape.outputs, lanes.row())
                } else {
                    let point = lanes.columns() * shape.outputs;
                    Matrix::strided(&delta[piece * shape.outputs..], shape.outputs, lanes.points, 1, point)
                };
                if tape.wanted[l] {
                    let inputs = inputs.columns(piece * numbers..(piece + 1) * numbers);
                    let weights = slots.weight..slots.bias;
                    let dw = MatrixMut::row_major(&mut dtheta[weights], shape.outputs, shape.inputs);
                    add_product(dw, delta, inputs.transposed());
                }
                if shape.previous > 0 {
                    // The columns of coordinates need none: they are given.
                    let weight = self.weight(l, theta).columns(0..shape.previous);
                    let next = &mut tape.next[piece * numbers..];
                    let next = MatrixMut::strided(next, shape.previous, numbers, lanes.row(), 1);
                    product(next, weight.transposed(), delta);
                }
            }
            if shape.previous > 0 {
                std::mem::swap(&mut tape.delta, &mut tape.next);
            }
        }
    }

    /// Adjoint of [`Network::activate`] at `sums` (`W x + b`): `delta` is the gradient with respect to its result, then to
    /// `sums`. Gradients of gains and shifts are added to `dtheta`; `spare` is overwritten.
    #[expect(clippy::too_many_arguments, reason = "one call; a struct would only name the same things again")]
    fn activate_vjp(
        &self,
        l: usize,
        theta: &[T],
        lanes: Lanes,
        sums: &[T],
        spare: &mut [T],
        delta: &mut [T],
        dtheta: &mut [T],
    ) {
        let Some(activation) = &self.layers[l].activation else { return };
        let slots = &self.slots[l];
        let sums = &sums[..delta.len()];
        let spare = &mut spare[..delta.len()];
        match self.modulation(l) {
            None => activation.jet_vjp(lanes, sums, delta),
            Some((Place::AfterActivation, scale)) => {
                spare.copy_from_slice(sums);
                activation.jet(lanes, spare);
                slots.modulate_vjp(theta, scale, lanes, spare, delta, dtheta);
                activation.jet_vjp(lanes, sums, delta);
            }
            Some((_, scale)) => {
                spare.copy_from_slice(sums);
                slots.modulate(theta, scale, lanes, spare);
                activation.jet_vjp(lanes, spare, delta);
                slots.modulate_vjp(theta, scale, lanes, sums, delta, dtheta);
            }
        }
    }
}
