//! STL, binary and ASCII: loose triangles.

use glam::Vec3;

use super::text::{lines, three};
use crate::signal::shape::Mesh;
use crate::{Error, Result};

/// Bytes before the first triangle, and of a triangle: a normal, three corners, an attribute.
const HEADER: usize = 84;
const TRIANGLE: usize = 50;

pub(super) fn parse(bytes: &[u8]) -> Result<Mesh> {
    let count = bytes.get(80..HEADER).and_then(|c| c.try_into().ok()).map(u32::from_le_bytes);
    let body = bytes.get(HEADER..).unwrap_or_default();
    let fits = count.is_some_and(|count| count as usize == body.len() / TRIANGLE && body.len() % TRIANGLE == 0);
    // Binary files may start with "solid" too: the length tells.
    let corners = if bytes.trim_ascii_start().starts_with(b"solid") && !fits {
        ascii(&String::from_utf8_lossy(bytes))?
    } else {
        let count = count.ok_or_else(|| Error::invalid("this is no STL file: it is too short for one"))?;
        let there = body.len() / TRIANGLE;
        if (count as usize) > there {
            return Err(Error::invalid(format!("the file promises {count} triangles, but ends after {there}")));
        }
        let corners = body.chunks_exact(TRIANGLE).take(count as usize).flat_map(|t| t[12..48].chunks_exact(12));
        corners.map(place).collect()
    };
    let last = u32::try_from(corners.len()).map_err(|_| Error::invalid("more triangles than can be counted"))?;
    let triangles = (0..last / 3).map(|t| [3 * t, 3 * t + 1, 3 * t + 2]).collect();
    Mesh::new(corners, triangles)
}

fn place(bytes: &[u8]) -> Vec3 {
    let at = |i: usize| f32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
    Vec3::new(at(0), at(4), at(8))
}

/// The corners, three to a triangle.
fn ascii(text: &str) -> Result<Vec<Vec3>> {
    let (mut corners, mut ended, mut last) = (Vec::new(), false, 1);
    for (at, line) in lines(text) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("vertex") => corners.push(three(&mut words, at)?),
            Some("endloop") if corners.len() % 3 != 0 => {
                return Err(Error::invalid(format!("line {at}: a facet that is no triangle")));
            }
            Some("endsolid") => ended = true,
            _ => {}
        }
        last = at;
    }
    if corners.len() % 3 != 0 {
        return Err(Error::invalid(format!("the file ends in the middle of a facet, in line {last}")));
    }
    if !ended {
        return Err(Error::invalid(format!("the file ends without endsolid, in line {last}: it is cut short")));
    }
    Ok(corners)
}
