//! How close two pictures are.

use super::Picture;
use crate::{Error, Result};

fn check(a: &Picture, b: &Picture) -> Result<()> {
    if (a.width, a.height, a.channels) == (b.width, b.height, b.channels) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "pictures of {}x{}x{} and {}x{}x{} cannot be compared",
        a.width, a.height, a.channels, b.width, b.height, b.channels
    )))
}

/// Both pictures' values clipped to the range, as f64.
fn clipped<'a>(a: &'a Picture) -> impl Iterator<Item = f64> + 'a {
    a.values.iter().map(|v| f64::from(v.clamp(a.range.low, a.range.high)))
}

/// Peak signal-to-noise ratio in dB: prediction clipped to the value range, data range its width, nothing
/// quantised. Infinite for equal pictures.
///
/// # Errors
/// Where the shapes differ.
pub fn psnr(prediction: &Picture, truth: &Picture) -> Result<f64> {
    check(prediction, truth)?;
    let peak = f64::from(truth.range.high - truth.range.low);
    let sum: f64 = clipped(prediction).zip(clipped(truth)).map(|(p, t)| (p - t).powi(2)).sum();
    Ok(10.0 * (peak * peak * truth.values.len() as f64 / sum).log10())
}

/// Structural similarity (Wang et al. 2004): Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01,
/// K2 = 0.03, population covariance, mean over channels and over all pixels whose window lies inside.
/// None for pictures smaller than the window.
///
/// # Errors
/// Where the shapes differ.
pub fn ssim(prediction: &Picture, truth: &Picture) -> Result<Option<f64>> {
    check(prediction, truth)?;
    const RADIUS: usize = 5;
    let (width, height) = (truth.width as usize, truth.height as usize);
    if width <= 2 * RADIUS || height <= 2 * RADIUS {
        return Ok(None);
    }
    let window: Vec<f64> =
        (0..=2 * RADIUS).map(|i| (-(i as f64 - RADIUS as f64).powi(2) / (2.0 * 1.5 * 1.5)).exp()).collect();
    let total: f64 = window.iter().sum();
    let window: Vec<f64> = window.iter().map(|w| w / total).collect();
    // A separable filter over the pixels whose window lies inside.
    let blur = |image: &[f64]| -> Vec<f64> {
        let (w, h) = (width - 2 * RADIUS, height - 2 * RADIUS);
        let rows: Vec<f64> = (0..height * w)
            .map(|i| window.iter().enumerate().map(|(d, g)| g * image[i / w * width + i % w + d]).sum())
            .collect();
        (0..h * w).map(|i| window.iter().enumerate().map(|(d, g)| g * rows[(i / w + d) * w + i % w]).sum()).collect()
    };
    let peak = f64::from(truth.range.high - truth.range.low);
    let (c1, c2) = ((0.01 * peak).powi(2), (0.03 * peak).powi(2));
    let mut sum = 0.0;
    let mut count = 0;
    for channel in 0..truth.channels {
        let plane = |p: &Picture| -> Vec<f64> { clipped(p).skip(channel).step_by(p.channels).collect() };
        let (a, b) = (plane(prediction), plane(truth));
        let product = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x * y).collect() };
        let (ma, mb) = (blur(&a), blur(&b));
        let (aa, bb, ab) = (blur(&product(&a, &a)), blur(&product(&b, &b)), blur(&product(&a, &b)));
        for i in 0..ma.len() {
            let (va, vb, cov) = (aa[i] - ma[i] * ma[i], bb[i] - mb[i] * mb[i], ab[i] - ma[i] * mb[i]);
            sum +=
                (2.0 * ma[i] * mb[i] + c1) * (2.0 * cov + c2) / ((ma[i] * ma[i] + mb[i] * mb[i] + c1) * (va + vb + c2));
        }
        count += ma.len();
    }
    Ok(Some(sum / f64::from(u32::try_from(count).unwrap_or(u32::MAX))))
}
