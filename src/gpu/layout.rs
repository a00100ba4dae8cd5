//! How a model lies in GPU memory: the parameters that evaluation reads in one binding, the maps that generation reads
//! in as many as they need, and tables that say where everything is.
//! The structs mirror `shaders/include/layers.wgsl`, `product.wgsl`, `normalise.wgsl` and `materialise.wgsl`.

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::GpuError;
use super::arena::{Arena, Numbers, index};
use crate::Result;
use crate::model::heads::{Generated, LowRank, Multiplier, Place};
use crate::model::{Activation, Encoding, Head, LayerShape, Model, Source, TrunkLayer};

/// Kinds of weight source, as `Tensor.kind` in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Materialised = 0,
    Shared = 1,
    Linear = 2,
    LowRank = 3,
    Constant = 4,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Materialised, Self::Shared, Self::Linear, Self::LowRank, Self::Constant];

    /// The name of the kind's file in `shaders/heads/`.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Materialised => "materialised",
            Self::Shared => "shared",
            Self::Linear => "linear",
            Self::LowRank => "low-rank",
            Self::Constant => "constant",
        }
    }
}

/// An activation's name and its code in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ActivationCode {
    pub kind: &'static str,
    pub code: u32,
}

/// The code that stands for no activation: one past the last.
pub(super) const NO_ACTIVATION: u32 = 9;

impl ActivationCode {
    pub(super) fn of(activation: &Activation) -> Self {
        let code = match activation {
            Activation::Sine { .. } => 0,
            Activation::Relu => 1,
            Activation::LeakyRelu { .. } => 2,
            Activation::Tanh => 3,
            Activation::Sigmoid => 4,
            Activation::Softplus { .. } => 5,
            Activation::Gaussian { .. } => 6,
            Activation::Finer { .. } => 7,
            Activation::Gabor { .. } => 8,
        };
        Self { kind: activation.kind(), code }
    }

    /// Those that occur, each once.
    pub(super) fn list<'a>(activations: impl Iterator<Item = &'a Activation>) -> Vec<Self> {
        let mut found: Vec<Self> = activations.map(Self::of).collect();
        found.sort_by_key(|a| a.code);
        found.dedup();
        found
    }
}

/// Code and parameters as the kernels take them.
fn activation_fields(activation: Option<&Activation>) -> (u32, [f32; 2]) {
    activation.map_or((NO_ACTIVATION, [0.0; 2]), |a| (ActivationCode::of(a).code, a.parameters()))
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Tensor {
    pub kind: u32,
    pub base: u32,
    pub length: u32,
    pub features: u32,
    pub feature_count: u32,
    pub factors: u32,
    pub rows4: u32,
    pub multiplier: u32,
    pub scale: f32,
    pad: [u32; 3],
}

impl Tensor {
    fn constant(value: f32) -> Self {
        Self { kind: Kind::Constant as u32, base: value.to_bits(), ..Self::default() }
    }

    /// Multiply-adds by which `fill` makes one of its numbers.
    pub(super) fn macs_per_weight(&self) -> f64 {
        if self.kind == Kind::Linear as u32 {
            f64::from(self.feature_count)
        } else if self.kind == Kind::LowRank as u32 {
            4.0 * f64::from(self.feature_count)
        } else {
            0.0
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Layer {
    pub inputs: u32,
    pub previous: u32,
    pub rows4: u32,
    pub activation: u32,
    pub parameters: [f32; 2],
    pub place: u32,
    pub demodulate: u32,
    pub weight: Tensor,
    pub bias: Tensor,
    pub gain: Tensor,
    pub shift: Tensor,
}

impl Layer {
    /// The tensors that the kernel fills: gain and shift only where there is a modulation.
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let modulation = if self.place == 0 { [None; 2] } else { [Some(&self.gain), Some(&self.shift)] };
        [&self.weight, &self.bias].into_iter().chain(modulation.into_iter().flatten())
    }
}

/// One affine map of a product pass, or the rows of one that lie on one page.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Map {
    pub matrix: u32,
    pub length: u32,
    pub inputs: u32,
    pub previous: u32,
    pub source: u32,
    pub destination: u32,
    pub activation: u32,
    pub parameters: [f32; 2],
}

/// One layer normalisation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Norm {
    pub start: u32,
    pub count: u32,
    pub weight: u32,
    pub bias: u32,
    pub activation: u32,
    pub parameters: [f32; 2],
    pad: u32,
}

/// One matrix that `materialise.wgsl` writes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Fill {
    pub tensor: Tensor,
    pub destination: u32,
    pub inputs: u32,
    pub demodulate: u32,
    pad: u32,
}

/// A map and the page its matrix lies on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub page: usize,
    pub map: Map,
}

/// Trunk layers that one dispatch computes, and the normalisations that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass {
    pub maps: Vec<Placed>,
    pub norms: Vec<Norm>,
}

/// One strategy: what is generated beforehand, and where the evaluate kernel finds every tensor. Vectors (biases,
/// gains, shifts) and low-rank factors are always generated beforehand; matrices only if materialised.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub layers: Vec<Layer>,
    pub maps: Vec<Placed>,
    pub fills: Vec<Fill>,
    /// vec4s per latent of what is generated beforehand.
    pub stride: u32,
    /// Whether linear heads are filled from a page of halves of 16 bits.
    pub packed: bool,
}

impl Plan {
    /// The kinds of source that the layers ask.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let uses = |k: Kind| self.layers.iter().any(|l| l.tensors().any(|t| t.kind == k as u32));
        Kind::ALL.into_iter().filter(|&k| uses(k)).collect()
    }

    /// Appends a generated tensor, of which each part knows its place; returns the tensor's.
    fn generate(&mut self, parts: &[Placed]) -> u32 {
        let first = self.stride;
        for &Placed { page, map } in parts {
            self.maps.push(Placed { page, map: Map { destination: first + map.destination, ..map } });
            self.stride += map.length;
        }
        first
    }
}

/// A model's tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pub materialised: Plan,
    pub fused: Plan,
    /// The trunks' layers, those whose inputs are ready together in one pass.
    pub trunk_passes: Vec<Pass>,
    /// Numbers per latent: of the latent, and of its row: all features, then the outputs of the trunks' other layers.
    pub latent_stride: u32,
    pub row_stride: u32,
    /// Where in a row the latent itself stands, for trunks without layers.
    pub identity: Vec<usize>,
    /// The first vec4 of the encoding's frequencies.
    pub frequencies: u32,
}

/// The element of a `[outputs, inputs]` tensor that lies at position i of the GPU's order: by input, rows padded.
fn by_input(outputs: usize, inputs: usize, i: usize) -> Option<usize> {
    let padded = outputs.next_multiple_of(4);
    let (k, r) = (i / padded, i % padded);
    (r < outputs).then_some(r * inputs + k)
}

impl Layout {
    /// Lays out a model for bindings of at most `binding` bytes; returns the tables and the numbers.
    ///
    /// # Errors
    /// Where an address leaves 32 bits, or what must lie in one binding does not fit.
    pub(super) fn new(model: &Model, binding: u64) -> Result<(Self, Numbers)> {
        let mut layout = Self { latent_stride: index(model.latent_dim().max(1))?, ..Self::default() };
        let capacity = usize::try_from(binding / 16).unwrap_or(usize::MAX);
        let mut arena = Arena { numbers: Numbers::default(), capacity };
        if let Encoding::Fourier { features, frequencies } = &model.inr.encoding {
            let inputs = model.inr.inputs;
            layout.frequencies = arena.push(inputs, *features, |d, f| frequencies[f * inputs + d])?.0;
        }
        let offsets = layout.push_trunks(model, &mut arena)?;
        for (head, shape) in model.hypernetwork.heads.iter().zip(model.inr.layers()) {
            layout.push_head(head, &shape, &offsets, &mut arena)?;
        }
        Ok((layout, arena.numbers))
    }

    /// A place of `numbers` numbers in a latent's row.
    fn place(&mut self, numbers: usize) -> Result<u32> {
        let place = self.row_stride;
        self.row_stride += index(numbers.next_multiple_of(4))?;
        Ok(place)
    }

    /// Returns where each trunk's features start in a latent's row.
    fn push_trunks(&mut self, model: &Model, arena: &mut Arena) -> Result<Vec<u32>> {
        let hyper = &model.hypernetwork;
        let widths = hyper.feature_widths();
        let mut offsets: Vec<u32> = Vec::new();
        for (trunk, &width) in hyper.trunks.iter().zip(&widths) {
            offsets.push(match trunk.from {
                Some(from) if trunk.layers.is_empty() => offsets[from],
                _ => self.place(width)?,
            });
            if trunk.layers.is_empty() && trunk.from.is_none() {
                self.identity.extend(offsets.last().map(|&o| o as usize));
            }
        }
        // How many passes it takes until each trunk's features are there.
        let mut ready: Vec<usize> = Vec::new();
        for (t, trunk) in hyper.trunks.iter().enumerate() {
            let mut pass = trunk.from.map_or(0, |f| ready[f]);
            let mut source = trunk.from.map_or(0, |f| offsets[f]);
            for (l, (layer, (previous, _))) in trunk.layers.iter().zip(hyper.trunk_inputs(t, &widths)).enumerate() {
                let last = l + 1 == trunk.layers.len();
                let destination = if last { offsets[t] } else { self.place(layer.map.outputs)? };
                if self.trunk_passes.len() == pass {
                    self.trunk_passes.push(Pass::default());
                }
                push_trunk_layer(arena, layer, index(previous)?, source, destination, &mut self.trunk_passes[pass])?;
                source = destination;
                pass += 1;
            }
            ready.push(pass);
        }
        Ok(offsets)
    }

    fn push_head(&mut self, head: &Head<f32>, shape: &LayerShape, offsets: &[u32], arena: &mut Arena) -> Result<()> {
        let (activation, parameters) = activation_fields(shape.activation.as_ref());
        let layer = Layer {
            inputs: index(shape.inputs)?,
            previous: index(shape.previous)?,
            rows4: index(shape.outputs.div_ceil(4))?,
            activation,
            parameters,
            gain: Tensor::constant(1.0),
            shift: Tensor::constant(0.0),
            ..Layer::default()
        };
        let (mut written, mut fused) = (layer, layer);
        (written.bias, fused.bias) = match &head.bias {
            Source::Shared(values) => twice(push_shared(values, shape.outputs, 1, arena)?),
            Source::Linear(g) => self.push_vector(g, shape, 1.0, offsets, arena)?,
            Source::LowRank(_) => return Err(GpuError::Limit("a bias cannot be of low rank".into()).into()),
        };
        if let Some(m) = &head.modulation {
            let (place, scale) = m.acts(shape.activation);
            (written.place, fused.place) = twice(if place == Place::AfterActivation { 2 } else { 1 });
            if let Some(g) = &m.gain {
                (written.gain, fused.gain) = self.push_vector(g, shape, 1.0, offsets, arena)?;
            }
            if let Some(s) = &m.shift {
                (written.shift, fused.shift) = self.push_vector(s, shape, scale, offsets, arena)?;
            }
        }
        (written.weight, fused.weight) = match &head.weight {
            Source::Shared(values) => twice(push_shared(values, shape.outputs, shape.inputs, arena)?),
            Source::Linear(g) => self.push_linear(g, shape, offsets, arena)?,
            Source::LowRank(h) => {
                fused.demodulate = u32::from(h.multiplier == Multiplier::Demodulated);
                self.push_low_rank(h, shape, offsets, arena)?
            }
        };
        self.materialised.layers.push(written);
        self.fused.layers.push(fused);
        Ok(())
    }

    /// A generated vector of the layer's rows, which the kernel multiplies by `scale` if it is a shift: generated
    /// beforehand under both strategies.
    fn push_vector(
        &mut self,
        g: &Generated<f32>,
        shape: &LayerShape,
        scale: f32,
        offsets: &[u32],
        arena: &mut Arena,
    ) -> Result<(Tensor, Tensor)> {
        let numbers = shape.outputs.next_multiple_of(4);
        let element = |i| (i < shape.outputs).then_some(i);
        let parts = arena.push_map(&g.map, offsets[g.trunk], numbers, element)?;
        let length = index(numbers / 4)?;
        let tensor =
            |base| Tensor { kind: Kind::Materialised as u32, base, length, rows4: length, scale, ..Tensor::default() };
        Ok((tensor(self.materialised.generate(&parts)), tensor(self.fused.generate(&parts))))
    }

    /// A fully generated matrix: written beforehand, or filled from the features.
    fn push_linear(
        &mut self,
        g: &Generated<f32>,
        shape: &LayerShape,
        offsets: &[u32],
        arena: &mut Arena,
    ) -> Result<(Tensor, Tensor)> {
        let numbers = shape.inputs * shape.outputs.next_multiple_of(4);
        let element = |i| by_input(shape.outputs, shape.inputs, i);
        let parts = arena.push_map(&g.map, offsets[g.trunk], numbers, element)?;
        let (length, rows4) = (index(numbers / 4)?, index(shape.outputs.div_ceil(4))?);
        let base = self.materialised.generate(&parts);
        let written = Tensor { kind: Kind::Materialised as u32, base, length, rows4, ..Tensor::default() };
        // Fused evaluation binds one page: see `Layout::fusible`.
        let fused = Tensor {
            kind: Kind::Linear as u32,
            base: parts.first().map_or(0, |p| p.map.matrix),
            features: offsets[g.trunk],
            feature_count: index(g.map.inputs)?,
            ..written
        };
        Ok((written, fused))
    }

    /// A matrix of low rank: its factors are generated beforehand; the matrix is written from them, or filled.
    fn push_low_rank(
        &mut self,
        h: &LowRank<f32>,
        shape: &LayerShape,
        offsets: &[u32],
        arena: &mut Arena,
    ) -> Result<(Tensor, Tensor)> {
        let (outputs, inputs, rank) = (shape.outputs, shape.inputs, h.rank);
        let (rows, padded_rank) = (outputs.next_multiple_of(4), rank.next_multiple_of(4));
        let base = push_shared(&h.base, outputs, inputs, arena)?;
        // U by rank, rows padded; then V by input, ranks padded.
        let u_numbers = rows * padded_rank;
        let element = |i: usize| {
            if i < u_numbers {
                let (q, o) = (i / rows, i % rows);
                return (q < rank && o < outputs).then_some(o * rank + q);
            }
            let (k, q) = ((i - u_numbers) / padded_rank, (i - u_numbers) % padded_rank);
            (q < rank).then_some(outputs * rank + q * inputs + k)
        };
        let numbers = u_numbers + inputs * padded_rank;
        let parts = arena.push_map(&h.factors.map, offsets[h.factors.trunk], numbers, element)?;
        let multiplier = match h.multiplier {
            Multiplier::Demodulated => 0,
            Multiplier::Tanh => 1,
            Multiplier::Sigmoid => 2,
        };
        let (u4, rank4) = (index(u_numbers / 4)?, index(padded_rank / 4)?);
        let from = |factors: u32| Tensor {
            kind: Kind::LowRank as u32,
            features: factors + u4,
            feature_count: rank4,
            factors,
            multiplier,
            scale: 1.0 / (rank as f32).sqrt(),
            ..base
        };
        let fused = from(self.fused.generate(&parts));
        let source = from(self.materialised.generate(&parts));
        let destination = self.materialised.stride;
        self.materialised.stride += base.length;
        let demodulate = u32::from(h.multiplier == Multiplier::Demodulated);
        self.materialised.fills.push(Fill { tensor: source, destination, inputs: index(inputs)?, demodulate, pad: 0 });
        let written = Tensor { kind: Kind::Materialised as u32, base: destination, ..base };
        Ok((written, fused))
    }

    /// Rows of features in which trunks without layers have theirs: the latents `z` themselves, which no kernel writes.
    pub(super) fn identity_rows(&self, z: &[f32], dim: usize) -> Vec<f32> {
        let row = self.row_stride as usize;
        let mut rows = vec![0.0; z.len() / dim * row];
        for (row, z) in rows.chunks_exact_mut(row).zip(z.chunks_exact(dim)) {
            for &offset in &self.identity {
                row[offset..][..dim].copy_from_slice(z);
            }
        }
        rows
    }

    /// Whether the fused kernel can read all it needs: linear heads that lie on several pages it cannot, as it binds one.
    pub(super) fn fusible(&self) -> bool {
        let linear = self.fused.kinds().contains(&Kind::Linear);
        !linear || self.fused.maps.iter().chain(&self.materialised.maps).all(|p| p.page == 0)
    }

    /// One latent's theta in the model file's order from a row of what the materialised plan generated; shared
    /// tensors, which no row holds, come from the model.
    pub(super) fn unpack_theta(&self, model: &Model, row: &[f32]) -> Vec<f32> {
        let shapes = model.inr.layers();
        let mut theta = Vec::with_capacity(model.hypernetwork.theta_len(&model.inr));
        for ((layer, head), shape) in self.materialised.layers.iter().zip(&model.hypernetwork.heads).zip(&shapes) {
            let mut tensor = |source: Option<&Source<f32>>, at: &Tensor, inputs: usize| match source {
                Some(Source::Shared(values)) => theta.extend(values),
                _ => {
                    let numbers = &row[at.base as usize * 4..];
                    let padded = shape.outputs.next_multiple_of(4);
                    theta.extend((0..shape.outputs * inputs).map(|e| numbers[e % inputs * padded + e / inputs]));
                }
            };
            tensor(Some(&head.weight), &layer.weight, shape.inputs);
            tensor(Some(&head.bias), &layer.bias, 1);
            if let Some(m) = &head.modulation {
                if m.gain.is_some() {
                    tensor(None, &layer.gain, 1);
                }
                if m.shift.is_some() {
                    tensor(None, &layer.shift, 1);
                }
            }
        }
        theta
    }
}

/// The same for both strategies.
fn twice<T: Copy>(value: T) -> (T, T) {
    (value, value)
}

/// A learned tensor `[outputs, inputs]`.
fn push_shared(values: &[f32], outputs: usize, inputs: usize, arena: &mut Arena) -> Result<Tensor> {
    let (base, rows4) = arena.push(outputs, inputs, |r, k| values[r * inputs + k])?;
    Ok(Tensor { kind: Kind::Shared as u32, base, length: index(inputs)? * rows4, rows4, ..Tensor::default() })
}

/// A trunk layer whose inputs are `previous` numbers of the latent's row from `source` on and then the latent's entries;
/// its outputs go to `destination` in the same row. Its activation follows its normalisation.
fn push_trunk_layer(
    arena: &mut Arena,
    layer: &TrunkLayer<f32>,
    previous: u32,
    source: u32,
    destination: u32,
    pass: &mut Pass,
) -> Result<()> {
    let (activation, parameters) = activation_fields(layer.activation.as_ref());
    let mut parts = arena.push_map(&layer.map, source, layer.map.outputs, Some)?;
    for Placed { map, .. } in &mut parts {
        map.previous = previous;
        map.destination += destination / 4;
        if layer.norm.is_none() {
            (map.activation, map.parameters) = (activation, parameters);
        }
    }
    if let Some(norm) = &layer.norm {
        let count = layer.map.outputs;
        let weight = arena.push(count, 1, |i, _| norm.weight[i])?.0;
        let bias = arena.push(count, 1, |i, _| norm.bias[i])?.0;
        pass.norms.push(Norm {
            start: destination,
            count: index(count)?,
            weight,
            bias,
            activation,
            parameters,
            pad: 0,
        });
    }
    pass.maps.extend(parts);
    Ok(())
}
