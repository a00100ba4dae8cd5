//! A solid as rays ask about it: how far outside points are, counted.

use glam::Vec3;

use super::Statistics;
use crate::surface::{BATCH, Followed, Heights, Implicit, Outcome, Ray, Stride, Way};
use crate::{Error, Result};

/// A field together with what of it is solid.
pub(super) struct Field<'a> {
    pub(super) implicit: &'a mut dyn Implicit,
    pub(super) solid: Heights,
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
            out.iter_mut().for_each(|v| *v = self.solid.of(*v));
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
        let outwards = self.solid.outwards();
        let slope = |g: &[f32]| Some(outwards * Vec3::from_slice(g)).filter(|g| g.is_finite()).unwrap_or_default();
        Ok(gradients.chunks_exact(3).map(slope).collect())
    }

    /// What rays find, if the field follows them by itself.
    ///
    /// # Errors
    /// As [`Self::heights`].
    pub(super) fn follow(&mut self, rays: &[Ray], stride: Stride) -> Result<Option<Vec<Outcome>>> {
        let followed = self.implicit.follow(rays, self.solid, stride)?;
        Ok(self.counted(followed))
    }

    /// What of a light is seen at the end of ways, if the field follows them by itself.
    ///
    /// # Errors
    /// As [`Self::heights`].
    pub(super) fn light(&mut self, ways: &[Way], bound: f32, least: f32) -> Result<Option<Vec<f32>>> {
        let followed = self.implicit.light(ways, self.solid, bound, least)?;
        Ok(self.counted(followed))
    }

    fn counted<T>(&mut self, followed: Option<Followed<T>>) -> Option<Vec<T>> {
        followed.map(|Followed { found, values, waits }| {
            self.statistics.evaluations += values;
            self.statistics.batches += waits;
            found
        })
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
