//! Mesh files: PLY, OBJ, STL and GLB, by the file's ending.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use glam::{DAffine3, DMat3, DVec3, Vec3};

use super::Surface;
use crate::output::write_atomically;
use crate::{Error, Result};

/// A kind of mesh file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Binary little-endian PLY with normals.
    Ply,
    /// Wavefront OBJ with normals.
    Obj,
    /// Binary STL: loose triangles.
    Stl,
    /// Binary glTF 2.0 with normals.
    Glb,
}

impl Format {
    /// The format that a file's ending names, in upper or lower case.
    ///
    /// # Errors
    /// Where it names none.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "ply" => Ok(Self::Ply),
            "obj" => Ok(Self::Obj),
            "stl" => Ok(Self::Stl),
            "glb" => Ok(Self::Glb),
            _ => Err(Error::file(path, "a mesh file ends in .ply, .obj, .stl or .glb")),
        }
    }
}

/// Writes a surface where `place` puts it, in the format of the file's ending. Normals and the triangles' orientation
/// follow, also into a mirror image. Coordinates are computed in f64 and written as f32.
///
/// # Errors
/// Where the ending is another, there are no triangles, the placement makes a coordinate infinite or flattens the mesh,
/// a GLB would exceed 4 GiB, or the file cannot be written.
pub fn write(path: &Path, surface: &Surface, place: &DAffine3) -> Result<()> {
    let format = Format::of(path)?;
    let placed = Placed::new(surface, place).map_err(|e| e.in_file(path))?;
    let glb = match format {
        Format::Glb => Some(placed.glb_header().map_err(|e| e.in_file(path))?),
        _ => None,
    };
    write_atomically(path, |file| {
        let done = match (format, &glb) {
            (Format::Ply, _) => placed.ply(file),
            (Format::Obj, _) => placed.obj(file),
            (Format::Stl, _) => placed.stl(file),
            (Format::Glb, header) => placed.glb(header.as_deref().unwrap_or_default(), file),
        };
        done.map_err(Error::io("write", path))
    })
}

/// A surface at its place.
struct Placed<'a> {
    surface: &'a Surface,
    place: DAffine3,
    /// The inverse transpose of the placement: what normals are multiplied by.
    normals: DMat3,
    mirrored: bool,
}

type Written = std::io::Result<()>;

impl<'a> Placed<'a> {
    fn new(surface: &'a Surface, place: &DAffine3) -> Result<Self> {
        if surface.mesh.triangles.is_empty() {
            return Err(Error::invalid("the mesh has no triangles: there is nothing to write"));
        }
        let determinant = place.matrix3.determinant();
        let normals = place.matrix3.inverse().transpose();
        if determinant == 0.0 || !normals.is_finite() {
            return Err(Error::invalid("the mesh would be flattened by its placement"));
        }
        let placed = Self { surface, place: *place, normals, mirrored: determinant < 0.0 };
        if let Some(v) = placed.vertices().find(|v| !v.is_finite()) {
            return Err(Error::invalid(format!("the mesh would have a vertex at {v} by its placement")));
        }
        Ok(placed)
    }

    fn vertices(&self) -> impl Iterator<Item = Vec3> {
        self.surface.mesh.vertices.iter().map(|v| self.place.transform_point3(v.as_dvec3()).as_vec3())
    }

    fn normals(&self) -> impl Iterator<Item = Vec3> {
        self.surface.normals.iter().map(|n| (self.normals * n.as_dvec3()).normalize_or(DVec3::Z).as_vec3())
    }

    fn triangles(&self) -> impl Iterator<Item = [u32; 3]> {
        let turned = |[a, b, c]: [u32; 3]| if self.mirrored { [a, c, b] } else { [a, b, c] };
        self.surface.mesh.triangles.iter().map(move |&t| turned(t))
    }

    fn ply(&self, file: &mut BufWriter<File>) -> Written {
        let (vertices, triangles) = (self.surface.mesh.vertices.len(), self.surface.mesh.triangles.len());
        write!(file, "ply\nformat binary_little_endian 1.0\nelement vertex {vertices}\n")?;
        for name in ["x", "y", "z", "nx", "ny", "nz"] {
            writeln!(file, "property float {name}")?;
        }
        write!(file, "element face {triangles}\nproperty list uchar uint vertex_indices\nend_header\n")?;
        for (vertex, normal) in self.vertices().zip(self.normals()) {
            put(file, vertex)?;
            put(file, normal)?;
        }
        for triangle in self.triangles() {
            file.write_all(&[3])?;
            triangle.iter().try_for_each(|v| file.write_all(&v.to_le_bytes()))?;
        }
        Ok(())
    }

    fn obj(&self, file: &mut BufWriter<File>) -> Written {
        // The shortest decimal that is read as the same f32.
        self.vertices().try_for_each(|v| writeln!(file, "v {} {} {}", v.x, v.y, v.z))?;
        self.normals().try_for_each(|n| writeln!(file, "vn {} {} {}", n.x, n.y, n.z))?;
        for triangle in self.triangles() {
            let [a, b, c] = triangle.map(|v| u64::from(v) + 1);
            writeln!(file, "f {a}//{a} {b}//{b} {c}//{c}")?;
        }
        Ok(())
    }

    fn stl(&self, file: &mut BufWriter<File>) -> Written {
        let count = u32::try_from(self.surface.mesh.triangles.len()).map_err(std::io::Error::other)?;
        // A header that begins with "solid" would be taken for the textual format.
        let mut header = [b' '; 80];
        header[..10].copy_from_slice(b"binary STL");
        file.write_all(&header)?;
        file.write_all(&count.to_le_bytes())?;
        let vertices: Vec<Vec3> = self.vertices().collect();
        for triangle in self.triangles() {
            let [a, b, c] = triangle.map(|v| vertices[v as usize]);
            let normal = (b - a).as_dvec3().cross((c - a).as_dvec3()).normalize_or_zero();
            put(file, normal.as_vec3())?;
            [a, b, c].into_iter().try_for_each(|v| put(file, v))?;
            file.write_all(&[0; 2])?;
        }
        Ok(())
    }

    /// The GLB's header and JSON chunk, and the header of the binary chunk.
    fn glb_header(&self) -> Result<Vec<u8>> {
        let mesh = &self.surface.mesh;
        let (points, indices) = (12 * mesh.vertices.len(), 12 * mesh.triangles.len());
        let low = self.vertices().fold(Vec3::INFINITY, Vec3::min);
        let high = self.vertices().fold(Vec3::NEG_INFINITY, Vec3::max);
        // 34962 and 34963: vertex and index buffers; 5126 and 5125: f32 and u32; mode 4: triangles.
        let json = serde_json::json!({
            "asset": { "version": "2.0", "generator": concat!("Hypersine ", env!("CARGO_PKG_VERSION")) },
            "scene": 0,
            "scenes": [{ "nodes": [0] }],
            "nodes": [{ "mesh": 0 }],
            "meshes": [{ "primitives": [{ "attributes": { "POSITION": 0, "NORMAL": 1 }, "indices": 2, "mode": 4 }] }],
            "accessors": [
                { "bufferView": 0, "componentType": 5126, "count": mesh.vertices.len(), "type": "VEC3",
                  "min": low.to_array(), "max": high.to_array() },
                { "bufferView": 1, "componentType": 5126, "count": mesh.vertices.len(), "type": "VEC3" },
                { "bufferView": 2, "componentType": 5125, "count": 3 * mesh.triangles.len(), "type": "SCALAR" },
            ],
            "bufferViews": [
                { "buffer": 0, "byteOffset": 0, "byteLength": points, "target": 34962 },
                { "buffer": 0, "byteOffset": points, "byteLength": points, "target": 34962 },
                { "buffer": 0, "byteOffset": 2 * points, "byteLength": indices, "target": 34963 },
            ],
            "buffers": [{ "byteLength": 2 * points + indices }],
        });
        let mut json = json.to_string().into_bytes();
        json.resize(json.len().next_multiple_of(4), b' ');
        let binary = 2 * points + indices;
        let length = |bytes: usize| {
            u32::try_from(bytes).map_err(|_| {
                Error::invalid("the mesh does not fit the 4 GiB of a GLB: write a PLY, or take fewer cells")
            })
        };
        let mut header = Vec::with_capacity(28 + json.len());
        header.extend(b"glTF");
        header
            .extend([2, length(12 + 8 + json.len() + 8 + binary)?, length(json.len())?].map(u32::to_le_bytes).concat());
        header.extend(b"JSON");
        header.extend(json);
        header.extend(length(binary)?.to_le_bytes());
        header.extend(b"BIN\0");
        Ok(header)
    }

    fn glb(&self, header: &[u8], file: &mut BufWriter<File>) -> Written {
        file.write_all(header)?;
        self.vertices().try_for_each(|v| put(file, v))?;
        self.normals().try_for_each(|n| put(file, n))?;
        self.triangles().flatten().try_for_each(|v| file.write_all(&v.to_le_bytes()))
    }
}

/// Three numbers, little-endian.
fn put(file: &mut BufWriter<File>, v: Vec3) -> Written {
    v.to_array().iter().try_for_each(|c| file.write_all(&c.to_le_bytes()))
}
