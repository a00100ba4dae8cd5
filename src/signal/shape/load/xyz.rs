//! XYZ: a point and its normal a line, `x y z nx ny nz`, separated by spaces or commas.

use super::text::{lines, three};
use crate::signal::shape::PointCloud;
use crate::{Error, Result};

pub(super) fn parse(bytes: &[u8]) -> Result<PointCloud> {
    let text = String::from_utf8_lossy(bytes);
    let (mut points, mut normals) = (Vec::new(), Vec::new());
    for (at, line) in lines(&text) {
        let words: Vec<&str> = line.split([' ', '\t', ',', ';']).filter(|w| !w.is_empty()).collect();
        if words.len() == 3 {
            return Err(Error::invalid(format!("line {at}: a point without a normal; give x y z nx ny nz")));
        }
        let words = &mut words.into_iter();
        points.push(three(words, at)?);
        normals.push(three(words, at)?);
    }
    PointCloud::new(points, normals)
}
