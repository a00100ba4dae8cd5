//! Whole pictures, made band by band: memory does not grow with the picture.

use std::ops::Range;
use std::time::Instant;

use glam::Vec3;
use rayon::prelude::*;

use super::camera::View;
use super::field::Field;
use super::shade::Seen;
use super::{Scene, Statistics};
use crate::model::{MAX_SIDE, ValueRange};
use crate::surface::{Implicit, Ray, Stride};
use crate::{Error, Result};

/// Rays that are followed together, at most. What is known of them takes a few hundred bytes each.
pub(super) const RAYS: usize = 1 << 19;

impl Scene {
    /// Traces a picture and hands over rows of pixels from the top down, as many at a time as were traced together:
    /// `[rows][width][3]`, display-referred from -1 to 1. A pixel is the mean of the linear light of `aa x aa` rays.
    ///
    /// # Errors
    /// Where scene or size make no sense, the field fails or has a value that is not finite, or what `rows` returns.
    pub fn render(
        &self,
        field: &mut dyn Implicit,
        width: u32,
        height: u32,
        aa: u32,
        mut rows: impl FnMut(&[f32]) -> Result<()>,
    ) -> Result<Statistics> {
        if !(1..=16).contains(&aa) {
            return Err(Error::invalid(format!("{aa} x {aa} rays for a pixel: 1 to 16 along a side are possible")));
        }
        let per_pixel = aa as usize * aa as usize;
        let background = self.unmixed(self.background.into());
        let range = ValueRange::default();
        self.bands(field, [width, height], aa, 3, &mut rows, |field, view, stride, pixels, values| {
            let (owners, rays) = self.rays(view, pixels, width, aa);
            let seen = self.see(field, view, &rays, stride)?;
            let colours = self.colours(field, view, &rays, &seen, stride)?;
            let mut sums = vec![(Vec3::ZERO, per_pixel); values.len() / 3];
            for (owner, colour) in owners.into_iter().zip(colours) {
                let (sum, missing) = &mut sums[owner as usize];
                *sum += colour;
                *missing -= 1;
            }
            for (pixel, (sum, missing)) in values.chunks_exact_mut(3).zip(sums) {
                let mean = (sum + missing as f32 * background) / per_pixel as f32;
                pixel.copy_from_slice(&self.mixed(mean).map(|c| range.from_unit(c)).to_array());
            }
            Ok(())
        })
    }

    /// Traces the depths of a picture and hands over rows of them, `[rows][width]`: at the middle of each pixel the
    /// distance along the line of sight to the picture's middle, infinite where nothing is.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn depths(
        &self,
        field: &mut dyn Implicit,
        width: u32,
        height: u32,
        mut rows: impl FnMut(&[f32]) -> Result<()>,
    ) -> Result<Statistics> {
        self.bands(field, [width, height], 1, 1, &mut rows, |field, view, stride, pixels, depths| {
            let (owners, rays) = self.rays(view, pixels, width, 1);
            depths.fill(f32::INFINITY);
            let seen = self.see(field, view, &rays, stride)?;
            for ((owner, ray), seen) in owners.into_iter().zip(&rays).zip(seen) {
                let distance = match seen {
                    Seen::Background => continue,
                    Seen::Plane(distance) => distance,
                    Seen::Solid(hit) => hit.distance,
                };
                depths[owner as usize] = (ray.before + distance) * view.slant(ray.direction);
            }
            Ok(())
        })
    }

    /// Makes a picture of `channels` numbers a pixel in bands of whole rows. `make` is asked for runs of pixels, counted
    /// along the rows, so few that no more than [`RAYS`] rays are in each.
    fn bands(
        &self,
        implicit: &mut dyn Implicit,
        [width, height]: [u32; 2],
        aa: u32,
        channels: usize,
        rows: &mut dyn FnMut(&[f32]) -> Result<()>,
        mut make: impl FnMut(&mut Field<'_>, &View, Stride, Range<u64>, &mut [f32]) -> Result<()>,
    ) -> Result<Statistics> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(Error::invalid(format!(
                "a picture of {width}x{height} pixels cannot be made: each side must be 1 to {MAX_SIDE}"
            )));
        }
        let started = Instant::now();
        let view = self.camera.view(width, height)?;
        let (mut field, stride) = self.begin(implicit)?;
        let (width, height) = (u64::from(width), u64::from(height));
        let at_once = RAYS as u64 / u64::from(aa * aa);
        let lines = (at_once / width).clamp(1, height);
        let mut band = Vec::new();
        for first in (0..height).step_by(count(lines)) {
            let pixels = first * width..(first + lines).min(height) * width;
            band.resize(count(pixels.end - pixels.start) * channels, 0.0);
            for (start, values) in
                (pixels.start..).step_by(count(at_once)).zip(band.chunks_mut(count(at_once) * channels))
            {
                let run = start..start + values.len() as u64 / channels as u64;
                field.statistics.rays += (run.end - run.start) * u64::from(aa * aa);
                make(&mut field, &view, stride, run, values)?;
            }
            rows(&band)?;
        }
        field.statistics.seconds = started.elapsed().as_secs_f64();
        Ok(field.statistics)
    }

    /// The rays of a run of pixels that meet the cube, and which of these pixels each belongs to.
    fn rays(&self, view: &View, pixels: Range<u64>, width: u32, aa: u32) -> (Vec<u32>, Vec<Ray>) {
        let (width, per_pixel) = (u64::from(width), aa * aa);
        let number = count((pixels.end - pixels.start) * u64::from(per_pixel));
        (0..u32::try_from(number).expect("no more than are followed together"))
            .into_par_iter()
            .filter_map(|i| {
                let (owner, sub) = (i / per_pixel, i % per_pixel);
                let pixel = pixels.start + u64::from(owner);
                let place = |pixel: u64, sub: u32| pixel as f64 + (f64::from(sub) + 0.5) / f64::from(aa);
                let [x, y] = [place(pixel % width, sub % aa), place(pixel / width, sub / aa)];
                view.ray(x, y, aa, &self.cube).map(|ray| (owner, ray))
            })
            .unzip()
    }
}

/// A number of pixels or rows that are in memory.
fn count(n: u64) -> usize {
    usize::try_from(n).expect("no more than fit into memory")
}
