//! How a model lies in GPU memory: one arena of parameters, and tables that say where everything is.
//! The structs mirror `shaders/include/layers.wgsl` and `shaders/product.wgsl`.

use bytemuck::{Pod, Zeroable};

use super::GpuError;
use crate::Result;
use crate::model::{Activation, Dense, Head, LayerShape, Model, TrunkActivation, heads};

/// Kinds of weight source, as `Tensor.kind` in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Materialised = 0,
    Shared = 1,
    Linear = 2,
}

impl Kind {
    /// The name of the kind's file in `shaders/heads/`.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Materialised => "materialised",
            Self::Shared => "shared",
            Self::Linear => "linear",
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Tensor {
    pub kind: u32,
    pub base: u32,
    pub length: u32,
    pub features: u32,
    pub feature_count: u32,
    pad: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Layer {
    pub inputs: u32,
    pub rows4: u32,
    pub scale: f32,
    pad: u32,
    pub weight: Tensor,
    pub bias: Tensor,
}

/// One affine map of a product pass.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Map {
    pub matrix: u32,
    pub length: u32,
    pub inputs: u32,
    pub source: u32,
    pub destination: u32,
    pub activation: u32,
}

/// A buffer of a batch on its way from latents to theta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The latents themselves.
    Latents,
    /// Outputs of trunk layer i where more layers follow.
    Hidden(usize),
    /// Outputs of the trunks.
    Features,
    /// Materialised weights.
    Theta,
}

/// Maps that one dispatch computes: all from one buffer to another.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub from: Stage,
    pub to: Stage,
    pub maps: Vec<Map>,
}

/// A model's tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// Layers whose generated tensors lie in theta.
    pub materialised: Vec<Layer>,
    /// Layers whose generated tensors are filled by their heads.
    pub fused: Vec<Layer>,
    /// The trunks, in order.
    pub trunk_passes: Vec<Pass>,
    /// The heads that are materialised; empty where all are shared.
    pub head_pass: Vec<Map>,
    /// Numbers per latent: of the latent, of each hidden stage, of the features.
    pub latent_stride: u32,
    pub hidden_strides: Vec<u32>,
    pub feature_stride: u32,
    /// vec4s of theta per latent.
    pub theta_stride: u32,
    /// Feature rows that are the latent itself: (offset, length), for trunks without layers.
    pub identity: Vec<usize>,
}

/// The arena while it is being filled.
#[derive(Default)]
struct Arena(Vec<f32>);

impl Arena {
    /// Appends `columns` rows of `rows` numbers, each padded to vec4s, and a last row: element (r, k) is
    /// `at(r, k)`, the last row `last(r)`. Returns the first vec4 and the vec4s per row.
    fn push(
        &mut self,
        rows: usize,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
        last: impl Fn(usize) -> f32,
    ) -> Result<(u32, u32)> {
        let base = self.0.len() / 4;
        let padded = rows.next_multiple_of(4);
        self.0.reserve(padded * (columns + 1));
        for k in 0..columns {
            self.0.extend((0..rows).map(|r| at(r, k)));
            self.0.resize(self.0.len().next_multiple_of(4), 0.0);
        }
        self.0.extend((0..rows).map(last));
        self.0.resize(self.0.len().next_multiple_of(4), 0.0);
        Ok((index(base)?, index(padded / 4)?))
    }
}

fn index(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| {
        GpuError::Limit(format!("the model needs {n} addresses on the GPU, more than 32 bits hold; use --device cpu"))
            .into()
    })
}

/// Where element (r, k) of a `[outputs, inputs]` tensor lies in the GPU's order: by input, rows padded.
fn gpu_position(shape: &LayerShape, i: usize) -> Option<(usize, usize)> {
    let padded = shape.outputs.next_multiple_of(4);
    let (k, r) = (i / padded, i % padded);
    (r < shape.outputs).then_some((r, k))
}

impl Layout {
    /// Lays out a model; returns the tables and the arena's numbers.
    pub(super) fn new(model: &Model) -> Result<(Self, Vec<f32>)> {
        let mut layout = Self { latent_stride: index(model.latent_dim().max(1))?, ..Self::default() };
        let mut arena = Arena::default();
        let offsets = layout.push_trunks(model, &mut arena)?;
        for (head, shape) in model.hypernetwork.heads.iter().zip(model.inr.layers()) {
            layout.push_head(head, &shape, &offsets, &mut arena)?;
        }
        Ok((layout, arena.0))
    }

    /// Returns where each trunk's features start in a latent's row.
    fn push_trunks(&mut self, model: &Model, arena: &mut Arena) -> Result<Vec<u32>> {
        let mut offsets = Vec::new();
        let mut depth = 0;
        for trunk in &model.hypernetwork.trunks {
            offsets.push(self.feature_stride);
            if trunk.layers.is_empty() {
                self.identity.push(self.feature_stride as usize);
            }
            self.feature_stride += index(trunk.features(model.latent_dim()).next_multiple_of(4))?;
            depth = depth.max(trunk.layers.len());
        }
        // Where each trunk's inputs lie in the stage before.
        let mut sources = vec![0; offsets.len()];
        let mut from = Stage::Latents;
        for l in 0..depth {
            let mut hidden = Pass { from, to: Stage::Hidden(l), maps: Vec::new() };
            let mut last = Pass { from, to: Stage::Features, maps: Vec::new() };
            let mut stride = 0;
            for (t, trunk) in model.hypernetwork.trunks.iter().enumerate() {
                let Some(layer) = trunk.layers.get(l) else { continue };
                let activation = match trunk.activation {
                    TrunkActivation::Relu => 1,
                };
                let mut map = dense_map(arena, layer, sources[t], activation)?;
                if l + 1 == trunk.layers.len() {
                    map.destination = offsets[t] / 4;
                    last.maps.push(map);
                } else {
                    (sources[t], map.destination) = (stride, stride / 4);
                    stride += map.length * 4;
                    hidden.maps.push(map);
                }
            }
            self.hidden_strides.push(stride);
            self.trunk_passes.extend([hidden, last].into_iter().filter(|p| !p.maps.is_empty()));
            from = Stage::Hidden(l);
        }
        Ok(offsets)
    }

    fn push_head(&mut self, head: &Head<f32>, shape: &LayerShape, offsets: &[u32], arena: &mut Arena) -> Result<()> {
        let scale = match shape.activation {
            #[expect(clippy::cast_possible_truncation, reason = "divided in f64, stored in f32")]
            Some(Activation::Sine { omega }) => (f64::from(omega) / std::f64::consts::TAU) as f32,
            None => 1.0,
        };
        let layer =
            Layer { inputs: index(shape.inputs)?, rows4: index(shape.outputs.div_ceil(4))?, scale, ..Layer::default() };
        let (mut materialised, mut fused) = (layer, layer);
        match head {
            Head::Shared(h) => {
                let (base, rows4) =
                    arena.push(shape.outputs, shape.inputs, |r, k| h.weight[r * shape.inputs + k], |r| h.bias[r])?;
                let tensor = Tensor { kind: Kind::Shared as u32, base, ..Tensor::default() };
                fused.weight = Tensor { length: layer.inputs * rows4, ..tensor };
                fused.bias = Tensor { base: base + layer.inputs * rows4, length: rows4, ..tensor };
                materialised = fused;
            }
            Head::Linear(h) => {
                let bias_shape = LayerShape { inputs: 1, ..*shape };
                (materialised.weight, fused.weight) = self.push_generated(&h.weight, shape, offsets, arena)?;
                (materialised.bias, fused.bias) = self.push_generated(&h.bias, &bias_shape, offsets, arena)?;
            }
        }
        self.materialised.push(materialised);
        self.fused.push(fused);
        Ok(())
    }

    /// One generated tensor: its place in theta, and its map from features. Returns both ways to fill it.
    fn push_generated(
        &mut self,
        generated: &heads::Generated<f32>,
        shape: &LayerShape,
        offsets: &[u32],
        arena: &mut Arena,
    ) -> Result<(Tensor, Tensor)> {
        let map = &generated.map;
        let numbers = shape.inputs * shape.outputs.next_multiple_of(4);
        let element = |i: usize| gpu_position(shape, i).map(|(r, k)| r * shape.inputs + k);
        let weight = |i: usize, j: usize| element(i).map_or(0.0, |e| map.weight[e * map.inputs + j]);
        let bias = |i: usize| element(i).map_or(0.0, |e| map.bias[e]);
        let (matrix, length) = arena.push(numbers, map.inputs, weight, bias)?;
        let (features, feature_count) = (offsets[generated.trunk], index(map.inputs)?);
        let base = self.theta_stride;
        self.theta_stride += length;
        self.head_pass.push(Map {
            matrix,
            length,
            inputs: feature_count,
            source: features,
            destination: base,
            activation: 0,
        });
        let materialised = Tensor { kind: Kind::Materialised as u32, base, length, ..Tensor::default() };
        let fused =
            Tensor { kind: Kind::Linear as u32, base: matrix, length, features, feature_count, ..Tensor::default() };
        Ok((materialised, fused))
    }

    /// The kinds of head that a table of layers asks.
    pub(super) fn kinds(layers: &[Layer]) -> Vec<Kind> {
        let uses = |k: Kind| layers.iter().any(|l| l.weight.kind == k as u32 || l.bias.kind == k as u32);
        [Kind::Materialised, Kind::Shared, Kind::Linear].into_iter().filter(|&k| uses(k)).collect()
    }

    /// One latent's theta in the model file's order (per layer `[out, in]`, then biases) from a row of the
    /// GPU's theta; shared layers, which theta does not hold, come from the model.
    pub(super) fn unpack_theta(&self, model_heads: &[Head<f32>], shapes: &[LayerShape], row: &[f32]) -> Vec<f32> {
        let mut theta = Vec::new();
        for ((layer, head), shape) in self.materialised.iter().zip(model_heads).zip(shapes) {
            match head {
                Head::Shared(h) => theta.extend(h.weight.iter().chain(&h.bias)),
                Head::Linear(_) => {
                    let padded = shape.outputs.next_multiple_of(4);
                    let weight = &row[layer.weight.base as usize * 4..];
                    theta.extend(
                        (0..shape.outputs).flat_map(|r| (0..shape.inputs).map(move |k| weight[k * padded + r])),
                    );
                    theta.extend(&row[layer.bias.base as usize * 4..][..shape.outputs]);
                }
            }
        }
        theta
    }
}

fn dense_map(arena: &mut Arena, layer: &Dense<f32>, source: u32, activation: u32) -> Result<Map> {
    let (matrix, length) =
        arena.push(layer.outputs, layer.inputs, |r, k| layer.weight[r * layer.inputs + k], |r| layer.bias[r])?;
    Ok(Map { matrix, length, inputs: index(layer.inputs)?, source, destination: 0, activation })
}
