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
/// How often a point of a pool is drawn before another takes its place: a run that sees the same points for longer learns them
/// by heart, and slopes between them grow uneven.
const DRAWS: u128 = 32;
/// Points change places with others one in so many at a time, so that a run never waits for a whole pool.
const PARTS: usize = 16;

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
    /// How many parts of every pool were replaced so far.
    renewed: u64,
}

#[derive(Clone, Debug)]
struct Solid {
    shape: Arc<Shape>,
    frame: Frame,
    /// Points, and what is known of them; empty where surfaces are sampled.
    pool: Arc<Pool>,
}

#[derive(Clone, Debug, Default)]
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
        Ok((names, Self { each, sight: Sight::Oriented, renewed: 0 }))
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
        (self.sight, self.renewed) = (sight, 0);
        let Sight::Values(side) = sight else { return Ok(()) };
        let size = LEAST.max(POOL / self.each.len().max(1));
        for (i, solid) in self.each.iter_mut().enumerate() {
            // The same points whatever the run's seed, and whichever the other shapes are.
            let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
            solid.pool = Arc::new(Pool::new(&solid.shape, side, size, &mut rng).map_err(|e| (i, e))?);
        }
        Ok(())
    }

    /// Replaces what a run saw often enough that has drawn so many points of all shapes together. What the pools hold
    /// depends on that number alone.
    pub(super) fn renew(&mut self, drawn: u128) -> Result<()> {
        let Sight::Values(side) = self.sight else { return Ok(()) };
        let pooled: usize = self.each.iter().map(|s| s.pool.points.len()).sum();
        // So many parts have been drawn `DRAWS` times; the first one when all of them have.
        let parts = u64::try_from(drawn * PARTS as u128 / (DRAWS * pooled.max(1) as u128)).unwrap_or(u64::MAX);
        let due = (parts + 1).saturating_sub(PARTS as u64);
        // A run that goes on from a checkpoint needs only the last of each.
        for renewal in self.renewed.max(due.saturating_sub(PARTS as u64))..due {
            #[expect(clippy::cast_possible_truncation, reason = "below the number of parts")]
            let part = (renewal % PARTS as u64) as usize;
            for (i, solid) in self.each.iter_mut().enumerate() {
                let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
                rng.set_stream(1 + renewal);
                Arc::make_mut(&mut solid.pool).replace(part, &solid.shape, side, &mut rng)?;
            }
        }
        self.renewed = due;
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

    /// Puts other points where every `PARTS`-th one is: each where one of its kind was, as pools have theirs in one order.
    fn replace(&mut self, part: usize, shape: &Shape, side: Side, rng: &mut ChaCha8Rng) -> Result<()> {
        let places: Vec<usize> = (part..self.points.len()).step_by(PARTS).collect();
        let Self { points, values } = Self::new(shape, side, places.len(), rng)?;
        for ((at, point), value) in places.into_iter().zip(points).zip(values) {
            (self.points[at], self.values[at]) = (point, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::shape::{Geometry, Mesh};

    /// Shares are rounded to whole points, so that the kinds of a part's points begin up to so many places from a pool's.
    const EDGE: usize = 3 * PARTS;
    /// Nothing of either of two shapes.
    const NOTHING: [Vec<usize>; 2] = [Vec::new(), Vec::new()];

    /// A family of two tetrahedra, of different sizes, with pools of 1,000 and 777 points.
    fn tetrahedra() -> Solids {
        let one = |size: f32, points: usize| {
            let corners =
                [Vec3::ONE, Vec3::new(-1.0, -1.0, 1.0), Vec3::new(-1.0, 1.0, -1.0), Vec3::new(1.0, -1.0, -1.0)];
            let triangles = vec![[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
            let mesh = Mesh::new(corners.map(|c| size * c).to_vec(), triangles).unwrap();
            let shape = Shape::new(Geometry::Mesh(mesh));
            let pool = Pool::new(&shape, Side::Distance, points, &mut ChaCha8Rng::seed_from_u64(3)).unwrap();
            Solid { shape: Arc::new(shape), frame: Frame::default(), pool: Arc::new(pool) }
        };
        Solids { each: vec![one(0.4, 1000), one(0.7, 777)], sight: Sight::Values(Side::Distance), renewed: 0 }
    }

    #[test]
    fn points_that_were_drawn_often_are_replaced_part_by_part() {
        let (first, mut solids) = (tetrahedra(), tetrahedra());
        let others = |a: &Solids, b: &Solids| {
            let pairs = a.each.iter().zip(&b.each);
            let other = |(a, b): (&Solid, &Solid)| -> Vec<usize> {
                (0..a.pool.points.len()).filter(|&i| a.pool.points[i] != b.pool.points[i]).collect()
            };
            pairs.map(other).collect::<Vec<_>>()
        };
        let whole = DRAWS * (1000 + 777);
        solids.renew(whole - 1).unwrap();
        assert_eq!(others(&first, &solids), NOTHING, "each was drawn less than {DRAWS} times");
        solids.renew(whole).unwrap();
        let part = |k: usize| [1000, 777].map(|n| (k..n).step_by(PARTS).collect::<Vec<_>>());
        assert_eq!(others(&first, &solids), part(0));
        solids.renew(whole + whole / PARTS as u128).unwrap();
        let both: Vec<Vec<usize>> = (0..2).map(|i| (0..[1000, 777][i]).filter(|k| k % PARTS < 2).collect()).collect();
        assert_eq!(others(&first, &solids), both);

        // By and by, or at once: it depends on the number alone.
        let mut solids = tetrahedra();
        for drawn in (0..=40).map(|k| whole * k / 9) {
            solids.renew(drawn).unwrap();
            let mut at_once = tetrahedra();
            at_once.renew(drawn).unwrap();
            assert_eq!(others(&solids, &at_once), NOTHING, "after {drawn} draws");
        }
        // Whatever was replaced, every point has its distance, and lies as far from the surface as the one before it.
        for (solid, before) in solids.each.iter().zip(&first.each) {
            let Pool { points, values } = &*solid.pool;
            assert_eq!(*values, solid.shape.signed_distance(points).unwrap());
            assert!(points.iter().all(|p| p.is_finite()));
            for (kind, (_, sigma)) in NEAR.into_iter().enumerate() {
                let until = |kind: usize| NEAR[..kind].iter().map(|(share, _)| share).sum::<f64>();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in a pool")]
                let [from, to] = [kind, kind + 1].map(|k| (until(k) * points.len() as f64) as usize);
                let mean = |pool: &Pool| {
                    pool.values[from + EDGE..to - EDGE].iter().map(|v| f64::from(v.abs())).sum::<f64>()
                        / (to - from - 2 * EDGE) as f64
                };
                let [now, then] = [mean(&solid.pool), mean(&before.pool)];
                println!("points within {sigma}: {now:.5} away on average, {then:.5} before");
                assert!((now / then - 1.0).abs() < 0.3 && now < sigma);
            }
        }
    }
}
