//! A model resident on a GPU, and what has been generated from some of its latents.

use std::sync::Arc;

use super::layout::{Layer, Layout};
use super::memory::{Buffer, Use};
use super::{Context, generate};
use crate::Result;
use crate::measure::Timings;
use crate::model::Model;

/// A model whose parameters lie in GPU memory.
#[derive(Debug)]
pub struct Field {
    pub(super) ctx: Arc<Context>,
    pub(super) model: Arc<Model>,
    pub(super) layout: Layout,
    pub(super) arena: Buffer,
    pub(super) materialised_layers: Buffer,
    pub(super) fused_layers: Buffer,
}

/// A batch of latents on the GPU: their features, and under the materialised strategy their theta.
#[derive(Debug)]
pub struct Codes {
    /// Number of latents.
    pub batch: usize,
    /// Rows of `feature_stride` numbers; None where no head is generated.
    pub(super) features: Option<Buffer>,
    /// Rows of `theta_stride` vec4s; None under the fused strategy.
    pub(super) theta: Option<Buffer>,
    /// Time spent on generating.
    pub timings: Timings,
}

impl Field {
    /// Uploads a model.
    ///
    /// # Errors
    /// Where it does not fit the adapter's limits or memory.
    pub fn new(ctx: &Arc<Context>, model: &Arc<Model>) -> Result<Self> {
        let (layout, arena) = Layout::new(model)?;
        let table = |layers: &[Layer]| ctx.uniform("layers", layers);
        Ok(Self {
            arena: ctx.upload("the model's parameters", &arena, Use::Model)?,
            materialised_layers: table(&layout.materialised)?,
            fused_layers: table(&layout.fused)?,
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
    /// Where theta does not fit one buffer, or the device fails.
    pub fn prepare(&self, z: &[f32], batch: usize, fused: bool) -> Result<Codes> {
        generate::prepare(self, z, batch, fused)
    }

    /// The most latents whose theta fits `bytes`.
    pub fn latents_within(&self, bytes: u64) -> usize {
        let each = u64::from(self.layout.theta_stride.max(1)) * 16;
        usize::try_from((bytes / each).max(1)).unwrap_or(usize::MAX)
    }

    /// Reads back materialised weights: per latent, layer by layer, `[out, in]` and then biases.
    ///
    /// # Errors
    /// Where the codes were not materialised, or the device fails.
    pub fn theta(&self, codes: &Codes) -> Result<Vec<f32>> {
        let shapes = self.model.inr.layers();
        let unpack = |row: &[f32]| self.layout.unpack_theta(&self.model.hypernetwork.heads, &shapes, row);
        let stride = self.layout.theta_stride as usize * 4;
        if stride == 0 {
            return Ok(unpack(&[]));
        }
        let theta = codes
            .theta
            .as_ref()
            .ok_or_else(|| crate::Error::invalid("these codes are fused: their weights were never written"))?;
        let mut rows = vec![0.0; codes.batch * stride];
        let staging = self.ctx.staging(size_of_val(&rows[..]) as u64)?;
        self.ctx.read_back(theta, &staging, &mut rows)?;
        Ok(rows.chunks_exact(stride).flat_map(unpack).collect())
    }
}
