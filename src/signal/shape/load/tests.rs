//! What every format does with a cube, and with lies.

use super::super::mesh::tests::cube;
use super::*;

/// A cube as the quadrilaterals of OBJ and OFF, whose corners count from `base`.
fn quads(base: u32) -> Vec<String> {
    let sides = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];
    sides.iter().map(|s| s.map(|v: u32| (v + base).to_string()).join(" ")).collect()
}

fn rows(mesh: &Mesh) -> Vec<String> {
    mesh.vertices.iter().map(|v| format!("{} {} {}", v.x, v.y, v.z)).collect()
}

fn parsed(bytes: &[u8], ending: &str) -> Result<Mesh> {
    match parse(bytes, ending, None)? {
        (Geometry::Mesh(mesh), None) => Ok(mesh),
        (other, advice) => Err(Error::invalid(format!("{advice:?} {other:?}"))),
    }
}

fn said(bytes: &[u8], ending: &str) -> String {
    let error = parse(bytes, ending, None).map(|(shape, _)| shape).expect_err("nonsense").to_string();
    assert!(!error.contains('\n') && error.len() < 200, "{error}");
    error
}

/// A cube with corners that f32 and decimals hold alike.
fn die() -> Mesh {
    cube(Vec3::new(-0.5, 0.25, 2.0), 1.5)
}

fn obj() -> String {
    let vertices = rows(&die()).join("\nv ");
    format!("# a cube\nmtllib a.mtl\no die\nv {vertices}\nvt 0 0\nf {}\n", quads(1).join("\nf "))
}

fn off() -> String {
    format!("OFF\n8 6 0\n{}\n4 {}\n", rows(&die()).join("\n"), quads(0).join("\n4 "))
}

fn ply_header(format: &str, vertices: u64, faces: u64) -> String {
    format!(
        "ply\nformat {format} 1.0\ncomment by hand\nelement vertex {vertices}\nproperty float x\nproperty float y\nproperty float z\n\
         property uchar red\nelement face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    )
}

fn ply_ascii() -> String {
    let header = ply_header("ascii", 8, 6);
    format!("{header}{} 7\n4 {}\n", rows(&die()).join(" 7\n"), quads(0).join("\n4 "))
}

fn ply_binary(big: bool) -> Vec<u8> {
    let mut bytes = ply_header(if big { "binary_big_endian" } else { "binary_little_endian" }, 8, 12).into_bytes();
    let four = |b: [u8; 4]| if big { [b[3], b[2], b[1], b[0]] } else { b };
    for v in &die().vertices {
        v.to_array().iter().for_each(|c| bytes.extend(four(c.to_le_bytes())));
        bytes.push(7);
    }
    for t in &die().triangles {
        bytes.push(3);
        t.iter().for_each(|v| bytes.extend(four(v.to_le_bytes())));
    }
    bytes
}

fn stl_binary() -> Vec<u8> {
    let mut bytes = b"solid in name only".to_vec();
    bytes.resize(80, b' ');
    bytes.extend(12_u32.to_le_bytes());
    for t in 0..12 {
        bytes.extend([0; 12]);
        die().corners(t).iter().flat_map(Vec3::to_array).for_each(|c| bytes.extend(c.to_le_bytes()));
        bytes.extend([0; 2]);
    }
    bytes
}

fn stl_ascii() -> String {
    let facet = |t: usize| {
        let corners = die().corners(t).map(|v| format!("vertex {:e} {} {}\n", v.x, v.y, v.z)).concat();
        format!("facet normal 0 0 0\nouter loop\n{corners}endloop\nendfacet\n")
    };
    format!("solid die\n{}endsolid die\n", (0..12).map(facet).collect::<String>())
}

/// The cube as a GLB, of which a node mirrors the x axis and another moves the cube; `change` may spoil the scene.
fn glb(change: impl Fn(String) -> String) -> Vec<u8> {
    let mirrored = die().mapped(|v| (v - 1.0) * Vec3::new(-1.0, 1.0, 1.0));
    let mut blob: Vec<u8> = mirrored.vertices.iter().flat_map(Vec3::to_array).flat_map(f32::to_le_bytes).collect();
    for t in &mirrored.triangles {
        [t[0], t[2], t[1]].iter().for_each(|&v| blob.extend(u16::try_from(v).unwrap().to_le_bytes()));
    }
    let scene = r#"{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"translation": [1, 1, 1], "children": [1]}, {"scale": [-1, 1, 1], "mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 36, "type": "SCALAR"}],
        "bufferViews": [{"buffer": 0, "byteLength": 96}, {"buffer": 0, "byteOffset": 96, "byteLength": 72}],
        "buffers": [{"byteLength": 168}]}"#;
    let mut scene = change(scene.to_owned()).into_bytes();
    scene.resize(scene.len().next_multiple_of(4), b' ');
    let length = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let total = length(28 + scene.len() + blob.len());
    let parts: [&[u8]; 9] = [
        b"glTF",
        &2_u32.to_le_bytes(),
        &total,
        &length(scene.len()),
        b"JSON",
        &scene,
        &length(blob.len()),
        b"BIN\0",
        &blob,
    ];
    parts.concat()
}

#[test]
fn every_format_holds_the_same_cube() {
    let files: [(&str, Vec<u8>); 8] = [
        ("obj", obj().into_bytes()),
        ("off", off().into_bytes()),
        ("ply", ply_ascii().into_bytes()),
        ("ply", ply_binary(false)),
        ("ply", ply_binary(true)),
        ("stl", stl_binary()),
        ("stl", stl_ascii().into_bytes()),
        ("glb", glb(|scene| scene)),
    ];
    for (ending, bytes) in files {
        let mesh = parsed(&bytes, ending).unwrap_or_else(|e| panic!("{ending}: {e}"));
        assert_eq!((mesh.vertices.len(), mesh.triangles.len()), (8, 12), "{ending}");
        // The same triangles: formats of loose triangles number the corners anew.
        let corners = |m: &Mesh| (0..12).map(|t| m.corners(t)).collect::<Vec<_>>();
        assert_eq!(corners(&mesh), corners(&die()), "{ending}");
    }
}

#[test]
fn peculiar_files_are_read() {
    // Texture seams, numbers from behind, carriage returns.
    let seams = obj().replace("f 1 3 4 2", "v -0.5 0.25 2\nf -1/1/2 3//1 4/7 2").replace('\n', "\r\n");
    assert_eq!(parsed(seams.as_bytes(), "obj").unwrap().vertices.len(), 8);
    // Counts without a space, and colours.
    let modelnet = off().replace("OFF\n8 6 0", "COFF8 6 0").replace(" 2\n", " 2 255 0 0\n");
    assert_eq!(parsed(modelnet.as_bytes(), "off").unwrap(), die());
    // A tetrahedron's four sides as a strip, 1 0 2 3 1 0, in buffers that the file brings along.
    let strip = r#"{"nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 5}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5121, "count": 6, "type": "SCALAR"}],
        "bufferViews": [{"buffer": 0, "byteLength": 48}, {"buffer": 1, "byteLength": 6}],
        "buffers": [{"uri": "data:;base64,AAAAAAAAAAAAAAAAAACAPwAAAAAAAAAAAAAAAAAAgD8AAAAAAAAAAAAAAAAAAIA/"},
            {"uri": "data:application/octet-stream;base64,AQACAwEA"}]}"#;
    let tetrahedron = parsed(strip.as_bytes(), "gltf").unwrap();
    assert!(tetrahedron.is_closed() && (tetrahedron.volume() - 1.0 / 6.0).abs() < 1e-7, "{}", tetrahedron.volume());
    assert_eq!(tetrahedron.triangles.len(), 4);
}

#[test]
fn open_and_inside_out_meshes_are_told() {
    let advice = |text: &str| parse(text.as_bytes(), "obj", None).unwrap();
    let open = obj().replace("f 1 3 4 2\n", "");
    assert!(advice(&open).1.unwrap().contains("open"));
    let inverted: String = obj()
        .lines()
        .map(|line| match line.strip_prefix("f ") {
            Some(face) => format!("f {}\n", face.split(' ').rev().collect::<Vec<_>>().join(" ")),
            None => format!("{line}\n"),
        })
        .collect();
    let (Geometry::Mesh(turned), Some(said)) = advice(&inverted) else { panic!("a mesh with advice") };
    assert!(said.contains("inside out") && (turned.volume() - 3.375).abs() < 1e-6);
}

#[test]
fn point_clouds_have_normals() {
    let (Geometry::Cloud(cloud), None) = parse(b"# two\n0 0 0 0 0 2\n1,2,3,1,0,0\n", "xyz", None).unwrap() else {
        panic!("a cloud")
    };
    assert_eq!((cloud.points[1], cloud.normals[0]), (Vec3::new(1.0, 2.0, 3.0), Vec3::Z));
    assert!(said(b"0 0 0 0 0 1\n1 2 3\n", "xyz").starts_with("line 2: a point without a normal"));
    assert_eq!(said(b"", "xyz"), "the point cloud has no points");
    let ply = |properties: &str, rows: &str| {
        let text = format!("ply\nformat ascii 1.0\nelement vertex 2\n{properties}end_header\n{rows}");
        parse(text.as_bytes(), "ply", None)
    };
    let place = "property float x\nproperty float y\nproperty float z\n";
    let normal = "property double nx\nproperty double ny\nproperty double nz\n";
    let read = ply(&(normal.to_owned() + place), "0 0 2 0 0 0\n1 0 0 1 2 3\n").unwrap().0;
    assert_eq!(read, Geometry::Cloud(cloud));
    assert!(ply(place, "0 0 0\n1 1 1\n").unwrap_err().to_string().contains("neither faces nor normals"));
}

#[test]
fn lies_get_a_sentence() {
    let promise = |text: String, from: &str, to: &str| text.replace(from, to).into_bytes();
    let big = "50000000";
    for (ending, bytes, part) in [
        ("obj", Vec::new(), "has no triangles"),
        ("obj", obj().replace("f ", "l ").into_bytes(), "has no triangles"),
        ("obj", obj().replace("f 1 3", "f 9 3").into_bytes(), "names vertex 8"),
        ("obj", obj().replace("f 1 3", "f 0 3").into_bytes(), "line 13: '0' is not"),
        ("obj", obj().replace("f 1 3", "f -9 3").into_bytes(), "line 13: '-9' is not"),
        ("obj", obj().replace("0.25 2\n", "NaN 2\n").into_bytes(), "coordinates must be finite"),
        ("obj", obj().replace("0.25 2\n", "1e99 2\n").into_bytes(), "coordinates must be finite"),
        ("obj", obj().replace("0.25 2\n", "0.25\n").into_bytes(), "line 4 ends"),
        ("obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".to_vec(), "is flat"),
        ("obj", b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n".to_vec(), "is a line or a point"),
        ("off", Vec::new(), "is empty"),
        ("off", b"off 1 2 3".to_vec(), "should start with OFF"),
        ("off", b"4OFF\n1 2 3".to_vec(), "should start with OFF"),
        ("off", promise(off(), "8 6", "8 50000000"), "promises 50000000 faces, but ends after 6"),
        ("off", promise(off(), "8 6", "18446744073709551615 6"), "but ends after 14"),
        ("off", promise(off(), "4 0 2", "4294967295 0 2"), "line 11 ends"),
        ("off", promise(off(), "8 6", "-8 6"), "'-8' is not such a number"),
        ("stl", Vec::new(), "too short"),
        ("stl", stl_binary()[..100].to_vec(), "without endsolid"),
        ("stl", stl_ascii().replace("vertex", "vertice").into_bytes(), "has no triangles"),
        ("stl", stl_ascii().replace("endsolid", "").into_bytes(), "without endsolid"),
        ("stl", stl_ascii().split_inclusive('\n').take(4).collect::<String>().into_bytes(), "middle of a facet"),
        ("ply", Vec::new(), "should start with ply"),
        ("ply", b"ply\nformat ascii 1.0\n".to_vec(), "has no end"),
        ("ply", promise(ply_ascii(), "face 6", "face 50000000"), "room for"),
        ("ply", promise(ply_ascii(), "vertex 8", "vertex 18446744073709551615"), "room for"),
        ("ply", promise(ply_ascii(), "vertex 8", "vertex 18446744073709551616"), "makes no sense"),
        ("ply", promise(ply_ascii(), "vertex 8", "vertex 7"), "names vertex 1.75"),
        ("ply", promise(ply_ascii(), "uchar red", "uchar red\nproperty quad w"), "makes no sense"),
        ("ply", promise(ply_ascii(), "float y", "float q"), "no x, y and z"),
        ("ply", promise(ply_ascii(), "vertex_indices", "corners"), "no list of vertex_indices"),
        ("ply", promise(ply_ascii(), "4 0 2", "4 0 -2"), "names vertex -2"),
        ("ply", promise(ply_ascii(), "4 0 2", "4 0 nan"), "names vertex NaN"),
        ("ply", promise(ply_ascii(), "4 0 2", "x 0 2"), "'face' 0 is cut short"),
        ("ply", [ply_header("binary_little_endian", 8, 12).as_bytes(), &[255; 300]].concat(), "names vertex -1"),
        ("glb", b"glTF".to_vec(), "cut short"),
        ("glb", glb(|s| s.replace("\"count\": 8", "\"count\": 9")), "beyond the end"),
        ("glb", glb(|s| s.replace("\"count\": 8", "\"count\": 0")), "names vertex 0, but there are 0"),
        ("glb", glb(|s| s.replace("\"count\": 36", "\"count\": 18446744073709551615")), "beyond the end"),
        ("glb", glb(|s| s.replace("\"count\": 8", "\"count\": 4")), "names vertex"),
        ("glb", glb(|s| s.replace("\"byteLength\": 96", "\"byteStride\": 0, \"byteLength\": 96")), "beyond the end"),
        ("glb", glb(|s| s.replace("\"byteOffset\": 96", "\"byteOffset\": 18446744073709551615")), "beyond the end"),
        ("glb", glb(|s| s.replace("\"children\": [1]", "\"children\": [0]")), "a node in two places"),
        ("glb", glb(|s| s.replace("\"children\": [1]", "\"children\": [7]")), "a node that is not there"),
        ("glb", glb(|s| s.replace("\"mesh\": 0", "\"mesh\": 3")), "a mesh that is not there"),
        ("glb", glb(|s| s.replace("5126", "5122")), "not 32-bit floats"),
        ("glb", glb(|s| s.replace("[{\"byteLength\": 168}]", "[{\"uri\": \"../../secret\"}]")), "is not a file beside"),
        (
            "glb",
            glb(|s| s.replace("\"scene\": 0", "\"extensionsRequired\": [\"KHR_draco_mesh_compression\"]")),
            "packed",
        ),
        ("glb", glb(|s| s.replace("[-1, 1, 1]", "[-3e38, 3e38, 3e38]")), "must be finite"),
        ("blend", Vec::new(), "use ply, obj"),
        ("", Vec::new(), "use ply, obj"),
    ] {
        let error = said(&bytes, ending);
        assert!(error.contains(part), "{ending}, not '{part}': {error}");
    }
    let mut stl = stl_binary();
    stl[80..84].copy_from_slice(&50_000_000_u32.to_le_bytes());
    stl[0] = b'S';
    assert_eq!(said(&stl, "stl"), format!("the file promises {big} triangles, but ends after 12"));
}

#[test]
fn cut_and_garbled_files_do_not_panic() {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
    let files: [(&str, Vec<u8>); 7] = [
        ("obj", obj().into_bytes()),
        ("off", off().into_bytes()),
        ("ply", ply_ascii().into_bytes()),
        ("ply", ply_binary(true)),
        ("stl", stl_binary()),
        ("stl", stl_ascii().into_bytes()),
        ("glb", glb(|scene| scene)),
    ];
    let mut refused = 0;
    for (ending, whole) in &files {
        for cut in 0..whole.len() {
            refused += u32::from(parse(&whole[..cut], ending, None).is_err());
        }
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            refused += u32::from(parse(&bytes, ending, None).is_err());
        }
    }
    println!("{refused} of {} refused", files.iter().map(|(_, f)| f.len() + 2000).sum::<usize>());
    assert!(refused > 5000);
}

#[test]
fn families_come_from_folders_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.obj", "a.obj", "c.txt"] {
        std::fs::write(folder.path().join(name), obj()).unwrap();
    }
    let read = family(folder.path()).unwrap();
    assert_eq!(read.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(read[0].1, Geometry::Mesh(die()));
    let text = folder.path().join("c.txt");
    let error = family(&text).unwrap_err().to_string();
    assert!(error.contains("c.txt: not a shape that can be read"), "{error}");
    std::fs::remove_file(folder.path().join("a.obj")).unwrap();
    std::fs::remove_file(folder.path().join("b.obj")).unwrap();
    assert!(family(folder.path()).unwrap_err().to_string().contains("no shapes (ply"));
    assert!(family(&folder.path().join("nothing.npz")).unwrap_err().to_string().contains("cannot read"));
}
