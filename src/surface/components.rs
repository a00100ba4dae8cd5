//! The pieces that a mesh consists of.

use crate::signal::shape::Mesh;

/// A piece of a mesh: triangles that are connected through shared vertices.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Component {
    /// How many triangles.
    pub triangles: usize,
    /// Their area.
    pub area: f64,
    /// The volume inside; negative for the wall of a hollow. Of meaning where the piece is closed.
    pub volume: f64,
}

/// The pieces of a mesh, by volume without sign, the largest first.
///
/// # Panics
/// Where a triangle names a vertex that is not there.
pub fn components(mesh: &Mesh) -> Vec<Component> {
    let mut parents: Vec<u32> = (0..=u32::MAX).take(mesh.vertices.len()).collect();
    for &[a, b, c] in &mesh.triangles {
        for other in [b, c] {
            let (one, other) = (root(&mut parents, a), root(&mut parents, other));
            // The lower number wins, so that a piece is named by its first vertex.
            parents[one.max(other) as usize] = one.min(other);
        }
    }
    let mut pieces = vec![Component::default(); mesh.vertices.len()];
    for (t, triangle) in mesh.triangles.iter().enumerate() {
        let first = root(&mut parents, triangle[0]) as usize;
        // Seen from the piece's first vertex, so that a piece far from the origin does not lose its digits.
        let origin = mesh.vertices[first].as_dvec3();
        let [a, b, c] = mesh.corners(t).map(|v| v.as_dvec3() - origin);
        let piece = &mut pieces[first];
        piece.triangles += 1;
        piece.area += 0.5 * (b - a).cross(c - a).length();
        piece.volume += a.dot(b.cross(c)) / 6.0;
    }
    pieces.retain(|piece| piece.triangles > 0);
    pieces.sort_by(|a, b| b.volume.abs().total_cmp(&a.volume.abs()));
    pieces
}

/// The vertex that stands for a vertex' piece; shortens the way to it.
fn root(parents: &mut [u32], mut vertex: u32) -> u32 {
    while parents[vertex as usize] != vertex {
        let grandparent = parents[parents[vertex as usize] as usize];
        parents[vertex as usize] = grandparent;
        vertex = grandparent;
    }
    vertex
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::*;

    #[test]
    fn pieces_are_told_apart_and_sorted() {
        let corner = |x: f32, side: f32| [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z].map(|v| Vec3::X * x + side * v);
        let vertices = [corner(0.0, 1.0), corner(100.0, 2.0), corner(-7.0, 0.5)].concat();
        let solid = |first: u32| [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]].map(|t| t.map(|v| v + first));
        let hollow = solid(8).map(|[a, b, c]| [a, c, b]);
        let mesh = Mesh::new(vertices, [solid(0), solid(4), hollow].concat()).unwrap();
        let pieces = components(&mesh);
        let volumes: Vec<f64> = pieces.iter().map(|p| p.volume * 6.0).collect();
        let expected = [8.0, 1.0, -0.125];
        let worst = volumes.iter().zip(expected).map(|(v, e)| (v - e).abs()).fold(0.0, f64::max);
        println!("volumes to {worst:.1e}");
        assert!(volumes.len() == 3 && worst < 1e-12);
        assert!(pieces.iter().all(|p| p.triangles == 4));
        assert!((pieces[1].area - (1.5 + 3.0_f64.sqrt() / 2.0)).abs() < 1e-12);
        assert!(components(&Mesh::default()).is_empty());
    }
}
