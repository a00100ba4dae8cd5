//! Kernels as subjects: repeats inside one pass, timed by the GPU where it can.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::method::{Check, Lap, Subject};
use super::twin::Expected;
use crate::Result;
use crate::gpu::{Buffer, Context, Stopwatch, Use};

/// What a subject on a GPU has: an output that is poisoned and read back.
pub(super) struct Output {
    ctx: Arc<Context>,
    pub stopwatch: Stopwatch,
    pub buffer: Buffer,
    staging: Buffer,
    numbers: usize,
    pub expected: Rc<Expected>,
}

impl Output {
    pub(super) fn new(ctx: &Arc<Context>, numbers: usize, expected: Rc<Expected>) -> Result<Self> {
        Ok(Self {
            ctx: Arc::clone(ctx),
            stopwatch: Stopwatch::new(ctx)?,
            buffer: ctx.upload("the output", &vec![f32::NAN; numbers], Use::Output)?,
            staging: ctx.staging(numbers as u64 * 4)?,
            numbers,
            expected,
        })
    }

    pub(super) fn poison(&self) -> Result<()> {
        poison(&self.ctx, &self.buffer, self.numbers)
    }

    pub(super) fn check(&self) -> Result<Check> {
        let mut values = vec![0.0; self.numbers];
        self.ctx.read_back(&self.buffer, &self.staging, &mut values)?;
        Ok(self.expected.check(&values))
    }
}

/// Fills a buffer with NaN.
pub(super) fn poison(ctx: &Context, buffer: &Buffer, numbers: usize) -> Result<()> {
    ctx.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(&vec![f32::NAN; numbers]));
    ctx.queue().submit([]);
    ctx.wait()
}

/// Runs `record` so many times within one pass.
pub(super) fn pass(
    ctx: &Context,
    stopwatch: &mut Stopwatch,
    repeats: u32,
    record: impl Fn(&mut wgpu::ComputePass<'_>),
) -> Result<Lap> {
    let (ran, _) = stopwatch.run(ctx, "bench", |pass| (0..repeats).for_each(|_| record(pass)))?;
    Ok(lap(ran, stopwatch))
}

/// A time that was taken by a stopwatch.
pub(super) fn lap(ran: Duration, stopwatch: &Stopwatch) -> Lap {
    Lap { seconds: ran.as_secs_f64(), clock: stopwatch.clock() }
}

/// A kernel of one dispatch.
pub(super) struct Dispatch {
    pub output: Output,
    pub pipeline: wgpu::ComputePipeline,
    pub bind_group: wgpu::BindGroup,
    pub groups: u32,
    /// What the bind group binds besides the output.
    pub _held: Vec<Buffer>,
}

impl Subject for Dispatch {
    fn poison(&mut self) -> Result<()> {
        self.output.poison()
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        let Self { output, pipeline, bind_group, groups, .. } = self;
        let ctx = Arc::clone(&output.ctx);
        pass(&ctx, &mut output.stopwatch, repeats, |pass| {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &*bind_group, &[]);
            pass.dispatch_workgroups(*groups, 1, 1);
        })
    }

    fn check(&mut self) -> Result<Check> {
        self.output.check()
    }
}

/// Work of the host into a list of numbers.
pub(super) struct OnHost<F> {
    pub values: Vec<f32>,
    pub expected: Rc<Expected>,
    pub work: F,
}

impl<F: FnMut(&mut [f32]) -> Result<()>> OnHost<F> {
    pub(super) fn new(numbers: usize, expected: &Rc<Expected>, work: F) -> Self {
        Self { values: vec![f32::NAN; numbers], expected: Rc::clone(expected), work }
    }
}

impl<F: FnMut(&mut [f32]) -> Result<()>> Subject for OnHost<F> {
    fn poison(&mut self) -> Result<()> {
        self.values.fill(f32::NAN);
        Ok(())
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        Lap::wall(|| (0..repeats).try_for_each(|_| (self.work)(&mut self.values)))
    }

    fn check(&mut self) -> Result<Check> {
        Ok(self.expected.check(&self.values))
    }
}
