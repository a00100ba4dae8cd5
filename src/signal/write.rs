//! Picture files, PNG and EXR, written row by row: memory does not grow with the picture.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use exr::block::writer::ChunksWriter;
use exr::block::{BlockIndex, UncompressedBlock, chunk::Chunk};
use exr::meta::attribute::{ChannelDescription, LineOrder, SampleType};
use exr::meta::header::Header;
use exr::meta::{BlockDescription, Headers};
use exr::prelude::{Compression, Vec2};
use image::ImageFormat;
use rayon::prelude::*;

use super::srgb::srgb_to_linear;
use crate::model::ValueRange;
use crate::output::write_atomically;
use crate::{Error, Result};

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

/// What a picture is, without its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canvas {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    pub channels: usize,
    /// What black and white are.
    pub range: ValueRange,
}

impl Canvas {
    /// Numbers in a row.
    pub fn row(&self) -> usize {
        self.width as usize * self.channels
    }
}

/// Takes the next rows of a picture, `[rows][width][channels]`, from the top down.
pub type Rows<'a> = dyn FnMut(&[f32]) -> Result<()> + 'a;

/// Writes a PNG (display-referred, clipped, of that depth) or an EXR of 32-bit floats (linear light, the sRGB curve
/// undone, not clipped), by the file's ending. `produce` hands over all rows, as many at a time as it likes; what it
/// returns is returned when the file is complete.
///
/// # Errors
/// Where the ending is another, the canvas is no picture, the file cannot be written, or `produce` fails.
///
/// # Panics
/// Where rows are missing or there are too many.
pub fn write_rows<T>(
    path: &Path,
    canvas: &Canvas,
    depth: Depth,
    produce: impl FnOnce(&mut Rows<'_>) -> Result<T>,
) -> Result<T> {
    let format = picture_format(path)?;
    let mut missing = canvas.row() * canvas.height as usize;
    let counted = |rows: &mut Rows<'_>| {
        let done = produce(&mut |values| {
            assert!(
                values.len().is_multiple_of(canvas.row()) && values.len() <= missing,
                "{} numbers are no rows of the picture",
                values.len()
            );
            missing -= values.len();
            rows(values)
        })?;
        assert_eq!(missing, 0, "rows of the picture are missing");
        Ok(done)
    };
    write_atomically(path, |file| match format {
        ImageFormat::OpenExr => write_exr(path, file, canvas, counted),
        _ => write_png(path, file, canvas, depth, counted),
    })
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

pub(super) fn no_picture(channels: usize) -> Error {
    Error::invalid(format!("{channels} channels are no picture: 1 to 4 can be written"))
}

fn write_png<T>(
    path: &Path,
    file: &mut BufWriter<File>,
    canvas: &Canvas,
    depth: Depth,
    produce: impl FnOnce(&mut Rows<'_>) -> Result<T>,
) -> Result<T> {
    let broken = |e: png::EncodingError| match e {
        png::EncodingError::IoError(e) => Error::io("write", path)(e),
        e => Error::file(path, format!("the PNG cannot be encoded ({e})")),
    };
    let mut encoder = png::Encoder::new(file, canvas.width, canvas.height);
    encoder.set_color(match canvas.channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        4 => png::ColorType::Rgba,
        n => return Err(no_picture(n)),
    });
    encoder.set_depth(match depth {
        Depth::Eight => png::BitDepth::Eight,
        Depth::Sixteen => png::BitDepth::Sixteen,
    });
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(broken)?;
    let mut stream = writer.stream_writer().map_err(broken)?;
    let done = produce(&mut |values| {
        let bytes: Vec<u8> = match depth {
            Depth::Eight => values.iter().map(|&v| canvas.range.to_byte(v)).collect(),
            Depth::Sixteen => values.iter().flat_map(|&v| canvas.range.to_code16(v).to_be_bytes()).collect(),
        };
        stream.write_all(&bytes).map_err(Error::io("write", path))
    })?;
    stream.finish().map_err(broken)?;
    Ok(done)
}

fn write_exr<T>(
    path: &Path,
    file: &mut BufWriter<File>,
    canvas: &Canvas,
    produce: impl FnOnce(&mut Rows<'_>) -> Result<T>,
) -> Result<T> {
    // Alphabetical, as the format wants them, and which of the canvas's channels each is.
    let planes: &[(&str, usize)] = match canvas.channels {
        1 => &[("B", 0), ("G", 0), ("R", 0)],
        2 => &[("A", 1), ("B", 0), ("G", 0), ("R", 0)],
        3 => &[("B", 2), ("G", 1), ("R", 0)],
        4 => &[("A", 3), ("B", 2), ("G", 1), ("R", 0)],
        n => return Err(no_picture(n)),
    };
    let (width, height) = (canvas.width as usize, canvas.height as usize);
    let channels = planes.iter().map(|(name, _)| ChannelDescription::named(*name, SampleType::F32)).collect();
    let header = Header::new("".into(), (width, height), channels).with_encoding(
        Compression::ZIP16,
        BlockDescription::ScanLines,
        LineOrder::Increasing,
    );
    let lines = Compression::ZIP16.scan_lines_per_block();
    // The first row that is not written yet, and the rows from there on as far as they have come.
    let (mut written, mut waiting) = (0, Vec::new());
    let mut done = None;
    let result = exr::block::write(file, Headers::from_iter([header]), true, |meta, writer| {
        let outcome = produce(&mut |values| {
            waiting.extend_from_slice(values);
            let rows = waiting.len() / canvas.row();
            let complete = if written + rows == height { rows } else { rows / lines * lines };
            let block = |(i, values): (usize, &[f32])| -> exr::error::Result<Chunk> {
                let linear = |pixel: &[f32], (name, c): (&str, usize)| {
                    let unit = canvas.range.unit(pixel[c]);
                    if name == "A" { unit } else { srgb_to_linear(unit) }
                };
                let data = (values.chunks_exact(canvas.row()))
                    .flat_map(|row| planes.iter().map(move |plane| (row, *plane)))
                    .flat_map(|(row, plane)| row.chunks_exact(canvas.channels).map(move |pixel| linear(pixel, plane)))
                    .flat_map(f32::to_ne_bytes)
                    .collect();
                let index = BlockIndex {
                    layer: 0,
                    pixel_position: Vec2(0, written + i * lines),
                    pixel_size: Vec2(width, values.len() / canvas.row()),
                    level: Vec2(0, 0),
                };
                UncompressedBlock { index, data }.compress_to_chunk(&meta.headers)
            };
            let broken = |e| exr_error(path, e);
            let chunks: Vec<Chunk> = (waiting[..complete * canvas.row()].par_chunks(lines * canvas.row()).enumerate())
                .map(block)
                .collect::<exr::error::Result<_>>()
                .map_err(broken)?;
            for (i, chunk) in chunks.into_iter().enumerate() {
                writer.write_chunk(written / lines + i, chunk).map_err(broken)?;
            }
            waiting.drain(..complete * canvas.row());
            written += complete;
            Ok(())
        });
        let stop = outcome.is_err();
        done = Some(outcome);
        if stop { Err(exr::error::Error::Aborted) } else { Ok(()) }
    });
    match done {
        Some(Ok(value)) => result.map(|()| value).map_err(|e| exr_error(path, e)),
        Some(Err(e)) => Err(e),
        None => Err(exr_error(path, result.err().unwrap_or(exr::error::Error::Aborted))),
    }
}

fn exr_error(path: &Path, error: exr::error::Error) -> Error {
    match error {
        exr::error::Error::Io(e) => Error::io("write", path)(e),
        e => Error::file(path, format!("the EXR cannot be encoded ({e})")),
    }
}
