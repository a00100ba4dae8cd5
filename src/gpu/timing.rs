//! How long the GPU worked: its own timestamps where it has them, the wall clock around a wait where not.

use std::time::{Duration, Instant};

use super::Context;
use super::memory::{Buffer, Use};
use crate::Result;
use crate::measure::Clock;

/// Submits passes one at a time and times each.
#[derive(Debug)]
pub(super) struct Stopwatch {
    stamps: Option<Stamps>,
}

#[derive(Debug)]
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: Buffer,
    staging: Buffer,
    period_ns: f64,
}

impl Stopwatch {
    pub(super) fn new(ctx: &Context) -> Result<Self> {
        if !ctx.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(Self { stamps: None });
        }
        let queries = ctx.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("stopwatch"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolve = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let read = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        Ok(Self {
            stamps: Some(Stamps {
                queries,
                resolved: ctx.buffer("timestamps", 16, resolve, Use::Other)?,
                staging: ctx.buffer("timestamps", 16, read, Use::Readback)?,
                period_ns: f64::from(ctx.queue().get_timestamp_period()),
            }),
        })
    }

    pub(super) fn clock(&self) -> Clock {
        if self.stamps.is_some() { Clock::GpuTimestamps } else { Clock::Wall }
    }

    /// Records one compute pass, submits it, waits for it, and returns how long it ran and how long the host waited.
    pub(super) fn run(
        &self,
        ctx: &Context,
        label: &str,
        record: impl FnOnce(&mut wgpu::ComputePass<'_>),
    ) -> Result<(Duration, Duration)> {
        let mut encoder = ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) });
        let timestamp_writes = self.stamps.as_ref().map(|s| wgpu::ComputePassTimestampWrites {
            query_set: &s.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes }));
        if let Some(s) = &self.stamps {
            encoder.resolve_query_set(&s.queries, 0..2, s.resolved.raw(), 0);
            encoder.copy_buffer_to_buffer(s.resolved.raw(), 0, s.staging.raw(), 0, Some(16));
        }
        let started = Instant::now();
        ctx.queue().submit([encoder.finish()]);
        ctx.wait()?;
        let waited = started.elapsed();
        let Some(s) = &self.stamps else { return Ok((waited, waited)) };
        let ticks = ctx.map(&s.staging, 16, |view| {
            let at = |i: usize| bytemuck::pod_read_unaligned::<u64>(&view[8 * i..8 * i + 8]);
            at(1).saturating_sub(at(0))
        })?;
        // Some drivers return zeros (wgpu #9414): then the wall clock is all there is.
        let ran = if ticks == 0 { waited } else { Duration::from_secs_f64(ticks as f64 * s.period_ns * 1e-9) };
        Ok((ran, waited))
    }
}
