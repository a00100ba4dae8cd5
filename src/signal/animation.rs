//! Animations: GIF files, written frame by frame.

use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, ImageError, RgbaImage};

use super::write::{Canvas, Rows, no_picture};
use crate::model::ValueRange;
use crate::output::write_atomically;
use crate::{Error, Result};

/// Pixels of a frame from which its 256 colours are chosen, if it has so many; of a large frame every tenth is.
const LOOKED_AT: u32 = 1 << 14;
/// Most frames a second: players slow down what is meant to be faster.
const MAX_FPS: u32 = 50;

/// Writes a GIF that plays over and over, display-referred, clipped; transparency is laid on white. `produce` hands over
/// whole pictures, `[height][width][channels]`; what it returns is returned when the file is complete.
///
/// A GIF counts hundredths of a second: where `fps` is not among their rates, frames last a little more or less, and
/// the rate is right on the whole.
///
/// # Errors
/// Where the canvas is no picture or has a side of more than 65,535 pixels, `fps` is not 1 to 50, the file cannot be
/// written, there are no frames, or `produce` fails.
///
/// # Panics
/// Where a picture is not of the canvas's size.
pub fn write_gif<T>(
    path: &Path,
    canvas: &Canvas,
    fps: u32,
    produce: impl FnOnce(&mut Rows<'_>) -> Result<T>,
) -> Result<T> {
    let &Canvas { width, height, channels, .. } = canvas;
    if width.max(height) > u32::from(u16::MAX) {
        return Err(Error::invalid(format!("a GIF of {width}x{height} pixels: 65535 a side are possible")));
    }
    if !(1..=MAX_FPS).contains(&fps) {
        return Err(Error::invalid(format!("{fps} frames a second: 1 to {MAX_FPS} can be played")));
    }
    if !(1..=4).contains(&channels) {
        return Err(no_picture(channels));
    }
    let broken = |e: ImageError| match e {
        ImageError::IoError(e) => Error::io("write", path)(e),
        e => Error::file(path, format!("the GIF cannot be encoded ({e})")),
    };
    write_atomically(path, |file| {
        // At speed n the encoder looks at every n-th pixel.
        let speed = (width * height / LOOKED_AT).clamp(1, 10).cast_signed();
        let mut encoder = GifEncoder::new_with_speed(file, speed);
        encoder.set_repeat(Repeat::Infinite).map_err(broken)?;
        let mut frames = 0;
        let done = produce(&mut |values| {
            let picture = RgbaImage::from_raw(width, height, rgba(canvas, values));
            let picture = picture.filter(|_| values.len() == canvas.row() * height as usize);
            let picture = picture.unwrap_or_else(|| panic!("{} numbers are no {width}x{height} picture", values.len()));
            // Hundredths since the start, so that roundings do not add up.
            let until = |frame: u32| (100 * frame + fps / 2) / fps;
            let delay = Delay::from_numer_denom_ms(10 * (until(frames + 1) - until(frames)), 1);
            frames += 1;
            encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).map_err(broken)
        })?;
        if frames == 0 {
            return Err(Error::file(path, "an animation without a frame cannot be written"));
        }
        Ok(done)
    })
}

/// A picture's display codes, opaque: transparency is laid on white.
fn rgba(canvas: &Canvas, values: &[f32]) -> Vec<u8> {
    const UNIT: ValueRange = ValueRange { low: 0.0, high: 1.0 };
    let unit = |v: f32| canvas.range.unit(v).clamp(0.0, 1.0);
    // Of grey and alpha, or RGB and alpha, the last is no colour.
    let colours = if canvas.channels.is_multiple_of(2) { canvas.channels - 1 } else { canvas.channels };
    let pixel = |p: &[f32]| -> [u8; 4] {
        let alpha = p.get(colours).map_or(1.0, |&a| unit(a));
        let colour = |c: usize| UNIT.to_byte(unit(p[c.min(colours - 1)]) * alpha + (1.0 - alpha));
        [colour(0), colour(1), colour(2), 255]
    };
    values.chunks_exact(canvas.channels).flat_map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;

    fn written(canvas: &Canvas, fps: u32, frames: &[Vec<f32>]) -> Result<Vec<Frame>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        write_gif(&path, canvas, fps, |frame| frames.iter().try_for_each(|values| frame(values)))?;
        let decoder = GifDecoder::new(std::io::Cursor::new(std::fs::read(&path).unwrap())).unwrap();
        Ok(decoder.into_frames().collect_frames().unwrap())
    }

    #[test]
    fn frames_come_back_in_time_and_colour() {
        let range = ValueRange { low: -1.0, high: 1.0 };
        for (channels, pixel, want) in [
            (1, &[1.0][..], [255; 3]),
            (2, &[-1.0, 0.0], [128; 3]),
            (3, &[1.0, -1.0, 7.0], [255, 0, 255]),
            (4, &[1.0, -1.0, -1.0, -1.0], [255; 3]),
        ] {
            let canvas = Canvas { width: 3, height: 2, channels, range };
            let frames = written(&canvas, 30, &vec![pixel.repeat(6); 6]).unwrap();
            assert_eq!(frames.len(), 6);
            assert!(
                frames.iter().all(|f| f.buffer().pixels().all(|p| p.0[..3] == want && p.0[3] == 255)),
                "{channels}"
            );
            let lasting = |f: &Frame| f.delay().numer_denom_ms().0 / f.delay().numer_denom_ms().1;
            assert_eq!(frames.iter().map(lasting).sum::<u32>(), 200, "six thirtieths of a second");
        }
    }

    #[test]
    fn what_is_no_animation_is_refused() {
        let canvas = Canvas { width: 2, height: 2, channels: 3, range: ValueRange::default() };
        let refused = |canvas, fps, frames: &[Vec<f32>]| written(&canvas, fps, frames).err().unwrap().to_string();
        assert!(refused(canvas, 20, &[]).contains("without a frame"));
        assert!(refused(canvas, 0, &[vec![0.0; 12]]).contains("0 frames a second"));
        assert!(refused(Canvas { width: 65_536, ..canvas }, 20, &[]).contains("65535"));
        assert!(refused(Canvas { channels: 5, ..canvas }, 20, &[]).contains("5 channels"));
    }
}
