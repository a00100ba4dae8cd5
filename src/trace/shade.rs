//! From what rays met to colours.

use glam::Vec3;
use rayon::prelude::*;

use super::camera::View;
use super::clay::{Lit, clay, key};
use super::field::{Field, flat};
use super::light::{Place, openness, shadows};
use super::march::march;
use super::slice::Slice;
use super::{Look, Scene};
use crate::Result;
use crate::signal::{linear_to_srgb, srgb_to_linear};
use crate::surface::{Cube, Hit, Ray, Stride};

/// What a ray met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seen {
    Background,
    /// The plane, at that distance.
    Plane(f32),
    /// The solid.
    Solid(Hit),
}

impl Scene {
    /// Follows rays to what they meet first: plane or solid.
    pub(super) fn see(&self, field: &mut Field<'_>, view: &View, rays: &[Ray], stride: Stride) -> Result<Vec<Seen>> {
        // What is seen where no solid is, and how far there may be some.
        let behind = |ray: &Ray| {
            let distance = self.slice.as_ref().and_then(|slice| slice.meets(ray));
            let up_to = Ray { length: distance.unwrap_or(ray.length), ..*ray };
            let side = |slice: &Slice| view.side(slice.axis as usize, slice.offset);
            let removed = self.slice.is_some_and(|slice| slice.removes(&up_to, side(&slice)));
            (distance.map_or(Seen::Background, Seen::Plane), (!removed).then_some(up_to))
        };
        let (mut seen, up_to): (Vec<Seen>, Vec<Option<Ray>>) = rays.iter().map(behind).unzip();
        let followed: Vec<Ray> = up_to.iter().copied().flatten().collect();
        let outcomes = march(field, &followed, stride)?;
        field.statistics.count(&outcomes);
        let unhidden = seen.iter_mut().zip(&up_to).filter(|(_, ray)| ray.is_some());
        for ((seen, _), outcome) in unhidden.zip(outcomes) {
            if let Some(hit) = outcome.hit {
                *seen = Seen::Solid(hit);
            }
        }
        Ok(seen)
    }

    /// The colours that rays see, as [`Self::mixed`] wants them.
    pub(super) fn colours(
        &self,
        field: &mut Field<'_>,
        view: &View,
        rays: &[Ray],
        seen: &[Seen],
        stride: Stride,
    ) -> Result<Vec<Vec3>> {
        let mut colours = vec![self.unmixed(self.background.into()); rays.len()];
        let (mut on_solid, mut on_plane) = (Vec::new(), Vec::new());
        for (i, seen) in seen.iter().enumerate() {
            match *seen {
                Seen::Background => {}
                Seen::Plane(distance) => on_plane.push((i, distance)),
                Seen::Solid(hit) => on_solid.push((i, hit)),
            }
        }
        let indices: Vec<usize> = on_solid.iter().map(|&(i, _)| i).collect();
        let points = flat(on_solid.iter().map(|&(i, hit)| rays[i].at(hit.distance)));
        let slopes = field.slopes(&points)?;
        let places: Vec<Place> = (on_solid.par_iter().zip(slopes))
            .map(|(&(i, hit), slope)| {
                let (ray, steep) = (&rays[i], slope.length());
                Place {
                    at: ray.at(hit.distance),
                    normal: match slope.try_normalize() {
                        _ if hit.cut => lid(ray, &self.cube),
                        Some(normal) => normal,
                        None => -ray.direction,
                    },
                    slope: if steep > 0.0 { steep } else { 1.0 },
                    pixel: ray.footprint(hit.distance),
                }
            })
            .collect();
        let shaded = match self.look {
            Look::Normals => places.iter().map(|p| self.unmixed(0.5 + 0.5 * p.normal)).collect(),
            Look::Clay => self.clay(field, view, &places, indices.iter().map(|&i| rays[i].direction), stride)?,
        };
        for (i, colour) in indices.into_iter().zip(shaded) {
            colours[i] = colour;
        }
        if let Some(slice) = self.slice {
            let points = flat(on_plane.iter().map(|&(i, distance)| rays[i].at(distance)));
            let (mut heights, slopes) = (Vec::new(), field.slopes(&points)?);
            field.heights(&points, &mut heights)?;
            for ((&(i, distance), height), slope) in on_plane.iter().zip(heights).zip(slopes) {
                let pixel = rays[i].footprint(distance);
                colours[i] = self.unmixed(slice.colour(height, slope, pixel, self.cube.side));
            }
        }
        Ok(colours)
    }

    fn clay(
        &self,
        field: &mut Field<'_>,
        view: &View,
        places: &[Place],
        directions: impl Iterator<Item = Vec3>,
        stride: Stride,
    ) -> Result<Vec<Vec3>> {
        let axes = view.axes();
        let everywhere = || vec![1.0; places.len()];
        let keys = if self.shadow { shadows(field, &self.cube, places, key(&axes), stride)? } else { everywhere() };
        let opens = if self.occlusion { openness(field, &self.cube, places, stride)? } else { everywhere() };
        let turned = |v: Vec3| Vec3::from(axes.map(|axis| axis.dot(v)));
        let lit = keys.into_iter().zip(opens).map(|(key, open)| Lit { key, open });
        Ok((places.iter().zip(directions).zip(lit))
            .map(|((place, direction), lit)| clay(turned(place.normal), turned(-direction), lit))
            .collect())
    }

    /// A colour of the display as what is averaged over a pixel: linear light, but for normals, whose mean is their own.
    pub(super) fn unmixed(&self, colour: Vec3) -> Vec3 {
        match self.look {
            Look::Clay => colour.map(srgb_to_linear),
            Look::Normals => colour,
        }
    }

    /// The inverse of [`Self::unmixed`].
    pub(super) fn mixed(&self, mean: Vec3) -> Vec3 {
        match self.look {
            Look::Clay => mean.map(linear_to_srgb),
            Look::Normals => mean,
        }
    }
}

/// The normal of the cube's face where a ray starts; towards the viewer, where it starts within.
fn lid(ray: &Ray, cube: &Cube) -> Vec3 {
    if ray.before == 0.0 {
        return -ray.direction;
    }
    let from = ray.origin - (cube.low + 0.5 * cube.side);
    let axis = from.abs().max_position();
    Vec3::AXES[axis] * from[axis].signum()
}
