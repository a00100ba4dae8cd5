//! Surfaces of fields: where a function of space crosses a level, as a closed triangle mesh, and mesh files.
//!
//! Nothing here knows what the field is. It is asked for values and gradients at batches of points ([`Implicit`]), as few
//! as show where the surface is ([`Search`]).

use glam::Vec3;

use crate::signal::shape::Mesh;
use crate::{Error, Result};

mod cases;
mod components;
mod lattice;
mod march;
pub(crate) mod rays;
mod refine;
mod search;
mod write;

pub use components::{Component, components};
pub use rays::{Followed, Heights, Hit, Outcome, Ray, Stride, Way};
pub use search::steepest;
pub use write::{Format, write};

use lattice::Lattice;

/// How many points a field is asked about at a time, at most.
pub const BATCH: usize = 1 << 18;

/// A function of space whose level set is a surface.
pub trait Implicit {
    /// The values at points: `points` is `[n][3]` with n at most [`BATCH`], `out` is `[n]`.
    ///
    /// # Errors
    /// Where the field cannot be evaluated.
    fn values(&mut self, points: &[f32], out: &mut [f32]) -> Result<()>;

    /// The gradients at points: both are `[n][3]`, with n at most [`BATCH`]. One that is not finite or zero says that
    /// there is none.
    ///
    /// # Errors
    /// Where the field cannot be evaluated.
    fn gradients(&mut self, points: &[f32], out: &mut [f32]) -> Result<()>;

    /// Follows rays until each has met the solid, has left, or is given up, as [`crate::trace`] does, where the field is on
    /// a device that can do so without handing over every value. None: whoever asks follows them by values.
    ///
    /// # Errors
    /// Where the field cannot be evaluated or has a value that is not finite.
    fn follow(&mut self, rays: &[Ray], heights: Heights, stride: Stride) -> Result<Option<Followed<Outcome>>> {
        let _ = (rays, heights, stride);
        Ok(None)
    }

    /// How much of a light is seen at the end of each way, 0 to 1, by steps of the height divided by `bound` or `least`,
    /// whichever is longer; else as [`Self::follow`].
    ///
    /// # Errors
    /// As [`Self::follow`].
    fn light(&mut self, ways: &[Way], heights: Heights, bound: f32, least: f32) -> Result<Option<Followed<f32>>> {
        let _ = (ways, heights, bound, least);
        Ok(None)
    }
}

/// An axis-aligned cube.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cube {
    /// The lowest coordinates.
    pub low: Vec3,
    /// Its side.
    pub side: f32,
}

impl Default for Cube {
    /// [-1, 1]^3.
    fn default() -> Self {
        Self { low: Vec3::NEG_ONE, side: 2.0 }
    }
}

/// On which side of the level the inside is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inside {
    /// Signed distances.
    #[default]
    Below,
    /// Occupancies and their logits.
    Above,
}

/// How the cells through which the surface runs are found. Whatever was found is followed until it closes, so that a
/// supposition that does not hold can hide a piece of surface that touches no other, but never tears a hole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Search {
    /// Every corner is evaluated.
    Everywhere,
    /// The gradient is nowhere longer than this: what cannot be reached from a coarse cell's middle is left out. Gives
    /// the mesh that [`Self::Everywhere`] gives.
    Bound(f32),
    /// The same with 1.25 times the longest gradient at 16,384 points of the cube ([`steepest`]): for fields that are
    /// nearly distances.
    Measured,
    /// For fields that are no distances: cells whose corners are on both sides of the level and cells that touch them,
    /// from so many cells along an axis on. Sees nothing that fits between the corners of these.
    Signs {
        /// Cells along an axis that are all looked at, at least (where the grid has twice as many or more).
        coarse: u32,
    },
}

/// What surface of a field to take, and how finely.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Cells along an axis: 2 to 2048.
    pub cells: u32,
    /// Where they are.
    pub cube: Cube,
    /// The value on the surface.
    pub level: f32,
    /// Where the inside is.
    pub inside: Inside,
    /// How the surface is found.
    pub search: Search,
    /// Whether all that is outside the cube counts as outside: what is cut off is closed by a flat lid on the cube's
    /// border. Otherwise the mesh is open there.
    pub closed: bool,
    /// Newton steps by which vertices are put onto the surface; 0 leaves them where a line between two corners crosses
    /// the level.
    pub newton: u32,
    /// Bytes that values and mesh may take. They grow with the surface, not with the cube: 2 KiB for each 8 x 8 x 8
    /// corners near it, 12 bytes a vertex and 12 a triangle; besides, with n cells along an axis, n^3 / 24 + 24 n^2 for
    /// lists (67 MiB where n is 1024).
    pub memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cells: 256,
            cube: Cube::default(),
            level: 0.0,
            inside: Inside::default(),
            search: Search::Measured,
            closed: true,
            newton: 2,
            memory: 4 << 30,
        }
    }
}

/// A mesh with a normal at each vertex.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surface {
    /// The triangles, counter-clockwise seen from outside. Has none where the field does not cross the level.
    pub mesh: Mesh,
    /// Directions of length 1, outwards.
    pub normals: Vec<Vec3>,
}

impl Surface {
    /// Whether it is nothing but lids on the cube's border: all of the cube is inside.
    pub fn is_border(&self, cube: &Cube) -> bool {
        let (low, high) = (cube.low, cube.low + Vec3::splat(cube.side));
        let close = 1e-6 * cube.side;
        self.mesh.vertices.iter().all(|v| ((*v - low).min(high - *v)).min_element() <= close)
    }
}

/// What a surface cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Values at corners that were evaluated.
    pub evaluations: u64,
    /// Corners that there are: (cells + 1)^3.
    pub corners: u64,
    /// Values evaluated for Newton steps.
    pub refinements: u64,
    /// Gradients evaluated, for the bound, for Newton steps and for normals.
    pub gradients: u64,
    /// The bound on the gradient, given or measured.
    pub bound: Option<f32>,
    /// The steepest difference between two corners that the search compared, per unit of length. More than the bound
    /// says that the bound is wrong: a piece of surface may be missing.
    pub steepest: f32,
    /// Cells of 2 x 2 x 2 that the search had left out and that were found by following the surface. More than none
    /// says the same.
    pub followed: u64,
    /// Vertices that Newton steps would have put where a triangle turns over, and that stayed.
    pub kept_back: u64,
    /// Bytes that were held at the most.
    pub bytes: u64,
}

/// The surface of a field. The mesh is closed (but at the cube's border, if that is to be open), manifold and oriented,
/// its vertices are shared, and no triangle is without area.
///
/// # Errors
/// Where the settings make no sense, the field fails or has a value that is not finite, or more memory is needed than
/// was allowed.
pub fn extract(field: &mut dyn Implicit, settings: &Settings) -> Result<(Surface, Statistics)> {
    settings.check()?;
    let mut statistics = Statistics { corners: (u64::from(settings.cells) + 1).pow(3), ..Statistics::default() };
    let bound = match settings.search {
        Search::Bound(bound) => Some(bound),
        Search::Measured => {
            statistics.gradients += u64::from(search::MEASURED_AT);
            Some(1.25 * steepest(field, &settings.cube)?)
        }
        Search::Everywhere | Search::Signs { .. } => None,
    };
    let mut lattice = Lattice::new(field, settings)?;
    let grid = lattice.grid;
    let found = search::search(&mut lattice, settings.search, bound)?;
    let marched = march::march(&mut lattice, &found.pairs)?;
    statistics.evaluations = lattice.evaluations;
    statistics.bytes = lattice.bytes();
    (statistics.bound, statistics.steepest, statistics.followed) = (bound, found.steepest, found.followed);
    let surface = refine::refine(lattice.into_field(), &grid, marched, settings.newton, &mut statistics)?;
    Ok((surface, statistics))
}

impl Settings {
    fn check(&self) -> Result<()> {
        if !(2..=2048).contains(&self.cells) {
            return Err(Error::invalid(format!("{} cells along an axis: 2 to 2048 are possible", self.cells)));
        }
        if !(self.cube.low.is_finite() && self.cube.side.is_finite() && self.cube.side > 0.0) {
            return Err(Error::invalid(format!(
                "no surface can be found in a cube from {} of side {}",
                self.cube.low, self.cube.side
            )));
        }
        if !self.level.is_finite() {
            return Err(Error::invalid(format!("the level of a surface must be a number, not {}", self.level)));
        }
        match self.search {
            Search::Bound(bound) if !(bound.is_finite() && bound > 0.0) => {
                Err(Error::invalid(format!("a gradient's length has no bound of {bound}: give a positive number")))
            }
            _ => Ok(()),
        }
    }
}
