//! Generation and evaluation on the CPU.
//!
//! Points are taken in blocks that fit the second-level cache; each block walks through all layers, and
//! blocks are spread over all cores. Memory is bounded by the block, not by the picture.

use std::sync::Arc;

use rayon::prelude::*;

use crate::math::{Lanes, Matrix, MatrixMut, Real, add_product, zip};
use crate::measure::Work;
use crate::model::heads::{Place, Slots};
use crate::model::{Domain, Features, Hypernetwork, Inr, Jet, LayerShape, Model};

/// Pieces of work that an evaluation is cut into at least, if it has enough points: threads take them.
const PIECES: usize = 8;

/// A model as the CPU evaluates it, in precision `T`.
#[derive(Clone, Debug)]
pub struct Network<T> {
    pub(super) inr: Inr,
    pub(super) layers: Vec<LayerShape>,
    pub(super) slots: Vec<Slots>,
    pub(super) hypernetwork: Arc<Hypernetwork<T>>,
}

/// One block: its points, and activations `[width][columns][points]`, two of them to go back and forth, and the residual
/// stream, if there is one.
struct Scratch<T> {
    from: Vec<T>,
    to: Vec<T>,
    stream: Vec<T>,
    encoded: Encoded<T>,
}

/// A block's points, their encoding, and its jets where there are more columns than one.
pub(super) struct Encoded<T> {
    points: Vec<T>,
    values: Vec<T>,
    jets: Vec<T>,
}

impl<T: Real> Encoded<T> {
    /// Room for a block of points of `inputs` coordinates and `width` features.
    pub(super) fn new(inputs: usize, width: usize, columns: usize, points: usize) -> Self {
        let buffer = |numbers: usize| vec![T::ZERO; numbers * points];
        let jets = if columns == 1 { 0 } else { width * columns };
        Self { points: buffer(inputs), values: buffer(width), jets: buffer(jets) }
    }
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
        let blocks = points.div_ceil(self.block(1, latents, points)) as f64;
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
        let mut theta = Vec::new();
        self.materialise_into(batch, features, &mut theta);
        theta
    }

    /// As [`Network::materialise`], in memory that is there already: fresh memory can take nearly half of the time.
    pub fn materialise_into(&self, batch: usize, features: &Features<T>, theta: &mut Vec<T>) {
        theta.resize(batch * self.theta_len(), T::ZERO);
        self.hypernetwork.materialise(&self.inr, batch, features, theta);
    }

    /// Evaluates every latent's INR at every point. `out` is `[batch][points][outputs]`; `theta` comes
    /// from [`Network::materialise`].
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn evaluate(&self, theta: &[T], domain: &Domain<'_>, out: &mut [T]) {
        self.jets(theta, domain, Jet::Value, out);
    }

    /// As [`Network::evaluate`], with derivatives with respect to the coordinates: `out` is
    /// `[batch][points][columns][outputs]`, the columns as [`Jet`] has them.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn jets(&self, theta: &[T], domain: &Domain<'_>, jet: Jet, out: &mut [T]) {
        let per_latent = domain.len() * self.numbers(jet);
        if per_latent == 0 {
            return;
        }
        let batch = out.len() / per_latent;
        assert_eq!(batch, theta.len() / self.theta_len(), "one theta per output picture");
        out.par_chunks_mut(per_latent)
            .zip(theta.par_chunks(self.theta_len()))
            .for_each(|(out, theta)| self.evaluate_one(theta, domain, jet, batch, out));
    }

    /// As [`Network::jets`], but theta is generated a few latents at a time, where it is used, and then forgotten:
    /// memory does not grow with the number of latents.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn jets_fused(&self, features: &Features<T>, domain: &Domain<'_>, jet: Jet, out: &mut [T]) {
        let per_latent = domain.len() * self.numbers(jet);
        if per_latent == 0 {
            return;
        }
        let (group, batch) = (self.latents_together(), out.len() / per_latent);
        out.par_chunks_mut(per_latent * group).enumerate().for_each_init(Vec::new, |theta, (i, out)| {
            let first = i * group;
            let count = out.len() / per_latent;
            self.materialise_into(count, &features.rows(first..first + count), theta);
            let pictures = out.chunks_exact_mut(per_latent).zip(theta.chunks_exact(self.theta_len()));
            pictures.for_each(|(out, theta)| self.evaluate_one(theta, domain, jet, batch, out));
        });
    }

    /// Latents whose theta a thread holds while it evaluates them fused: several share what is read of the heads, where their
    /// weights fit its cache.
    pub fn latents_together(&self) -> usize {
        ((1 << 19) / (self.theta_len() * size_of::<T>()).max(1)).clamp(1, 8)
    }

    /// Points per block: two blocks of activations within about half a megabyte, as many numbers with derivatives as without; fewer
    /// where all latents' points together would else be few pieces of work.
    fn block(&self, columns: usize, batch: usize, points: usize) -> usize {
        let bytes = 2 * self.rows().max(16) * size_of::<T>();
        let most = (((1 << 19) / bytes).clamp(64, 1024) / columns).max(32);
        most.min(points.div_ceil(PIECES.div_ceil(batch.max(1))).max(1).next_multiple_of(32))
    }

    /// The most inputs or outputs that a layer has.
    fn rows(&self) -> usize {
        self.layers.iter().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(0)
    }

    /// Rows of the residual stream; none where there is none.
    pub(super) fn stream_rows(&self) -> usize {
        self.layers.iter().find(|l| l.stream).map_or(0, |l| l.outputs)
    }

    /// Adds the residual stream to layer `l`'s `rows`, which are the stream from there on; nothing where it carries none.
    /// Forward these are sums of layers, the stream 0 before the first; backward the gradients with respect to them, 0
    /// above the last.
    pub(super) fn join_stream(&self, l: usize, stream: &mut [T], rows: &mut [T]) {
        if self.layers[l].stream {
            zip(rows, stream, |row, stream| row + stream);
            stream[..rows.len()].copy_from_slice(rows);
        }
    }

    /// Numbers of a point's outputs.
    pub(super) fn numbers(&self, jet: Jet) -> usize {
        jet.columns(self.inr.inputs) * self.inr.outputs
    }

    /// Evaluates one of `batch` latents.
    fn evaluate_one(&self, theta: &[T], domain: &Domain<'_>, jet: Jet, batch: usize, out: &mut [T]) {
        let columns = jet.columns(self.inr.inputs);
        let block = self.block(columns, batch, domain.len());
        let buffer = |rows: usize| vec![T::ZERO; rows * columns * block];
        let encoded = self.inr.encoding.width(self.inr.inputs);
        out.par_chunks_mut(block * self.numbers(jet)).enumerate().for_each_init(
            || Scratch {
                from: buffer(self.rows()),
                to: buffer(self.rows()),
                stream: buffer(self.stream_rows()),
                encoded: Encoded::new(self.inr.inputs, encoded, columns, block),
            },
            |scratch, (i, out)| self.evaluate_block(theta, domain, i * block, jet, scratch, out),
        );
    }

    /// Walks the points `first ..` of one block, as many as `out` holds, through all layers.
    fn evaluate_block(
        &self,
        theta: &[T],
        domain: &Domain<'_>,
        first: usize,
        jet: Jet,
        scratch: &mut Scratch<T>,
        out: &mut [T],
    ) {
        let lanes = jet.lanes(self.inr.inputs, out.len() / self.numbers(jet));
        let Scratch { from, to, stream, encoded } = scratch;
        let encoded = self.encode(domain, first, lanes, encoded);
        stream.fill(T::ZERO);
        let last = self.layers.len() - 1;
        for (l, shape) in self.layers.iter().enumerate() {
            self.append_coordinates(l, encoded, lanes, from);
            if l == last {
                self.affine(l, theta, from, lanes, out);
            } else {
                let used = &mut to[..shape.outputs * lanes.row()];
                self.affine(l, theta, from, lanes, used);
                self.join_stream(l, stream, used);
                self.activate(l, theta, lanes, used);
                std::mem::swap(from, to);
            }
        }
    }

    /// Loads the points from `first` on and encodes them: `[width][columns][points]`.
    pub(super) fn encode<'a>(
        &self,
        domain: &Domain<'_>,
        first: usize,
        lanes: Lanes,
        encoded: &'a mut Encoded<T>,
    ) -> &'a [T] {
        let (inputs, width) = (self.inr.inputs, self.inr.encoding.width(self.inr.inputs));
        let points = &mut encoded.points[..inputs * lanes.points];
        let values = &mut encoded.values[..width * lanes.points];
        load_points(domain, first, lanes.points, points);
        self.inr.encoding.apply(lanes.points, points, values);
        if lanes.columns() == 1 {
            return values;
        }
        let jets = &mut encoded.jets[..width * lanes.row()];
        self.inr.encoding.jet(inputs, lanes, values, jets);
        jets
    }

    /// Completes layer `l`'s inputs: the previous layer's outputs, then, in the first layer and where there is a skip, the
    /// encoded coordinates.
    pub(super) fn append_coordinates(&self, l: usize, encoded: &[T], lanes: Lanes, inputs: &mut [T]) {
        let shape = &self.layers[l];
        if shape.inputs > shape.previous {
            inputs[shape.previous * lanes.row()..][..encoded.len()].copy_from_slice(encoded);
        }
    }

    /// Layer `l`'s `W x + b` of a block: `input` is `[inputs][columns][points]`, `out` `[outputs][columns][points]`, but
    /// `[points][columns][outputs]` in the last layer. The bias has no derivatives.
    pub(super) fn affine(&self, l: usize, theta: &[T], input: &[T], lanes: Lanes, out: &mut [T]) {
        let (shape, slots) = (&self.layers[l], &self.slots[l]);
        let bias = &theta[slots.bias..][..shape.outputs];
        let input = Matrix::row_major(input, shape.inputs, lanes.row());
        if shape.activation.is_some() {
            for (row, &b) in out.chunks_exact_mut(lanes.row()).zip(bias) {
                let (values, derivatives) = row.split_at_mut(lanes.points);
                values.fill(b);
                derivatives.fill(T::ZERO);
            }
            add_product(MatrixMut::row_major(out, shape.outputs, lanes.row()), self.weight(l, theta), input);
            return;
        }
        let point = lanes.columns() * shape.outputs;
        for out in out.chunks_exact_mut(point) {
            let (values, derivatives) = out.split_at_mut(shape.outputs);
            values.copy_from_slice(bias);
            derivatives.fill(T::ZERO);
        }
        for column in 0..lanes.columns() {
            let out = &mut out[column * shape.outputs..];
            let out = MatrixMut::strided(out, shape.outputs, lanes.points, 1, point);
            let input = input.columns(column * lanes.points..(column + 1) * lanes.points);
            add_product(out, self.weight(l, theta), input);
        }
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
    pub(super) fn activate(&self, l: usize, theta: &[T], lanes: Lanes, values: &mut [T]) {
        self.modulate(l, theta, lanes, Place::BeforeOmega, values);
        if let Some(activation) = &self.layers[l].activation {
            activation.jet(lanes, values);
        }
        self.modulate(l, theta, lanes, Place::AfterActivation, values);
    }

    /// Hidden layer `l`'s modulation, in place, if that is where it acts.
    pub(super) fn modulate(&self, l: usize, theta: &[T], lanes: Lanes, at: Place, values: &mut [T]) {
        if let Some((_, scale)) = self.modulation(l).filter(|(place, _)| *place == at) {
            self.slots[l].modulate(theta, scale, lanes, values);
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
