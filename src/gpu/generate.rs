//! From latents to features to generated numbers: one dispatch per trunk layer and one for all heads
//! (`product.wgsl`), one for the normalisations of a layer (`normalise.wgsl`), and one for the matrices that are
//! not linear in the features (`materialise.wgsl`).

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::evaluate::SLICE;
use super::field::{Codes, Field};
use super::layout::{ActivationCode, Fill, Kind, Map, NO_ACTIVATION, Norm, Pass, Plan, Stage};
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
    source_stride: u32,
    target_stride: u32,
}

/// The template values of `product.wgsl` and `normalise.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProductSpec {
    latents: u32,
    chunk: usize,
    activations: Vec<ActivationCode>,
    no_activation: u32,
    epsilon: f64,
}

impl ProductSpec {
    /// For one latent or for many, with the activations that the trunks have.
    pub(super) fn new(many: bool, activations: Vec<ActivationCode>) -> Self {
        let latents = if many { LATENTS } else { 1 };
        Self { latents, chunk: CHUNK, activations, no_activation: NO_ACTIVATION, epsilon: NORM_EPSILON }
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
    let plan = field.plan(fused).0;
    let latents = ctx.upload("latents", z, Use::Features)?;
    let rows = |label, stride: u32| {
        ctx.buffer(label, batch as u64 * u64::from(stride) * 4, wgpu::BufferUsages::STORAGE, Use::Features)
    };
    let features = if layout.identity.is_empty() {
        rows("features", layout.feature_stride)?
    } else {
        // Trunks without layers: their features are the latent itself, which no kernel writes.
        let mut initial = vec![0.0_f32; batch * layout.feature_stride as usize];
        for (row, z) in initial.chunks_exact_mut(layout.feature_stride as usize).zip(z.chunks_exact(dim)) {
            for &offset in &layout.identity {
                row[offset..][..dim].copy_from_slice(z);
            }
        }
        ctx.upload("features", &initial, Use::Features)?
    };
    let hidden: Vec<Buffer> =
        layout.hidden_strides.iter().map(|&stride| rows("trunk layer", stride)).collect::<Result<_>>()?;
    let (bytes, usage) =
        (batch as u64 * u64::from(plan.stride) * 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let generated = match plan.stride {
        0 => None,
        _ if fused => Some(ctx.buffer("the generated vectors and factors", bytes, usage, Use::Features)?),
        _ => Some(ctx.buffer("the generated weights", bytes, usage, Use::Theta)?),
    };
    let activations =
        field.model.hypernetwork.trunks.iter().flat_map(|t| &t.layers).filter_map(|l| l.activation.as_ref());
    let mut work = Work {
        field,
        stopwatch: Stopwatch::new(ctx)?,
        spec: ProductSpec::new(batch > 1, ActivationCode::list(activations)),
        batch,
        timings: &mut codes.timings,
    };
    let buffer = |stage: Stage| match stage {
        Stage::Latents => Some((&latents, layout.latent_stride)),
        Stage::Hidden(l) => Some((&hidden[l], layout.hidden_strides[l])),
        Stage::Features => Some((&features, layout.feature_stride)),
        Stage::Generated => generated.as_ref().map(|g| (g, plan.stride * 4)),
    };
    let heads = Pass { from: Stage::Features, to: Stage::Generated, maps: plan.maps.clone(), norms: Vec::new() };
    for pass in layout.trunk_passes.iter().chain([&heads]) {
        // Only the heads' pass can have nowhere to go: fused weights alone generate nothing beforehand.
        if let (Some(from), Some(to)) = (buffer(pass.from), buffer(pass.to)) {
            work.product(&pass.maps, from, to)?;
            work.normalise(&pass.norms, to)?;
        }
    }
    if let Some(generated) = &generated {
        work.materialise(plan, generated)?;
    }
    work.timings.clock = work.stopwatch.clock();
    (codes.features, codes.generated) = (Some(features), generated);
    Ok(codes)
}

/// A batch on its way.
struct Work<'a> {
    field: &'a Field,
    stopwatch: Stopwatch,
    spec: ProductSpec,
    batch: usize,
    timings: &'a mut Timings,
}

impl Work<'_> {
    /// Computes `maps` for every latent.
    fn product(&mut self, maps: &[Map], from: (&Buffer, u32), to: (&Buffer, u32)) -> Result<()> {
        let ctx = &self.field.ctx;
        let Some(widest) = maps.iter().map(|m| m.length).max() else { return Ok(()) };
        let pipeline = ctx.pipeline("product.wgsl", &self.spec)?;
        let table = ctx.upload("product maps", maps, Use::Other)?;
        let uniform = ctx.uniform("product batch", &[Batch::zeroed()])?;
        let bound = [uniform.binding(), table.binding(), self.field.arena.binding(), from.0.binding(), to.0.binding()];
        let bind_group = ctx.bind_group("product", &pipeline, bound.into_iter().enumerate());
        let macs: f64 = maps.iter().map(|m| f64::from(m.inputs) * f64::from(m.length) * 4.0).sum();
        let (maps, per_group) = (count(maps.len()), self.spec.latents);
        self.slices(macs, per_group, |first, end, pass| {
            let batch = Batch { first, end, source_stride: from.1, target_stride: to.1 / 4 };
            ctx.queue().write_buffer(uniform.raw(), 0, bytemuck::bytes_of(&batch));
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(widest.div_ceil(THREADS), (end - first).div_ceil(per_group), maps);
        })
    }

    /// Normalises and activates rows of features in place.
    fn normalise(&mut self, norms: &[Norm], (rows, stride): (&Buffer, u32)) -> Result<()> {
        if norms.is_empty() {
            return Ok(());
        }
        let ctx = &self.field.ctx;
        let pipeline = ctx.pipeline("normalise.wgsl", &self.spec)?;
        let table = ctx.upload("norms", norms, Use::Other)?;
        let uniform = ctx.uniform("norm batch", &[[0_u32; 4]])?;
        let bound = [uniform.binding(), table.binding(), self.field.arena.binding(), rows.binding()];
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
        let bound = [uniform.binding(), table.binding(), self.field.arena.binding(), generated.binding()];
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
