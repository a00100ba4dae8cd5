//! Marching cubes over the cells that a search found, layer by layer.

use glam::{DVec3, Vec3};

use super::cases::{CENTRE, SIDES, cases, side};
use super::lattice::{Corner, Lattice};
use super::search::Cells;
use crate::Result;
use crate::signal::shape::Mesh;

/// How near a vertex may come to the end of its side, in cells: the triangles around a corner that lies on the surface
/// keep an area, whatever the roundings.
const NEAREST: f64 = 1.0 / 64.0;
/// No vertex yet.
const NONE: u32 = u32::MAX;

/// A mesh, and which of its vertices close it at the cube's border.
#[derive(Debug, Default)]
pub(super) struct Marched {
    pub(super) mesh: Mesh,
    /// Vertices that lie on the border, rising, and the direction outwards.
    pub(super) lids: Vec<(u32, Vec3)>,
}

/// Vertices on the sides of the cells between two layers of corners.
struct Layers {
    /// Corners along an axis.
    across: usize,
    /// For each of two layers of corners, each corner and each axis: the vertex on the side that leaves it.
    vertices: [Vec<u32>; 2],
    /// What was entered in each layer.
    used: [Vec<usize>; 2],
}

impl Layers {
    fn bytes(across: u64) -> u64 {
        2 * 3 * 4 * across.pow(2)
    }

    fn slot(&self, [x, y, z]: Corner, axis: usize) -> (usize, usize) {
        (z as usize % 2, 3 * (y as usize * self.across + x as usize) + axis)
    }

    /// Forgets a layer, whose place the one after the next takes.
    fn forget(&mut self, z: u32) {
        let layer = z as usize % 2;
        for slot in self.used[layer].drain(..) {
            self.vertices[layer][slot] = NONE;
        }
    }
}

/// Cuts all cells of the pairs. Vertices and triangles come in the order of the cells, x running fastest: the order
/// depends on where the surface is alone, not on how it was found.
pub(super) fn march(lattice: &mut Lattice<'_>, pairs: &Cells) -> Result<Marched> {
    let cells = lattice.grid.cells;
    let across = cells as usize + 1;
    lattice.hold(Layers::bytes(across as u64))?;
    let empty = || vec![NONE; 3 * across * across];
    let mut layers = Layers { across, vertices: [empty(), empty()], used: [Vec::new(), Vec::new()] };
    let mut marched = Marched::default();
    let mut counted = 0;
    for z in 0..cells {
        for y in 0..cells {
            for pair in (0..pairs.across).filter(|&x| pairs.has([x, y / 2, z / 2])) {
                for x in 2 * pair..cells.min(2 * pair + 2) {
                    cut([x, y, z], lattice, &mut layers, &mut marched);
                }
            }
        }
        layers.forget(z);
        let bytes = 12 * (marched.mesh.vertices.len() + marched.mesh.triangles.len()) as u64;
        lattice.hold(bytes - counted)?;
        counted = bytes;
    }
    Ok(marched)
}

/// Cuts one cell.
fn cut(cell: Corner, lattice: &Lattice<'_>, layers: &mut Layers, marched: &mut Marched) {
    let corner = |c: u8| [0, 1, 2].map(|a| cell[a] + u32::from(c >> a & 1));
    let heights: [f32; 8] = std::array::from_fn(|c| lattice.height(corner(u8::try_from(c).expect("8 corners"))));
    let inside = heights.iter().rev().fold(0, |bits, &h| 2 * bits + usize::from(h < 0.0));
    if inside == 0 || inside == 255 {
        return;
    }
    let case = &cases()[inside];
    let answer = case.ambiguous.iter().enumerate().fold(0, |bits, (i, face)| {
        let [a, b, c, d] = face.map(|c| f64::from(heights[usize::from(c)]));
        // The bilinear surface's saddle, (ac - bd) / (a + c - b - d), is inside; the divisor is negative.
        bits | usize::from(a * c > b * d) << i
    });
    let triangles = &case.triangles[answer];
    let mut vertices = [NONE; SIDES + 1];
    for &s in triangles.iter().flatten().filter(|&&s| s != CENTRE) {
        if vertices[usize::from(s)] == NONE {
            let (from, axis) = side(s);
            let ends = [from, from | 1 << axis].map(|c| (corner(c), heights[usize::from(c)]));
            let (layer, slot) = layers.slot(ends[0].0, axis);
            if layers.vertices[layer][slot] == NONE {
                layers.vertices[layer][slot] = vertex(ends, axis, lattice, marched);
                layers.used[layer].push(slot);
            }
            vertices[usize::from(s)] = layers.vertices[layer][slot];
        }
    }
    // Every vertex around the centre is the first of one triangle there.
    let around = triangles.iter().filter(|t| t[2] == CENTRE).map(|t| vertices[usize::from(t[0])]);
    let around: Vec<Vec3> = around.map(|v| marched.mesh.vertices[v as usize]).collect();
    if !around.is_empty() {
        vertices[usize::from(CENTRE)] = next(marched);
        marched.mesh.vertices.push(around.iter().sum::<Vec3>() / around.len() as f32);
    }
    marched.mesh.triangles.extend(triangles.iter().map(|t| t.map(|s| vertices[usize::from(s)])));
}

/// The number of the next vertex.
fn next(marched: &Marched) -> u32 {
    u32::try_from(marched.mesh.vertices.len()).expect("memory ends before 2^32 vertices")
}

/// Puts a vertex where the heights at the ends of a side cross zero, and returns its number.
fn vertex(ends: [(Corner, f32); 2], axis: usize, lattice: &Lattice<'_>, marched: &mut Marched) -> u32 {
    let number = next(marched);
    let lid = ends.map(|(corner, height)| lattice.grid.is_lid(corner, height));
    let [low, high] = ends.map(|(_, height)| f64::from(height));
    // A corner on the border ends at most one side that is crossed, so there the vertex may lie at the very end.
    let along = match lid {
        [true, _] => 0.0,
        [_, true] => 1.0,
        _ => (low / (low - high)).clamp(NEAREST, 1.0 - NEAREST),
    };
    let mut place = DVec3::from(ends[0].0.map(f64::from));
    place[axis] += along;
    marched.mesh.vertices.push(lattice.grid.place(place));
    if lid[0] || lid[1] {
        marched.lids.push((number, if lid[0] { -Vec3::AXES[axis] } else { Vec3::AXES[axis] }));
    }
    number
}
