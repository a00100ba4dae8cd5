//! Fields to take surfaces of.

use glam::DVec3;

use crate::analytic::cuboid;

pub(crate) fn sphere(p: DVec3) -> f64 {
    p.length() - 0.7
}

/// A plate whose thickness is less than a cell of 33 along an axis: about one of 50.
pub(crate) fn plate(p: DVec3) -> f64 {
    cuboid(p - DVec3::new(0.01, 0.02, 0.03), DVec3::new(0.8, 0.021, 0.6))
}

/// Two spheres that flow into each other (the exponential smooth minimum: of distances, and so no steeper).
pub(crate) fn union(p: DVec3) -> f64 {
    let [a, b] = [DVec3::new(-0.3, 0.1, 0.0), DVec3::new(0.3, -0.1, 0.05)].map(|c| p.distance(c));
    let (a, b) = (a - 0.35, b - 0.3);
    -((-12.0 * a).exp() + (-12.0 * b).exp()).ln() / 12.0
}

/// A number in [-1, 1) for each place and seed: the bits of the coordinates, mixed.
pub(crate) fn hash(p: DVec3, seed: u64) -> f64 {
    let mixed = p.to_array().iter().fold(seed, |h, c| {
        let h = (h ^ (c + 0.0).to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (h ^ h >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    });
    ((mixed ^ mixed >> 32) & 0xff_ffff) as f64 / f64::from(1 << 23) - 1.0
}

/// A sum of waves that have directions, lengths and phases of their own.
pub(crate) fn waves(seed: u64) -> impl Fn(DVec3) -> f64 {
    let draw = move |i: u32| hash(DVec3::splat(f64::from(i)), seed);
    let waves: Vec<(DVec3, f64)> = (0..12)
        .map(|i| (9.0 * DVec3::new(draw(4 * i), draw(4 * i + 1), draw(4 * i + 2)), 3.2 * draw(4 * i + 3)))
        .collect();
    move |p| waves.iter().map(|(k, phase)| (k.dot(p) + phase).sin()).sum()
}
