//! Batches that look where the error is: pixels drawn in proportion to what the model was last wrong by.

use std::sync::atomic::{AtomicU32, Ordering};

use rand::{Rng, RngExt};

/// Most cells of a picture: 256 KiB of estimates, and no more numbers than pixels.
const CELLS: usize = 1 << 16;
/// Part of the draws that are uniform, so that no pixel is forgotten, and no weight is above 1 / UNIFORM.
const UNIFORM: f64 = 0.5;
/// Part of an estimate that a new error replaces.
const NEW: f32 = 0.5;
/// Smallest estimate: a picture that is fitted exactly still has a distribution to draw from.
const FLOOR: f32 = 1e-6;

/// Running estimates of a picture's errors, `|y - t|` averaged over the channels, one for each cell of consecutive pixels:
/// one pixel, unless there would be more than 65,536 of them.
///
/// A pixel of cell c is drawn with probability `p = 1/2N + e_c / 2 sum(e)` of N pixels, with e summed over pixels, and its loss
/// weighs `1 / N p`. As p depends on earlier steps alone, the mean of weighted losses (and of their gradients) over a step's
/// points has the mean over all pixels as its expectation, as under uniform draws. For squares, p in proportion to
/// `|y - t|` is the one under which the gradient with respect to the outputs varies least (Katharopoulos and Fleuret
/// 2018).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ErrorMap {
    pixels: usize,
    /// Pixels of a cell; the last one may have fewer.
    cell: usize,
    /// One number a cell.
    pub(super) errors: Vec<f32>,
}

/// A pixel that was drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    /// Its index.
    pub(super) pixel: usize,
    /// What its loss weighs.
    pub(super) weight: f32,
}

impl ErrorMap {
    /// A picture of which nothing is known: pixels that were not seen yet count as half the range of values wrong.
    pub(super) fn new(pixels: usize) -> Self {
        let cell = pixels.div_ceil(CELLS).max(1);
        Self { pixels, cell, errors: vec![1.0; pixels.div_ceil(cell)] }
    }

    /// The pixels of cell `c`.
    fn size(&self, c: usize) -> usize {
        self.cell.min(self.pixels - c * self.cell)
    }

    /// Draws `points` pixels, one from each of as many equal parts of the distribution, in the order of the pixels.
    pub(super) fn draw(&self, points: usize, rng: &mut impl Rng, mut each: impl FnMut(Draw)) {
        let sum: f64 = self.errors.iter().enumerate().map(|(c, &e)| self.size(c) as f64 * f64::from(e)).sum();
        let density = |c: usize| UNIFORM / self.pixels as f64 + (1.0 - UNIFORM) * f64::from(self.errors[c]) / sum;
        // Of the cell that the walk is at: probability of all before it, and its own.
        let (mut c, mut before, mut own) = (0, 0.0, density(0) * self.size(0) as f64);
        for k in 0..points {
            let at = (k as f64 + rng.random::<f64>()) / points as f64;
            while at >= before + own && c + 1 < self.errors.len() {
                c += 1;
                before += own;
                own = density(c) * self.size(c) as f64;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the cell")]
            let within = ((at - before).max(0.0) / density(c)) as usize;
            let pixel = c * self.cell + within.min(self.size(c) - 1);
            #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
            let weight = (1.0 / (self.pixels as f64 * density(c))) as f32;
            each(Draw { pixel, weight });
        }
    }

    /// Takes the errors of drawn pixels in.
    pub(super) fn update(&mut self, pixels: &[usize], errors: &[AtomicU32]) {
        for (pixel, error) in pixels.iter().zip(errors) {
            let estimate = &mut self.errors[pixel / self.cell];
            let error = f32::from_bits(error.load(Ordering::Relaxed));
            *estimate = (*estimate + NEW * (error - *estimate)).max(FLOOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A map with errors of many sizes, and a loss for each pixel.
    fn uneven(pixels: usize, cell: usize) -> (ErrorMap, Vec<f64>) {
        let wave = |i: usize| (i as f64 * 0.37).sin().powi(6) + 0.01;
        #[expect(clippy::cast_possible_truncation, reason = "errors are f32")]
        let errors = (0..pixels.div_ceil(cell)).map(|c| wave(c * cell) as f32).collect();
        (ErrorMap { pixels, cell, errors }, (0..pixels).map(|i| wave(i + 1).powi(2)).collect())
    }

    #[test]
    fn weighted_means_are_the_mean_over_all_pixels() {
        for (pixels, cell) in [(1001, 1), (1001, 7), (10, 1), (5, 3)] {
            let (map, losses) = uneven(pixels, cell);
            let exact = losses.iter().sum::<f64>() / pixels as f64;
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let (mut means, mut heaviest) = (Vec::new(), 0.0_f32);
            for _ in 0..4000 {
                let mut sum = 0.0;
                map.draw(16, &mut rng, |Draw { pixel, weight }| {
                    sum += f64::from(weight) * losses[pixel];
                    heaviest = heaviest.max(weight);
                });
                means.push(sum / 16.0);
            }
            let count = means.len() as f64;
            let mean = means.iter().sum::<f64>() / count;
            let error = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / count / count).sqrt();
            println!(
                "{pixels} pixels, cells of {cell}: {mean:.5} +- {error:.5}, exact {exact:.5}; heaviest {heaviest:.3}"
            );
            assert!((mean - exact).abs() < 4.0 * error && heaviest <= 2.0);
        }
    }

    #[test]
    fn errors_attract_draws_and_nothing_known_is_uniform() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut map = ErrorMap::new(100);
        map.draw(100, &mut rng, |Draw { pixel, weight }| {
            assert!(pixel < 100 && (weight - 1.0).abs() < 1e-6);
        });
        // One pixel is wrong by 0.8, the others by nothing: half of all draws are its.
        let all: Vec<usize> = (0..100).collect();
        let error = |i: usize| if i == 42 { 0.8_f32 } else { 0.0 };
        let seen: Vec<AtomicU32> = all.iter().map(|&i| AtomicU32::new(error(i).to_bits())).collect();
        (0..30).for_each(|_| map.update(&all, &seen));
        let mut hits = 0;
        map.draw(10_000, &mut rng, |draw| hits += u32::from(draw.pixel == 42));
        println!("{hits} of 10000 draws");
        assert!((5040..5060).contains(&hits));
        // However large a picture is, its estimates are few.
        assert_eq!(ErrorMap::new(1 << 24).errors.len(), 1 << 16);
    }
}
