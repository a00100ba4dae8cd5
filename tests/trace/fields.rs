//! Fields to look at.

use glam::DVec3;

/// A ball about a point.
pub fn ball(middle: DVec3, radius: f64) -> impl Fn(DVec3) -> f64 {
    move |p| p.distance(middle) - radius
}
