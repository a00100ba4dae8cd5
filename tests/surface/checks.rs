//! What a mesh must be, counted here and by somebody else's half-edges.

use std::collections::HashMap;

use glam::{DVec3, Vec3};
use hypersine::signal::shape::Mesh;
use hypersine::surface::{Surface, components};

/// V - E + F of a mesh that is closed, manifold and oriented; panics where it is not, or a triangle has no area.
pub(crate) fn euler(mesh: &Mesh) -> i64 {
    let mut edges: HashMap<(u32, u32), usize> = HashMap::new();
    let mut after: HashMap<(u32, u32), u32> = HashMap::new();
    let mut degree = vec![0_usize; mesh.vertices.len()];
    for (t, &[a, b, c]) in mesh.triangles.iter().enumerate() {
        for [a, b, c] in [[a, b, c], [b, c, a], [c, a, b]] {
            *edges.entry((a, b)).or_default() += 1;
            after.insert((a, b), c);
            degree[a as usize] += 1;
        }
        assert!(area(mesh, t) > 0.0, "triangle {t} has no area: {:?}", mesh.corners(t));
    }
    assert!(edges.values().all(|&n| n == 1), "an edge is walked twice the same way");
    assert!(edges.keys().all(|&(a, b)| edges.contains_key(&(b, a))), "the mesh is open");
    // Around a vertex: from triangle to triangle all of them must be met, or it is where two sheets touch.
    let start: HashMap<u32, u32> = edges.keys().copied().collect();
    for (v, &degree) in degree.iter().enumerate() {
        let v = u32::try_from(v).unwrap();
        let first = *start.get(&v).unwrap_or_else(|| panic!("vertex {v} has no triangle"));
        let (mut around, mut at) = (0, first);
        loop {
            at = after[&(v, at)];
            around += 1;
            if at == first || around > degree {
                break;
            }
        }
        assert_eq!(around, degree, "sheets touch in vertex {v}");
    }
    let euler = alternating([mesh.vertices.len(), edges.len() / 2, mesh.triangles.len()]);
    assert_eq!(euler, by_another(mesh));
    euler
}

/// V - E + F.
fn alternating(counts: [usize; 3]) -> i64 {
    let [v, e, f] = counts.map(|n| i64::try_from(n).expect("counts of things in memory"));
    v - e + f
}

/// The same from tri-mesh.
fn by_another(mesh: &Mesh) -> i64 {
    // Large, because it takes triangles of an area below 1e-5 for none.
    let place = |v: &Vec3| 1e4 * v.as_dvec3();
    let positions = mesh.vertices.iter().map(place).map(|v| three_d_asset::vec3(v.x, v.y, v.z)).collect();
    let half_edges = tri_mesh::Mesh::new(&three_d_asset::TriMesh {
        positions: three_d_asset::Positions::F64(positions),
        indices: three_d_asset::Indices::U32(mesh.triangles.concat()),
        ..Default::default()
    });
    assert!(half_edges.is_closed());
    // Its own check takes the square of the number of triangles.
    if mesh.triangles.len() < 1500 {
        half_edges.is_valid().unwrap();
    }
    let mut around = 0;
    for id in half_edges.halfedge_iter() {
        let walker = half_edges.walker_from_halfedge(id);
        let twin = half_edges.walker_from_halfedge(walker.twin_id().unwrap());
        // An edge with a third triangle has a half-edge whose twin is another's.
        assert_eq!(twin.twin_id(), Some(id));
        assert_ne!(twin.vertex_id(), walker.vertex_id(), "the triangles at an edge face opposite ways");
    }
    for vertex in half_edges.vertex_iter() {
        around += half_edges.vertex_halfedge_iter(vertex).count();
    }
    assert_eq!(around, half_edges.no_halfedges(), "sheets touch in a vertex");
    alternating([half_edges.no_vertices(), half_edges.no_edges(), half_edges.no_faces()])
}

pub(crate) fn area(mesh: &Mesh, t: usize) -> f64 {
    normal(mesh, t).length() / 2.0
}

fn normal(mesh: &Mesh, t: usize) -> DVec3 {
    let [a, b, c] = mesh.corners(t).map(Vec3::as_dvec3);
    (b - a).cross(c - a)
}

/// How many triangles face away from the mean of their vertices' normals; panics where normals are not of length 1.
pub(crate) fn turned(surface: &Surface) -> usize {
    assert_eq!(surface.normals.len(), surface.mesh.vertices.len());
    assert!(surface.normals.iter().all(|n| (n.length() - 1.0).abs() < 1e-5));
    let away = |t: &usize| {
        let normals = surface.mesh.triangles[*t].map(|v| surface.normals[v as usize].as_dvec3());
        normal(&surface.mesh, *t).dot(normals.into_iter().sum()) <= 0.0
    };
    (0..surface.mesh.triangles.len()).filter(away).count()
}

/// Volume and area of all pieces together.
pub(crate) fn volume_and_area(mesh: &Mesh) -> [f64; 2] {
    components(mesh).iter().fold([0.0; 2], |[v, a], piece| [v + piece.volume, a + piece.area])
}
