//! Which strategy is likely to be faster: a time that is linear in the work to be done, with coefficients fitted to
//! measurements on this very device (`hypersine bench crossover`) and kept in the user's cache folder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::measure::Work;
use crate::{Result, cache};

/// The file in the cache folder.
const FILE: &str = "costs.json";

/// What a unit of each kind of work takes on one device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// Seconds per unit.
    pub seconds: Work,
    /// Measured combinations that the fit saw, and that it did not.
    pub fitted: usize,
    /// See [`CostModel::fitted`].
    pub held_out: usize,
    /// Of those it did not see, the share in which the strategy it picks takes at most 1.25 times the better one's time.
    pub within: f64,
}

impl CostModel {
    /// Fits the coefficients to measured seconds: least squares of the relative errors, no coefficient negative.
    pub fn fit(samples: &[(Work, f64)]) -> Self {
        // Relative errors: every row is divided by its time, so that the right-hand side is 1 throughout.
        let rows: Vec<[f64; Work::TERMS]> = samples.iter().map(|(work, t)| work.terms().map(|w| w / t)).collect();
        let squares: [f64; Work::TERMS] = std::array::from_fn(|i| rows.iter().map(|r| r[i] * r[i]).sum());
        let mut x = [0.0; Work::TERMS];
        let mut residual = vec![1.0; rows.len()];
        // Coordinate descent: each step solves for one coefficient exactly and cuts it off at 0.
        for _ in 0..20_000 {
            for i in (0..Work::TERMS).filter(|&i| squares[i] > 0.0) {
                let slope: f64 = rows.iter().zip(&residual).map(|(row, r)| row[i] * r).sum();
                let step = (x[i] + slope / squares[i]).max(0.0) - x[i];
                x[i] += step;
                residual.iter_mut().zip(&rows).for_each(|(r, row)| *r -= step * row[i]);
            }
        }
        Self { seconds: Work::from_terms(x), fitted: samples.len(), held_out: 0, within: 0.0 }
    }

    /// Predicted seconds.
    pub fn predict(&self, work: &Work) -> f64 {
        self.seconds.terms().iter().zip(work.terms()).map(|(s, w)| s * w).sum()
    }

    /// The model fitted to this device; None where it was never measured, or the cache cannot be read.
    pub fn load(device: &str) -> Option<Self> {
        cache::load(FILE, device, "crossover")
    }

    /// Keeps the model for this device; returns the file.
    ///
    /// # Errors
    /// Where there is no cache folder or it cannot be written.
    pub fn store(&self, device: &str) -> Result<PathBuf> {
        cache::store(FILE, device, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_coefficients_it_was_made_from() {
        let truth = Work::from_terms([1e-5, 2e-10, 0.0, 3e-11, 1e-9, 5e-10]);
        let exact = CostModel { seconds: truth, fitted: 0, held_out: 0, within: 0.0 };
        // Work of very different sizes and proportions.
        let samples: Vec<(Work, f64)> = (0..40_u32)
            .map(|i| {
                let work = Work::from_terms(std::array::from_fn(|k| {
                    let k = u32::try_from(k).unwrap();
                    if k == 0 { f64::from(3 + i % 3) } else { f64::from(1 + (i * (7 + 4 * k)) % 31).powi(3) * 1e3 }
                }));
                (work, exact.predict(&work))
            })
            .collect();
        let fit = CostModel::fit(&samples);
        for (work, t) in &samples {
            assert!((fit.predict(work) / t - 1.0).abs() < 0.02, "{} for {t}", fit.predict(work));
        }
        assert!(fit.seconds.terms().iter().all(|&s| s >= 0.0));
    }
}
