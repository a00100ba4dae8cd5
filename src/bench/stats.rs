//! What repeated times say: median, spread, an interval, and which of two is faster.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamplings of a bootstrap.
const RESAMPLES: usize = 2000;
/// Share of the resampled medians that lie within the interval.
const CONFIDENCE: f64 = 0.95;
/// The least change that is worth a word, however certain it is: clocks and memory are never twice the same.
const WORTH: f64 = 1.03;

/// Repeated measurements of one thing, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The middle one.
    pub median: f64,
    /// Median of the absolute differences from the median.
    pub mad: f64,
    /// The median's 95 % interval: percentiles of the medians of resampled measurements (Efron 1979).
    pub low: f64,
    /// See [`Summary::low`].
    pub high: f64,
}

impl Summary {
    /// Of at least one sample; the same for the same `seed`.
    pub fn of(samples: &[f64], seed: u64) -> Self {
        let middle = median(samples);
        let away: Vec<f64> = samples.iter().map(|s| (s - middle).abs()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut again = vec![0.0; samples.len()];
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                again.fill_with(|| samples[rng.random_range(0..samples.len())]);
                median(&again)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let tail = (1.0 - CONFIDENCE) / 2.0;
        Self { median: middle, mad: median(&away), low: at(&medians, tail), high: at(&medians, 1.0 - tail) }
    }
}

/// The number at a share of the way through a sorted list.
fn at(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the list's length")]
    let index = (share * (sorted.len() - 1) as f64).round() as usize;
    sorted[index]
}

/// The middle of the samples, or of the two in the middle.
///
/// # Panics
/// Where there are none.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    f64::midpoint(sorted[n / 2], sorted[(n - 1) / 2])
}

/// What became of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Less time, by more than both intervals leave open, and by at least 3 %.
    Faster,
    /// More time, likewise.
    Slower,
    /// Neither can be said.
    Same,
}

impl Verdict {
    /// Of `new` beside `base`.
    pub fn of(new: &Summary, base: &Summary) -> Self {
        if new.high < base.low && new.median * WORTH <= base.median {
            Self::Faster
        } else if new.low > base.high && new.median >= base.median * WORTH {
            Self::Slower
        } else {
            Self::Same
        }
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Same => "same",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_samples_have_known_figures() {
        let of = |samples: &[f64]| Summary::of(samples, 7);
        let odd = of(&[5.0, 1.0, 100.0, 3.0, 4.0]);
        assert_eq!((odd.median, odd.mad), (4.0, 1.0), "differences 1, 3, 96, 1, 0");
        let even = of(&[1.0, 2.0, 4.0, 8.0]);
        assert_eq!((even.median, even.mad), (3.0, 1.5), "differences 2, 1, 1, 5");
        let one = of(&[2.5]);
        assert_eq!((one.median, one.mad, one.low, one.high), (2.5, 0.0, 2.5, 2.5));
        // The median of 9 distinct samples lies, with 95 % confidence, between order statistics 2 and 8 (binomial: 96.1 %).
        let nine: Vec<f64> = (1..=9).map(f64::from).collect();
        let nine = of(&nine);
        assert!((2.0..=3.0).contains(&nine.low) && (7.0..=8.0).contains(&nine.high), "{nine:?}");
        assert_eq!(nine, Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 7), "seeded");
    }

    #[test]
    fn intervals_hold_the_truth_about_as_often_as_they_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let held = (0..400)
            .filter(|&i| {
                // Skewed, as times are: 1 and an exponentially distributed excess, whose median is ln 2.
                let samples: Vec<f64> = (0..15).map(|_| 1.0 - (1.0 - rng.random::<f64>()).ln()).collect();
                let s = Summary::of(&samples, i);
                (s.low..=s.high).contains(&(1.0 + 2.0_f64.ln()))
            })
            .count();
        println!("{held} of 400 intervals of 15 samples hold the median");
        assert!((360..=396).contains(&held), "{held} of 400 at 95 %");
    }

    #[test]
    fn verdicts_follow_the_intervals() {
        let of = |median: f64, low: f64, high: f64| Summary { median, mad: 0.0, low, high };
        let base = of(10.0, 9.5, 10.5);
        assert_eq!(Verdict::of(&of(8.0, 7.5, 8.5), &base), Verdict::Faster);
        assert_eq!(Verdict::of(&of(13.0, 12.0, 14.0), &base), Verdict::Slower);
        assert_eq!(Verdict::of(&of(8.0, 6.0, 9.6), &base), Verdict::Same, "the intervals overlap");
        let sharp = of(10.0, 10.0, 10.0);
        assert_eq!(Verdict::of(&of(10.2, 10.2, 10.2), &sharp), Verdict::Same, "2 % are not worth a word");
    }
}
