//! Mesh files, read again byte by byte.

use std::path::PathBuf;

use glam::{DAffine3, DVec3, Vec3};
use hypersine::signal::shape::Mesh;
use hypersine::surface::{Search, Settings, Surface, extract, write};

use crate::analytic::Analytic;
use crate::checks::{euler, turned, volume_and_area};
use crate::fields::union;

fn surface() -> Surface {
    let wanted = Settings { cells: 21, search: Search::Bound(1.0), ..Settings::default() };
    extract(&mut Analytic::new(union), &wanted).unwrap().0
}

/// Not uniform, turned, mirrored and moved.
fn place() -> DAffine3 {
    let turn = glam::DQuat::from_axis_angle(DVec3::new(1.0, 2.0, -1.0).normalize(), 0.7);
    DAffine3::from_scale_rotation_translation(DVec3::new(20.0, -30.0, 10.0), turn, DVec3::new(100.0, 0.0, -7.0))
}

fn written(name: &str) -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    write(&path, &surface(), &place()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    (folder, bytes)
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn vectors(bytes: &[u8]) -> Vec<Vec3> {
    f32s(bytes).chunks_exact(3).map(Vec3::from_slice).collect()
}

fn triangles(bytes: &[u8]) -> Vec<[u32; 3]> {
    let numbers: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    numbers.chunks_exact(3).map(|t| [t[0], t[1], t[2]]).collect()
}

/// That a surface read from a file is the one written, at its place.
fn is_the_surface(read: &Surface) {
    let (original, place) = (surface(), place());
    let at = |v: &Vec3| place.transform_point3(v.as_dvec3()).as_vec3();
    assert!(read.mesh.vertices.iter().zip(&original.mesh.vertices).all(|(r, v)| *r == at(v)));
    assert_eq!(read.mesh.vertices.len(), original.mesh.vertices.len());
    assert_eq!((euler(&read.mesh), turned(read)), (2, 0));
    let ratio = volume_and_area(&read.mesh)[0] / volume_and_area(&original.mesh)[0];
    println!("volume grown by {ratio} for 6000");
    assert!((ratio / 6000.0 - 1.0).abs() < 1e-5);
    // A normal stays at right angles to what it was at right angles to.
    for (n, m) in original.normals.iter().zip(&read.normals) {
        let n = n.as_dvec3();
        let along = n.any_orthogonal_vector();
        for tangent in [along, n.cross(along)] {
            assert!(place.transform_vector3(tangent).normalize().dot(m.as_dvec3()).abs() < 1e-5);
        }
    }
}

#[test]
fn a_ply_is_read_again() {
    let (_folder, bytes) = written("a.ply");
    let mark = b"end_header\n";
    let start = bytes.windows(mark.len()).position(|w| w == mark).unwrap() + mark.len();
    let header = std::str::from_utf8(&bytes[..start]).unwrap();
    let count = |what: &str| -> usize {
        let line = header.lines().find_map(|l| l.strip_prefix(&format!("element {what} "))).unwrap();
        line.parse().unwrap()
    };
    let properties: Vec<&str> = header.lines().filter(|l| l.starts_with("property")).collect();
    let expected = ["x", "y", "z", "nx", "ny", "nz"].map(|name| format!("property float {name}"));
    assert!(header.starts_with("ply\nformat binary_little_endian 1.0\n"));
    assert!(properties[..6] == expected && properties[6] == "property list uchar uint vertex_indices");
    let (points, faces) = bytes[start..].split_at(24 * count("vertex"));
    assert_eq!(faces.len(), 13 * count("face"));
    assert!(faces.chunks_exact(13).all(|f| f[0] == 3));
    let indices: Vec<u8> = faces.chunks_exact(13).flat_map(|f| f[1..].to_vec()).collect();
    let (vertices, normals) = vectors(points).chunks_exact(2).map(|v| (v[0], v[1])).unzip();
    is_the_surface(&Surface { mesh: Mesh::new(vertices, triangles(&indices)).unwrap(), normals });
}

#[test]
fn an_obj_is_read_again() {
    let (_folder, bytes) = written("a.OBJ");
    let text = String::from_utf8(bytes).unwrap();
    let lines = |key: &'static str| text.lines().filter_map(|l| l.split_once(' ')).filter(move |(k, _)| *k == key);
    let vectors = |key| -> Vec<Vec3> {
        let numbers = |l: &str| -> Vec<f32> { l.split(' ').map(|n| n.parse().unwrap()).collect() };
        lines(key).map(|(_, l)| Vec3::from_slice(&numbers(l))).collect()
    };
    let corner = |c: &str| -> u32 {
        let (v, n) = c.split_once("//").unwrap();
        assert_eq!(v, n);
        v.parse::<u32>().unwrap() - 1
    };
    let triangles = lines("f").map(|(_, l)| l.split(' ').map(corner).collect::<Vec<_>>().try_into().unwrap());
    let (mesh, normals) = (Mesh::new(vectors("v"), triangles.collect()).unwrap(), vectors("vn"));
    is_the_surface(&Surface { mesh, normals });
}

#[test]
fn an_stl_is_read_again() {
    let (_folder, bytes) = written("a.stl");
    let count = u32::from_le_bytes(bytes[80..84].try_into().unwrap()) as usize;
    assert_eq!(bytes.len(), 84 + 50 * count);
    assert!(!bytes.starts_with(b"solid"));
    let mut vertices = Vec::new();
    let mut tilted: f32 = 0.0;
    for triangle in bytes[84..].chunks_exact(50) {
        let [n, a, b, c] = vectors(&triangle[..48])[..] else { panic!() };
        tilted = tilted.max(((b - a).cross(c - a).normalize() - n).length());
        vertices.extend([a, b, c]);
    }
    println!("normals off by {tilted:.1e}");
    assert!(tilted < 1e-3);
    let loose = (0..u32::try_from(count).unwrap()).map(|t| [3 * t, 3 * t + 1, 3 * t + 2]).collect();
    let mesh = Mesh::new(vertices, loose).unwrap().welded();
    assert_eq!(euler(&mesh), 2);
    let ratio = volume_and_area(&mesh)[0] / volume_and_area(&surface().mesh)[0];
    assert!((ratio / 6000.0 - 1.0).abs() < 1e-5);
}

#[test]
fn a_glb_is_read_again() {
    let (_folder, bytes) = written("a.glb");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((&bytes[..4], word(4), word(8)), (&b"glTF"[..], 2, bytes.len()));
    let json_length = word(12);
    assert_eq!((&bytes[16..20], json_length % 4), (&b"JSON"[..], 0));
    let json: serde_json::Value = serde_json::from_slice(&bytes[20..20 + json_length]).unwrap();
    let start = 20 + json_length;
    assert_eq!(&bytes[start + 4..start + 8], b"BIN\0");
    let binary = &bytes[start + 8..];
    assert!(binary.len() == word(start) && binary.len() % 4 == 0);
    assert_eq!(json["buffers"][0]["byteLength"], binary.len());
    let number = |v: &serde_json::Value| usize::try_from(v.as_u64().unwrap()).unwrap();
    let accessor = |index: &serde_json::Value, component: u32, kind: &str, numbers: usize| {
        let accessor = &json["accessors"][number(index)];
        assert_eq!((&accessor["componentType"], &accessor["type"]), (&component.into(), &kind.into()));
        let view = &json["bufferViews"][number(&accessor["bufferView"])];
        let (from, length) = (number(&view["byteOffset"]), number(&view["byteLength"]));
        assert!(from % 4 == 0 && length == 4 * numbers * number(&accessor["count"]));
        &binary[from..from + length]
    };
    let primitive = &json["meshes"][0]["primitives"][0];
    let vertices = vectors(accessor(&primitive["attributes"]["POSITION"], 5126, "VEC3", 3));
    let normals = vectors(accessor(&primitive["attributes"]["NORMAL"], 5126, "VEC3", 3));
    let mesh = Mesh::new(vertices, triangles(accessor(&primitive["indices"], 5125, "SCALAR", 1))).unwrap();
    let bounds = ["min", "max"].map(|b| {
        let numbers = json["accessors"][0][b].as_array().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "an f32 written in decimals")]
        let vector = Vec3::from([0, 1, 2].map(|a| numbers[a].as_f64().unwrap() as f32));
        vector
    });
    assert_eq!(mesh.bounds(), bounds);
    is_the_surface(&Surface { mesh, normals });
}

#[test]
fn what_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, surface: &Surface, place: DAffine3| {
        let error = write(&folder.path().join(name), surface, &place).unwrap_err().to_string();
        println!("{error}");
        error
    };
    assert!(said("a.fbx", &surface(), place()).contains(".ply, .obj, .stl or .glb"));
    assert!(said("a.ply", &Surface::default(), place()).contains("no triangles"));
    assert!(said("a.ply", &surface(), DAffine3::from_scale(DVec3::new(1.0, 0.0, 1.0))).contains("flattened"));
    assert!(said("a.ply", &surface(), DAffine3::from_translation(DVec3::splat(1e300))).contains("inf"));
    assert!(said("no/folder/a.ply", &surface(), place()).starts_with("cannot write"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
