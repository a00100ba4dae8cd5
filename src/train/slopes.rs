//! Derivatives of pictures with respect to their coordinates, for Poisson reconstruction, in the scales of SIREN's code
//! (Sitzmann et al. 2020, section 4.1): there Sobel's operator, which sums eight times a pixel's difference, is applied to ten
//! times the picture, and the five-point Laplacian to ten thousand times it. A network that has these derivatives is
//! [`gradient_scale`] or [`laplacian_scale`] times the picture, up to a constant.

use std::sync::Arc;

use crate::engine::{Engine, Strategy};
use crate::model::{Domain, Grid, Model, Source};
use crate::signal::Picture;
use crate::{Error, Result};

/// How many times the picture a network is whose gradients are those of [`gradient`].
pub(super) fn gradient_scale(grid: &Grid) -> f64 {
    80.0 * side(grid)
}

/// How many times the picture a network is whose Laplacian is that of [`laplacian`].
pub(super) fn laplacian_scale(grid: &Grid) -> f64 {
    1e4 * side(grid) * side(grid)
}

/// Divides the values of a single INR by `scale`, then adds to each channel what takes its mean to the picture's.
pub(super) fn integrate(model: &mut Model, picture: &Picture, grid: Grid, scale: f64) -> Result<()> {
    let change = |model: &mut Model, f: &dyn Fn(usize, f32) -> f32| -> Result<()> {
        let heads = &mut Arc::make_mut(&mut model.hypernetwork).heads;
        let Some((Source::Shared(weight), Source::Shared(bias))) =
            heads.last_mut().map(|h| (&mut h.weight, &mut h.bias))
        else {
            return Err(Error::invalid("derivatives are learned by single INRs only"));
        };
        // The last layer is linear: what is done to its biases is done to the values.
        weight.iter_mut().for_each(|w| *w = f(usize::MAX, *w));
        bias.iter_mut().enumerate().for_each(|(channel, b)| *b = f(channel, *b));
        Ok(())
    };
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let factor = (1.0 / scale) as f32;
    change(model, &|_, v| v * factor)?;
    let field = Engine::cpu().load(&Arc::new(model.clone()))?;
    let (values, _) = field.evaluate(&[], &Domain::Grid(grid), Strategy::Auto)?;
    let missing: Vec<f64> = (0..picture.channels)
        .map(|c| {
            let pairs = picture.values.iter().zip(&values).skip(c).step_by(picture.channels);
            pairs.map(|(t, y)| f64::from(*t) - f64::from(*y)).sum::<f64>() / grid.points() as f64
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "biases are f32")]
    change(model, &|channel, v| v + missing.get(channel).map_or(0.0, |&m| m as f32))
}

/// A pixel's side in coordinates; the mean one, where pixels are not square.
fn side(grid: &Grid) -> f64 {
    (grid.step[0] * grid.step[1]).abs().sqrt()
}

/// A picture's values at pixels, of which those beyond its edges are mirrored, edge pixels twice (`reflect` in `scipy.ndimage`).
fn at(picture: &Picture, x: i64, y: i64, channel: usize) -> f64 {
    let mirrored = |i: i64, n: u32| -> usize {
        let last = i64::from(n) - 1;
        let i = if i < 0 { -1 - i } else { i };
        // One pixel beyond at most: a picture of one pixel is its own mirror.
        usize::try_from(if i > last { 2 * last + 1 - i } else { i }.clamp(0, last)).unwrap_or(0)
    };
    let pixel = mirrored(y, picture.height) * picture.width as usize + mirrored(x, picture.width);
    f64::from(picture.values[pixel * picture.channels + channel])
}

/// For every pixel, `[first axis][channels]` then `[second axis][channels]` of the INR's inputs.
pub(super) fn gradient(picture: &Picture, grid: &Grid) -> Picture {
    let scale = gradient_scale(grid);
    let sobel = |x: i64, y: i64, c: usize, [dx, dy]: [i64; 2]| -> f64 {
        // Across the direction 1, 2, 1; along it a difference over two pixels: eight times the slope of a pixel.
        let line = |k: i64| {
            at(picture, x + dx + k * dy, y + dy + k * dx, c) - at(picture, x - dx + k * dy, y - dy + k * dx, c)
        };
        (line(-1) + 2.0 * line(0) + line(1)) / 8.0
    };
    let axes = grid.axes();
    mapped(picture, 2, |x, y, c, column| {
        let axis = axes[column];
        let direction = if axis == 0 { [1, 0] } else { [0, 1] };
        scale * sobel(x, y, c, direction) / grid.step[axis]
    })
}

/// For every pixel, `[channels]`.
pub(super) fn laplacian(picture: &Picture, grid: &Grid) -> Picture {
    let scale = laplacian_scale(grid);
    mapped(picture, 1, |x, y, c, _| {
        let second = |dx: i64, dy: i64| {
            at(picture, x + dx, y + dy, c) + at(picture, x - dx, y - dy, c) - 2.0 * at(picture, x, y, c)
        };
        scale * (second(1, 0) / grid.step[0].powi(2) + second(0, 1) / grid.step[1].powi(2))
    })
}

/// A picture of `columns` times as many channels, whose numbers are `f(x, y, channel, column)`.
fn mapped(picture: &Picture, columns: usize, f: impl Fn(i64, i64, usize, usize) -> f64) -> Picture {
    let (width, height, channels) = (picture.width, picture.height, picture.channels);
    let numbers = (0..i64::from(height)).flat_map(|y| (0..i64::from(width)).map(move |x| (x, y)));
    let numbers = numbers.flat_map(|(x, y)| (0..columns).flat_map(move |k| (0..channels).map(move |c| (x, y, c, k))));
    #[expect(clippy::cast_possible_truncation, reason = "targets are f32")]
    let values = numbers.map(|(x, y, c, k)| f(x, y, c, k) as f32).collect();
    Picture { channels: channels * columns, values, ..picture.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Align, Coordinates, Order, ValueRange};

    /// A picture of two channels, whose values are a parabola of the coordinates.
    fn parabola(grid: &Grid) -> Picture {
        let pixels = (0..grid.height).flat_map(|y| (0..grid.width).map(move |x| (x, y)));
        let value = |(x, y): (u32, u32)| {
            let [x, y] = [grid.origin[0] + f64::from(x) * grid.step[0], grid.origin[1] + f64::from(y) * grid.step[1]];
            #[expect(clippy::cast_possible_truncation, reason = "values are f32")]
            [(x * x - 3.0 * x * y + 0.5 * y) as f32, (2.0 * y * y) as f32]
        };
        let values = pixels.flat_map(value).collect();
        Picture { width: grid.width, height: grid.height, channels: 2, values, range: ValueRange::default() }
    }

    #[test]
    fn derivatives_are_with_respect_to_coordinates() {
        for (order, align) in [(Order::Xy, Align::Centre), (Order::Yx, Align::Corner)] {
            let coordinates = Coordinates { order, align, ..Coordinates::default() };
            let grid = coordinates.grid(24, 16, None).unwrap();
            let picture = parabola(&grid);
            let (slopes, bends) = (gradient(&picture, &grid), laplacian(&picture, &grid));
            let inner = (1..15).flat_map(|y| (1..23).map(move |x| (x, y)));
            let mut worst = 0.0_f64;
            for (x, y) in inner {
                let pixel = y * 24 + x;
                let [px, py] = [grid.origin[0] + x as f64 * grid.step[0], grid.origin[1] + y as f64 * grid.step[1]];
                let along = [[2.0 * px - 3.0 * py, 0.0], [-3.0 * px + 0.5, 4.0 * py]];
                let want = if order == Order::Xy { along } else { [along[1], along[0]] };
                for (got, want) in slopes.values[4 * pixel..].iter().zip(want.as_flattened()) {
                    worst = worst.max((f64::from(*got) / gradient_scale(&grid) - want).abs());
                }
                for (got, want) in bends.values[2 * pixel..].iter().zip([2.0, 4.0]) {
                    worst = worst.max(0.1 * (f64::from(*got) / laplacian_scale(&grid) - want).abs());
                }
            }
            println!("{order:?} {align:?}: {worst:.1e}");
            assert!(worst < 1e-4);
        }
    }

    #[test]
    fn a_pixel_alone_has_no_slope() {
        let grid = Coordinates::default().grid(1, 1, None).unwrap();
        let picture = Picture { width: 1, height: 1, channels: 1, values: vec![0.7], range: ValueRange::default() };
        assert_eq!(gradient(&picture, &grid).values, [0.0, 0.0]);
        assert_eq!(laplacian(&picture, &grid).values, [0.0]);
    }
}
