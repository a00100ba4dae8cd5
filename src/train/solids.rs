//! The shapes of a family as a run sees them: each in a box of its own, with points at which it is known.

use std::path::Path;
use std::sync::Arc;

use glam::Vec3;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::signals::Samples;
use crate::model::{Frame, Side};
use crate::signal::shape::{PointCloud, Shape, in_box, load};
use crate::{Error, Result};

/// Points at which a shape's distances are worked out before a run: a lone shape's, and a family's altogether at least.
const POOL: usize = 1 << 19;
/// Fewest of a shape of a family.
const LEAST: usize = 1 << 15;
/// Where they lie: shares, and how far from the surface (standard deviation); the rest is anywhere in the box. The first two
/// are DeepSDF's (Park et al. 2019, supplement B); points still nearer sharpen what 256^3 and finer meshes show.
const NEAR: [(f64, f64); 3] = [(0.3, 0.05), (0.3, 0.0158), (0.2, 0.004)];

/// What a run sees of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Values at points in and around it.
    Values(Side),
    /// Points on its surface with their normals, and as many others.
    Oriented,
}

/// Shapes, each moved into its box.
#[derive(Clone, Debug)]
pub(super) struct Solids {
    each: Vec<Solid>,
    sight: Sight,
}

#[derive(Clone, Debug)]
struct Solid {
    shape: Arc<Shape>,
    frame: Frame,
    /// Points, and what is known of them; empty where surfaces are sampled.
    pool: Arc<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    points: Vec<Vec3>,
    values: Vec<f32>,
}

impl Solids {
    /// Names and shapes of a file or a folder.
    pub(super) fn load(path: &Path) -> Result<(Vec<String>, Self)> {
        let family = load::family(path)?;
        let mut names = Vec::new();
        let mut each = Vec::new();
        for (name, geometry) in family {
            let frame = geometry.frame(Frame::REACH).map_err(|e| e.in_file(path))?;
            each.push(Solid { shape: Arc::new(Shape::new(geometry.in_frame(&frame))), frame, pool: Arc::default() });
            names.push(name);
        }
        Ok((names, Self { each, sight: Sight::Oriented }))
    }

    pub(super) fn frames(&self) -> Vec<Frame> {
        self.each.iter().map(|s| s.frame).collect()
    }

    /// So many points on the surface of each. Names the shape that has none.
    pub(super) fn surfaces(&self, points: usize, seed: u64) -> Result<Vec<PointCloud>, (usize, Error)> {
        let one = |(i, solid): (usize, &Solid)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(i as u64));
            solid.shape.surface(points, &mut rng).map_err(|e| (i, e))
        };
        self.each.iter().enumerate().map(one).collect()
    }

    /// Works out what the run will see. Names the shape that cannot be seen so.
    pub(super) fn prepare(&mut self, sight: Sight) -> Result<(), (usize, Error)> {
        self.sight = sight;
        let Sight::Values(side) = sight else { return Ok(()) };
        let size = LEAST.max(POOL / self.each.len().max(1));
        for (i, solid) in self.each.iter_mut().enumerate() {
            // The same points whatever the run's seed, and whichever the other shapes are.
            let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
            solid.pool = Arc::new(Pool::new(&solid.shape, side, size, &mut rng).map_err(|e| (i, e))?);
        }
        Ok(())
    }

    /// Appends `points` points of one shape.
    pub(super) fn sample(&self, i: usize, points: usize, rng: &mut impl Rng, out: &mut Samples) -> Result<()> {
        if points == 0 {
            return Err(Error::invalid("a shape has no end of points: say with --points how many a step sees"));
        }
        let solid = &self.each[i];
        if let Sight::Values(_) = self.sight {
            let Pool { points: all, values } = &*solid.pool;
            for _ in 0..points {
                let k = rng.random_range(0..all.len());
                out.coordinates.extend(all[k].to_array());
                out.values.push(values[k]);
            }
            return Ok(());
        }
        let on = on_surface(points);
        let PointCloud { points: surface, normals } = solid.shape.surface(on, rng)?;
        let others = in_box(points - on, rng);
        out.coordinates.extend(surface.iter().chain(&others).flat_map(Vec3::to_array));
        out.values.extend(normals.iter().flat_map(Vec3::to_array));
        Ok(())
    }
}

/// How many of a step's points lie on the surface, where only that is known.
pub(super) fn on_surface(points: usize) -> usize {
    points.div_ceil(2)
}

impl Pool {
    fn new(shape: &Shape, side: Side, size: usize, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut points = Vec::with_capacity(size);
        // Of occupancies nothing but samples says that what is far away is outside.
        let near = if side == Side::Occupancy { 0.5 } else { 1.0 };
        for (share, sigma) in NEAR {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the pool")]
            let count = (near * share * size as f64) as usize;
            points.extend(shape.near_surface(count, sigma, rng)?);
        }
        points.extend(in_box(size - points.len(), rng));
        let values = match side {
            Side::Distance => shape.signed_distance(&points)?,
            Side::Occupancy => {
                shape.occupancy(&points)?.into_iter().map(|inside| f32::from(u8::from(inside))).collect()
            }
        };
        Ok(Self { points, values })
    }
}
