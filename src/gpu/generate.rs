//! From latents to features to generated numbers: one dispatch per trunk layer and one for all heads
//! (`product.wgsl`), one for the normalisations of a layer (`normalise.wgsl`), and one for the matrices that are
//! not linear in the features (`materialise.wgsl`).

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::GpuError;
use super::evaluate::SLICE;
use super::field::{Codes, Field};
use super::layout::{ActivationCode, Fill, Kind, Map, NO_ACTIVATION, Norm, Placed, Plan};
use super::memory::{Buffer, Use};
use super::timing::Stopwatch;
use crate::Result;
use crate::measure::{Phase, Timings};
use crate::model::NORM_EPSILON;

/// Inputs that a workgroup stages at a time.
const CHUNK: usize = 64;
/// vec4s of output per workgroup.
const THREADS: u32 = 64;
/// Latents per invocation where there are several.
const LATENTS: u32 = 8;

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Batch {
    first: u32,
    end: u32,
    latent_stride: u32,
    row_stride: u32,
    target_stride: u32,
    pad: [u32; 3],
}

/// The template values of `product.wgsl` and `normalise.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProductSpec {
    latents: u32,
    chunk: usize,
    /// Whether the outputs go to the rows that the inputs come from.
    in_place: bool,
    activations: Vec<ActivationCode>,
    no_activation: u32,
    epsilon: f64,
}

impl ProductSpec {
    /// For one latent or for many, with the activations that the trunks have.
    pub(super) fn new(many: bool, in_place: bool, activations: Vec<ActivationCode>) -> Self {
        let latents = if many { LATENTS } else { 1 };
        Self { latents, chunk: CHUNK, in_place, activations, no_activation: NO_ACTIVATION, epsilon: NORM_EPSILON }
    }
}

/// The template values of `materialise.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MaterialiseSpec {
    kinds: Vec<&'static str>,
    generated_access: &'static str,
    encoding: &'static str,
}

impl MaterialiseSpec {
    pub(super) fn new() -> Self {
        Self { kinds: vec![Kind::LowRank.file()], generated_access: "read_write", encoding: "identity" }
    }
}

pub(super) fn prepare(field: &Field, z: &[f32], batch: usize, fused: bool) -> Result<Codes> {
    let (ctx, layout) = (&field.ctx, &field.layout);
    let dim = field.model.latent_dim();
    assert_eq!(z.len(), batch * dim, "latents do not match the model");
    let mut codes = Codes { batch, fused, features: None, generated: None, timings: Timings::default() };
    if layout.materialised.maps.is_empty() || batch == 0 {
        return Ok(codes);
    }
    if fused && !field.fusible() {
        let message = format!(
            "the heads fill {} bindings of this adapter ({} MiB each), of which a fused kernel can read one; use --strategy materialized",
            field.pages.len(),
            ctx.largest_binding() >> 20
        );
        return Err(GpuError::Limit(message).into());
    }
    let plan = field.plan(fused).0;
    let latents = ctx.upload("latents", z, Use::Features)?;
    let row = layout.row_stride as usize;
    let rows = if layout.identity.is_empty() {
        ctx.buffer("features", (batch * row * 4) as u64, wgpu::BufferUsages::STORAGE, Use::Features)?
    } else {
        // Trunks without layers: their features are the latent itself, which no kernel writes.
        let mut initial = vec![0.0_f32; batch * row];
        for (row, z) in initial.chunks_exact_mut(row).zip(z.chunks_exact(dim)) {
            for &offset in &layout.identity {
                row[offset..][..dim].copy_from_slice(z);
            }
        }
        ctx.upload("features", &initial, Use::Features)?
    };
    let (bytes, usage) =
        (batch as u64 * u64::from(plan.stride) * 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let generated = match plan.stride {
        0 => None,
        _ if fused => Some(ctx.buffer("the generated vectors and factors", bytes, usage, Use::Features)?),
        _ => Some(ctx.buffer("the generated weights", bytes, usage, Use::Theta)?),
    };
    let mut work = Work {
        field,
        stopwatch: Stopwatch::new(ctx)?,
        latents: &latents,
        rows: &rows,
        batch,
        timings: &mut codes.timings,
    };
    for pass in &layout.trunk_passes {
        work.product(&pass.maps, None)?;
        work.normalise(&pass.norms)?;
    }
    // Fused weights alone generate nothing beforehand.
    if let Some(generated) = &generated {
        work.product(&plan.maps, Some((generated, plan.stride)))?;
        work.materialise(plan, generated)?;
    }
    work.timings.clock = work.stopwatch.clock();
    (codes.features, codes.generated) = (Some(rows), generated);
    Ok(codes)
}

/// A batch on its way.
struct Work<'a> {
    field: &'a Field,
    stopwatch: Stopwatch,
    latents: &'a Buffer,
    /// Features and the trunks' other outputs.
    rows: &'a Buffer,
    batch: usize,
    timings: &'a mut Timings,
}

impl Work<'_> {
    fn spec(&self, in_place: bool) -> ProductSpec {
        let layers = self.field.model.hypernetwork.trunks.iter().flat_map(|t| &t.layers);
        let activations = ActivationCode::list(layers.filter_map(|l| l.activation.as_ref()));
        ProductSpec::new(self.batch > 1, in_place, activations)
    }

    /// Computes maps for every latent: into the rows, or into a buffer of so many vec4s a latent. Each page of the
    /// model is a dispatch of its own.
    fn product(&mut self, maps: &[Placed], target: Option<(&Buffer, u32)>) -> Result<()> {
        let (ctx, layout) = (&self.field.ctx, &self.field.layout);
        let spec = self.spec(target.is_none());
        let uniform = ctx.uniform("product batch", &[Batch::zeroed()])?;
        for (page, parameters) in self.field.pages.iter().enumerate() {
            let maps: Vec<Map> = maps.iter().filter(|p| p.page == page).map(|p| p.map).collect();
            let Some(widest) = maps.iter().map(|m| m.length).max() else { continue };
            let pipeline = ctx.pipeline("product.wgsl", &spec)?;
            let table = ctx.upload("product maps", &maps, Use::Other)?;
            let bound = [&uniform, &table, parameters, self.latents, self.rows].into_iter().chain(target.map(|t| t.0));
            let bind_group = ctx.bind_group("product", &pipeline, bound.map(Buffer::binding).enumerate());
            let macs: f64 = maps.iter().map(|m| f64::from(m.inputs) * f64::from(m.length) * 4.0).sum();
            let (maps, per_group) = (count(maps.len()), spec.latents);
            let strides = Batch {
                latent_stride: layout.latent_stride,
                row_stride: layout.row_stride,
                target_stride: target.map_or(0, |t| t.1),
                ..Batch::zeroed()
            };
            self.slices(macs, per_group, |first, end, pass| {
                ctx.queue().write_buffer(uniform.raw(), 0, bytemuck::bytes_of(&Batch { first, end, ..strides }));
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &bind_group, &[]);
                pass.dispatch_workgroups(widest.div_ceil(THREADS), (end - first).div_ceil(per_group), maps);
            })?;
        }
        Ok(())
    }

    /// Normalises and activates rows of features in place.
    fn normalise(&mut self, norms: &[Norm]) -> Result<()> {
        if norms.is_empty() {
            return Ok(());
        }
        let ctx = &self.field.ctx;
        let stride = self.field.layout.row_stride;
        let pipeline = ctx.pipeline("normalise.wgsl", &self.spec(true))?;
        let table = ctx.upload("norms", norms, Use::Other)?;
        let uniform = ctx.uniform("norm batch", &[[0_u32; 4]])?;
        let bound = [&uniform, &table, &self.field.parameters, self.rows].map(Buffer::binding);
        let bind_group = ctx.bind_group("normalise", &pipeline, bound.into_iter().enumerate());
        let macs: f64 = norms.iter().map(|n| 4.0 * f64::from(n.count)).sum();
        let norms = count(norms.len());
        self.slices(macs, 1, |first, end, pass| {
            ctx.queue().write_buffer(uniform.raw(), 0, bytemuck::cast_slice(&[first, stride, 0, 0]));
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(end - first, 1, norms);
        })
    }

    /// Writes the matrices that are not linear in the features, from what was generated before.
    fn materialise(&mut self, plan: &Plan, generated: &Buffer) -> Result<()> {
        let Some(widest) = plan.fills.iter().map(|f| f.tensor.rows4).max() else { return Ok(()) };
        let ctx = &self.field.ctx;
        let pipeline = ctx.pipeline("materialise.wgsl", &MaterialiseSpec::new())?;
        let table = ctx.upload("matrices to write", &plan.fills, Use::Other)?;
        let uniform = ctx.uniform("materialise batch", &[[0_u32; 4]])?;
        let bound = [uniform.binding(), table.binding(), self.field.parameters.binding(), generated.binding()];
        let bind_group = ctx.bind_group("materialise", &pipeline, bound.into_iter().enumerate());
        let macs = |f: &Fill| f64::from(f.tensor.length) * 4.0 * f64::from(4 * f.tensor.feature_count + 2);
        let fills = count(plan.fills.len());
        self.slices(plan.fills.iter().map(macs).sum(), 1, |first, end, pass| {
            ctx.queue().write_buffer(uniform.raw(), 0, bytemuck::cast_slice(&[plan.stride, 0, first, 0]));
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(widest.div_ceil(THREADS), end - first, fills);
        })
    }

    /// Runs the batch in slices of latents that fit the device's pace: `macs` multiply-adds a latent, whole
    /// groups of `per_group` latents.
    fn slices(
        &mut self,
        macs: f64,
        per_group: u32,
        record: impl Fn(u32, u32, &mut wgpu::ComputePass<'_>),
    ) -> Result<()> {
        let ctx = &self.field.ctx;
        let total = count(self.batch);
        let mut first = 0;
        while first < total {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturating; bounded right away"
            )]
            let affordable = (ctx.affordable_macs(SLICE) / macs.max(1.0)) as u32;
            let groups = (affordable / per_group).clamp(1, 65_535);
            let end = total.min(first.saturating_add(groups * per_group));
            let (ran, waited) = self.stopwatch.run(ctx, "generate", |pass| record(first, end, pass))?;
            ctx.learn(macs * f64::from(end - first), waited);
            self.timings.add(Phase::Generate, ran);
            first = end;
        }
        Ok(())
    }
}

/// A number of latents or tensors: what fits memory fits u32.
fn count(n: usize) -> u32 {
    u32::try_from(n).expect("a batch that fits memory fits u32")
}
