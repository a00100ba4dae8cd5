//! Rays followed in rounds: the INR's values where rays are, then a step of each, and fewer rays in the next round.

use std::sync::Arc;
use std::time::Instant;

use bytemuck::{Pod, Zeroable};

use super::{End, Ends, GROUP, MOST_RAYS, MarchSpec, Rules, Track, Walk, affordable_rays, learn};
use crate::Result;
use crate::gpu::context::Pace;
use crate::gpu::evaluate::SLICE;
use crate::gpu::resident::Resident;
use crate::gpu::{Buffer, Codes, Context, Field, Use};

/// Rounds that are submitted together, at most: those after the last ray has ended cost little, but not nothing.
const MOST_ROUNDS: u32 = 16;
/// The largest `Walker` has eight numbers.
const WALKER_BYTES: usize = 32;

/// Mirrors `include/counts.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
struct Counts {
    left: u32,
    start: u32,
    next: u32,
    kept: u32,
    values: u32,
    pad: [u32; 3],
}

const COUNTS_BYTES: u64 = size_of::<Counts>() as u64;

/// A kernel and what it is bound to.
#[derive(Debug)]
struct Kernel {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
}

impl Kernel {
    fn new(ctx: &Context, file: &str, spec: &MarchSpec, bound: &[&Buffer]) -> Result<Self> {
        let pipeline = ctx.pipeline(file, spec)?;
        let bound = bound.iter().enumerate().map(|(i, buffer)| (i, buffer.binding()));
        let bind_group = ctx.bind_group(file, &pipeline, bound);
        ctx.check()?;
        Ok(Self { pipeline, bind_group })
    }

    fn set(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
    }
}

/// Follows rays through one INR.
#[derive(Debug)]
pub(super) struct Rounds {
    ctx: Arc<Context>,
    /// What the evaluation reads of them must live as long.
    _codes: Codes,
    evaluate: Resident,
    tally: Kernel,
    /// The beginning and a round of each walk that was asked for, in the order of [`Walk::ALL`].
    walks: [Option<[Kernel; 2]>; 3],
    pub(super) capacity: usize,
    rules: Buffer,
    tracks: Buffer,
    walkers: Buffer,
    lists: Buffer,
    points: Buffer,
    values: Buffer,
    outcomes: Buffer,
    counts: Buffer,
    /// Workgroups of the evaluation, then of the march.
    groups: Buffer,
    staging: Buffer,
}

impl Rounds {
    /// For so many rays at a time through a single INR.
    ///
    /// # Errors
    /// Where the device fails or has no memory left.
    pub(super) fn new(field: &Field, capacity: usize) -> Result<Self> {
        let ctx = Arc::clone(field.context());
        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = |label, bytes: usize, usage| ctx.buffer(label, bytes as u64, usage, Use::Other);
        let points = buffer("where rays are", capacity * 12, storage)?;
        let values = buffer("values where rays are", capacity * 4, storage)?;
        let counts = buffer("rays left", size_of::<Counts>(), storage)?;
        let groups = buffer("workgroups of a march", 24, storage | wgpu::BufferUsages::INDIRECT)?;
        let codes = field.prepare(&[], 1, false)?;
        let evaluate = field.resident(&codes, &points, &values, MOST_RAYS)?;
        let spec = MarchSpec::new(Walk::Equal, false, evaluate.points_per_group);
        Ok(Self {
            tally: Kernel::new(&ctx, "tally.wgsl", &spec, &[&counts, &evaluate.job, &groups])?,
            rules: buffer("rules", size_of::<Rules>(), wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?,
            tracks: buffer("rays", capacity * size_of::<Track>(), storage)?,
            walkers: buffer("rays on their way", capacity * WALKER_BYTES, storage)?,
            lists: buffer("lists of rays", 2 * capacity * 4, storage)?,
            outcomes: buffer("what rays found", capacity * size_of::<End>(), storage)?,
            staging: ctx.staging(COUNTS_BYTES + (capacity * size_of::<End>()) as u64)?,
            _codes: codes,
            walks: [None, None, None],
            ctx,
            evaluate,
            capacity,
            points,
            values,
            counts,
            groups,
        })
    }

    /// Follows rays until each has ended.
    ///
    /// # Errors
    /// Where the device fails.
    pub(super) fn follow(&mut self, walk: Walk, rules: &Rules, tracks: &[Track]) -> Result<Ends> {
        let slot = Walk::ALL.iter().position(|&w| w == walk).expect("every walk is in the list");
        let kernels = match self.walks[slot].take() {
            Some(kernels) => kernels,
            None => self.kernels(walk)?,
        };
        let mut all = Ends::default();
        let mut rest = tracks;
        while !rest.is_empty() {
            let (now, later) =
                rest.split_at(affordable_rays(&self.ctx, self.evaluate.macs).min(self.capacity).min(rest.len()));
            self.batch(&kernels, rules, now, &mut all)?;
            rest = later;
        }
        self.walks[slot] = Some(kernels);
        Ok(all)
    }

    fn kernels(&self, walk: Walk) -> Result<[Kernel; 2]> {
        let spec = |begin| MarchSpec::new(walk, begin, self.evaluate.points_per_group);
        let begin = [&self.rules, &self.tracks, &self.walkers, &self.lists, &self.points];
        let round = [&begin[..], &[&self.values, &self.outcomes, &self.counts]].concat();
        Ok([
            Kernel::new(&self.ctx, "march.wgsl", &spec(true), &begin)?,
            Kernel::new(&self.ctx, "march.wgsl", &spec(false), &round)?,
        ])
    }

    /// How many values the device is likely to evaluate in a slice's time.
    fn affordable_values(&self) -> f64 {
        self.ctx.affordable_macs(Pace::March, SLICE) / self.evaluate.macs
    }

    /// Follows rays that are all on the device together.
    fn batch(&self, [begin, round]: &[Kernel; 2], rules: &Rules, tracks: &[Track], all: &mut Ends) -> Result<()> {
        let count = u32::try_from(tracks.len()).expect("no more than the capacity");
        let capacity = u32::try_from(self.capacity).expect("no more than the most rays");
        let write = |buffer: &Buffer, bytes: &[u8]| self.ctx.queue().write_buffer(buffer.raw(), 0, bytes);
        write(&self.rules, bytemuck::bytes_of(&Rules { rays: count, ..*rules }));
        write(&self.tracks, bytemuck::cast_slice(tracks));
        // As if a round had kept them all.
        let mut counts = Counts { start: capacity, kept: count, ..Counts::default() };
        write(&self.counts, bytemuck::bytes_of(&counts));
        let bytes = size_of_val(tracks) / size_of::<Track>() * size_of::<End>();
        let mut begun = false;
        while !begun || counts.left > 0 {
            let started = Instant::now();
            let left = if begun { counts.left } else { count };
            let rounds = (1..=MOST_ROUNDS)
                .rev()
                .find(|&n| self.affordable_values() >= f64::from(n) * f64::from(left))
                .unwrap_or(1);
            let label = Some("march");
            let mut encoder = self.ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None });
            if !begun {
                begin.set(&mut pass);
                pass.dispatch_workgroups(count.div_ceil(GROUP), 1, 1);
                self.tally.set(&mut pass);
                pass.dispatch_workgroups(1, 1, 1);
            }
            for _ in 0..rounds {
                pass.set_pipeline(&self.evaluate.pipeline);
                pass.set_bind_group(0, &self.evaluate.bind_group, &[]);
                pass.dispatch_workgroups_indirect(self.groups.raw(), 0);
                round.set(&mut pass);
                pass.dispatch_workgroups_indirect(self.groups.raw(), 12);
                self.tally.set(&mut pass);
                pass.dispatch_workgroups(1, 1, 1);
            }
            drop(pass);
            // What was found comes along, although some is still missing: that costs less than to wait once more.
            let staging = self.staging.raw();
            encoder.copy_buffer_to_buffer(self.counts.raw(), 0, staging, 0, Some(COUNTS_BYTES));
            encoder.copy_buffer_to_buffer(self.outcomes.raw(), 0, staging, COUNTS_BYTES, Some(bytes as u64));
            self.ctx.queue().submit([encoder.finish()]);
            let before = counts.values;
            self.ctx.map(&self.staging, COUNTS_BYTES + bytes as u64, |view| {
                let (head, outcomes) = view.split_at(size_of::<Counts>());
                counts = bytemuck::pod_read_unaligned(head);
                if counts.left == 0 {
                    all.ends.extend_from_slice(bytemuck::cast_slice(outcomes));
                }
            })?;
            learn(&self.ctx, f64::from(counts.values - before) * self.evaluate.macs, started.elapsed());
            all.waits += 1;
            begun = true;
        }
        all.values += u64::from(counts.values);
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::gpu::adapters;
    use crate::model::{Inr, Model};

    impl Rounds {
        /// Leaves nothing behind that could pass for something.
        fn poison(&self) {
            let Self { walkers, lists, points, values, outcomes, groups, .. } = self;
            for buffer in [walkers, lists, points, values, outcomes, groups, &self.tracks, &self.counts] {
                self.ctx.queue().write_buffer(
                    buffer.raw(),
                    0,
                    &vec![0xff; usize::try_from(buffer.raw().size()).unwrap()],
                );
            }
        }
    }

    /// Rays along z through [-1, 1]^3, side by side.
    pub(in crate::gpu::march) fn tracks(count: usize) -> Vec<Track> {
        let place = |i: usize| 1.9 * (i as f32 / count as f32) - 0.95;
        let origin = |i| [place(i), place(i * 37 % count), 1.0];
        let track =
            |i| Track { origin: origin(i), direction: [0.0, 0.0, -1.0], length: 2.0, slope: 1.0, ..Track::default() };
        (0..count).map(|i| Track { footprint: [0.01, 0.0], before: 0.01, ..track(i) }).collect()
    }

    pub(in crate::gpu::march) fn rules() -> Rules {
        let rules = Rules { outwards: 1.0, bound: 1.0, near: 0.1, polished: 0.005, polishes: 12, ..Rules::default() };
        Rules { flattest: 0.1, fleeing: 0.8, relaxation: 0.9, step: 0.05, radius: 0.1, most: 96, ..rules }
    }

    #[test]
    fn what_was_in_memory_is_not_read_and_nothing_is_written_beyond() {
        let model = Arc::new(Model::random_siren(Inr::siren(3, 11, 2, 1, 12.0), 3));
        let rules = rules();
        for adapter in 0..adapters().len() {
            let ctx = Context::named(&adapter.to_string()).unwrap();
            let field = Field::new(&ctx, &model).unwrap();
            for walk in Walk::ALL {
                // Not a multiple of a workgroup, in one batch and in four.
                let tracks = tracks(201);
                let mut clean = Rounds::new(&field, 256).unwrap();
                let expected = clean.follow(walk, &rules, &tracks).unwrap();
                let hits = expected.ends.iter().filter(|end| end.hit()).count();
                let steps: u64 = expected.ends.iter().map(|end| u64::from(end.steps())).sum();
                println!("{} {walk:?}: {hits} hits, {steps} steps, {} waits", ctx.summary().name, expected.waits);
                assert_eq!((expected.ends.len(), expected.values), (201, steps));
                assert!(walk == Walk::Light || (hits > 9 && hits < 201));
                for capacity in [256, 64] {
                    let mut poisoned = Rounds::new(&field, capacity).unwrap();
                    poisoned.poison();
                    let found = poisoned.follow(walk, &rules, &tracks).unwrap();
                    assert_eq!(found.ends, expected.ends);
                    assert_eq!(found.values, steps);
                }
                let one = clean.follow(walk, &rules, &tracks[..1]).unwrap();
                assert_eq!(one.ends, expected.ends[..1]);
                // Beyond the one ray everything is still what the 201 left.
                let mut outcomes = vec![0.0; 2 * 201];
                ctx.read_back(&clean.outcomes, &clean.staging, &mut outcomes).unwrap();
                let bits = |numbers: &[f32]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&outcomes), bits(bytemuck::cast_slice(&expected.ends)));
                assert!(clean.follow(walk, &rules, &[]).unwrap().ends.is_empty());
            }
        }
    }
}
