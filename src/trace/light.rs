//! How much light arrives at points of a surface: shadows of one distant light, and how open the surroundings are.

use glam::Vec3;
use rayon::prelude::*;

use super::camera::clip;
use super::field::{Field, flat};
use super::march::march;
use crate::Result;
use crate::surface::rays::{LIGHT, LIGHT_STEPS};
use crate::surface::{Cube, Ray, Stride, Way};

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

/// The least step to the light, in sides of the cube.
const STEP: f32 = 0.004;
/// How far off the surface a way to the light starts, in sides of the cube.
const LIFT: f32 = 0.002;
/// How far surroundings matter, in sides of the cube.
const REACH: f32 = 0.12;
/// Distances at which the surroundings are looked at: the reach, its half, and so on.
const LOOKS: i32 = 5;
/// How dark it is where nothing is open.
const CLOSED: f32 = 0.75;

/// Somebody on a way to the light.
#[derive(Clone, Copy, Debug)]
struct Walker {
    way: u32,
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
    let (owners, ways): (Vec<usize>, Vec<Way>) = (places.par_iter().zip(&shares).enumerate())
        .filter_map(|(i, (place, &share))| {
            let ray = towards(place, light, cube).filter(|_| share > 0.0)?;
            Some((i, Way { ray, slope: place.slope }))
        })
        .unzip();
    let seen = match stride {
        Stride::Spheres { bound, .. } => soft(field, &ways, bound, STEP * cube.side)?,
        Stride::Equal(_) => {
            let rays: Vec<Ray> = ways.iter().map(|w| w.ray).collect();
            let outcomes = march(field, &rays, stride)?;
            outcomes.iter().map(|outcome| if outcome.hit.is_some() { 0.0 } else { 1.0 }).collect()
        }
    };
    for (owner, seen) in owners.into_iter().zip(seen) {
        shares[owner] = seen;
    }
    Ok(shares)
}

/// What of a light is seen at the end of each way, with half shadows.
fn soft(field: &mut Field<'_>, ways: &[Way], bound: f32, least: f32) -> Result<Vec<f32>> {
    if let Some(shares) = field.light(ways, bound, least)? {
        return Ok(shares);
    }
    let mut shares = vec![1.0; ways.len()];
    let start = |way| Walker { way, at: 0.0, share: 1.0, left: LIGHT_STEPS };
    let count = u32::try_from(ways.len()).expect("a picture is traced in parts of fewer rays");
    let mut walkers: Vec<Walker> = (0..count).map(start).collect();
    let mut heights = Vec::new();
    while !walkers.is_empty() {
        field.heights(&flat(walkers.iter().map(|w| ways[w.way as usize].ray.at(w.at))), &mut heights)?;
        walkers.par_iter_mut().zip(&heights).for_each(|(walker, &height)| {
            let Way { ray, slope } = &ways[walker.way as usize];
            // From the surface, not from where the way starts above it.
            let gone = walker.at + ray.before;
            walker.share = walker.share.min(height / slope / (LIGHT * gone)).max(0.0);
            walker.at += (height / bound).max(least);
            walker.left -= 1;
        });
        walkers.retain(|walker| {
            let goes_on = walker.at < ways[walker.way as usize].ray.length && walker.left > 0 && walker.share > 0.0;
            if !goes_on {
                // A light is round: what is seen of it grows slowly at first.
                shares[walker.way as usize] = walker.share * walker.share * (3.0 - 2.0 * walker.share);
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
