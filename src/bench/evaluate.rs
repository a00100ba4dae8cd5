//! `bench evaluate`: points per second of INR evaluation, per device, strategy and model.
//!
//! Every row is verified in the same run: rows of the timed picture are compared with the f64 twin.

use std::sync::Arc;

use serde::Serialize;

use super::{error, verify_rows};
use crate::engine::{Engine, Strategy};
use crate::measure::Clock;
use crate::model::heads::Multiplier;
use crate::model::{Domain, Family, Grid, HeadChoice, Inr, Model, WeightChoice, builtin};
use crate::{Error, Result};

/// How much to measure.
#[derive(Clone, Debug)]
pub struct EvaluateOptions {
    /// Points of each single-latent case, rounded to a square picture.
    pub points: usize,
    /// Timed repetitions; the median is reported.
    pub repeats: usize,
    /// Seed of the random SIRENs.
    pub seed: u64,
}

/// One measured combination.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The device in words.
    pub device: String,
    /// `fused` or `materialized`.
    pub strategy: &'static str,
    /// `emoji`, `siren`, or `rank 8`: a family of low-rank heads.
    pub model: &'static str,
    /// The INR, e.g. 2-64x4-3.
    pub inr: String,
    /// Latents in the batch; 1 for a single SIREN.
    pub latents: usize,
    /// Points per latent.
    pub points: usize,
    /// Median seconds of generation per run.
    pub generate_s: f64,
    /// Median seconds of evaluation per run.
    pub evaluate_s: f64,
    /// Which clock these are of.
    pub clock: Clock,
    /// Points of all latents per second of evaluation.
    pub points_per_s: f64,
    /// Billions of multiplications and additions of the INR per second; generation inside a fused
    /// kernel is not counted as work, only as time.
    pub gflops: f64,
    /// Largest absolute error against the f64 twin on the checked rows.
    pub max_error: f64,
    /// What it may be (DESIGN's numerics).
    pub bound: f64,
    /// Whether it is within the bound.
    pub verified: bool,
}

/// A model and a batch to evaluate.
struct Case {
    name: &'static str,
    model: Arc<Model>,
    latents: usize,
    side: u32,
    bound: f64,
}

fn cases(options: &EvaluateOptions) -> Result<Vec<Case>> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the root of a count of points; checked by the grid"
    )]
    let side = (options.points as f64).sqrt().round() as u32;
    let emoji = Arc::new(builtin("emoji")?);
    let siren = |width| Case {
        name: "siren",
        model: Arc::new(Model::random_siren(Inr::siren(2, width, 4, 3, 30.0), options.seed)),
        latents: 1,
        side,
        bound: 2e-6,
    };
    let low_rank = HeadChoice { weight: WeightChoice::LowRank(8, Multiplier::Tanh), modulation: None };
    let family = Family {
        latent_dim: 64,
        features: 64,
        shared_trunk: true,
        latents: 64,
        seed: options.seed,
        ..Family::default()
    };
    let low_rank = Arc::new(family.build(Inr::siren(2, 64, 4, 3, 30.0), |_| low_rank));
    Ok(vec![
        Case { name: "rank 8", model: Arc::clone(&low_rank), latents: 1, side, bound: 3e-5 },
        Case { name: "rank 8", model: low_rank, latents: 64, side: 32, bound: 3e-5 },
        Case { name: "emoji", model: Arc::clone(&emoji), latents: 1, side, bound: 3e-5 },
        Case { name: "emoji", model: emoji, latents: 64, side: 32, bound: 3e-5 },
        siren(64),
        siren(128),
        siren(256),
    ])
}

/// Runs the suite on every engine; `progress` hears of each row as it is done.
///
/// # Errors
/// Where a device fails.
pub fn evaluate(
    engines: &[Engine],
    strategies: &[Strategy],
    options: &EvaluateOptions,
    mut progress: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    if options.repeats == 0 {
        return Err(Error::invalid("0 repetitions measure nothing; give at least 1"));
    }
    let mut rows = Vec::new();
    for case in cases(options)? {
        let grid = case.model.coordinates.grid(case.side, case.side, None)?;
        for engine in engines {
            for &strategy in strategies {
                // A single SIREN generates nothing: there is only one way to evaluate it.
                if case.model.latent_dim() == 0 && strategy == Strategy::Fused {
                    continue;
                }
                let row = measure(&case, engine, strategy, &grid, options.repeats)?;
                progress(&row);
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

fn measure(case: &Case, engine: &Engine, strategy: Strategy, grid: &Grid, repeats: usize) -> Result<Row> {
    let field = engine.load(&case.model)?;
    let dim = case.model.latent_dim();
    let z = &case.model.latents.values()[..case.latents * dim];
    let domain = Domain::Grid(*grid);
    // The first run warms up: pipelines are made, caches filled, slices learn their size.
    let (values, mut report) = field.evaluate(z, &domain, strategy)?;
    let mut generate = Vec::new();
    let mut evaluate = Vec::new();
    for _ in 0..repeats {
        report = field.evaluate(z, &domain, strategy)?.1;
        generate.push(report.timings.generate_s);
        evaluate.push(report.timings.evaluate_s);
    }
    let (max_error, _) = error(&case.model, z, case.latents, &verify_rows(grid), grid, &values);
    let points = grid.points();
    let evaluate_s = median(&mut evaluate);
    let points_per_s = (points * case.latents) as f64 / evaluate_s;
    Ok(Row {
        device: engine.describe(),
        strategy: report.strategy,
        model: case.name,
        inr: case.model.inr.to_string(),
        latents: case.latents,
        points,
        generate_s: median(&mut generate),
        evaluate_s,
        clock: report.timings.clock,
        points_per_s,
        gflops: 2.0 * case.model.inr.macs_per_point() as f64 * points_per_s * 1e-9,
        max_error,
        bound: case.bound,
        verified: max_error <= case.bound,
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    f64::midpoint(values[n / 2], values[(n - 1) / 2])
}
