//! Families of shapes: folders, arrays of bodies on one topology, files of molecules.

use std::ops::Range;
use std::path::{Path, PathBuf};

use glam::Vec3;

use super::{KNOWN, ending, geometry, solid};
use crate::signal::shape::molecule;
use crate::signal::shape::{Geometry, Mesh};
use crate::{Error, Result};

/// Whether a file is of shapes by its ending, or a folder has such files and no pictures.
pub fn is_shape(path: &Path) -> bool {
    let (path, _) = &cut(path);
    if path.is_dir() {
        return crate::signal::pictures(path).is_err() && shape_files(path).is_ok();
    }
    let ending = ending(path);
    KNOWN.contains(&ending.as_str()) || ["npz", "json"].contains(&ending.as_str())
}

/// The shape file itself, or the shape files in a folder, sorted.
///
/// # Errors
/// Where the folder cannot be read or has none.
pub fn shape_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(Error::io("read the folder", path))?;
    let files = entries.iter().map(std::fs::DirEntry::path).filter(|p| KNOWN.contains(&ending(p).as_str()));
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::file(path, format!("no shapes ({}) in this folder", KNOWN.join(", "))));
    }
    Ok(files)
}

/// The two parts of `PATH#A..B`, where a path is followed by which shapes of it are meant, counted from 0; a file whose own
/// name ends like that is none of a family.
fn cut(path: &Path) -> (PathBuf, Option<Range<usize>>) {
    let split = path.to_str().and_then(|text| {
        let (file, range) = text.rsplit_once('#')?;
        let (from, to) = range.split_once("..")?;
        Some((PathBuf::from(file), from.parse().ok()?..to.parse().ok()?))
    });
    split.map_or_else(|| (path.to_owned(), None), |(file, range)| (file, Some(range)))
}

/// Named shapes, of which `PATH#A..B` names those from the A-th, counted from 0, to the one before the B-th.
///
/// # Errors
/// Where a file cannot be read, is of another kind or has none, or there are not so many.
pub fn family(path: &Path) -> Result<Vec<(String, Geometry)>> {
    let (file, range) = cut(path);
    let mut all = whole(&file)?;
    let Some(range) = range else { return Ok(all) };
    if range.is_empty() || range.end > all.len() {
        return Err(Error::file(&file, format!("{range:?} names no part of its {} shapes", all.len())));
    }
    all.truncate(range.end);
    Ok(all.split_off(range.start))
}

/// Named shapes: those of a folder in the order of their names, those of an `.npz` with the arrays `vertices`
/// `[shapes][vertices][3]` and `faces` `[faces][3]`, the molecules of a `.json`, or the one of any other file. Vertices
/// of an `.npz` are not welded: the same number is the same place on each shape.
///
/// The JSON is `{"radii": {"6": 1.7, ..}, "molecules": [{"name": .., "z": [6, ..], "xyz": [[x, y, z], ..]}, ..]}` with the
/// radii by atomic number, and the atomic number `z` and the place of each atom.
///
/// # Errors
/// Where a file cannot be read, as [`geometry`], or there is none.
fn whole(path: &Path) -> Result<Vec<(String, Geometry)>> {
    let read = || std::fs::read(path).map_err(Error::io("read", path));
    match ending(path).as_str() {
        "npz" if !path.is_dir() => bodies(&read()?).map_err(|e| e.in_file(path)),
        "json" if !path.is_dir() => {
            let molecules = molecule::parse(&read()?).map_err(|e| e.in_file(path))?;
            Ok(molecules.into_iter().map(|(name, m)| (name, Geometry::Molecule(m))).collect())
        }
        _ => {
            let name = |f: &PathBuf| f.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            shape_files(path)?.iter().map(|f| Ok((name(f), geometry(f)?))).collect()
        }
    }
}

/// The meshes of an `.npz`, named by their numbers.
fn bodies(bytes: &[u8]) -> Result<Vec<(String, Geometry)>> {
    let arrays = crate::model::import::arrays(bytes)?;
    let array = |name: &str, axes: usize| {
        let found = arrays.get(name).filter(|a| a.shape.len() == axes && a.shape[axes - 1] == 3);
        found.ok_or_else(|| Error::invalid(format!("there is no array '{name}' of {axes} axes, the last of length 3")))
    };
    let (vertices, faces) = (array("vertices", 3)?, array("faces", 2)?);
    let index = |v: &f64| -> Result<u32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of that range")]
        let whole = (*v >= 0.0 && *v <= f64::from(u32::MAX) && v.fract() == 0.0).then_some(*v as u32);
        whole.ok_or_else(|| Error::invalid(format!("a face names vertex {v}, which is not there")))
    };
    let faces: Vec<u32> = faces.data.iter().map(index).collect::<Result<_>>()?;
    let triangles: Vec<[u32; 3]> = faces.as_chunks::<3>().0.to_vec();
    let [count, each] = [vertices.shape[0], vertices.shape[1]];
    if count == 0 || each == 0 {
        return Err(Error::invalid("there are no shapes in the array 'vertices'"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "coordinates are f32")]
    let places: Vec<Vec3> =
        vertices.data.as_chunks::<3>().0.iter().map(|p| Vec3::from_array(p.map(|c| c as f32))).collect();
    let digits = (count - 1).to_string().len();
    let body = |(i, places): (usize, &[Vec3])| {
        let named = |e: Error| Error::invalid(format!("shape {i}: {e}"));
        let (mesh, _) = Mesh::new(places.to_vec(), triangles.clone()).and_then(solid).map_err(named)?;
        Ok((format!("{i:0digits$}"), Geometry::Mesh(mesh)))
    };
    places.chunks_exact(each).enumerate().map(body).collect()
}
