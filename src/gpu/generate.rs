//! From latents to features to theta: one dispatch per trunk layer and one for all heads, in `product.wgsl`.

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::evaluate::SLICE;
use super::field::{Codes, Field};
use super::layout::{Map, Pass, Stage};
use super::memory::{Buffer, Use};
use super::timing::Stopwatch;
use crate::Result;
use crate::measure::{Phase, Timings};

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

/// The template values of `product.wgsl`.
#[derive(Debug, Serialize)]
pub(super) struct ProductSpec {
    latents: u32,
    chunk: usize,
}

impl ProductSpec {
    /// Both variants: for one latent, and for many.
    pub(super) const VARIANTS: [Self; 2] = [Self { latents: 1, chunk: CHUNK }, Self { latents: LATENTS, chunk: CHUNK }];
}

pub(super) fn prepare(field: &Field, z: &[f32], batch: usize, fused: bool) -> Result<Codes> {
    let layout = &field.layout;
    assert_eq!(z.len(), batch * field.model.latent_dim(), "latents do not match the model");
    let mut codes = Codes { batch, features: None, theta: None, timings: Timings::default() };
    if layout.head_pass.is_empty() || batch == 0 {
        return Ok(codes);
    }
    let rows = |stride: u32| vec![0.0_f32; batch * stride as usize];
    let latents = field.ctx.upload("latents", z, Use::Features)?;
    let mut initial = rows(layout.feature_stride);
    for &offset in &layout.identity {
        let dim = field.model.latent_dim();
        for (row, z) in initial.chunks_exact_mut(layout.feature_stride as usize).zip(z.chunks_exact(dim)) {
            row[offset..][..dim].copy_from_slice(z);
        }
    }
    let features = field.ctx.upload("features", &initial, Use::Features)?;
    let hidden: Vec<Buffer> = (layout.hidden_strides.iter())
        .map(|&stride| field.ctx.upload("trunk layer", &rows(stride), Use::Features))
        .collect::<Result<_>>()?;
    let stopwatch = Stopwatch::new(&field.ctx)?;
    codes.timings.clock = stopwatch.clock();
    let buffer = |stage: Stage, theta: Option<&Buffer>| match stage {
        Stage::Latents => (latents.raw().clone(), layout.latent_stride),
        Stage::Hidden(l) => (hidden[l].raw().clone(), layout.hidden_strides[l]),
        Stage::Features => (features.raw().clone(), layout.feature_stride),
        Stage::Theta => (theta.expect("the head pass runs with theta").raw().clone(), layout.theta_stride * 4),
    };
    let mut run = |pass: &Pass, theta: Option<&Buffer>| {
        let (from, to) = (buffer(pass.from, theta), buffer(pass.to, theta));
        product(field, &stopwatch, &pass.maps, batch, from, to, &mut codes.timings)
    };
    for pass in &layout.trunk_passes {
        run(pass, None)?;
    }
    if !fused {
        let bytes = batch as u64 * u64::from(layout.theta_stride) * 16;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let theta = field.ctx.buffer("the generated weights", bytes, usage, Use::Theta)?;
        run(&Pass { from: Stage::Features, to: Stage::Theta, maps: layout.head_pass.clone() }, Some(&theta))?;
        codes.theta = Some(theta);
    }
    codes.features = Some(features);
    Ok(codes)
}

/// Computes `maps` for every latent of the batch, in slices of latents that fit the device's pace.
fn product(
    field: &Field,
    stopwatch: &Stopwatch,
    maps: &[Map],
    batch: usize,
    (source, source_stride): (wgpu::Buffer, u32),
    (target, target_stride): (wgpu::Buffer, u32),
    timings: &mut Timings,
) -> Result<()> {
    let ctx = &field.ctx;
    let spec = &ProductSpec::VARIANTS[usize::from(batch > 1)];
    let pipeline = ctx.pipeline("product.wgsl", spec)?;
    let table = ctx.upload("product maps", maps, Use::Other)?;
    let uniform = ctx.uniform("product batch", &[Batch::zeroed()])?;
    let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
    let bind_group = ctx.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("product"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            entry(0, uniform.binding()),
            entry(1, table.binding()),
            entry(2, field.arena.binding()),
            entry(3, source.as_entire_binding()),
            entry(4, target.as_entire_binding()),
        ],
    });
    let widest = maps.iter().map(|m| m.length).max().unwrap_or(0);
    let macs: f64 = maps.iter().map(|m| f64::from(m.inputs) * f64::from(m.length) * 4.0).sum();
    let count = u32::try_from(batch).expect("a batch that fits memory fits u32");
    let maps = u32::try_from(maps.len()).expect("a model has few tensors");
    let mut first = 0;
    while first < count {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturating; bounded by the next line"
        )]
        let affordable = (ctx.affordable_macs(SLICE) / macs.max(1.0)) as u32;
        let blocks = (affordable / spec.latents).clamp(1, 65_535);
        let end = count.min(first.saturating_add(blocks * spec.latents));
        ctx.queue().write_buffer(
            uniform.raw(),
            0,
            bytemuck::bytes_of(&Batch { first, end, source_stride, target_stride: target_stride / 4 }),
        );
        let (ran, waited) = stopwatch.run(ctx, "generate", |pass| {
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(widest.div_ceil(THREADS), (end - first).div_ceil(spec.latents), maps);
        })?;
        ctx.learn(macs * f64::from(end - first), waited);
        timings.add(Phase::Generate, ran);
        first = end;
    }
    Ok(())
}
