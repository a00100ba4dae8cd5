//! From latents to features to generated numbers: one dispatch per trunk layer and one for all heads
//! (`product.wgsl`), one for the normalisations of a layer (`normalise.wgsl`), and one for the matrices that are
//! not linear in the features (`materialise.wgsl`).

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::arena::PAGE_UP;
use super::context::Pace;
use super::evaluate::SLICE;
use super::field::{Codes, Field, Page};
use super::layout::{ActivationCode, Fill, Kind, Map, NO_ACTIVATION, Norm, Placed, Plan};
use super::memory::{Buffer, Use};
use super::timing::Stopwatch;
use super::{Context, GpuError};
use crate::Result;
use crate::measure::{Phase, Timings};
use crate::model::NORM_EPSILON;

/// Numbers that a workgroup stages at a time: inputs of one latent, or of each of several.
const STAGED: usize = 512;
/// Rows of weights that are asked for before the first is used, for one latent and for several.
const AHEAD: [usize; 2] = [8, 4];
/// Invocations among which a single latent's inputs are shared, in trunk layers: their few outputs alone would keep few busy. (Heads
/// have outputs enough; there it took twice the time on llvmpipe.)
const SHARES: usize = 4;
/// Rows by four of a workgroup where rows are divided by their norms.
const NORM_ROWS4: u32 = 8;
/// vec4s of output per workgroup.
const THREADS: u32 = 64;
/// Latents per invocation where there are several.
const LATENTS: u32 = 8;

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Batch {
    pub first: u32,
    pub end: u32,
    pub latent_stride: u32,
    pub row_stride: u32,
    pub target_stride: u32,
    pub gradient_stride: u32,
    pub accumulate: u32,
    pub pad: u32,
}

/// The template values of `include/page.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PageSpec {
    packed: bool,
    page_up: u16,
}

impl PageSpec {
    /// Of halves of 16 bits, or of floats.
    pub(super) fn new(packed: bool) -> Self {
        Self { packed, page_up: PAGE_UP }
    }
}

/// The template values of `product.wgsl` and `normalise.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProductSpec {
    latents: u32,
    chunk: usize,
    ahead: usize,
    shares: usize,
    #[serde(flatten)]
    page: PageSpec,
    /// Whether the outputs go to the rows that the inputs come from.
    in_place: bool,
    /// Whether trunk layers also keep what their maps make, before normalisation and activation.
    tape: bool,
    activations: Vec<ActivationCode>,
    no_activation: u32,
    epsilon: f64,
}

impl ProductSpec {
    /// For one latent or for many, with the activations that the trunks have.
    pub(super) fn new(many: bool, in_place: bool, tape: bool, activations: Vec<ActivationCode>) -> Self {
        let latents = if many { LATENTS } else { 1 };
        Self {
            latents,
            chunk: STAGED / latents as usize,
            ahead: AHEAD[usize::from(many)],
            shares: if in_place && !many { SHARES } else { 1 },
            page: PageSpec::new(false),
            in_place,
            tape,
            activations,
            no_activation: NO_ACTIVATION,
            epsilon: NORM_EPSILON,
        }
    }

    /// Of maps that lie on such a page.
    pub(super) fn on(&self, packed: bool) -> Self {
        Self { page: PageSpec::new(packed), ..self.clone() }
    }
}

/// The template values of `materialise.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MaterialiseSpec {
    kinds: Vec<&'static str>,
    generated_access: &'static str,
    encoding: &'static str,
    norm_rows4: u32,
}

impl MaterialiseSpec {
    pub(super) fn new() -> Self {
        Self {
            kinds: vec![Kind::LowRank.file()],
            generated_access: "read_write",
            encoding: "identity",
            norm_rows4: NORM_ROWS4,
        }
    }
}

/// Generates and waits, in slices that fit the device's pace.
pub(super) fn prepare(field: &Field, z: &[f32], batch: usize, fused: bool) -> Result<Codes> {
    let mut stopwatch = Stopwatch::new(&field.ctx)?;
    let mut generation = plan(field, z, batch, fused)?;
    let timings = &mut generation.codes.timings;
    for dispatch in &mut generation.dispatches {
        run(&field.ctx, &mut stopwatch, dispatch, count(batch), timings)?;
    }
    timings.clock = stopwatch.clock();
    Ok(generation.codes)
}

/// Submits all of it at once and does not wait; `stopwatch` will tell how long it took.
pub(super) fn start(field: &Field, z: &[f32], batch: usize, fused: bool, stopwatch: &mut Stopwatch) -> Result<Codes> {
    let (ctx, generation) = (&field.ctx, plan(field, z, batch, fused)?);
    if generation.dispatches.is_empty() {
        return Ok(generation.codes);
    }
    let label = Some("generate");
    let mut encoder = ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
    let timestamp_writes = stopwatch.compute();
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes });
    generation.record(&mut pass);
    drop(pass);
    stopwatch.submit(ctx, Vec::new(), encoder);
    Ok(generation.codes)
}

/// A batch's kernels, and the codes that they will write.
#[derive(Debug)]
pub struct Generation {
    codes: Codes,
    dispatches: Vec<OverLatents>,
    _latents: Option<Buffer>,
}

impl Generation {
    /// What was generated, once that has run.
    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Records all kernels for the whole batch.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for dispatch in &self.dispatches {
            dispatch.record(pass);
        }
    }
}

/// Everything but running it: the kernels have the whole batch chosen.
pub(super) fn plan(field: &Field, z: &[f32], batch: usize, fused: bool) -> Result<Generation> {
    let (ctx, layout) = (&field.ctx, &field.layout);
    let dim = field.model.latent_dim();
    if z.len() != batch * dim {
        return Err(crate::Error::invalid(format!("{} numbers are not {batch} latents of {dim} entries", z.len())));
    }
    let mut codes = Codes { batch, fused, features: None, generated: None, timings: Timings::default() };
    if layout.materialised.maps.is_empty() || batch == 0 {
        return Ok(Generation { codes, dispatches: Vec::new(), _latents: None });
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
        let initial = layout.identity_rows(z, dim);
        ctx.upload("features", &initial, Use::Features)?
    };
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let bytes = batch as u64 * u64::from(plan.stride) * 16;
    let generated = match plan.stride {
        0 => None,
        _ if fused => Some(ctx.buffer("the generated vectors and factors", bytes, usage, Use::Features)?),
        _ => Some(ctx.buffer("the generated weights", bytes, usage, Use::Theta)?),
    };
    let buffers = Buffers { latents: &latents, rows: &rows, mapped: None, generated: generated.as_ref() };
    let mut dispatches = dispatches(field, plan, &buffers, batch)?;
    for dispatch in &mut dispatches {
        dispatch.choose(ctx, 0..count(batch));
    }
    (codes.features, codes.generated) = (Some(rows), generated);
    Ok(Generation { codes, dispatches, _latents: Some(latents) })
}

/// How many times the weights of maps are used for so many latents: several share what is read.
pub(super) fn products_of(latents: usize) -> f64 {
    f64::from(count(latents).div_ceil(LATENTS))
}

/// What generation reads and writes.
pub(super) struct Buffers<'a> {
    pub latents: &'a Buffer,
    /// Features and the trunks' other outputs.
    pub rows: &'a Buffer,
    /// What the trunks' maps make, before normalisation and activation, for a backward pass.
    pub mapped: Option<&'a Buffer>,
    /// What the heads generate beforehand, if anything.
    pub generated: Option<&'a Buffer>,
}

/// One kernel over a batch of latents, of which it can do any part.
#[derive(Debug)]
pub(super) struct OverLatents {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    uniform: Buffer,
    /// The uniform's contents; the first two are the first latent and one past the last.
    words: [u32; 8],
    /// Latents of a workgroup, and workgroups for each.
    per_group: u32,
    groups: [u32; 2],
    /// Multiply-adds of a latent.
    macs: f64,
}

impl OverLatents {
    /// Chooses the latents that the next recording is for.
    pub(super) fn choose(&mut self, ctx: &Context, latents: Range<u32>) {
        [self.words[0], self.words[1]] = [latents.start, latents.end];
        ctx.queue().write_buffer(self.uniform.raw(), 0, bytemuck::cast_slice(&self.words));
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        let latents = self.words[1] - self.words[0];
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(latents.div_ceil(self.per_group), self.groups[0], self.groups[1]);
    }
}

/// The kernels by which a plan's numbers come from a batch of latents, in order.
pub(super) fn dispatches(field: &Field, plan: &Plan, buffers: &Buffers<'_>, batch: usize) -> Result<Vec<OverLatents>> {
    let mut list = Vec::new();
    let layers = field.model.hypernetwork.trunks.iter().flat_map(|t| &t.layers);
    let activations = ActivationCode::list(layers.filter_map(|l| l.activation.as_ref()));
    let spec =
        |in_place| ProductSpec::new(batch > 1, in_place, in_place && buffers.mapped.is_some(), activations.clone());
    for pass in &field.layout.trunk_passes {
        products(field, &spec(true), &pass.maps, buffers, (buffers.mapped, 0), &mut list)?;
        list.extend(normalisation(field, &spec(true), &pass.norms, buffers)?);
    }
    // Fused weights alone generate nothing beforehand.
    if let Some(generated) = buffers.generated {
        products(field, &spec(false), &plan.maps, buffers, (Some(generated), plan.stride), &mut list)?;
        list.extend(materialisation(field, plan, generated)?);
    }
    Ok(list)
}

/// Maps into the rows, or into `target`, a buffer of so many vec4s a latent. Each page of the model is a dispatch.
fn products(
    field: &Field,
    spec: &ProductSpec,
    maps: &[Placed],
    buffers: &Buffers<'_>,
    (target, target_stride): (Option<&Buffer>, u32),
    list: &mut Vec<OverLatents>,
) -> Result<()> {
    let ctx = &field.ctx;
    for (page, Page { buffer: parameters, packed }) in field.pages.iter().enumerate() {
        let maps: Vec<Map> = maps.iter().filter(|p| p.page == page).map(|p| p.map).collect();
        let Some(widest) = maps.iter().map(|m| m.length).max() else { continue };
        let strides = Batch {
            latent_stride: field.layout.latent_stride,
            row_stride: field.layout.row_stride,
            target_stride,
            ..Batch::zeroed()
        };
        let table = ctx.upload("product maps", &maps, Use::Other)?;
        let bound: Vec<&Buffer> =
            [&table, parameters, buffers.latents, buffers.rows].into_iter().chain(target).collect();
        let macs = maps.iter().map(|m| f64::from(m.inputs) * f64::from(m.length) * 4.0).sum();
        let groups = [widest.div_ceil(THREADS), count(maps.len())];
        let words = bytemuck::cast(strides);
        list.push(over_latents(ctx, "product.wgsl", &spec.on(*packed), &bound, words, (spec.latents, groups, macs))?);
    }
    Ok(())
}

/// Normalises and activates rows of features in place.
fn normalisation(
    field: &Field,
    spec: &ProductSpec,
    norms: &[Norm],
    buffers: &Buffers<'_>,
) -> Result<Option<OverLatents>> {
    if norms.is_empty() {
        return Ok(None);
    }
    let table = field.ctx.upload("norms", norms, Use::Other)?;
    let bound = [&table, &field.parameters, buffers.rows];
    let macs = norms.iter().map(|n| 4.0 * f64::from(n.count)).sum();
    let words = [0, 0, field.layout.row_stride, 0, 0, 0, 0, 0];
    let shape = (1, [1, count(norms.len())], macs);
    over_latents(&field.ctx, "normalise.wgsl", spec, &bound, words, shape).map(Some)
}

/// Writes the matrices that are not linear in the features, from what was generated before.
fn materialisation(field: &Field, plan: &Plan, generated: &Buffer) -> Result<Option<OverLatents>> {
    let groups = |f: &Fill| {
        if f.demodulate == 1 { f.tensor.rows4.div_ceil(NORM_ROWS4) } else { f.tensor.length.div_ceil(THREADS) }
    };
    let Some(most) = plan.fills.iter().map(groups).max() else { return Ok(None) };
    let table = field.ctx.upload("matrices to write", &plan.fills, Use::Other)?;
    let macs = |f: &Fill| f64::from(f.tensor.length) * 4.0 * f64::from(4 * f.tensor.feature_count + 2);
    let macs = plan.fills.iter().map(macs).sum();
    let words = [0, 0, plan.stride, 0, 0, 0, 0, 0];
    let shape = (1, [most, count(plan.fills.len())], macs);
    let bound = [&table, &field.parameters, generated];
    over_latents(&field.ctx, "materialise.wgsl", &MaterialiseSpec::new(), &bound, words, shape).map(Some)
}

/// A kernel whose uniform is its first binding; `bound` are the others. `shape`: latents of a workgroup, workgroups
/// for each, multiply-adds of one.
fn over_latents(
    ctx: &Context,
    file: &str,
    spec: &impl Serialize,
    bound: &[&Buffer],
    words: [u32; 8],
    (per_group, groups, macs): (u32, [u32; 2], f64),
) -> Result<OverLatents> {
    let pipeline = ctx.pipeline(file, spec)?;
    let uniform = ctx.uniform(file, &[words])?;
    let bound = std::iter::once(&uniform).chain(bound.iter().copied());
    let bind_group = ctx.bind_group(file, &pipeline, bound.map(Buffer::binding).enumerate());
    Ok(OverLatents { pipeline, bind_group, uniform, words, per_group, groups, macs })
}

/// Runs a kernel over a batch in slices of latents that fit the device's pace.
fn run(
    ctx: &Context,
    stopwatch: &mut Stopwatch,
    dispatch: &mut OverLatents,
    total: u32,
    timings: &mut Timings,
) -> Result<()> {
    let mut first = 0;
    while first < total {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating; bounded right away")]
        let affordable = (ctx.affordable_macs(Pace::Generation, SLICE) / dispatch.macs.max(1.0)) as u32;
        let groups = (affordable / dispatch.per_group).clamp(1, 65_535);
        let end = total.min(first.saturating_add(groups * dispatch.per_group));
        dispatch.choose(ctx, first..end);
        let (ran, waited) = stopwatch.run(ctx, "generate", |pass| dispatch.record(pass))?;
        ctx.learn(Pace::Generation, dispatch.macs * f64::from(end - first), waited);
        timings.add(Phase::Generate, ran);
        first = end;
    }
    Ok(())
}

/// A number of latents or tensors: what fits memory fits u32.
pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).expect("a batch that fits memory fits u32")
}
