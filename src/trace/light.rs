//! How much light arrives at points of a surface: shadows of one distant light, and how open the surroundings are.

use glam::Vec3;
use rayon::prelude::*;

use super::camera::{Ray, clip};
use super::field::{Field, flat};
use super::march::{Stride, march};
use crate::Result;
use crate::surface::Cube;

/// A point of a surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: Vec3,
    /// Of length 1.
    pub(super) normal: Vec3,
    /// How steeply heights rise from the surface: heights divided by this are distances.
    pub(super) slope: f32,
    /// The width of a pixel there.
    pub(super) pixel: f32,
}

/// The light's radius, seen from a surface: its sine. Half shadows get so much wider with distance.
const LIGHT: f32 = 0.1;
/// The least step to the light, in sides of the cube.
const STEP: f32 = 0.004;
/// How far off the surface a way to the light starts, in sides of the cube.
const LIFT: f32 = 0.002;
/// Steps to the light, at most.
const STEPS: u32 = 96;
/// How far surroundings matter, in sides of the cube.
const REACH: f32 = 0.12;
/// Distances at which the surroundings are looked at: the reach, its half, and so on.
const LOOKS: i32 = 5;
/// How dark it is where nothing is open.
const CLOSED: f32 = 0.75;

/// A way to the light.
#[derive(Clone, Copy, Debug)]
struct Way {
    place: u32,
    ray: Ray,
    at: f32,
    share: f32,
    left: u32,
}

/// How much of a distant light, in that direction, arrives at each place: 0 to 1. Half shadows are by the nearest miss on
/// the way (after Quilez, "Soft shadows in raymarched SDFs", 2010); where values are no distances, there are none.
pub(super) fn shadows(
    field: &mut Field<'_>,
    cube: &Cube,
    places: &[Place],
    light: Vec3,
    stride: Stride,
) -> Result<Vec<f32>> {
    let mut shares: Vec<f32> = places.iter().map(|p| if p.normal.dot(light) > 0.0 { 1.0 } else { 0.0 }).collect();
    let mut ways: Vec<Way> = (places.par_iter().zip(&shares).enumerate())
        .filter_map(|(i, (place, &share))| {
            let ray = towards(place, light, cube).filter(|_| share > 0.0)?;
            Some(Way { place: u32::try_from(i).ok()?, ray, at: 0.0, share, left: STEPS })
        })
        .collect();
    let Stride::Spheres { bound, .. } = stride else {
        let rays: Vec<Ray> = ways.iter().map(|w| w.ray).collect();
        for (way, outcome) in ways.iter().zip(march(field, &rays, stride)?) {
            shares[way.place as usize] = if outcome.hit.is_some() { 0.0 } else { 1.0 };
        }
        return Ok(shares);
    };
    let mut heights = Vec::new();
    while !ways.is_empty() {
        field.heights(&flat(ways.iter().map(|w| w.ray.at(w.at))), &mut heights)?;
        ways.par_iter_mut().zip(&heights).for_each(|(way, &height)| {
            // From the surface, not from where the way starts above it.
            let gone = way.at + way.ray.before;
            let distance = height / places[way.place as usize].slope;
            way.share = way.share.min(distance / (LIGHT * gone)).max(0.0);
            way.at += (height / bound).max(STEP * cube.side);
            way.left -= 1;
        });
        ways.retain(|way| {
            let goes_on = way.at < way.ray.length && way.left > 0 && way.share > 0.0;
            if !goes_on {
                // A light is round: what is seen of it grows slowly at first.
                shares[way.place as usize] = way.share * way.share * (3.0 - 2.0 * way.share);
            }
            goes_on
        });
    }
    Ok(shares)
}

/// The way from a place to the light, within the cube.
#[expect(clippy::cast_possible_truncation, reason = "what is computed in f64 is traced in f32")]
fn towards(place: &Place, light: Vec3, cube: &Cube) -> Option<Ray> {
    let lift = (2.0 * place.pixel).max(LIFT * cube.side);
    let origin = place.at + lift * place.normal;
    let [near, far] = clip(origin.as_dvec3(), light.as_dvec3(), cube)?;
    let footprint = [place.pixel, 0.0];
    // Where it starts outside of the cube and enters, it starts there.
    let origin = origin + near as f32 * light;
    Some(Ray { origin, direction: light, before: lift + near as f32, length: (far - near) as f32, footprint })
}

/// How open the surroundings of each place are, 0 to 1, by how far from the surface points above it are compared with
/// how far they were over a plane (after Evans, "Fast approximations for global illumination on dynamic scenes", 2006).
pub(super) fn openness(field: &mut Field<'_>, cube: &Cube, places: &[Place], stride: Stride) -> Result<Vec<f32>> {
    let mut closed = vec![0.0_f32; places.len()];
    let high = cube.low + cube.side;
    let mut heights = Vec::new();
    for look in 0..LOOKS {
        let away = REACH * cube.side * 0.5_f32.powi(look);
        // There is nothing outside of the cube.
        let (asked, points): (Vec<usize>, Vec<Vec3>) = (places.iter().enumerate())
            .map(|(i, p)| (i, p.at + away * p.normal))
            .filter(|(_, at)| at.cmpge(cube.low).all() && at.cmple(high).all())
            .unzip();
        field.heights(&flat(points), &mut heights)?;
        for (i, height) in asked.into_iter().zip(&heights) {
            let missing = match stride {
                Stride::Spheres { .. } => 1.0 - height / (places[i].slope * away),
                Stride::Equal(_) if *height > 0.0 => 0.0,
                Stride::Equal(_) => 1.0,
            };
            closed[i] += missing.clamp(0.0, 1.0) / LOOKS as f32;
        }
    }
    Ok(closed.into_iter().map(|c| 1.0 - CLOSED * c).collect())
}
