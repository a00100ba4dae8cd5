//! A solid as rays ask about it: how far outside points are, counted.

use glam::Vec3;

use super::Statistics;
use crate::surface::{BATCH, Implicit, Inside};
use crate::{Error, Result};

/// A field together with what of it is solid.
pub(super) struct Field<'a> {
    pub(super) implicit: &'a mut dyn Implicit,
    pub(super) level: f32,
    pub(super) inside: Inside,
    pub(super) statistics: Statistics,
}

impl Field<'_> {
    /// The values at points, `[n][3]` with any n, as heights: 0 on the surface, more outside.
    ///
    /// # Errors
    /// Where the field fails, or a value is not finite.
    pub(super) fn heights(&mut self, points: &[f32], heights: &mut Vec<f32>) -> Result<()> {
        heights.clear();
        heights.resize(points.len() / 3, 0.0);
        for (points, out) in points.chunks(3 * BATCH).zip(heights.chunks_mut(BATCH)) {
            self.values(points, out)?;
            if let Some(i) = out.iter().position(|v| !v.is_finite()) {
                let at = Vec3::from_slice(&points[3 * i..3 * i + 3]);
                return Err(Error::invalid(format!("the field is {} at {at}: a picture needs finite values", out[i])));
            }
            let outwards = self.outwards();
            out.iter_mut().for_each(|v| *v = outwards * (*v - self.level));
        }
        Ok(())
    }

    /// How the heights change at points: as steeply as they do, and outwards. Zero where there is no gradient.
    ///
    /// # Errors
    /// Where the field fails.
    pub(super) fn slopes(&mut self, points: &[f32]) -> Result<Vec<Vec3>> {
        let mut gradients = vec![0.0; points.len()];
        for (points, out) in points.chunks(3 * BATCH).zip(gradients.chunks_mut(3 * BATCH)) {
            self.gradients(points, out)?;
        }
        let slope =
            |g: &[f32]| Some(self.outwards() * Vec3::from_slice(g)).filter(|g| g.is_finite()).unwrap_or_default();
        Ok(gradients.chunks_exact(3).map(slope).collect())
    }

    fn outwards(&self) -> f32 {
        match self.inside {
            Inside::Below => 1.0,
            Inside::Above => -1.0,
        }
    }
}

impl Implicit for Field<'_> {
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        self.statistics.evaluations += out.len() as u64;
        self.statistics.batches += 1;
        self.implicit.values(points, out)
    }

    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()> {
        self.statistics.gradients += out.len() as u64 / 3;
        self.implicit.gradients(points, out)
    }
}

/// Points as the numbers that a field takes.
pub(super) fn flat(points: impl IntoIterator<Item = Vec3>) -> Vec<f32> {
    points.into_iter().flat_map(|p| p.to_array()).collect()
}
