//! The shader benchmark harness: suites whose every figure is verified against the f64 twin in the same run.

mod crossover;
mod evaluate;

pub use crossover::{Cell, Crossover, CrossoverOptions, crossover};
pub use evaluate::{EvaluateOptions, Row, evaluate};

use crate::cpu::Network;
use crate::model::{Domain, Grid, Model};

/// The rows of a picture that are checked.
fn verify_rows(grid: &Grid) -> [u32; 2] {
    [grid.height / 3, grid.height - 1]
}

/// Largest absolute error of some rows of the first and the last of the pictures `values` (`[latents][points][outputs]`),
/// and what it may be where nothing tighter is promised: ten times the f32 twin's own, plus 1e-6 (DESIGN's numerics).
fn error(model: &Model, z: &[f32], latents: usize, rows: &[u32], grid: &Grid, values: &[f32]) -> (f64, f64) {
    let (dim, outputs, width) = (model.latent_dim(), model.inr.outputs, grid.width as usize);
    let (oracle, twin) = (Network::oracle(model), Network::new(model));
    // A NaN is an error of any size.
    let larger = |worst: f64, error: f64| if error.is_nan() { f64::INFINITY } else { worst.max(error) };
    let (mut worst, mut own) = (0.0, 0.0);
    for latent in [0, latents - 1] {
        let z = &z[latent * dim..][..dim];
        let wide: Vec<f64> = z.iter().map(|&v| v.into()).collect();
        let theta = oracle.materialise(1, &oracle.features(1, &wide));
        let narrow = twin.materialise(1, &twin.features(1, z));
        for &row in rows {
            let mut exact = vec![f64::NAN; width * outputs];
            let mut rounded = vec![f32::NAN; width * outputs];
            let domain = Domain::Grid(grid.rows(row, 1));
            oracle.evaluate(&theta, &domain, &mut exact);
            twin.evaluate(&narrow, &domain, &mut rounded);
            let got = &values[(latent * grid.points() + row as usize * width) * outputs..][..exact.len()];
            for ((&g, e), r) in got.iter().zip(exact).zip(rounded) {
                worst = larger(worst, (f64::from(g) - e).abs());
                own = larger(own, (f64::from(r) - e).abs());
            }
        }
    }
    (worst, 10.0 * own + 1e-6)
}
