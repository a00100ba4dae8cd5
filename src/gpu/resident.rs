//! Evaluation of points that other kernels write, as many as other kernels say.

use super::evaluate::{EvaluateSpec, Job};
use super::field::{Codes, Field};
use super::memory::{Buffer, Use};
use crate::Result;
use crate::model::Jet;

/// `evaluate.wgsl` for one latent, bound to a list of points and to their values. How many points there are stands in the
/// job: a kernel writes `points`, `tiles`, `end` and `groups_x` there, and as many workgroups as that is are dispatched.
#[derive(Debug)]
pub(super) struct Resident {
    pub pipeline: wgpu::ComputePipeline,
    pub bind_group: wgpu::BindGroup,
    pub job: Buffer,
    pub points_per_group: usize,
    /// The multiply-adds of a point.
    pub macs: f64,
}

impl Field {
    /// The evaluation of the first of `codes` at `points`, `[n][inputs]`, into `values`, `[n][outputs]`. The kernel is the one
    /// that suits `most` points, whatever n is: a point's value does not depend on how many others there are.
    ///
    /// # Errors
    /// Where the device fails.
    pub(super) fn resident(&self, codes: &Codes, points: &Buffer, values: &Buffer, most: usize) -> Result<Resident> {
        let (ctx, inr) = (&self.ctx, &self.model.inr);
        let (plan, _) = self.plan(codes.fused);
        let spec = EvaluateSpec::new(inr, plan, "points", "", Jet::Value, (1, most), &ctx.tiling());
        let pipeline = ctx.pipeline("evaluate.wgsl", &spec)?;
        let kind = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let job = ctx.buffer("a march's evaluation", size_of::<Job>() as u64, kind, Use::Other)?;
        ctx.queue().write_buffer(job.raw(), 0, bytemuck::bytes_of(&Job { latents: 1, ..self.job(plan) }));
        let bound = self.bound(codes, &spec, &job, Some(points), values.binding());
        let bind_group = ctx.bind_group("a march's evaluation", &pipeline, bound.into_iter());
        ctx.check()?;
        let points_per_group = spec.tile.points_per_group;
        Ok(Resident { pipeline, bind_group, job, points_per_group, macs: inr.macs_per_point() as f64 })
    }
}
