//! A field that is known: what surfaces are taken of and rays are cast at.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashSet;

use glam::{DVec2, DVec3};
use hypersine::Result;
use hypersine::surface::{BATCH, Implicit};

/// A function in f64 with gradients by central differences, that counts what it was asked.
pub(crate) struct Analytic<F> {
    function: F,
    pub(crate) values: u64,
    pub(crate) gradients: u64,
    /// Points at which values were asked, where they are to be kept.
    pub(crate) asked: Option<Vec<DVec3>>,
}

impl<F: Fn(DVec3) -> f64> Analytic<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, values: 0, gradients: 0, asked: None }
    }

    pub(crate) fn keeping(function: F) -> Self {
        Self { asked: Some(Vec::new()), ..Self::new(function) }
    }

    /// At how many different points values were asked.
    pub(crate) fn distinct(&self) -> u64 {
        let asked = self.asked.iter().flatten();
        asked.map(|p| p.to_array().map(f64::to_bits)).collect::<HashSet<_>>().len() as u64
    }
}

fn point(p: &[f32]) -> DVec3 {
    DVec3::new(f64::from(p[0]), f64::from(p[1]), f64::from(p[2]))
}

#[expect(clippy::cast_possible_truncation, reason = "a field's values are f32")]
impl<F: Fn(DVec3) -> f64> Implicit for Analytic<F> {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        assert!(points.len() == 3 * out.len() && !out.is_empty() && out.len() <= BATCH);
        self.values += out.len() as u64;
        if let Some(asked) = &mut self.asked {
            asked.extend(points.chunks_exact(3).map(point));
        }
        for (p, out) in points.chunks_exact(3).zip(out) {
            *out = (self.function)(point(p)) as f32;
        }
        Ok(())
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        assert!(points.len() == out.len() && !out.is_empty() && out.len() <= 3 * BATCH);
        self.gradients += out.len() as u64 / 3;
        for (p, out) in points.chunks_exact(3).zip(out.chunks_exact_mut(3)) {
            for (out, axis) in out.iter_mut().zip(DVec3::AXES) {
                let (ahead, behind) = (point(p) + 1e-5 * axis, point(p) - 1e-5 * axis);
                *out = (((self.function)(ahead) - (self.function)(behind)) / 2e-5) as f32;
            }
        }
        Ok(())
    }
}

/// A torus around a tilted axis, so that no symmetry of the grid helps.
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
