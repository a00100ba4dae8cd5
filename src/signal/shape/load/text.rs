//! What the text formats share.

use std::str::FromStr;

use crate::{Error, Result};

/// The lines that hold something, with their numbers from 1; what follows a `#` is left out.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.split('#').next().unwrap_or_default().trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

/// The next word of a line as a number.
pub(super) fn number<T: FromStr>(words: &mut dyn Iterator<Item = &str>, line: usize) -> Result<T> {
    let word = words.next().ok_or_else(|| Error::invalid(format!("line {line} ends where a number should stand")))?;
    word.parse().map_err(|_| {
        Error::invalid(format!("line {line}: '{}' is not such a number as should stand here", short(word)))
    })
}

/// Three of them.
pub(super) fn three(words: &mut dyn Iterator<Item = &str>, line: usize) -> Result<glam::Vec3> {
    Ok(glam::Vec3::new(number(words, line)?, number(words, line)?, number(words, line)?))
}

/// The start of a word that is to be printed.
pub(super) fn short(word: &str) -> String {
    word.chars().take(32).collect()
}

/// A polygon as triangles around its first corner; none for fewer than three corners.
pub(super) fn fan(corners: &[u32]) -> impl Iterator<Item = [u32; 3]> {
    let first = corners.first().copied().unwrap_or_default();
    corners.windows(2).skip(1).map(move |pair| [first, pair[0], pair[1]])
}
