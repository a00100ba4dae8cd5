//! What the device does in a step, written down once for a shape of batch and played at every step.

use serde::Serialize;

use crate::Result;
use crate::gpu::generate::OverLatents;
use crate::gpu::{Buffer, Context};

/// One thing that the device does.
#[derive(Debug)]
enum Entry {
    Kernel {
        pipeline: wgpu::ComputePipeline,
        bind_group: wgpu::BindGroup,
        groups: [u32; 3],
    },
    Generate(OverLatents),
    Clear(wgpu::Buffer),
    Copy {
        from: wgpu::Buffer,
        at: u64,
        to: wgpu::Buffer,
        to_at: u64,
        bytes: u64,
    },
    /// What came so far goes to the device: a long step is no single command, which a watchdog might end.
    Submit,
}

/// A list of what the device does, with all that it needs.
#[derive(Debug, Default)]
pub(super) struct Script {
    entries: Vec<Entry>,
    /// Uniforms and tables, which nothing else holds.
    held: Vec<Buffer>,
}

impl Script {
    /// Adds a kernel: its file and template values, its buffers by binding, and how many workgroups it takes.
    pub(super) fn kernel(
        &mut self,
        ctx: &Context,
        file: &str,
        spec: &impl Serialize,
        bound: &[(usize, &Buffer)],
        groups: [u32; 3],
    ) -> Result<()> {
        let pipeline = ctx.pipeline(file, spec)?;
        let bound = bound.iter().map(|&(binding, buffer)| (binding, buffer.binding()));
        let bind_group = ctx.bind_group(file, &pipeline, bound);
        ctx.check()?;
        self.entries.push(Entry::Kernel { pipeline, bind_group, groups });
        Ok(())
    }

    pub(super) fn generate(&mut self, kernels: Vec<OverLatents>) {
        self.entries.extend(kernels.into_iter().map(Entry::Generate));
    }

    pub(super) fn clear(&mut self, buffer: &Buffer) {
        self.entries.push(Entry::Clear(buffer.raw().clone()));
    }

    /// Copies `numbers` f32 from `at` (in numbers, too) to `to_at`.
    pub(super) fn copy(&mut self, (from, at): (&Buffer, usize), (to, to_at): (&Buffer, usize), numbers: usize) {
        if numbers > 0 {
            let bytes = |n: usize| n as u64 * 4;
            self.entries.push(Entry::Copy {
                from: from.raw().clone(),
                at: bytes(at),
                to: to.raw().clone(),
                to_at: bytes(to_at),
                bytes: bytes(numbers),
            });
        }
    }

    pub(super) fn submit(&mut self) {
        self.entries.push(Entry::Submit);
    }

    /// Keeps a buffer as long as the script.
    pub(super) fn hold(&mut self, buffer: Buffer) {
        self.held.push(buffer);
    }

    /// Submits everything, without waiting.
    pub(super) fn play(&self, ctx: &Context) {
        let label = Some("learn");
        let new = || ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let mut encoder = new();
        let mut entries = self.entries.iter().peekable();
        while let Some(entry) = entries.next() {
            match entry {
                Entry::Kernel { .. } | Entry::Generate(_) => {
                    // Kernels that follow one another share a pass.
                    let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes: None };
                    let mut pass = encoder.begin_compute_pass(&descriptor);
                    record(entry, &mut pass);
                    while let Some(next) = entries.next_if(|e| matches!(e, Entry::Kernel { .. } | Entry::Generate(_))) {
                        record(next, &mut pass);
                    }
                }
                Entry::Clear(buffer) => encoder.clear_buffer(buffer, 0, None),
                Entry::Copy { from, at, to, to_at, bytes } => {
                    encoder.copy_buffer_to_buffer(from, *at, to, *to_at, Some(*bytes));
                }
                Entry::Submit => {
                    let full = std::mem::replace(&mut encoder, new());
                    ctx.queue().submit([full.finish()]);
                }
            }
        }
        ctx.queue().submit([encoder.finish()]);
    }
}

fn record(entry: &Entry, pass: &mut wgpu::ComputePass<'_>) {
    match entry {
        Entry::Kernel { pipeline, bind_group, groups: [x, y, z] } => {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*x, *y, *z);
        }
        Entry::Generate(kernel) => kernel.record(pass),
        Entry::Clear(_) | Entry::Copy { .. } | Entry::Submit => {}
    }
}
