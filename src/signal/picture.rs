//! Pictures in memory; PNG, JPEG, WebP, TIFF, EXR and HDR are read.

use std::path::{Path, PathBuf};

use image::DynamicImage;

use super::srgb::linear_to_srgb;
use super::write::{Canvas, Depth, write_rows};
use crate::model::ValueRange;
use crate::{Error, Result};

/// A picture in a model's own values, `[height][width][channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    pub channels: usize,
    /// Row-major, channels interleaved.
    pub values: Vec<f32>,
    /// What black and white are.
    pub range: ValueRange,
}

impl Picture {
    /// Reads a picture as `channels` channels in `range`. Transparency is laid on white where the channels
    /// leave no room for it; files of floats (EXR, HDR) are linear light and get the sRGB curve.
    ///
    /// # Errors
    /// Where the file cannot be read or is no picture.
    pub fn load(path: &Path, channels: usize, range: ValueRange) -> Result<Self> {
        let image = open(path)?;
        let (width, height) = (image.width(), image.height());
        let opaque = || if image.color().has_alpha() { on_white(&image) } else { image.clone() };
        let unit = match channels {
            1 => opaque().to_luma32f().into_raw(),
            2 => image.to_luma_alpha32f().into_raw(),
            3 => opaque().to_rgb32f().into_raw(),
            4 => image.to_rgba32f().into_raw(),
            n => return Err(Error::file(path, format!("a picture has 1 to 4 channels; the model has {n}"))),
        };
        let values = unit.into_iter().map(|u| range.from_unit(u)).collect();
        Ok(Self { width, height, channels, values, range })
    }

    /// How many channels a picture's file has: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. Transparency that is
    /// nowhere used counts as none.
    ///
    /// # Errors
    /// Where the file cannot be read or is no picture.
    pub fn channels_of(path: &Path) -> Result<usize> {
        let image = open(path)?;
        let alpha = image.color().has_alpha() && image.to_rgba32f().pixels().any(|p| p.0[3] < 1.0);
        Ok(if image.color().has_color() { 3 } else { 1 } + usize::from(alpha))
    }

    /// What the picture is, without its pixels.
    pub fn canvas(&self) -> Canvas {
        let &Self { width, height, channels, range, .. } = self;
        Canvas { width, height, channels, range }
    }

    /// Writes the picture, see [`write_rows`].
    ///
    /// # Errors
    /// As [`write_rows`].
    pub fn save(&self, path: &Path, depth: Depth) -> Result<()> {
        write_rows(path, &self.canvas(), depth, |rows| rows(&self.values))
    }
}

/// Endings of the files that are read.
const KNOWN: [&str; 8] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "exr", "hdr"];

/// Whether a file is called as pictures are.
pub fn is_picture(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| KNOWN.contains(&e.to_lowercase().as_str()))
}

/// The picture file itself, or the picture files in a folder, sorted.
///
/// # Errors
/// Where it cannot be read, or a folder has none.
pub fn pictures(path: &Path) -> Result<Vec<PathBuf>> {
    if !std::fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(Error::io("read the folder", path))?;
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).filter(|p| is_picture(p)).collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::file(path, format!("no pictures ({}) in this folder", KNOWN.join(", "))));
    }
    Ok(files)
}

/// Reads and decodes a file, display-referred.
fn open(path: &Path) -> Result<DynamicImage> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let image = image::load_from_memory(&bytes)
        .map_err(|e| Error::file(path, format!("not a picture that can be read ({e})")))?;
    let display = |pixel: &mut [f32]| pixel.iter_mut().take(3).for_each(|c| *c = linear_to_srgb(*c));
    Ok(match image {
        DynamicImage::ImageRgb32F(mut linear) => {
            linear.pixels_mut().for_each(|p| display(&mut p.0));
            linear.into()
        }
        DynamicImage::ImageRgba32F(mut linear) => {
            linear.pixels_mut().for_each(|p| display(&mut p.0));
            linear.into()
        }
        coded => coded,
    })
}

fn on_white(image: &DynamicImage) -> DynamicImage {
    let mut rgba = image.to_rgba32f();
    for pixel in rgba.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        pixel.0 = [r, g, b]
            .map(|c| c * a + 1.0 - a)
            .into_iter()
            .chain([1.0])
            .collect::<Vec<_>>()
            .try_into()
            .expect("three and one are four");
    }
    DynamicImage::ImageRgba32F(rgba)
}
