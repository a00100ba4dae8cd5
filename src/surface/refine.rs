//! Vertices put onto the surface by Newton steps, and the normals there.

use glam::{DVec3, Vec3};

use super::lattice::Grid;
use super::march::Marched;
use super::{BATCH, Implicit, Statistics, Surface};
use crate::Result;
use crate::signal::shape::Mesh;

/// How far a vertex may go from where marching cubes put it, in cells.
const FARTHEST: f32 = 0.5;

/// Moves the vertices by `steps` Newton steps and finds the normals.
pub(super) fn refine(
    field: &mut dyn Implicit,
    grid: &Grid,
    marched: Marched,
    steps: u32,
    statistics: &mut Statistics,
) -> Result<Surface> {
    let Marched { mesh: mut coarse, lids } = marched;
    let mut vertices = coarse.vertices.clone();
    if steps > 0 {
        for batch in vertices.chunks_mut(BATCH) {
            newton(field, grid, batch, steps, statistics)?;
        }
        for &(lid, _) in &lids {
            vertices[lid as usize] = coarse.vertices[lid as usize];
        }
        statistics.kept_back = undo_flips(&coarse, &mut vertices);
        coarse.vertices = vertices;
    }
    let mesh = coarse;
    let mut normals = Vec::with_capacity(mesh.vertices.len());
    let mut points = Vec::new();
    for batch in mesh.vertices.chunks(BATCH) {
        points.clear();
        points.extend(batch.iter().flat_map(Vec3::to_array));
        let mut gradients = vec![0.0; points.len()];
        field.gradients(&points, &mut gradients)?;
        statistics.gradients += batch.len() as u64;
        normals.extend(gradients.chunks_exact(3).map(|g| (grid.outwards() * Vec3::from_slice(g)).normalize_or_zero()));
    }
    for &(lid, outwards) in &lids {
        normals[lid as usize] = outwards;
    }
    fill_in(&mesh, &mut normals);
    Ok(Surface { mesh, normals })
}

/// x -= f grad f / |grad f|^2, no farther than half a cell from the start in all. A step that does not bring the value
/// nearer to the level is taken back and the next one is a quarter as long.
fn newton(
    field: &mut dyn Implicit,
    grid: &Grid,
    vertices: &mut [Vec3],
    steps: u32,
    statistics: &mut Statistics,
) -> Result<()> {
    let flat = |points: &[Vec3]| points.iter().flat_map(Vec3::to_array).collect::<Vec<f32>>();
    let heights = |field: &mut dyn Implicit, points: &[f32], statistics: &mut Statistics| -> Result<Vec<f32>> {
        let mut values = vec![0.0; points.len() / 3];
        field.values(points, &mut values)?;
        statistics.refinements += values.len() as u64;
        Ok(values.into_iter().map(|v| grid.height(v)).collect())
    };
    let start = vertices.to_vec();
    let mut damping = vec![1.0_f32; vertices.len()];
    let mut points = flat(vertices);
    let mut height = heights(field, &points, statistics)?;
    let mut gradients = vec![0.0; points.len()];
    for _ in 0..steps {
        field.gradients(&points, &mut gradients)?;
        statistics.gradients += vertices.len() as u64;
        let reach = FARTHEST * grid.step();
        let tried: Vec<Vec3> = (0..vertices.len())
            .map(|i| {
                let gradient = grid.outwards() * Vec3::from_slice(&gradients[3 * i..3 * i + 3]);
                let step = gradient * (damping[i] * height[i] / gradient.length_squared());
                // Nowhere to go where the gradient is zero or no number.
                if step.is_finite() {
                    start[i] + (vertices[i] - step - start[i]).clamp_length_max(reach)
                } else {
                    vertices[i]
                }
            })
            .collect();
        let after = heights(field, &flat(&tried), statistics)?;
        for i in 0..vertices.len() {
            if after[i].abs() < height[i].abs() {
                (vertices[i], height[i]) = (tried[i], after[i]);
            } else {
                damping[i] *= 0.25;
            }
        }
        points = flat(vertices);
    }
    Ok(())
}

/// Takes vertices back to where they were in `before`, as long as a triangle there would have turned over or lost its
/// area. Returns how many.
fn undo_flips(before: &Mesh, vertices: &mut [Vec3]) -> u64 {
    let mut back = 0;
    loop {
        let start = back;
        for &[a, b, c] in &before.triangles {
            let corners = [a, b, c].map(|v| v as usize);
            let normal = |of: &[Vec3]| -> DVec3 {
                let [a, b, c] = corners.map(|v| of[v].as_dvec3());
                (b - a).cross(c - a)
            };
            if normal(&before.vertices).dot(normal(vertices)) <= 0.0 {
                for v in corners {
                    back += u64::from(vertices[v] != before.vertices[v]);
                    vertices[v] = before.vertices[v];
                }
            }
        }
        if back == start {
            return back;
        }
    }
}

/// Gives vertices at which the field has no gradient the mean normal of their triangles, weighted by area.
fn fill_in(mesh: &Mesh, normals: &mut [Vec3]) {
    let missing: Vec<bool> = normals.iter().map(|n| *n == Vec3::ZERO).collect();
    if !missing.contains(&true) {
        return;
    }
    for (t, triangle) in mesh.triangles.iter().enumerate() {
        let [a, b, c] = mesh.corners(t);
        for &v in triangle.iter().filter(|&&v| missing[v as usize]) {
            normals[v as usize] += (b - a).cross(c - a);
        }
    }
    for (normal, _) in normals.iter_mut().zip(missing).filter(|(_, missing)| *missing) {
        *normal = normal.normalize_or(Vec3::Z);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vertex_that_turns_a_triangle_over_goes_back() {
        // A square of four triangles around its middle; the middle leaves it, one corner moves within reason.
        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)].map(|(x, y)| Vec3::new(x, y, 0.0));
        let before = Mesh::new(corners.to_vec(), vec![[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]).unwrap();
        let mut vertices = corners;
        vertices[4] = Vec3::new(1.2, 0.5, 0.1);
        vertices[3] = Vec3::new(-0.1, 1.0, 0.0);
        assert_eq!(undo_flips(&before, &mut vertices), 1);
        assert_eq!((vertices[4], vertices[3]), (corners[4], Vec3::new(-0.1, 1.0, 0.0)));
        // Without area is as bad as turned over.
        vertices[4] = Vec3::new(0.5, 0.0, 0.0);
        assert!(undo_flips(&before, &mut vertices) >= 1);
        assert_eq!(vertices[4], corners[4]);
    }

    #[test]
    fn normals_without_a_gradient_are_the_triangles() {
        let corners = [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z];
        let mesh = Mesh::new(corners.to_vec(), vec![[0, 1, 2], [0, 2, 3]]).unwrap();
        let mut normals = [Vec3::ZERO, Vec3::Y, Vec3::ZERO, Vec3::ZERO];
        fill_in(&mesh, &mut normals);
        let both = Vec3::new(1.0, 0.0, 1.0).normalize();
        println!("{normals:?}");
        assert!([both, Vec3::Y, both, Vec3::X].iter().zip(normals).all(|(e, n)| e.distance(n) < 1e-6));
    }
}
