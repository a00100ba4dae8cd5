//! Oriented points on a surface.

use glam::Vec3;

use crate::{Error, Result};

/// Points of a surface and which way is out at each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointCloud {
    /// Where they are.
    pub points: Vec<Vec3>,
    /// Unit vectors, one for each point.
    pub normals: Vec<Vec3>,
}

impl PointCloud {
    /// Points with normals of any length.
    ///
    /// # Errors
    /// Where there are none, the numbers differ, a coordinate is not finite, or a normal has no direction.
    pub fn new(points: Vec<Vec3>, mut normals: Vec<Vec3>) -> Result<Self> {
        if points.is_empty() {
            return Err(Error::invalid("the point cloud has no points"));
        }
        if points.len() != normals.len() {
            return Err(Error::invalid(format!("{} points cannot have {} normals", points.len(), normals.len())));
        }
        if let Some(i) = points.iter().position(|p| !p.is_finite()) {
            return Err(Error::invalid(format!("point {i} is at {}: coordinates must be finite", points[i])));
        }
        for (i, normal) in normals.iter_mut().enumerate() {
            // In f64, where the square of no f32 is lost.
            let unit = normal.as_dvec3().try_normalize();
            let unit =
                unit.ok_or_else(|| Error::invalid(format!("the normal {normal} of point {i} has no direction")))?;
            *normal = unit.as_vec3();
        }
        Ok(Self { points, normals })
    }

    /// The cloud with every point put where `place` says.
    #[must_use]
    pub fn mapped(&self, place: impl Fn(Vec3) -> Vec3) -> Self {
        Self { points: self.points.iter().map(|&p| place(p)).collect(), normals: self.normals.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_become_unit_vectors() {
        let normals = vec![Vec3::new(0.0, 3.0, 4.0), Vec3::splat(1e-30)];
        let cloud = PointCloud::new(vec![Vec3::ZERO, Vec3::ONE], normals).unwrap();
        assert!(cloud.normals.iter().all(|n| (n.length() - 1.0).abs() < 1e-6), "{:?}", cloud.normals);
    }

    #[test]
    fn nonsense_is_refused() {
        let said = |points: &[Vec3], normals: &[Vec3]| {
            PointCloud::new(points.to_vec(), normals.to_vec()).unwrap_err().to_string()
        };
        assert_eq!(said(&[], &[]), "the point cloud has no points");
        assert_eq!(said(&[Vec3::X], &[]), "1 points cannot have 0 normals");
        assert!(said(&[Vec3::INFINITY], &[Vec3::X]).starts_with("point 0 is at"));
        assert!(said(&[Vec3::X], &[Vec3::ZERO]).ends_with("of point 0 has no direction"));
        assert!(said(&[Vec3::X], &[Vec3::NAN]).ends_with("of point 0 has no direction"));
    }
}
