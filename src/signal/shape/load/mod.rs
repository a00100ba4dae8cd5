//! Shapes from files. The formats are read here rather than by crates: each takes about a hundred lines, a hostile file
//! gets one sentence instead of a panic, and a number stands where it is wrong.

mod family;
mod gltf;
mod obj;
mod off;
mod ply;
mod stl;
mod text;
mod xyz;

use std::path::Path;

pub use family::{family, is_shape, shape_files};

use glam::Vec3;

use super::{Geometry, Mesh};
use crate::{Error, Result};

/// Endings of the files of one shape.
const KNOWN: [&str; 7] = ["ply", "obj", "stl", "off", "glb", "gltf", "xyz"];

/// Reads a mesh (PLY, OBJ, STL, OFF, GLB, glTF) or an oriented point cloud (PLY without faces, XYZ), by the file's ending.
///
/// Polygons become triangles around their first corner; vertices at the same place become one, as [`Mesh::welded`] says.
/// A closed mesh that is inside out is turned. An open one is taken as it is, with a warning: the winding number closes
/// its holes.
///
/// # Errors
/// Where the file cannot be read, is of another kind, is damaged, or holds nothing that could be a shape.
pub fn geometry(path: &Path) -> Result<Geometry> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let (shape, advice) = parse(&bytes, &ending(path), path.parent()).map_err(|e| e.in_file(path))?;
    if let Some(advice) = advice {
        log::warn!("{}: {advice}", path.display());
    }
    Ok(shape)
}

/// Reads a mesh, see [`geometry`].
///
/// # Errors
/// As [`geometry`], and where the file holds a point cloud.
pub fn mesh(path: &Path) -> Result<Mesh> {
    match geometry(path)? {
        Geometry::Mesh(mesh) => Ok(mesh),
        _ => Err(Error::file(path, "points, where a mesh is needed")),
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Reads a shape from the bytes of a file with that ending, in lower case; `folder` is where its other parts may lie.
/// Also what the user should know of the shape.
fn parse(bytes: &[u8], ending: &str, folder: Option<&Path>) -> Result<(Geometry, Option<&'static str>)> {
    let shape = match ending {
        "ply" => ply::parse(bytes)?,
        "obj" => Geometry::Mesh(obj::parse(bytes)?),
        "stl" => Geometry::Mesh(stl::parse(bytes)?),
        "off" => Geometry::Mesh(off::parse(bytes)?),
        "glb" | "gltf" => Geometry::Mesh(gltf::parse(bytes, folder)?),
        "xyz" => Geometry::Cloud(xyz::parse(bytes)?),
        _ => return Err(Error::invalid(format!("not a shape that can be read: use {}", KNOWN.join(", ")))),
    };
    match shape {
        Geometry::Mesh(mesh) => solid(mesh.welded()).map(|(mesh, advice)| (Geometry::Mesh(mesh), advice)),
        other => Ok((other, None)),
    }
}

/// Checks that a welded mesh can have an inside, and turns it the right way round.
fn solid(mut mesh: Mesh) -> Result<(Mesh, Option<&'static str>)> {
    if mesh.triangles.is_empty() {
        return Err(Error::invalid("every triangle of the mesh is a line or a point"));
    }
    let [low, high] = mesh.bounds().map(Vec3::as_dvec3);
    if (high - low).min_element() <= 0.0 {
        return Err(Error::invalid(format!("the mesh is flat: it spans {} in x, y and z", high - low)));
    }
    if !mesh.is_closed() {
        return Ok((mesh, Some("the mesh is open: its inside is where its winding number is above 1/2")));
    }
    if mesh.volume() < 0.0 {
        mesh.triangles.iter_mut().for_each(|t| t.swap(1, 2));
        return Ok((mesh, Some("the mesh was inside out: its triangles have been turned")));
    }
    Ok((mesh, None))
}

#[cfg(test)]
mod tests;
