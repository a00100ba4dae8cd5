//! OFF (Geomview): counts, vertices, polygons. Colours and normals behind a vertex are read over.

use super::text::{fan, lines, number, three};
use crate::signal::shape::Mesh;
use crate::{Error, Result};

pub(super) fn parse(bytes: &[u8]) -> Result<Mesh> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = lines(&text);
    let (mut at, first) = lines.next().ok_or_else(|| Error::invalid("the file is empty"))?;
    // COFF, NOFF and the like have more behind the coordinates; 4OFF and nOFF are of other dimensions.
    let (kind, mut counts) = first.split_once("OFF").unwrap_or(("?", ""));
    if !kind.chars().all(|c| "STCN".contains(c)) {
        return Err(Error::invalid("this is no OFF file of three dimensions: it should start with OFF"));
    }
    // ModelNet's files have the counts on the first line, without a space.
    if counts.is_empty() {
        (at, counts) = lines.next().ok_or_else(|| Error::invalid("the file ends before the counts"))?;
    }
    let words = &mut counts.split_ascii_whitespace();
    let [there, faces]: [u64; 2] = [number(words, at)?, number(words, at)?];
    let mut next = |what: &str, i: u64, of: u64| {
        lines.next().ok_or_else(|| Error::invalid(format!("the file promises {of} {what}, but ends after {i}")))
    };
    let (mut vertices, mut triangles, mut corners) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..there {
        let (at, line) = next("vertices", i, there)?;
        vertices.push(three(&mut line.split_ascii_whitespace(), at)?);
    }
    for i in 0..faces {
        let (at, line) = next("faces", i, faces)?;
        let words = &mut line.split_ascii_whitespace();
        corners.clear();
        for _ in 0..number::<u32>(words, at)? {
            corners.push(number(words, at)?);
        }
        triangles.extend(fan(&corners));
    }
    Mesh::new(vertices, triangles)
}
