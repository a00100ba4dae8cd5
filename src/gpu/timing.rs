//! How long the GPU worked: its own timestamps where it has them, the wall clock where not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Context;
use super::memory::{Buffer, Use};
use crate::Result;
use crate::measure::Clock;

/// Times one submission at a time, from the start of its pass to the end.
#[derive(Debug)]
pub struct Stopwatch {
    stamps: Option<Stamps>,
    submitted: Option<Instant>,
    /// Set by the device's callback.
    done: Arc<Mutex<Option<Instant>>>,
    /// Whether the timestamps of what was taken last said nothing.
    silent: bool,
}

#[derive(Debug)]
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: Buffer,
    staging: Buffer,
    period_ns: f64,
}

/// Bytes of two timestamps.
const BYTES: u64 = 16;

impl Stopwatch {
    /// A stopwatch that is not running.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn new(ctx: &Context) -> Result<Self> {
        let done = Arc::default();
        if !ctx.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(Self { stamps: None, submitted: None, done, silent: false });
        }
        let queries = ctx.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("stopwatch"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolve = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let read = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let stamps = Stamps {
            queries,
            resolved: ctx.buffer("timestamps", BYTES, resolve, Use::Other)?,
            staging: ctx.buffer("timestamps", BYTES, read, Use::Readback)?,
            period_ns: f64::from(ctx.queue().get_timestamp_period()),
        };
        Ok(Self { stamps: Some(stamps), submitted: None, done, silent: false })
    }

    /// One that nothing waits for: a software driver's timestamps hold up whoever submits them, and say no more than the
    /// wall clock, which is read there instead.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn unobtrusive(ctx: &Context) -> Result<Self> {
        if ctx.is_software() {
            return Ok(Self { stamps: None, submitted: None, done: Arc::default(), silent: false });
        }
        Self::new(ctx)
    }

    /// Which clock it reads; after a time was taken, which one that was of.
    pub fn clock(&self) -> Clock {
        if self.stamps.is_some() && !self.silent { Clock::GpuTimestamps } else { Clock::Wall }
    }

    /// For the compute pass that is timed.
    pub fn compute(&self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        self.stamps.as_ref().map(|s| wgpu::ComputePassTimestampWrites {
            query_set: &s.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        })
    }

    /// For the render pass that is timed.
    pub fn render(&self) -> Option<wgpu::RenderPassTimestampWrites<'_>> {
        self.stamps.as_ref().map(|s| wgpu::RenderPassTimestampWrites {
            query_set: &s.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        })
    }

    /// Submits what `encoder` recorded, after `before`, and starts. What was running before must have been taken.
    pub fn submit(&mut self, ctx: &Context, before: Vec<wgpu::CommandBuffer>, mut encoder: wgpu::CommandEncoder) {
        if let Some(s) = &self.stamps {
            encoder.resolve_query_set(&s.queries, 0..2, s.resolved.raw(), 0);
            encoder.copy_buffer_to_buffer(s.resolved.raw(), 0, s.staging.raw(), 0, Some(BYTES));
        }
        self.done = Arc::default();
        self.submitted = Some(Instant::now());
        ctx.queue().submit(before.into_iter().chain([encoder.finish()]));
        let slot = Arc::clone(&self.done);
        let tell = move || *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        match &self.stamps {
            // Mapped when all that was submitted is done. A lost device is reported elsewhere.
            Some(s) => s.staging.raw().slice(..BYTES).map_async(wgpu::MapMode::Read, move |_| tell()),
            None => ctx.queue().on_submitted_work_done(tell),
        }
    }

    /// How long the pass ran, and how long the host waited from submission on; None while it runs, and when it was not
    /// started. The device must be polled in between.
    pub fn take(&mut self) -> Option<(Duration, Duration)> {
        let done = (*self.done.lock().unwrap_or_else(PoisonError::into_inner))?;
        let waited = done.duration_since(self.submitted.take()?);
        let Some(s) = &self.stamps else { return Some((waited, waited)) };
        let ticks = s.staging.raw().slice(..BYTES).get_mapped_range().map_or(0, |view| {
            let at = |i: usize| bytemuck::pod_read_unaligned::<u64>(&view[8 * i..8 * i + 8]);
            at(1).saturating_sub(at(0))
        });
        s.staging.raw().unmap();
        let ran = Duration::from_secs_f64(ticks as f64 * s.period_ns * 1e-9);
        // Some drivers return zeros (wgpu #9414), and no pass takes longer than its host waits, but for the clocks' own
        // grain: then the wall clock is all there is.
        self.silent = ticks == 0 || ran > waited.mul_f64(1.05) + Duration::from_micros(100);
        Some((if self.silent { waited } else { ran }, waited))
    }

    /// Records one compute pass, submits it, waits for it, and returns how long it ran and how long the host waited.
    pub(crate) fn run(
        &mut self,
        ctx: &Context,
        label: &str,
        record: impl FnOnce(&mut wgpu::ComputePass<'_>),
    ) -> Result<(Duration, Duration)> {
        let mut encoder = ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) });
        let timestamp_writes = self.compute();
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes }));
        self.submit(ctx, Vec::new(), encoder);
        ctx.wait()?;
        Ok(self.take().unwrap_or_default())
    }
}
