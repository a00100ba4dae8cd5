//! How close two shapes are, as Occupancy Networks measures it (Mescheder et al. 2018, section 4 and supplement 2.1;
//! `im2mesh/eval.py` in their code).

use glam::Vec3;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cloud::PointCloud;
use super::kind::Shape;
use super::sample::in_box;
use super::tree::Tree;
use crate::{Error, Result};

/// Points of a leaf.
const LEAF: usize = 8;

/// How a comparison is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Points in [-1, 1]^3 for the IoU.
    pub points: usize,
    /// Points on each surface.
    pub samples: usize,
    /// How far a point may be off for the F-score, as a part of the longest side of the truth's bounding box.
    pub tolerance: f64,
    /// Of the random points.
    pub seed: u64,
}

impl Default for Comparison {
    fn default() -> Self {
        Self { points: 100_000, samples: 100_000, tolerance: 0.01, seed: 0 }
    }
}

/// How close a shape is to the true one. Distances are in the shapes' own units, from random points of one surface to the
/// nearest of as many of the other: they do not vanish for equal shapes, but are about half the spacing of the points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closeness {
    /// Volume of the intersection by volume of the union, within [-1, 1]^3. None where a shape has no inside that is
    /// known, or neither has a point inside.
    pub iou: Option<f64>,
    /// Mean distance from the shape to the truth.
    pub accuracy: f64,
    /// Mean distance from the truth to the shape.
    pub completeness: f64,
    /// Mean of accuracy and completeness.
    pub chamfer_l1: f64,
    /// As Chamfer-L1, of squared distances: half the mean square from the shape to the truth and half that back.
    pub chamfer_l2: f64,
    /// Mean of `|n . n'|` over points and their nearest ones, the mean of both ways.
    pub normal_consistency: f64,
    /// Part of the shape's points within the tolerance of the truth.
    pub precision: f64,
    /// Part of the truth's points within the tolerance of the shape.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 where both are (Tatarchenko et al. 2019).
    pub f_score: f64,
}

impl Closeness {
    /// Compares a shape with the true one.
    ///
    /// # Errors
    /// Where there are to be no points, or a surface cannot be sampled.
    pub fn of(shape: &Shape, truth: &Shape, how: &Comparison) -> Result<Self> {
        if how.samples == 0 || how.points == 0 {
            return Err(Error::invalid("shapes cannot be compared at 0 points"));
        }
        // A sequence of its own for each use, so that more points of one kind leave the others as they are.
        let rng = |stream| {
            let mut rng = ChaCha8Rng::seed_from_u64(how.seed);
            rng.set_stream(stream);
            rng
        };
        let iou = if shape.has_inside() && truth.has_inside() {
            let points = in_box(how.points, &mut rng(0));
            iou(&shape.occupancy(&points)?, &truth.occupancy(&points)?)
        } else {
            None
        };
        let [low, high] = truth.geometry().bounds().map(Vec3::as_dvec3);
        let tolerance = how.tolerance * (high - low).max_element();
        let own = shape.surface(how.samples, &mut rng(1))?;
        let other = truth.surface(how.samples, &mut rng(2))?;
        Ok(Self { iou, ..Self::of_surfaces(&own, &other, tolerance) })
    }

    /// Compares points of the shape's surface with points of the true one; within `tolerance` they count as the same for
    /// the F-score. There is no IoU.
    ///
    /// # Panics
    /// Where there are no points.
    pub fn of_surfaces(shape: &PointCloud, truth: &PointCloud, tolerance: f64) -> Self {
        let (there, back) = (OneWay::new(shape, truth, tolerance), OneWay::new(truth, shape, tolerance));
        let half = |a: f64, b: f64| 0.5 * (a + b);
        let (precision, recall) = (there.within, back.within);
        let f_score = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        Self {
            iou: None,
            accuracy: there.distance,
            completeness: back.distance,
            chamfer_l1: half(there.distance, back.distance),
            chamfer_l2: half(there.squared, back.squared),
            normal_consistency: half(there.normals, back.normals),
            precision,
            recall,
            f_score,
        }
    }
}

/// Points inside both by points inside either; None where there are none of those.
///
/// # Panics
/// Where the numbers of points differ.
pub fn iou(shape: &[bool], truth: &[bool]) -> Option<f64> {
    assert_eq!(shape.len(), truth.len(), "the same points");
    let count = |which: fn(bool, bool) -> bool| shape.iter().zip(truth).filter(|&(&a, &b)| which(a, b)).count() as f64;
    let (both, either) = (count(|a, b| a && b), count(|a, b| a || b));
    (either > 0.0).then(|| both / either)
}

/// Means over points of one surface and the nearest of another.
struct OneWay {
    distance: f64,
    squared: f64,
    normals: f64,
    within: f64,
}

impl OneWay {
    fn new(from: &PointCloud, to: &PointCloud, tolerance: f64) -> Self {
        let boxes: Vec<[Vec3; 2]> = to.points.iter().map(|&p| [p, p]).collect();
        let tree = Tree::new(&boxes, LEAF);
        let places: Vec<Vec3> = tree.order.iter().map(|&i| to.points[i as usize]).collect();
        let pair = |(p, n): (&Vec3, &Vec3)| {
            let at = p.as_dvec3();
            let (slot, squared) = tree.nearest(at, |slot| places[slot].as_dvec3().distance_squared(at));
            (squared, n.as_dvec3().dot(to.normals[tree.order[slot] as usize].as_dvec3()).abs())
        };
        let pairs: Vec<(f64, f64)> = from.points.par_iter().zip(&from.normals).with_min_len(64).map(pair).collect();
        // Summed in order, so that any number of threads gives the same bits.
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let within = pairs.iter().filter(|(squared, _)| squared.sqrt() <= tolerance).count() as f64;
        Self {
            distance: mean(|(squared, _)| squared.sqrt()),
            squared: mean(|(squared, _)| *squared),
            normals: mean(|(_, dot)| *dot),
            within: within / pairs.len() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::super::distance::tests::ball;
    use super::super::kind::Geometry;
    use super::super::mesh::Mesh;
    use super::super::molecule::Molecule;
    use super::*;

    fn shape(mesh: Mesh) -> Shape {
        Shape::new(Geometry::Mesh(mesh))
    }

    /// A ball that is no mesh.
    fn molecule(radius: f32) -> Shape {
        Shape::new(Geometry::Molecule(Molecule::new(vec![Vec3::ZERO], vec![radius]).unwrap()))
    }

    #[test]
    fn equal_shapes_differ_by_the_spacing_of_the_points() {
        let how = Comparison { samples: 20_000, points: 20_000, ..Comparison::default() };
        let sphere = shape(ball(32, 64, 0.8));
        let close = Closeness::of(&sphere, &sphere, &how).unwrap();
        // The nearest of points of density d on a plane is 1 / 2 sqrt(d) away on average, its square 1 / pi d.
        let density = 20_000.0 / (4.0 * PI * 0.8 * 0.8);
        let [mean, square] = [0.5 / f64::sqrt(density), 1.0 / (PI * density)];
        // Within t are 1 - exp(-pi d t^2) of them.
        let within = 1.0 - (-PI * density * 0.016 * 0.016).exp();
        println!("{close:?}; expected distance {mean:.5}, square {square:.3e}, F-score {within:.3}");
        assert!((close.iou.unwrap() - 1.0).abs() < 1e-15 && (close.f_score - within).abs() < 0.01);
        assert!((close.chamfer_l1 / mean - 1.0).abs() < 0.03 && (close.chamfer_l2 / square - 1.0).abs() < 0.05);
        assert!(close.normal_consistency > 0.998);
        // The same points of both: nothing is left.
        let points = sphere.surface(1000, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let none = Closeness::of_surfaces(&points, &points, 0.0);
        assert!(none.chamfer_l1 <= 0.0 && none.chamfer_l2 <= 0.0 && none.f_score >= 1.0);
        assert!((none.normal_consistency - 1.0).abs() < 1e-6);
    }

    #[test]
    fn balls_of_two_sizes_differ_as_formulas_say() {
        let how = Comparison { tolerance: 0.07, ..Comparison::default() };
        let (a, b) = (0.7_f32, 0.8_f32);
        for (name, small, large) in
            [("meshes", shape(ball(100, 200, a)), shape(ball(100, 200, b))), ("formulas", molecule(a), molecule(b))]
        {
            let close = Closeness::of(&small, &large, &how).unwrap();
            let iou = f64::from(a / b).powi(3);
            println!("{name}: {close:?}; IoU {iou:.4}, distance 0.1, square 0.01");
            // 26,800 of 100,000 points are in the union: the IoU's standard deviation is 0.003.
            assert!((close.iou.unwrap() - iou).abs() < 0.01);
            // Points of the other surface are 0.005 apart: that adds their offset's square, 1 / pi d, to 0.01.
            let extra = 4.0 * f64::from(b * b) / 100_000.0;
            assert!((close.chamfer_l2 - 0.01 - extra).abs() < 1e-4);
            assert!((close.chamfer_l1 - (0.01 + extra).sqrt()).abs() < 3e-4);
            assert!(close.normal_consistency > 0.999);
            // 0.1 is within 7 % of 1.6, and not within 6 %.
            assert!((close.precision - 1.0).abs() < 1e-9 && (close.recall - 1.0).abs() < 1e-9);
            let strict = Closeness::of(&small, &large, &Comparison { tolerance: 0.06, samples: 1000, ..how }).unwrap();
            assert!(strict.f_score <= 0.0);
        }
    }

    #[test]
    fn plates_lie_as_far_apart_as_they_were_moved() {
        let plate = |z: f32| {
            let corners = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]].map(|[x, y]| Vec3::new(x, y, z));
            shape(Mesh::new(corners.to_vec(), vec![[0, 1, 2], [0, 2, 3]]).unwrap())
        };
        let how = Comparison { samples: 50_000, points: 10, ..Comparison::default() };
        let close = Closeness::of(&plate(0.0), &plate(0.25), &how).unwrap();
        // A neighbour's offset along the plate, of mean square 4 / pi n, is added to 1/16.
        let square = 0.0625 + 4.0 / (PI * 50_000.0);
        println!("{close:?}; square {square:.6}");
        assert!(close.iou.is_none(), "plates have no inside");
        assert!((close.chamfer_l2 - square).abs() < 2e-6 && (close.chamfer_l1 - square.sqrt()).abs() < 1e-5);
        assert!((close.normal_consistency - 1.0).abs() < 1e-9 && close.f_score <= 0.0);
        // Perpendicular ones agree nowhere.
        let wall = shape(Mesh::new(vec![Vec3::ZERO, Vec3::X, Vec3::new(0.0, 0.0, 1.0)], vec![[0, 1, 2]]).unwrap());
        assert!(Closeness::of(&wall, &plate(0.0), &how).unwrap().normal_consistency < 1e-6);
    }

    #[test]
    fn clouds_have_no_iou_and_any_number_of_threads_gives_the_same() {
        let sphere = shape(ball(20, 40, 0.5));
        let cloud = Shape::new(Geometry::Cloud(sphere.surface(3001, &mut ChaCha8Rng::seed_from_u64(3)).unwrap()));
        assert!(cloud.signed_distance(&[Vec3::ZERO]).unwrap_err().to_string().contains("point cloud"));
        assert!(cloud.occupancy(&[Vec3::ZERO]).is_err());
        let how = Comparison { samples: 2003, points: 501, ..Comparison::default() };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                (Closeness::of(&cloud, &sphere, &how).unwrap(), Closeness::of(&sphere, &sphere, &how).unwrap())
            })
        };
        let (mixed, same) = with(1);
        assert_eq!((mixed, same), with(3));
        assert!(mixed.iou.is_none() && same.iou.is_some());
        assert!(Closeness::of(&sphere, &sphere, &Comparison { samples: 0, ..how }).is_err());
    }

    #[test]
    fn iou_counts_points() {
        assert_eq!(iou(&[true, true, false, false], &[true, false, true, false]), Some(1.0 / 3.0));
        assert_eq!(iou(&[false], &[false]), None);
    }
}
