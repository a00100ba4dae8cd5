//! Points drawn on shapes, near them and around them.

use glam::{DVec3, Vec3};
use rand::{Rng, RngExt};

use super::cloud::PointCloud;
use super::mesh::Mesh;

/// Parts of a surface, each to be drawn as often as it is large.
#[derive(Clone, Debug)]
pub(super) struct Areas {
    /// Of each part, the area of it and all before.
    until: Vec<f64>,
}

impl Areas {
    pub(super) fn new(areas: impl Iterator<Item = f64>) -> Self {
        let until = areas.scan(0.0, |sum, area| {
            *sum += area;
            Some(*sum)
        });
        Self { until: until.collect() }
    }

    /// Of all parts together.
    pub(super) fn total(&self) -> f64 {
        self.until.last().copied().unwrap_or(0.0)
    }

    /// A part; one without area only where there are no others.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> usize {
        let at = rng.random::<f64>() * self.total();
        self.until.partition_point(|&until| until <= at).min(self.until.len() - 1)
    }
}

/// The triangles of a mesh as parts.
pub(super) fn triangles(mesh: &Mesh) -> Areas {
    Areas::new((0..mesh.triangles.len()).map(|t| 0.5 * mesh.cross(t).length()))
}

/// Points drawn uniformly from a mesh's surface, with the normals of the triangles on which they lie.
pub(super) fn on_mesh(mesh: &Mesh, areas: &Areas, n: usize, rng: &mut impl Rng) -> PointCloud {
    let mut cloud = PointCloud::default();
    for _ in 0..n {
        let t = areas.draw(rng);
        let [a, b, c] = mesh.corners(t).map(Vec3::as_dvec3);
        // The square root makes every part of a triangle as likely as any other (Osada et al. 2002, section 4.1).
        let (s, u) = (rng.random::<f64>().sqrt(), rng.random::<f64>());
        cloud.points.push((a * (1.0 - s) + b * (s * (1.0 - u)) + c * (s * u)).as_vec3());
        cloud.normals.push(mesh.cross(t).normalize_or_zero().as_vec3());
    }
    cloud
}

/// Points of a cloud, drawn with replacement.
pub(super) fn of_cloud(cloud: &PointCloud, n: usize, rng: &mut impl Rng) -> PointCloud {
    let drawn: Vec<usize> = (0..n).map(|_| rng.random_range(0..cloud.points.len())).collect();
    let of = |what: &[Vec3]| drawn.iter().map(|&i| what[i]).collect();
    PointCloud { points: of(&cloud.points), normals: of(&cloud.normals) }
}

/// Moves every point by normally distributed noise of standard deviation `sigma` along each axis.
pub fn jitter(points: &mut [Vec3], sigma: f64, rng: &mut impl Rng) {
    let noise = crate::model::normal(rng, 3 * points.len(), sigma);
    points.iter_mut().zip(noise.chunks_exact(3)).for_each(|(p, by)| *p += Vec3::from_slice(by));
}

/// Points drawn uniformly from the box [-1, 1]^3.
pub fn in_box(n: usize, rng: &mut impl Rng) -> Vec<Vec3> {
    (0..n).map(|_| (2.0 * DVec3::from_array(rng.random()) - 1.0).as_vec3()).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::mesh::tests::cube;
    use super::*;

    #[test]
    fn every_part_of_the_surface_is_as_likely_as_any_other() {
        // A box of 2 x 1 x 4, and each of its sides in quarters: the count of each is binomial.
        let mesh = cube(Vec3::ZERO, 1.0).mapped(|v| v * Vec3::new(2.0, 1.0, 4.0));
        let n = 40_000;
        let cloud = on_mesh(&mesh, &triangles(&mesh), n, &mut ChaCha8Rng::seed_from_u64(5));
        let mut counts = std::collections::HashMap::new();
        for (p, normal) in cloud.points.iter().zip(&cloud.normals) {
            let at = *p / Vec3::new(2.0, 1.0, 4.0);
            let (axis, sign) = (normal.abs().max_position(), normal.max_element() > 0.5);
            assert!((at[axis] - f32::from(u8::from(sign))).abs() < 1e-6, "{p} {normal}");
            let quarter = [at[(axis + 1) % 3] > 0.5, at[(axis + 2) % 3] > 0.5];
            *counts.entry((axis, sign, quarter)).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let mut worst = 0.0_f64;
        for ((axis, ..), count) in counts {
            let part = [4.0, 8.0, 2.0][axis] / 4.0 / 28.0;
            let (mean, deviation) = (n as f64 * part, (n as f64 * part * (1.0 - part)).sqrt());
            worst = worst.max((f64::from(count) - mean).abs() / deviation);
        }
        println!("furthest from its mean by {worst:.2} standard deviations, of 24");
        assert!(worst < 4.0);
    }

    #[test]
    fn parts_without_area_are_not_drawn() {
        let areas = Areas::new([0.0, 1.0, 0.0, 0.0, 2.0, 0.0].into_iter());
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut counts = [0; 6];
        (0..3000).for_each(|_| counts[areas.draw(&mut rng)] += 1);
        // 1000 +- 26.
        assert!((900..1100).contains(&counts[1]) && counts[1] + counts[4] == 3000, "{counts:?}");
    }

    #[test]
    fn noise_and_the_box_are_as_wide_as_said() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut points = vec![Vec3::splat(3.0); 10_000];
        jitter(&mut points, 0.2, &mut rng);
        let spread = points.iter().map(|p| (*p - 3.0).as_dvec3()).fold(DVec3::ZERO, |s, d| s + d * d) / 1e4;
        println!("variances {spread}, 0.04 meant");
        assert!((spread - 0.04).abs().max_element() < 4.0 * 0.04 * (2.0_f64 / 1e4).sqrt());
        let points = in_box(10_000, &mut rng);
        let spread = points.iter().map(|p| p.as_dvec3()).fold(DVec3::ZERO, |s, d| s + d * d) / 1e4;
        println!("variances {spread}, 1/3 meant");
        assert!((spread - 1.0 / 3.0).abs().max_element() < 4.0 * (4.0_f64 / 45.0 / 1e4).sqrt());
        assert!(points.iter().all(|p| p.abs().max_element() <= 1.0));
    }
}
