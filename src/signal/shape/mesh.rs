//! Triangle meshes.

use std::collections::HashMap;

use glam::{DVec3, Vec3};

use crate::{Error, Result};

/// Triangles that share vertices; counter-clockwise seen from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// Where the corners are.
    pub vertices: Vec<Vec3>,
    /// Three of the vertices each.
    pub triangles: Vec<[u32; 3]>,
}

impl Mesh {
    /// A mesh of these vertices and triangles.
    ///
    /// # Errors
    /// Where there are no triangles, a vertex is not finite, or a triangle names a vertex that is not there.
    pub fn new(vertices: Vec<Vec3>, triangles: Vec<[u32; 3]>) -> Result<Self> {
        if triangles.is_empty() {
            return Err(Error::invalid("the mesh has no triangles"));
        }
        if let Some(i) = vertices.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(format!("vertex {i} is at {}: coordinates must be finite", vertices[i])));
        }
        let there = vertices.len();
        if let Some((t, v)) = beyond(&triangles, there) {
            return Err(Error::invalid(format!(
                "triangle {t} names vertex {v}, but there are {there} (counted from 0)"
            )));
        }
        Ok(Self { vertices, triangles })
    }

    /// The corners of triangle `t`.
    ///
    /// # Panics
    /// Where there is no such triangle.
    pub fn corners(&self, t: usize) -> [Vec3; 3] {
        self.triangles[t].map(|v| self.vertices[v as usize])
    }

    /// Twice the area of triangle `t` along its normal.
    pub(super) fn cross(&self, t: usize) -> DVec3 {
        let [a, b, c] = self.corners(t).map(Vec3::as_dvec3);
        (b - a).cross(c - a)
    }

    /// The lowest and the highest coordinates.
    pub fn bounds(&self) -> [Vec3; 2] {
        bounds(&self.vertices)
    }

    /// The area of all triangles.
    pub fn area(&self) -> f64 {
        (0..self.triangles.len()).map(|t| 0.5 * self.cross(t).length()).sum()
    }

    /// The volume inside, negative where the triangles face inwards; of meaning for a closed mesh alone.
    pub fn volume(&self) -> f64 {
        // Seen from a vertex, so that a mesh far from the origin does not lose its digits.
        let origin = self.vertices[0].as_dvec3();
        let six = (0..self.triangles.len()).map(|t| self.cross(t).dot(self.corners(t)[0].as_dvec3() - origin));
        six.sum::<f64>() / 6.0
    }

    /// Whether the triangles have no boundary: every edge is walked as often one way as the other. Then every winding
    /// number off the surface is a whole number.
    pub fn is_closed(&self) -> bool {
        let mut edges: HashMap<[u32; 2], i32> = HashMap::new();
        for &[a, b, c] in &self.triangles {
            for [from, to] in [[a, b], [b, c], [c, a]] {
                *edges.entry([from.min(to), from.max(to)]).or_default() += if from < to { 1 } else { -1 };
            }
        }
        // An edge from a vertex to itself is no boundary.
        edges.iter().all(|(&[from, to], &n)| n == 0 || from == to)
    }

    /// The mesh with vertices at the same place made one (texture seams, STL), without triangles that have become
    /// edges and without vertices that no triangle names. What is left keeps its order.
    #[must_use]
    pub fn welded(&self) -> Self {
        let mut named = vec![false; self.vertices.len()];
        self.triangles.iter().flatten().for_each(|&v| named[v as usize] = true);
        let mut places: HashMap<[u32; 3], u32> = HashMap::new();
        let (mut vertices, mut next) = (Vec::new(), 0);
        let mut place = |v: Vec3| {
            // Adding zero makes -0 the same as 0.
            let key = (v + Vec3::ZERO).to_array().map(f32::to_bits);
            *places.entry(key).or_insert_with(|| {
                vertices.push(v);
                next += 1;
                next - 1
            })
        };
        let welded: Vec<u32> =
            self.vertices.iter().zip(named).map(|(&v, named)| if named { place(v) } else { 0 }).collect();
        let triangles = self.triangles.iter().map(|t| t.map(|v| welded[v as usize]));
        let triangles = triangles.filter(|[a, b, c]| a != b && b != c && c != a).collect();
        Self { vertices, triangles }
    }

    /// The mesh with every vertex put where `place` says.
    #[must_use]
    pub fn mapped(&self, place: impl Fn(Vec3) -> Vec3) -> Self {
        Self { vertices: self.vertices.iter().map(|&v| place(v)).collect(), triangles: self.triangles.clone() }
    }
}

/// The lowest and the highest coordinates; all infinite where there are no points.
pub(super) fn bounds(points: &[Vec3]) -> [Vec3; 2] {
    points.iter().fold([Vec3::INFINITY, Vec3::NEG_INFINITY], |[low, high], &p| [low.min(p), high.max(p)])
}

/// The first triangle that names a vertex beyond `vertices`, and that vertex.
fn beyond(triangles: &[[u32; 3]], vertices: usize) -> Option<(usize, u32)> {
    let named = triangles.iter().enumerate().flat_map(|(t, corners)| corners.map(|v| (t, v)));
    named.into_iter().find(|&(_, v)| v as usize >= vertices)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The cube from `low` to `low + side`.
    pub(in super::super) fn cube(low: Vec3, side: f32) -> Mesh {
        let corner = |i: u8| low + side * Vec3::new(f32::from(i & 1), f32::from(i >> 1 & 1), f32::from(i >> 2));
        let sides = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];
        let triangles = sides.iter().flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]]).collect();
        Mesh::new((0..8).map(corner).collect(), triangles).unwrap()
    }

    #[test]
    fn a_cube_is_closed_and_has_its_volume() {
        let mesh = cube(Vec3::new(100.0, -7.0, 3.0), 2.0);
        assert!(mesh.is_closed());
        assert!((mesh.volume() - 8.0).abs() < 1e-12 && (mesh.area() - 24.0).abs() < 1e-12);
        assert_eq!(mesh.bounds(), [Vec3::new(100.0, -7.0, 3.0), Vec3::new(102.0, -5.0, 5.0)]);
        let open = Mesh::new(mesh.vertices.clone(), mesh.triangles[1..].to_vec()).unwrap();
        assert!(!open.is_closed());
    }

    #[test]
    fn welding_undoes_loose_triangles() {
        let mesh = cube(Vec3::splat(-0.5), 1.0);
        let mut loose: Vec<Vec3> = (0..12).flat_map(|t| mesh.corners(t)).collect();
        // Minus zero is zero, and a vertex that none names is none.
        loose.push(Vec3::splat(9.0));
        let triangles: Vec<[u32; 3]> = (0..12).map(|t| [3 * t, 3 * t + 1, 3 * t + 2]).collect();
        let loose = Mesh::new(loose, triangles).unwrap();
        assert!(!loose.is_closed());
        let welded = loose.welded();
        assert_eq!((welded.vertices.len(), welded.triangles.len()), (8, 12));
        assert!(welded.is_closed() && (welded.volume() - 1.0).abs() < 1e-12);
        let flat = |x: f32| Mesh::new(vec![Vec3::X, Vec3::Y, Vec3::new(1.0, x, x)], vec![[0, 1, 2]]).unwrap();
        assert!(flat(-0.0).welded().triangles.is_empty());
        assert_eq!(mesh.welded(), mesh);
    }

    #[test]
    fn nonsense_is_refused() {
        let said = |vertices: &[Vec3], triangles: &[[u32; 3]]| {
            Mesh::new(vertices.to_vec(), triangles.to_vec()).unwrap_err().to_string()
        };
        assert_eq!(said(&[], &[]), "the mesh has no triangles");
        assert_eq!(
            said(&[Vec3::ZERO; 3], &[[0, 1, 2], [0, 3, 1]]),
            "triangle 1 names vertex 3, but there are 3 (counted from 0)"
        );
        assert!(said(&[Vec3::ZERO, Vec3::NAN, Vec3::X], &[[0, 1, 2]]).starts_with("vertex 1 is at "));
    }
}
