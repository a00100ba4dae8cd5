//! A model resident on a GPU, and what has been generated from some of its latents.

use std::sync::Arc;

use super::generate::Generation;
use super::layout::{Layer, Layout, Placed, Plan, Tensor};
use super::memory::{Buffer, Use};
use super::tile::Asked;
use super::timing::Stopwatch;
use super::{Context, TileSpace, generate};
use crate::Result;
use crate::measure::{Timings, Work};
use crate::model::{Jet, Model};

/// A model whose parameters lie in GPU memory.
#[derive(Debug)]
pub struct Field {
    pub(super) ctx: Arc<Context>,
    pub(super) model: Arc<Model>,
    pub(super) layout: Layout,
    /// What evaluation reads of the model.
    pub(super) parameters: Buffer,
    /// Trunks and heads, in as many bindings as they need.
    pub(super) pages: Vec<Buffer>,
    pub(super) materialised_layers: Buffer,
    pub(super) fused_layers: Buffer,
}

/// A batch of latents on the GPU: their features, and what the heads generated from them beforehand.
#[derive(Debug)]
pub struct Codes {
    /// Number of latents.
    pub batch: usize,
    pub(super) fused: bool,
    /// Rows of `row_stride` numbers; None where nothing is generated.
    pub(super) features: Option<Buffer>,
    /// Rows of the plan's `stride` vec4s: all of theta if materialised; vectors and factors only if fused.
    pub(super) generated: Option<Buffer>,
    /// Time spent on generating.
    pub timings: Timings,
}

impl Codes {
    /// What the heads generated beforehand, if anything: rows of the layout's own.
    pub(crate) fn generated(&self) -> Option<&Buffer> {
        self.generated.as_ref()
    }
}

impl Field {
    /// Uploads a model.
    ///
    /// # Errors
    /// Where it does not fit the adapter's limits or memory.
    pub fn new(ctx: &Arc<Context>, model: &Arc<Model>) -> Result<Self> {
        let (layout, numbers) = Layout::new(model, ctx.largest_binding())?;
        let table = |layers: &[Layer]| ctx.uniform("layers", layers);
        let upload = |data: &Vec<f32>| ctx.upload("the model's parameters", data, Use::Model);
        Ok(Self {
            parameters: upload(&numbers.parameters)?,
            pages: numbers.pages.iter().map(upload).collect::<Result<_>>()?,
            materialised_layers: table(&layout.materialised.layers)?,
            fused_layers: table(&layout.fused.layers)?,
            layout,
            ctx: Arc::clone(ctx),
            model: Arc::clone(model),
        })
    }

    /// The device this model is on.
    pub fn context(&self) -> &Arc<Context> {
        &self.ctx
    }

    /// Runs trunks and, unless `fused`, heads for a batch of latents (`z`: `batch x latent_dim`).
    ///
    /// # Errors
    /// Where theta does not fit one buffer, the heads are to be fused but fill several, or the device fails.
    pub fn prepare(&self, z: &[f32], batch: usize, fused: bool) -> Result<Codes> {
        generate::prepare(self, z, batch, fused)
    }

    /// As [`Field::prepare`], without waiting: what is submitted later finds the codes ready. `stopwatch` starts; what it
    /// was started for before must have been taken.
    ///
    /// # Errors
    /// As [`Field::prepare`].
    pub fn start(&self, z: &[f32], batch: usize, fused: bool, stopwatch: &mut Stopwatch) -> Result<Codes> {
        generate::start(self, z, batch, fused, stopwatch)
    }

    /// Whether the heads can be fused here: linear ones that fill more than one binding cannot.
    pub fn fusible(&self) -> bool {
        self.layout.fusible()
    }

    /// The work of evaluating so many latents at so many points each.
    pub fn work(&self, latents: usize, points: usize, fused: bool) -> Work {
        let plan = self.plan(fused).0;
        let tile =
            self.ctx.tiling().tile(&self.model.inr, plan, Asked { latents, points, jet: Jet::Value, half: true });
        let tiles = (latents.next_multiple_of(tile.slots) * points.div_ceil(tile.points_per_group)) as f64;
        let batch = latents as f64;
        let macs = |p: &Placed| f64::from(p.map.inputs) * f64::from(p.map.length) * 4.0;
        let weights = |t: &Tensor| f64::from(t.length) * 4.0;
        let passes = &self.layout.trunk_passes;
        let trunks: f64 = passes.iter().flat_map(|p| &p.maps).map(macs).sum();
        let dispatches = passes.len() + passes.iter().filter(|p| !p.norms.is_empty()).count();
        let others = [!plan.maps.is_empty(), !plan.fills.is_empty(), true];
        Work {
            dispatches: (dispatches + others.iter().filter(|&&o| o).count()) as f64,
            generated: batch * (trunks + plan.maps.iter().map(macs).sum::<f64>()),
            written: batch
                * plan.fills.iter().map(|f| weights(&f.tensor) * (1.0 + f.tensor.macs_per_weight())).sum::<f64>(),
            evaluated: tiles * (tile.points_per_group * self.model.inr.macs_per_point()) as f64,
            loaded: tiles * plan.layers.iter().map(|l| weights(&l.weight)).sum::<f64>(),
            filled: tiles * plan.layers.iter().map(|l| weights(&l.weight) * l.weight.macs_per_weight()).sum::<f64>(),
        }
    }

    /// The tiles that the evaluation of so many latents at so many points of a grid each could have.
    pub fn tile_space(&self, latents: usize, points: usize, jet: Jet, fused: bool) -> TileSpace {
        self.ctx.tiling().space(&self.model.inr, self.plan(fused).0, Asked { latents, points, jet, half: true })
    }

    /// The most latents whose theta fits `bytes`.
    pub fn latents_within(&self, bytes: u64) -> usize {
        let each = u64::from(self.layout.materialised.stride.max(1)) * 16;
        usize::try_from((bytes / each).max(1)).unwrap_or(usize::MAX)
    }

    /// What a strategy generates beforehand, and its table of layers.
    pub(super) fn plan(&self, fused: bool) -> (&Plan, &Buffer) {
        if fused {
            (&self.layout.fused, &self.fused_layers)
        } else {
            (&self.layout.materialised, &self.materialised_layers)
        }
    }

    /// As [`Field::prepare`], without running it: to be recorded into passes of the caller's, as often as one likes.
    ///
    /// # Errors
    /// As [`Field::prepare`].
    pub fn generation(&self, z: &[f32], batch: usize, fused: bool) -> Result<Generation> {
        generate::plan(self, z, batch, fused)
    }

    /// Reads back materialised parameters, per latent in the order of
    /// [`Hypernetwork::materialise`](crate::model::Hypernetwork::materialise).
    ///
    /// # Errors
    /// Where the codes were not materialised, or the device fails.
    pub fn theta(&self, codes: &Codes) -> Result<Vec<f32>> {
        if codes.fused {
            return Err(crate::Error::invalid("these codes are fused: their weights were never written"));
        }
        let unpack = |row: &[f32]| self.layout.unpack_theta(&self.model, row);
        let Some(generated) = &codes.generated else {
            return Ok((0..codes.batch).flat_map(|_| unpack(&[])).collect());
        };
        let stride = self.layout.materialised.stride as usize * 4;
        let mut rows = vec![0.0; codes.batch * stride];
        let staging = self.ctx.staging(size_of_val(&rows[..]) as u64)?;
        self.ctx.read_back(generated, &staging, &mut rows)?;
        Ok(rows.chunks_exact(stride).flat_map(unpack).collect())
    }
}
