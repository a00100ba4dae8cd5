//! A solid's mesh as lines over its picture: coarse, found beside it, drawn by the window.

use std::sync::Arc;

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke};
use glam::{DVec3, Vec3};

use super::latent::Weights;
use super::sight::Sight;
use crate::Result;
use crate::engine::{Body, Engine};
use crate::model::{Model, Side};
use crate::surface::{Settings, extract};

/// Cells along each side of the box.
const CELLS: u32 = 40;
/// Width of a line in logical pixels.
const WIDTH: f32 = 0.7;

/// Of what a mesh is.
#[derive(Clone, Debug)]
pub(super) struct Of {
    pub model: Arc<Model>,
    pub weights: Weights,
    pub level: f32,
}

impl PartialEq for Of {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model) && self.weights == other.weights && self.level == other.level
    }
}

/// The edges of a mesh.
#[derive(Clone, Debug)]
pub(super) struct Wires {
    pub of: Of,
    vertices: Vec<Vec3>,
    triangles: Vec<[u32; 3]>,
    /// Two vertices, and the triangles to either side.
    edges: Vec<([u32; 2], [u32; 2])>,
}

impl Wires {
    /// Finds the mesh, on the CPU.
    pub(super) fn find(of: Of) -> Result<Self> {
        let (model, z) = of.weights.of(&of.model)?;
        let mut body = Body::new(&Engine::cpu(), &model, &z)?;
        let settings = Settings { level: of.level, ..body.settings(CELLS) };
        let (surface, _) = extract(&mut body, &settings)?;
        let (vertices, triangles) = (surface.mesh.vertices, surface.mesh.triangles);
        let edges = edges(&triangles);
        Ok(Self { of, vertices, triangles, edges })
    }

    /// Draws the edges of what faces the camera, on the canvas `rect` of so many physical pixels.
    pub(super) fn draw(&self, painter: &Painter, rect: Rect, sight: &Sight, [width, height]: [u32; 2]) {
        let camera = sight.scene(Side::default()).camera;
        let Ok(view) = camera.view(width, height) else { return };
        let scale = rect.width() / width as f32;
        #[expect(clippy::cast_possible_truncation, reason = "places on a screen")]
        let place = |v: &Vec3| {
            let [x, y, _] = view.project(v.as_dvec3())?;
            Some(rect.min + scale * egui::vec2(x as f32, y as f32))
        };
        let places: Vec<Option<Pos2>> = self.vertices.iter().map(place).collect();
        let at = |i: u32| places[i as usize];
        let faces: Vec<bool> = (self.triangles.iter())
            .map(|&[a, b, c]| match (at(a), at(b), at(c)) {
                (Some(a), Some(b), Some(c)) => faces(a, b, c),
                _ => false,
            })
            .collect();
        let gone = self.gone(sight, camera.eye);
        let stroke = Stroke::new(WIDTH, Color32::from_black_alpha(130));
        let shown = self.edges.iter().filter(|(ends, sides)| {
            sides.iter().any(|&t| faces[t as usize]) && !ends.iter().any(|&v| gone(&self.vertices[v as usize]))
        });
        painter.extend(shown.filter_map(|([a, b], _)| Some(Shape::line_segment([at(*a)?, at(*b)?], stroke))));
    }

    /// What the plane takes away.
    fn gone(&self, sight: &Sight, eye: DVec3) -> impl Fn(&Vec3) -> bool {
        let Sight { orbit, sliced, slice, .. } = sight;
        let (axis, offset) = (slice.axis as usize, slice.offset);
        let side = if orbit.fov > 0.0 { eye[axis] - f64::from(offset) } else { orbit.axes()[2][axis] };
        let cuts = *sliced && slice.cut;
        move |v| cuts && f64::from(v[axis] - offset) * side > 0.0
    }
}

/// Whether the outside of a triangle is seen: counter-clockwise from there, and so the other way round where y is down.
fn faces(a: Pos2, b: Pos2, c: Pos2) -> bool {
    let (u, v) = (b - a, c - a);
    u.x * v.y - u.y * v.x < 0.0
}

/// Each edge once, with the triangles to either side of it; the same one twice where there is no other.
fn edges(triangles: &[[u32; 3]]) -> Vec<([u32; 2], [u32; 2])> {
    let mut halves: Vec<([u32; 2], u32)> = (0..)
        .zip(triangles)
        .flat_map(|(t, &[a, b, c])| [[a, b], [b, c], [c, a]].map(|[a, b]| ([a.min(b), a.max(b)], t)))
        .collect();
    halves.sort_unstable();
    let mut edges: Vec<([u32; 2], [u32; 2])> = Vec::with_capacity(halves.len() / 2);
    for (ends, t) in halves {
        match edges.last_mut() {
            Some((last, sides)) if *last == ends => sides[1] = t,
            _ => edges.push((ends, [t, t])),
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_of_a_tetrahedron_has_two_sides() {
        let edges = edges(&[[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]);
        assert_eq!(edges.len(), 6);
        assert!(edges.iter().all(|(ends, [s, t])| ends[0] < ends[1] && s != t), "{edges:?}");
    }

    #[test]
    fn the_outside_is_what_faces_the_camera() {
        let corners = [[-0.5, -0.5], [0.5, -0.5], [0.0, 0.5]].map(|[x, y]| DVec3::new(x, y, 0.0));
        for (camera, outside) in [("0,0", true), ("60,30", true), ("180,0", false), ("0,0,3,0", true)] {
            let sight = Sight { orbit: camera.parse().unwrap(), ..Sight::default() };
            let view = sight.scene(Side::Distance).camera.view(80, 60).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "places on a screen")]
            let [a, b, c] = corners.map(|p| view.project(p).map(|[x, y, _]| Pos2::new(x as f32, y as f32)).unwrap());
            assert_eq!(faces(a, b, c), outside, "{camera}");
        }
    }
}
