//! Wavefront OBJ: `v` and `f` lines. Textures, normals, materials, lines and curves are read over.

use glam::Vec3;

use super::text::{fan, lines, short, three};
use crate::signal::shape::Mesh;
use crate::{Error, Result};

pub(super) fn parse(bytes: &[u8]) -> Result<Mesh> {
    let text = String::from_utf8_lossy(bytes);
    let (mut vertices, mut triangles, mut corners) = (Vec::<Vec3>::new(), Vec::new(), Vec::new());
    for (at, line) in lines(&text) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("v") => vertices.push(three(&mut words, at)?),
            Some("f") => {
                corners.clear();
                for word in words {
                    corners.push(corner(word, vertices.len()).ok_or_else(|| {
                        Error::invalid(format!("line {at}: '{}' is not the number of a vertex", short(word)))
                    })?);
                }
                triangles.extend(fan(&corners));
            }
            _ => {}
        }
    }
    Mesh::new(vertices, triangles)
}

/// The vertex of `v`, `v/vt`, `v//vn` or `v/vt/vn`, from 0; numbers count from 1, or back from the last one so far.
fn corner(word: &str, so_far: usize) -> Option<u32> {
    let number: i64 = word.split('/').next()?.parse().ok()?;
    let back = || number.checked_add(i64::try_from(so_far).ok()?);
    let from_zero = if number < 0 { back()? } else { number - 1 };
    u32::try_from(from_zero).ok()
}
