//! Pictures of solids by casting rays.
//!
//! Nothing here knows what the field is. It is asked for values and gradients at batches of points
//! ([`Implicit`]), so that CPU and GPU serve it alike: what the rays themselves need is little arithmetic.

use serde::{Deserialize, Serialize};

use crate::model::{Side, ValueRange};
use crate::signal::Canvas;
use crate::surface::{Cube, Heights, Implicit, Inside, Stride};
use crate::{Error, Result};

mod camera;
mod clay;
mod field;
mod light;
mod march;
mod render;
mod shade;
mod slice;

pub use crate::surface::{Hit, Outcome, Ray};
pub use camera::{Camera, Orbit, Projection, View, clip};
pub use march::March;
pub use slice::{Axis, Slice};

use field::Field;

/// Equal steps through a box in which values are no distances.
const STEPS: u32 = 128;

/// What a surface looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Look {
    /// Matt clay in three lights that turn with the camera.
    #[default]
    Clay,
    /// The normal's x, y and z as red, green and blue: 0.5 + 0.5 n, and so n itself in values from -1 to 1.
    Normals,
}

/// What is seen, from where and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// From where.
    pub camera: Camera,
    /// Nothing is seen outside. What it cuts is closed by a flat lid.
    pub cube: Cube,
    /// The value on the surface.
    pub level: f32,
    /// Where the solid is.
    pub inside: Inside,
    /// How rays find it.
    pub march: March,
    /// What it looks like.
    pub look: Look,
    /// Whether clay casts shadows; soft ones where values are distances.
    pub shadow: bool,
    /// Whether clay is darker where little of the sky is seen.
    pub occlusion: bool,
    /// Red, green and blue of what is behind, display-referred, 0 to 1.
    pub background: [f32; 3],
    /// A plane that shows the field.
    pub slice: Option<Slice>,
}

impl Default for Scene {
    /// Clay with shadows before light grey: a signed distance in [-1, 1]^3.
    fn default() -> Self {
        let cube = Cube::default();
        Self {
            camera: Orbit::default().camera(&cube),
            cube,
            level: 0.0,
            inside: Inside::default(),
            march: March::default(),
            look: Look::default(),
            shadow: true,
            occlusion: true,
            background: [0.93; 3],
            slice: None,
        }
    }
}

/// What a picture cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// Rays through the picture.
    pub rays: u64,
    /// Those that were followed through the cube.
    pub traced: u64,
    /// Those that met the solid.
    pub hits: u64,
    /// Values by which these were followed: `steps / traced` for one ray.
    pub steps: u64,
    /// The most for one ray.
    pub longest: u32,
    /// Rays that were given up on their way.
    pub lost: u64,
    /// All values evaluated: steps, shadows, occlusion and slices.
    pub evaluations: u64,
    /// In how many calls, or waits for a device that followed rays by itself.
    pub batches: u64,
    /// Gradients evaluated, for normals and for the bound.
    pub gradients: u64,
    /// The bound on the gradient, given or measured, where steps are distances.
    pub bound: Option<f32>,
    /// Seconds from first to last.
    pub seconds: f64,
}

impl Statistics {
    /// Rays through the picture a second, shadows and all.
    pub fn rays_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.rays as f64 / self.seconds } else { 0.0 }
    }

    /// Adds what another picture cost.
    pub fn merge(&mut self, other: &Self) {
        self.rays += other.rays;
        self.traced += other.traced;
        self.hits += other.hits;
        self.steps += other.steps;
        self.longest = self.longest.max(other.longest);
        self.lost += other.lost;
        self.evaluations += other.evaluations;
        self.batches += other.batches;
        self.gradients += other.gradients;
        self.bound = [self.bound, other.bound].into_iter().flatten().reduce(f32::max);
        self.seconds += other.seconds;
    }

    fn count(&mut self, outcomes: &[Outcome]) {
        self.traced += outcomes.len() as u64;
        for outcome in outcomes {
            self.hits += u64::from(outcome.hit.is_some());
            self.steps += u64::from(outcome.steps);
            self.longest = self.longest.max(outcome.steps);
            self.lost += u64::from(outcome.lost);
        }
    }
}

impl Scene {
    /// The scene of a solid, by what its values say.
    pub fn of(values: Side) -> Self {
        let (inside, march) = match values {
            Side::Distance => (Inside::Below, March::default()),
            Side::Occupancy => (Inside::Above, March::Steps(STEPS)),
        };
        Self { inside, march, ..Self::default() }
    }

    /// What the pictures are: RGB, display-referred from -1 to 1.
    pub fn canvas(width: u32, height: u32) -> Canvas {
        Canvas { width, height, channels: 3, range: ValueRange::default() }
    }

    /// Follows rays of one's own.
    ///
    /// # Errors
    /// Where the scene makes no sense, the field fails or has a value that is not finite.
    pub fn trace(&self, field: &mut dyn Implicit, rays: &[Ray]) -> Result<(Vec<Outcome>, Statistics)> {
        let (mut field, stride) = self.begin(field)?;
        let mut outcomes = Vec::with_capacity(rays.len());
        for rays in rays.chunks(render::RAYS) {
            outcomes.extend(march::march(&mut field, rays, stride)?);
        }
        field.statistics.rays = rays.len() as u64;
        field.statistics.count(&outcomes);
        Ok((outcomes, field.statistics))
    }

    /// Checks the scene and measures what is to be measured.
    fn begin<'a>(&self, implicit: &'a mut dyn Implicit) -> Result<(Field<'a>, Stride)> {
        self.check()?;
        let solid = Heights { level: self.level, inside: self.inside };
        let mut field = Field { implicit, solid, statistics: Statistics::default() };
        let stride = match self.march.measured(&mut field, &self.cube)? {
            March::Spheres { bound, relaxation } => {
                let bound = bound.expect("measured just above");
                if !(bound.is_finite() && bound > 0.0) {
                    return Err(Error::invalid(format!(
                        "rays cannot step through a field whose gradient is no longer than {bound}: it has no surface"
                    )));
                }
                field.statistics.bound = Some(bound);
                Stride::Spheres { bound, relaxation }
            }
            March::Steps(steps) => Stride::Equal(3.0_f32.sqrt() * self.cube.side / steps as f32),
        };
        Ok((field, stride))
    }

    fn check(&self) -> Result<()> {
        if !(self.cube.low.is_finite() && self.cube.side.is_finite() && self.cube.side > 0.0) {
            return Err(Error::invalid(format!(
                "nothing can be seen in a cube from {} of side {}",
                self.cube.low, self.cube.side
            )));
        }
        if !self.level.is_finite() {
            return Err(Error::invalid(format!("the level of a surface must be a number, not {}", self.level)));
        }
        if !self.background.iter().all(|c| c.is_finite()) {
            return Err(Error::invalid(format!("{:?} is no colour: give red, green and blue", self.background)));
        }
        match self.march {
            March::Spheres { relaxation, .. } if !(0.0..=1.0).contains(&relaxation) => {
                Err(Error::invalid(format!("steps cannot be relaxed by {relaxation}: 0 to 1 are possible")))
            }
            March::Steps(steps) if !(1..=1 << 16).contains(&steps) => {
                Err(Error::invalid(format!("{steps} steps through a cube: 1 to 65536 are possible")))
            }
            _ => Ok(()),
        }
    }
}
