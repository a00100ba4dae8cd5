//! Rays followed on the device: from value to value, until all have ended.
//!
//! Where all weights of the INR fit into workgroup memory, one kernel does so (`march-whole.wgsl`). Else a round evaluates
//! the INR where the rays that are left ask about it (`evaluate.wgsl`), takes each ray on (`march.wgsl`), and makes the next
//! round as large as there are rays left (`tally.wgsl`). The host submits several rounds at a time and learns then how many
//! rays are left.

mod rounds;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::context::Pace;
use super::evaluate::SLICE;
use super::{Context, Field, shader};
use crate::Result;

use rounds::Rounds;
use whole::Whole;

/// Rays that are followed together, at most.
const MOST_RAYS: usize = 1 << 18;
/// Rays that are followed together at least, however slow the device is.
const LEAST_RAYS: f64 = 256.0;
/// Invocations of a workgroup.
const GROUP: u32 = 64;
/// Workgroup memory with which halves of numbers are not needed; what every adapter has is half of it.
pub(super) const AMPLE_BYTES: u32 = 32 << 10;

/// The rules by which rays go on; mirrors `Rules` in `include/rays.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Rules {
    /// The value on the surface.
    pub level: f32,
    /// 1 where more is farther outside, -1 where less is.
    pub outwards: f32,
    /// The longest gradient.
    pub bound: f32,
    /// How much longer steps are than the bound makes safe, 0 to 1.
    pub relaxation: f32,
    /// The length of equal steps; on ways to a light, of the least.
    pub step: f32,
    /// How near to the surface a ray has arrived, in widths of a pixel.
    pub near: f32,
    /// How near it is brought then.
    pub polished: f32,
    /// The least share of the bound at which values fall near a surface.
    pub flattest: f32,
    /// The fastest growth of a distance that is believed to go on.
    pub fleeing: f32,
    /// A light's radius.
    pub radius: f32,
    /// Values that a ray may take.
    pub most: u32,
    /// Values that it may take from where it is near.
    pub polishes: u32,
    /// How many rays there are; set where they are followed.
    pub rays: u32,
    /// Unused.
    pub pad: [u32; 3],
}

/// A ray; mirrors `Track` in `include/rays.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Track {
    /// Where it starts.
    pub origin: [f32; 3],
    /// How far that is from where its line starts.
    pub before: f32,
    /// Of length 1.
    pub direction: [f32; 3],
    /// How far from the origin it ends.
    pub length: f32,
    /// The width of a pixel where the line starts, and its growth with each unit of length.
    pub footprint: [f32; 2],
    /// How steeply heights rise from the surface where it starts.
    pub slope: f32,
    /// Unused.
    pub pad: u32,
}

/// What became of a ray; mirrors the outcomes of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct End {
    /// Where it arrived, or how much of a light is seen; where a value was no finite number, the place of that.
    pub at: f32,
    word: u32,
}

impl End {
    /// Whether it met the solid.
    pub fn hit(self) -> bool {
        self.word & 1 << 30 != 0
    }

    /// Whether it started within the solid.
    pub fn cut(self) -> bool {
        self.word & 1 << 29 != 0
    }

    /// Whether it was given up.
    pub fn lost(self) -> bool {
        self.word & 1 << 28 != 0
    }

    /// Whether it met a value that is no finite number.
    pub fn broken(self) -> bool {
        self.word & 1 << 27 != 0
    }

    /// Values that it took.
    pub fn steps(self) -> u32 {
        self.word & ((1 << 27) - 1)
    }
}

/// By which rules rays are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// To a surface, from sphere to sphere.
    Spheres,
    /// To a surface, by equal steps.
    Equal,
    /// To a light.
    Light,
}

impl Walk {
    const ALL: [Self; 3] = [Self::Spheres, Self::Equal, Self::Light];
}

/// The template values of `march.wgsl` and `tally.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
struct MarchSpec {
    walk: &'static str,
    spheres: bool,
    begin: bool,
    points_per_group: usize,
}

impl MarchSpec {
    fn new(walk: Walk, begin: bool, points_per_group: usize) -> Self {
        let file = if walk == Walk::Light { "light" } else { "surface" };
        Self { walk: file, spheres: walk == Walk::Spheres, begin, points_per_group }
    }
}

/// For [`shader::kernels`].
pub(super) fn kernels() -> Vec<(String, String)> {
    let mut kernels = Vec::new();
    for walk in Walk::ALL {
        for begin in [true, false] {
            let spec = MarchSpec::new(walk, begin, 64);
            kernels.push((format!("march {spec:?}"), shader::link("march.wgsl", &spec)));
        }
    }
    kernels.push(("tally".to_owned(), shader::link("tally.wgsl", &MarchSpec::new(Walk::Equal, false, 64))));
    kernels.extend(whole::kernels());
    kernels
}

/// What became of rays.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// For each ray, in their order.
    pub ends: Vec<End>,
    /// Values that were evaluated.
    pub values: u64,
    /// How often the host waited for the device.
    pub waits: u64,
}

/// Follows rays through one INR.
#[derive(Debug)]
pub struct Marcher(Way);

#[derive(Debug)]
enum Way {
    Whole(Box<Whole>),
    Rounds(Box<Rounds>),
}

impl Marcher {
    /// One for so many rays through a single INR: `kept`, if that is large enough.
    ///
    /// # Errors
    /// Where the device fails or has no memory left.
    pub fn fitting(field: &Field, kept: Option<Self>, rays: usize) -> Result<Self> {
        let capacity = rays.clamp(GROUP as usize, MOST_RAYS).next_power_of_two();
        if let Some(kept) = kept.filter(|kept| kept.capacity() >= capacity) {
            return Ok(kept);
        }
        let memory = field.context().device().limits().max_compute_workgroup_storage_size;
        let whole = Whole::fitting(field.context(), &field.model, capacity, memory)?;
        Ok(Self(match whole {
            Some(whole) => Way::Whole(Box::new(whole)),
            None => Way::Rounds(Box::new(Rounds::new(field, capacity)?)),
        }))
    }

    fn capacity(&self) -> usize {
        match &self.0 {
            Way::Whole(whole) => whole.capacity,
            Way::Rounds(rounds) => rounds.capacity,
        }
    }

    /// Follows rays until each has ended. What one finds does not depend on the others.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn follow(&mut self, walk: Walk, rules: &Rules, tracks: &[Track]) -> Result<Ends> {
        match &mut self.0 {
            Way::Whole(whole) => whole.follow(walk, rules, tracks),
            Way::Rounds(rounds) => rounds.follow(walk, rules, tracks),
        }
    }
}

/// How many rays to follow together, of so many multiply-adds each, so that a submission is not too long for a watchdog.
fn affordable_rays(ctx: &Context, macs: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating; bounded by the caller")]
    {
        (ctx.affordable_macs(Pace::March, SLICE) / macs).max(LEAST_RAYS) as usize
    }
}

/// Tells the device's speed, but not by the last few rays of many: these keep it waiting, not busy.
fn learn(ctx: &Arc<Context>, macs: f64, time: Duration) {
    let expected = ctx.affordable_macs(Pace::March, SLICE);
    let busy = macs >= 0.5 * expected;
    if busy || macs / time.as_secs_f64() * SLICE.as_secs_f64() > expected {
        ctx.learn(Pace::March, macs, time);
    }
}
