//! Where rays meet a solid: sphere tracing of distances, equal steps through anything else.
//!
//! A ray is followed by one value at a time. All rays that are still on their way are asked about together; one that
//! has arrived makes room for the next that has not started, so that batches stay large. Fields on a device may follow rays
//! there by the same rules (`shaders/walks/`).

use rayon::prelude::*;

use super::field::Field;
use crate::Result;
use crate::surface::rays::{FLATTEST, FLEEING, MAX_STEPS, NEAR, POLISHED, POLISHES};
use crate::surface::{BATCH, Cube, Hit, Implicit, Outcome, Ray, Stride, steepest};

/// Rays too few to be worth another thread.
const FEW: usize = 2048;

/// How rays find the surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum March {
    /// For signed distances and what resembles them: a step is as long as the value says that nothing is near (Hart,
    /// "Sphere tracing", 1996).
    Spheres {
        /// The longest gradient. A surface is missed only where there is a longer one. None: 1.25 times the longest at
        /// 16,384 points ([`steepest`](crate::surface::steepest)).
        bound: Option<f32>,
        /// How much longer steps are than that, 0 (not at all) to 1 (so long that the next sphere just touches this one
        /// if values go on changing as they did). A step after which the two spheres do not overlap is taken back
        /// (Keinert et al., "Enhanced sphere tracing", 2014; Bálint & Valasek, "Accelerating sphere tracing", 2018).
        relaxation: f32,
    },
    /// For occupancies and other values that are no distances: so many equal steps along the cube's diagonal (Mescheder
    /// et al., "Occupancy networks", 2019). Does not see what is thinner than a step.
    Steps(u32),
}

impl Default for March {
    /// Spheres with a measured bound, nearly touching.
    fn default() -> Self {
        Self::Spheres { bound: None, relaxation: 0.9 }
    }
}

impl March {
    /// The same with the bound measured, where none is given: pictures of one field can share it.
    ///
    /// # Errors
    /// Where the field fails.
    pub fn measured(self, field: &mut dyn Implicit, cube: &Cube) -> Result<Self> {
        match self {
            Self::Spheres { bound: None, relaxation } => {
                Ok(Self::Spheres { bound: Some(1.25 * steepest(field, cube)?), relaxation })
            }
            known => Ok(known),
        }
    }
}

/// A place on a ray and how far outside the value there is.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: f32,
    height: f32,
}

/// A ray on its way.
#[derive(Clone, Copy, Debug)]
struct Walker {
    ray: u32,
    steps: u32,
    /// Where it is asked about next.
    at: f32,
    /// The last place outside, once there is one.
    outside: Option<Place>,
    /// The last place within the solid, once there is one: the surface is between the two.
    inside: Option<Place>,
    /// Whether the step there is longer than is safe.
    relaxed: bool,
    /// Values taken since it was near; 0: not near yet.
    polishes: u32,
    /// Set once it has arrived somewhere.
    end: Option<Outcome>,
}

/// Follows rays until each has met the solid, has left, or is given up.
pub(super) fn march(field: &mut Field<'_>, rays: &[Ray], stride: Stride) -> Result<Vec<Outcome>> {
    if let Some(found) = field.follow(rays, stride)? {
        return Ok(found);
    }
    let mut outcomes = vec![Outcome::default(); rays.len()];
    let mut waiting = 0..u32::try_from(rays.len()).expect("a picture is traced in parts of fewer rays");
    let mut walkers: Vec<Walker> = Vec::new();
    let (mut points, mut heights) = (Vec::new(), Vec::new());
    loop {
        walkers.extend(waiting.by_ref().take(BATCH - walkers.len()).map(Walker::new));
        if walkers.is_empty() {
            return Ok(outcomes);
        }
        points.clear();
        points.par_extend(walkers.par_iter().with_min_len(FEW).flat_map_iter(|w| {
            let ray = &rays[w.ray as usize];
            ray.at(w.at).to_array()
        }));
        field.heights(&points, &mut heights)?;
        (walkers.par_iter_mut().with_min_len(FEW).zip(&heights))
            .for_each(|(walker, &height)| walker.advance(&rays[walker.ray as usize], height, stride));
        walkers.retain(|walker| {
            if let Some(end) = walker.end {
                outcomes[walker.ray as usize] = end;
            }
            walker.end.is_none()
        });
    }
}

impl Walker {
    fn new(ray: u32) -> Self {
        Self { ray, steps: 0, at: 0.0, outside: None, inside: None, relaxed: false, polishes: 0, end: None }
    }

    /// Takes the value at the place asked about, and goes on.
    fn advance(&mut self, ray: &Ray, height: f32, stride: Stride) {
        self.steps += 1;
        let here = Place { at: self.at, height };
        if self.polishes > 0 {
            return self.polish(ray, here, stride);
        }
        let Some(last) = self.outside else {
            if height <= 0.0 {
                return self.arrive(Some(Hit { distance: 0.0, cut: true }));
            }
            return self.stride(ray, here, stride);
        };
        if let Stride::Spheres { bound, .. } = stride
            && self.relaxed
            && (height + last.height) / bound < here.at - last.at
        {
            self.relaxed = false;
            self.at = last.at + last.height / bound;
            return;
        }
        let near = match stride {
            Stride::Spheres { bound, .. } => height <= bound * NEAR * ray.footprint(here.at),
            Stride::Equal(_) => false,
        };
        if height <= 0.0 || near {
            self.polishes = 1;
            return self.polish(ray, here, stride);
        }
        if here.at >= ray.length {
            return self.arrive(None);
        }
        self.stride(ray, here, stride);
    }

    /// Goes on from a place outside.
    fn stride(&mut self, ray: &Ray, here: Place, stride: Stride) {
        let last = self.outside.replace(here);
        let step = match stride {
            Stride::Equal(step) => step,
            Stride::Spheres { bound, relaxation } => {
                let safe = here.height / bound;
                if here.at + safe >= ray.length {
                    return self.arrive(None);
                }
                if self.steps >= MAX_STEPS {
                    let close = safe <= 0.5 * ray.footprint(here.at);
                    let hit = close.then_some(Hit { distance: here.at, cut: false });
                    self.end = Some(Outcome { hit, steps: self.steps, lost: true });
                    return;
                }
                // Were the surface plane, spheres that touch had radii of this ratio.
                let slope = last.map_or(-1.0, |last| (here.height - last.height) / bound / (here.at - last.at));
                let slope = slope.clamp(-1.0, FLEEING);
                let beyond = relaxation * safe * (1.0 + slope) / (1.0 - slope);
                self.relaxed = beyond > 0.0;
                safe + beyond
            }
        };
        let next = (here.at + step).min(ray.length);
        // A step that is lost in rounding would be taken for ever.
        self.at = if next > here.at { next } else { here.at.next_up() };
    }

    /// Draws nearer to the surface between a place outside and one inside, or ahead where nothing inside is known yet.
    fn polish(&mut self, ray: &Ray, here: Place, stride: Stride) {
        let before = self.outside.expect("a ray that started within the solid has arrived");
        if here.height <= 0.0 {
            self.inside = Some(here);
        } else {
            self.outside = Some(here);
        }
        let width = ray.footprint(here.at);
        let enough = match stride {
            Stride::Spheres { bound, .. } => here.height.abs() <= bound * POLISHED * width,
            Stride::Equal(_) => false,
        };
        let last = enough || self.polishes >= POLISHES;
        self.polishes += 1;
        let next = match (self.outside, self.inside) {
            (Some(outside), Some(inside)) => {
                let apart = inside.at - outside.at;
                let secant = outside.at + apart * (outside.height / (outside.height - inside.height));
                if last || apart <= POLISHED * width {
                    return self.arrive(Some(Hit { distance: secant, cut: false }));
                }
                // Where the secant stays at one end, halving moves the other.
                if self.polishes % 3 == 1 { outside.at + 0.5 * apart } else { secant }
            }
            _ if here.height >= before.height => {
                // It grazes the surface, and was nearest before.
                return self.arrive(Some(Hit { distance: before.at, cut: false }));
            }
            _ => {
                let fall = (before.height - here.height) / (here.at - before.at);
                let steepest = match stride {
                    Stride::Spheres { bound, .. } => bound,
                    Stride::Equal(_) => fall,
                };
                here.at + here.height / fall.max(FLATTEST * steepest)
            }
        };
        if last || next >= ray.length {
            return self.arrive(Some(Hit { distance: next.min(ray.length), cut: false }));
        }
        self.at = next;
    }

    fn arrive(&mut self, hit: Option<Hit>) {
        self.end = Some(Outcome { hit, steps: self.steps, lost: false });
    }
}
