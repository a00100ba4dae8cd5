//! Pictures in memory; PNG, JPEG and EXR are read.

use std::path::Path;

use image::DynamicImage;

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
    /// leave no room for it.
    ///
    /// # Errors
    /// Where the file cannot be read or is no picture.
    pub fn load(path: &Path, channels: usize, range: ValueRange) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let image = image::load_from_memory(&bytes)
            .map_err(|e| Error::file(path, format!("not a picture that can be read ({e})")))?;
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
