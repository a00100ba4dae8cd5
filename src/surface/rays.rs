//! Rays and what they find, and what a field is told that can follow rays by itself.
//!
//! The rules by which rays go on are numbers here, because they are the same wherever rays are followed: on the host by
//! asking for values ([`crate::trace`]), or where the field itself is.

use glam::Vec3;

use super::Inside;

/// Values after which a ray that steps from sphere to sphere is given up.
pub(crate) const MAX_STEPS: u32 = 512;
/// How near to the surface a ray has arrived, in widths of a pixel: what is seen grows by less than that.
pub(crate) const NEAR: f32 = 0.1;
/// How near it is brought then, in the same unit.
pub(crate) const POLISHED: f32 = 0.005;
/// Values that this may take.
pub(crate) const POLISHES: u32 = 12;
/// The least share of the bound at which a value is supposed to fall on the way to a surface that is near.
pub(crate) const FLATTEST: f32 = 0.1;
/// The fastest growth of a distance along a ray that is believed to go on.
pub(crate) const FLEEING: f32 = 0.8;
/// A light's radius, seen from a surface: its sine. Half shadows get so much wider with distance.
pub(crate) const LIGHT: f32 = 0.1;
/// Steps to a light, at most.
pub(crate) const LIGHT_STEPS: u32 = 96;

/// A part of a line: from where it enters a cube to where it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ray {
    /// Where it starts: where the line of sight enters the cube, or in an eye within it.
    pub origin: Vec3,
    /// Of length 1.
    pub direction: Vec3,
    /// How far the origin is from where the line of sight starts.
    pub before: f32,
    /// How far from the origin it leaves the cube.
    pub length: f32,
    /// The width of a pixel where the line of sight starts, but no less than f32 can tell apart in the cube, and how much
    /// wider it gets with each unit of length.
    pub footprint: [f32; 2],
}

impl Ray {
    /// The point at a distance from the origin.
    pub fn at(&self, distance: f32) -> Vec3 {
        self.origin + distance * self.direction
    }

    /// The width of a pixel there, in units of space.
    pub fn footprint(&self, distance: f32) -> f32 {
        self.footprint[0] + self.footprint[1] * (self.before + distance)
    }
}

/// Where a ray meets a solid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// From the ray's origin.
    pub distance: f32,
    /// Whether the ray started within the solid: what is seen is no surface of it, but where the cube cuts it.
    pub cut: bool,
}

/// What became of a ray.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Where it met the solid, if it did.
    pub hit: Option<Hit>,
    /// Values that it took.
    pub steps: u32,
    /// Whether it was given up on its way. It counts as arrived if it was within half a pixel of the surface.
    pub lost: bool,
}

/// How rays to a surface go on, all of them alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stride {
    /// A step is the value divided by the bound, and the relaxation's share of what the next one should be.
    Spheres {
        /// The longest gradient.
        bound: f32,
        /// 0 to 1.
        relaxation: f32,
    },
    /// All steps are that long.
    Equal(f32),
}

/// What of a field is solid: heights are 0 on its surface and more outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heights {
    /// The value on the surface.
    pub level: f32,
    /// On which side the solid is.
    pub inside: Inside,
}

impl Heights {
    /// The factor of a value above the level in its height.
    pub fn outwards(self) -> f32 {
        match self.inside {
            Inside::Below => 1.0,
            Inside::Above => -1.0,
        }
    }

    /// How high a value is.
    pub fn of(self, value: f32) -> f32 {
        self.outwards() * (value - self.level)
    }
}

/// A way from a surface to a light.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Way {
    /// From somewhat above the surface, `before` away from it.
    pub ray: Ray,
    /// How steeply heights rise from the surface: heights divided by this are distances.
    pub slope: f32,
}

/// What rays found that a field followed by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followed<T> {
    /// For each ray, in their order.
    pub found: Vec<T>,
    /// Values that were evaluated.
    pub values: u64,
    /// How often the host waited for the device.
    pub waits: u64,
}
