//! Photographs of the window, and what is compared of them.

use image::{Rgb, RgbImage};

/// The part of the window's width that the panel has, at the right.
pub(crate) const PANEL: u32 = 250;
/// Side of the signals that pictures are compared with.
pub(crate) const TRUTH: u32 = 64;

/// The part of the window that the panel leaves.
pub(crate) fn canvas(window: &RgbImage) -> RgbImage {
    image::imageops::crop_imm(window, 0, 0, window.width() - PANEL, window.height()).to_image()
}

pub(crate) fn distance(a: Rgb<u8>, b: Rgb<u8>) -> u8 {
    a.0.iter().zip(b.0).map(|(a, b)| a.abs_diff(b)).max().unwrap()
}

/// Largest difference between `expected` and what is in the middle of the canvas: a command covers either all of the
/// canvas, or a fitted picture.
pub(crate) fn difference(window: &RgbImage, expected: &RgbImage) -> u8 {
    let canvas = canvas(window);
    let (left, top) = ((canvas.width() - expected.width()) / 2, (canvas.height() - expected.height()) / 2);
    let differs = |(x, y, p): (u32, u32, &Rgb<u8>)| distance(*p, *canvas.get_pixel(left + x, top + y));
    expected.enumerate_pixels().map(differs).max().unwrap()
}

/// Share of the canvas' pixels that differ visibly.
pub(crate) fn changed(a: &RgbImage, b: &RgbImage) -> f64 {
    let (a, b) = (canvas(a), canvas(b));
    let count = a.pixels().zip(b.pixels()).filter(|(p, q)| distance(**p, **q) > 8).count();
    count as f64 / f64::from(a.width() * a.height())
}

/// The signal at every pixel of a canvas on which all of it is seen; None beside it.
pub(crate) fn on_canvas(truth: &RgbImage, [width, height]: [u32; 2]) -> impl Fn(u32, u32) -> Option<Rgb<u8>> {
    let (w, h) = (f64::from(width), f64::from(height));
    // A fitted picture fills 94 % of the shorter side.
    let side = 0.94 * w.min(h);
    move |x, y| {
        let at = |i: u32, length: f64| ((f64::from(i) + 0.5 - length / 2.0) / side + 0.5) * f64::from(TRUTH);
        let (x, y) = (at(x, w).floor(), at(y, h).floor());
        let inside = |i: f64| (0.0..f64::from(TRUTH)).contains(&i);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of the signal")]
        (inside(x) && inside(y)).then(|| *truth.get_pixel(x as u32, y as u32))
    }
}

/// Share of the signal's pixels on the canvas, of those that `these` names, that are as `expected` says. (On the borders of
/// the signal's own pixels either of two is right.)
pub(crate) fn agreement(
    window: &RgbImage,
    truth: &RgbImage,
    these: impl Fn(u32) -> bool,
    expected: impl Fn(u32, u32, Rgb<u8>) -> Rgb<u8>,
) -> f64 {
    let canvas = canvas(window);
    let signal = on_canvas(truth, [canvas.width(), canvas.height()]);
    let (mut right, mut all) = (0, 0);
    for (x, y, pixel) in canvas.enumerate_pixels().filter(|(x, ..)| these(*x)) {
        if let Some(t) = signal(x, y) {
            all += 1;
            right += u32::from(distance(*pixel, expected(x, y, t)) <= 2);
        }
    }
    f64::from(right) / f64::from(all)
}
