//! One interface to shapes, whatever they are known from.

use glam::{DVec3, Vec3};
use rand::Rng;
use rayon::prelude::*;

use super::cloud::PointCloud;
use super::distance::Distance;
use super::mesh::{Mesh, bounds};
use super::molecule::Molecule;
use super::sample::{self, Areas};
use crate::model::Frame;
use crate::{Error, Result};

/// What a shape is known from.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// Triangles.
    Mesh(Mesh),
    /// Points of the surface: which side of it a point is on is not known.
    Cloud(PointCloud),
    /// Balls.
    Molecule(Molecule),
}

impl Geometry {
    /// The lowest and the highest coordinates.
    pub fn bounds(&self) -> [Vec3; 2] {
        match self {
            Self::Mesh(mesh) => mesh.bounds(),
            Self::Cloud(cloud) => bounds(&cloud.points),
            Self::Molecule(molecule) => molecule.bounds(),
        }
    }

    /// The frame that puts the longest side of the bounding box on [-reach, reach].
    ///
    /// # Errors
    /// As [`Frame::around`].
    pub fn frame(&self, reach: f64) -> Result<Frame> {
        let [low, high] = self.bounds().map(|v| v.as_dvec3().to_array());
        Frame::around(low, high, reach)
    }

    /// The shape in a frame's box.
    #[must_use]
    pub fn in_frame(&self, frame: &Frame) -> Self {
        let place = |v: Vec3| DVec3::from_array(frame.to_box(v.as_dvec3().to_array())).as_vec3();
        match self {
            Self::Mesh(mesh) => Self::Mesh(mesh.mapped(place)),
            Self::Cloud(cloud) => Self::Cloud(cloud.mapped(place)),
            Self::Molecule(molecule) => Self::Molecule(molecule.mapped(place, frame.scale)),
        }
    }
}

/// A shape that answers: how far, inside or not, where the surface is.
#[derive(Clone, Debug)]
pub struct Shape {
    geometry: Geometry,
    /// Of a mesh.
    prepared: Option<(Distance, Areas)>,
}

impl Shape {
    /// Prepares a shape, in the coordinates in which it is given.
    ///
    /// # Panics
    /// Where a mesh has no triangles, which [`Mesh::new`] refuses.
    pub fn new(geometry: Geometry) -> Self {
        let prepared = match &geometry {
            Geometry::Mesh(mesh) => Some((Distance::new(mesh), sample::triangles(mesh))),
            Geometry::Cloud(_) | Geometry::Molecule(_) => None,
        };
        Self { geometry, prepared }
    }

    /// What it is known from.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Whether inside and outside are known.
    pub fn has_inside(&self) -> bool {
        !matches!(self.geometry, Geometry::Cloud(_))
    }

    /// Signed distances of points, negative inside; for a molecule see [`Molecule::signed`]. On all cores; the same
    /// numbers on any number of them.
    ///
    /// # Errors
    /// Where the shape is a point cloud.
    pub fn signed_distance(&self, points: &[Vec3]) -> Result<Vec<f32>> {
        match (&self.geometry, &self.prepared) {
            (Geometry::Molecule(molecule), _) => Ok(points.par_iter().map(|&p| molecule.signed(p)).collect()),
            (_, Some((distance, _))) => Ok(distance.signed_all(points)),
            _ => Err(no_inside()),
        }
    }

    /// Whether points are inside.
    ///
    /// # Errors
    /// Where the shape is a point cloud.
    pub fn occupancy(&self, points: &[Vec3]) -> Result<Vec<bool>> {
        match (&self.geometry, &self.prepared) {
            (Geometry::Molecule(molecule), _) => Ok(points.par_iter().map(|&p| molecule.signed(p) < 0.0).collect()),
            (_, Some((distance, _))) => Ok(distance.inside_all(points)),
            _ => Err(no_inside()),
        }
    }

    /// `n` points drawn uniformly from the surface, with normals; of a point cloud, `n` of its points.
    ///
    /// # Errors
    /// Where the surface has no area, or almost none that is not hidden in a molecule.
    pub fn surface(&self, n: usize, rng: &mut impl Rng) -> Result<PointCloud> {
        match (&self.geometry, &self.prepared) {
            (Geometry::Mesh(mesh), Some((_, areas))) if areas.total() > 0.0 => Ok(sample::on_mesh(mesh, areas, n, rng)),
            (Geometry::Mesh(_), _) => Err(Error::invalid("the mesh's triangles have no area: no point can be drawn")),
            (Geometry::Cloud(cloud), _) => Ok(sample::of_cloud(cloud, n, rng)),
            (Geometry::Molecule(molecule), _) => molecule.surface(n, rng),
        }
    }

    /// `n` points of the surface, each moved by normally distributed noise of standard deviation `sigma` along each axis.
    ///
    /// # Errors
    /// As [`surface`](Self::surface).
    pub fn near_surface(&self, n: usize, sigma: f64, rng: &mut impl Rng) -> Result<Vec<Vec3>> {
        let mut points = self.surface(n, rng)?.points;
        sample::jitter(&mut points, sigma, rng);
        Ok(points)
    }
}

fn no_inside() -> Error {
    Error::invalid(
        "a point cloud does not say what is inside: signed distances need a mesh; points with normals are learned with --loss oriented",
    )
}
