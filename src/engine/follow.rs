//! Rays that a device follows through a solid by itself.

use crate::gpu::{End, Ends, Field, Marcher, Rules, Track, Walk};
use crate::surface::rays::{FLATTEST, FLEEING, LIGHT, LIGHT_STEPS, MAX_STEPS, NEAR, POLISHED, POLISHES};
use crate::surface::{Followed, Heights, Hit, Outcome, Ray, Stride, Way};
use crate::{Error, Result};

/// The rules as the kernels have them, but for what steps depend on.
fn rules(heights: Heights) -> Rules {
    Rules {
        level: heights.level,
        outwards: heights.outwards(),
        near: NEAR,
        polished: POLISHED,
        polishes: POLISHES,
        flattest: FLATTEST,
        fleeing: FLEEING,
        radius: LIGHT,
        ..Rules::default()
    }
}

fn track(ray: &Ray) -> Track {
    Track {
        origin: ray.origin.to_array(),
        before: ray.before,
        direction: ray.direction.to_array(),
        length: ray.length,
        footprint: ray.footprint,
        ..Track::default()
    }
}

/// Follows rays to the surface.
pub(super) fn to_surface(
    field: &Field,
    marcher: &mut Option<Marcher>,
    rays: &[Ray],
    heights: Heights,
    stride: Stride,
) -> Result<Followed<Outcome>> {
    let (walk, rules) = match stride {
        Stride::Spheres { bound, relaxation } => {
            (Walk::Spheres, Rules { bound, relaxation, most: MAX_STEPS, ..rules(heights) })
        }
        Stride::Equal(step) => (Walk::Equal, Rules { step, ..rules(heights) }),
    };
    let tracks: Vec<Track> = rays.iter().map(track).collect();
    follow(field, marcher, walk, &rules, &tracks, |end| Outcome {
        hit: end.hit().then(|| Hit { distance: end.at, cut: end.cut() }),
        steps: end.steps(),
        lost: end.lost(),
    })
}

/// Follows ways to a light.
pub(super) fn to_light(
    field: &Field,
    marcher: &mut Option<Marcher>,
    ways: &[Way],
    heights: Heights,
    [bound, least]: [f32; 2],
) -> Result<Followed<f32>> {
    let rules = Rules { bound, step: least, most: LIGHT_STEPS, ..rules(heights) };
    let tracks: Vec<Track> = ways.iter().map(|way| Track { slope: way.slope, ..track(&way.ray) }).collect();
    follow(field, marcher, Walk::Light, &rules, &tracks, |end| end.at)
}

fn follow<T>(
    field: &Field,
    marcher: &mut Option<Marcher>,
    walk: Walk,
    rules: &Rules,
    tracks: &[Track],
    found: impl Fn(End) -> T,
) -> Result<Followed<T>> {
    let fitting = Marcher::fitting(field, marcher.take(), tracks.len())?;
    let marcher = marcher.insert(fitting);
    let Ends { ends, values, waits } = marcher.follow(walk, rules, tracks)?;
    if let Some((track, end)) = tracks.iter().zip(&ends).find(|(_, end)| end.broken()) {
        let at = glam::Vec3::from(track.origin) + end.at * glam::Vec3::from(track.direction);
        return Err(Error::invalid(format!("the field is no finite number at {at}: a picture needs finite values")));
    }
    Ok(Followed { found: ends.into_iter().map(found).collect(), values, waits })
}
