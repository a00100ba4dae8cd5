//! Pictures: PNG, JPEG and EXR in, PNG and EXR out, and contact sheets.

use std::path::Path;

use image::{DynamicImage, ImageEncoder, ImageFormat};

use crate::model::ValueRange;
use crate::{Error, Result, output};

/// Bits per channel of a PNG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Depth {
    /// 256 codes a channel.
    #[default]
    #[value(name = "8")]
    Eight,
    /// 65,536 codes a channel.
    #[value(name = "16")]
    Sixteen,
}

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

    /// Writes a PNG (display-referred, clipped, of that depth) or an EXR of 32-bit floats (linear light, the sRGB
    /// curve undone, not clipped), by the file's ending.
    ///
    /// # Errors
    /// Where the ending is another, or the file cannot be written.
    pub fn save(&self, path: &Path, depth: Depth) -> Result<()> {
        if picture_format(path)? == ImageFormat::OpenExr {
            return self.save_exr(path);
        }
        let bytes: Vec<u8> = match depth {
            Depth::Eight => self.values.iter().map(|&v| self.range.to_byte(v)).collect(),
            // The encoder takes two-byte codes in the machine's own order.
            Depth::Sixteen => self.values.iter().flat_map(|&v| self.range.to_code16(v).to_ne_bytes()).collect(),
        };
        save_png(path, self.width, self.height, self.channels, depth, &bytes)
    }

    fn save_exr(&self, path: &Path) -> Result<()> {
        let (colours, has_alpha) = match self.channels {
            1 => ([0, 0, 0], false),
            2 => ([0, 0, 0], true),
            3 => ([0, 1, 2], false),
            4 => ([0, 1, 2], true),
            n => return Err(no_picture(n)),
        };
        let mut linear = Vec::with_capacity(self.values.len() * 4);
        for pixel in self.values.chunks_exact(self.channels) {
            linear.extend(colours.map(|c| srgb_to_linear(self.range.unit(pixel[c]))));
            if has_alpha {
                linear.push(self.range.unit(pixel[self.channels - 1]));
            }
        }
        let colour = if has_alpha { image::ExtendedColorType::Rgba32F } else { image::ExtendedColorType::Rgb32F };
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::codecs::openexr::OpenExrEncoder::new(&mut bytes)
            .write_image(bytemuck::cast_slice(&linear), self.width, self.height, colour)
            .map_err(|e| Error::file(path, format!("the EXR cannot be encoded ({e})")))?;
        output::write_atomically(path, |file| std::io::Write::write_all(file, bytes.get_ref()))
    }
}

/// Checks that a picture can be written under this name, before any work is done.
///
/// # Errors
/// Where the ending is neither `.png` nor `.exr`.
pub fn picture_format(path: &Path) -> Result<ImageFormat> {
    match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
        Some("png") => Ok(ImageFormat::Png),
        Some("exr") => Ok(ImageFormat::OpenExr),
        _ => Err(Error::file(path, "the name must end in .png or .exr, which says what to write")),
    }
}

fn no_picture(channels: usize) -> Error {
    Error::invalid(format!("{channels} channels are no picture: 1 to 4 can be written"))
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

/// The sRGB curve undone (IEC 61966-2-1), continued as an odd function below 0.
fn srgb_to_linear(unit: f32) -> f32 {
    let a = unit.abs();
    let linear = if a <= 0.040_45 { a / 12.92 } else { ((a + 0.055) / 1.055).powf(2.4) };
    linear.copysign(unit)
}

fn save_png(path: &Path, width: u32, height: u32, channels: usize, depth: Depth, bytes: &[u8]) -> Result<()> {
    use image::ExtendedColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    let [eight, sixteen] = match channels {
        1 => [L8, L16],
        2 => [La8, La16],
        3 => [Rgb8, Rgb16],
        4 => [Rgba8, Rgba16],
        n => return Err(no_picture(n)),
    };
    let colour = if depth == Depth::Eight { eight } else { sixteen };
    output::write_atomically(path, |file| {
        image::codecs::png::PngEncoder::new(file)
            .write_image(bytes, width, height, colour)
            .map_err(std::io::Error::other)
    })
}

/// Many small pictures on one, left to right and then down, as 8-bit PNG.
#[derive(Debug)]
pub struct Sheet {
    cell: [u32; 2],
    columns: u32,
    size: [u32; 2],
    channels: usize,
    range: ValueRange,
    bytes: Vec<u8>,
}

impl Sheet {
    /// A sheet for `count` pictures of `width x height`: so many in a row, or as nearly square as whole rows allow.
    ///
    /// # Errors
    /// Where it would be empty, or too large for a PNG.
    pub fn new(
        count: usize,
        columns: Option<usize>,
        width: u32,
        height: u32,
        channels: usize,
        range: ValueRange,
    ) -> Result<Self> {
        let too_large = || {
            Error::invalid(format!(
                "a contact sheet of {count} pictures of {width}x{height} pixels is too large; choose a smaller --size"
            ))
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the root of a count is small; u32 by the check below"
        )]
        let square = (count as f64 * f64::from(height) / f64::from(width)).sqrt().ceil() as usize;
        let columns = columns.unwrap_or(square).clamp(1, count.max(1));
        let rows = count.div_ceil(columns);
        let side = |n: usize, cell: u32| {
            u32::try_from(n).ok().and_then(|n| n.checked_mul(cell)).filter(|&s| s > 0 && s <= 1 << 16)
        };
        let size = [side(columns, width).ok_or_else(too_large)?, side(rows, height).ok_or_else(too_large)?];
        let bytes = (size[0] as usize)
            .checked_mul(size[1] as usize)
            .and_then(|n| n.checked_mul(channels))
            .ok_or_else(too_large)?;
        let columns = u32::try_from(columns).map_err(|_| too_large())?;
        Ok(Self { cell: [width, height], columns, size, channels, range, bytes: vec![255; bytes] })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// Puts picture `index` in its place.
    ///
    /// # Panics
    /// Where there is no such picture on the sheet.
    pub fn put(&mut self, index: usize, values: &[f32]) {
        let [width, height] = self.cell.map(|c| c as usize);
        let (column, row) = (index % self.columns as usize, index / self.columns as usize);
        for (y, line) in values.chunks_exact(width * self.channels).enumerate() {
            let at = ((row * height + y) * self.size[0] as usize + column * width) * self.channels;
            for (to, &v) in self.bytes[at..at + line.len()].iter_mut().zip(line) {
                *to = self.range.to_byte(v);
            }
        }
    }

    /// Writes the sheet as PNG.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        save_png(path, self.size[0], self.size[1], self.channels, Depth::Eight, &self.bytes)
    }
}
