//! Fields to take surfaces of.

use std::collections::HashSet;

use glam::{DVec2, DVec3};
use hypersine::Result;
use hypersine::surface::{BATCH, Implicit};

/// A function in f64 with gradients by central differences, that notes where it was asked.
pub(crate) struct Analytic<F> {
    function: F,
    /// Bits of the points at which values were asked.
    pub(crate) seen: HashSet<[u32; 3]>,
    /// Points at which values were asked once more.
    pub(crate) again: usize,
    /// Whether to note points.
    pub(crate) noting: bool,
}

impl<F: Fn(DVec3) -> f64> Analytic<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, seen: HashSet::new(), again: 0, noting: false }
    }

    pub(crate) fn noting(function: F) -> Self {
        Self { noting: true, ..Self::new(function) }
    }
}

fn point(p: &[f32]) -> DVec3 {
    DVec3::new(f64::from(p[0]), f64::from(p[1]), f64::from(p[2]))
}

#[expect(clippy::cast_possible_truncation, reason = "a field's values are f32")]
impl<F: Fn(DVec3) -> f64> Implicit for Analytic<F> {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        assert!(points.len() == 3 * out.len() && !out.is_empty() && out.len() <= BATCH);
        for (p, out) in points.chunks_exact(3).zip(out) {
            if self.noting && !self.seen.insert([0, 1, 2].map(|i| p[i].to_bits())) {
                self.again += 1;
            }
            *out = (self.function)(point(p)) as f32;
        }
        Ok(())
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        assert!(points.len() == out.len() && !out.is_empty() && out.len() <= 3 * BATCH);
        for (p, out) in points.chunks_exact(3).zip(out.chunks_exact_mut(3)) {
            for (axis, out) in DVec3::AXES.into_iter().zip(out) {
                let step = 1e-5 * axis;
                let rise = (self.function)(point(p) + step) - (self.function)(point(p) - step);
                *out = (rise / 2e-5) as f32;
            }
        }
        Ok(())
    }
}

pub(crate) fn sphere(p: DVec3) -> f64 {
    p.length() - 0.7
}

/// Around a tilted axis, so that no symmetry of the grid helps.
pub(crate) fn torus(p: DVec3) -> f64 {
    let axis = DVec3::new(1.0, 2.0, 3.0).normalize();
    let along = p.dot(axis);
    DVec2::new((p - along * axis).length() - 0.6, along).length() - 0.2
}

/// The distance to a box, exact inside and outside.
pub(crate) fn cuboid(p: DVec3, half: DVec3) -> f64 {
    let q = p.abs() - half;
    q.max(DVec3::ZERO).length() + q.max_element().min(0.0)
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
