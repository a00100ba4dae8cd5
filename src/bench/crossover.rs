//! `bench crossover`: fused against materialised over kinds of head, latents and points per latent; from one half of
//! the cells the device's cost model is fitted, on the other half it is judged.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{error, verify_rows};
use crate::engine::{CostModel, Engine, Field, Strategy};
use crate::measure::Work;
use crate::model::heads::Multiplier;
use crate::model::{Domain, Family, HeadChoice, Inr, WeightChoice};
use crate::{Error, Result};

/// How much to measure.
#[derive(Clone, Debug)]
pub struct CrossoverOptions {
    /// Most points of all latents of a cell together.
    pub points: usize,
    /// Timed repetitions; the fastest counts.
    pub repeats: usize,
    /// Seed of the random families.
    pub seed: u64,
}

/// One cell: both strategies on the same latents and points.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The device in words.
    pub device: String,
    /// Kind of head.
    pub heads: &'static str,
    /// The INR, e.g. 2-64x4-3.
    pub inr: String,
    /// Latents in the batch.
    pub latents: usize,
    /// Points per latent.
    pub points: usize,
    /// Fastest run of each, from latents to values on the host.
    pub materialised_s: f64,
    /// See [`Cell::materialised_s`].
    pub fused_s: f64,
    /// Whether the cost model was fitted to this cell, or is judged by it.
    pub fitted: bool,
    /// What `auto` takes.
    pub auto: &'static str,
    /// The time of what `auto` takes over the better one's.
    pub auto_ratio: f64,
    /// Largest absolute error of both against the f64 twin, on some points of the first and the last latent.
    pub max_error: f64,
    /// Whether it is within ten times the f32 twin's own.
    pub verified: bool,
    #[serde(skip)]
    work: [Work; 2],
}

/// The map of one device and the model that was fitted to it.
#[derive(Clone, Debug, Serialize)]
pub struct Crossover {
    /// Every combination that was measured.
    pub rows: Vec<Cell>,
    /// What `auto` will pick by.
    pub costs: CostModel,
}

/// Heads by name.
const HEADS: [(&str, WeightChoice); 3] = [
    ("linear", WeightChoice::Linear),
    ("rank 8", WeightChoice::LowRank(8, Multiplier::Tanh)),
    ("rank 3, demodulated", WeightChoice::LowRank(3, Multiplier::Demodulated)),
];

/// Measures one device; `progress` hears of each cell as it is done (its choice is not known until all are).
///
/// # Errors
/// Where the device fails.
pub fn crossover(engine: &Engine, options: &CrossoverOptions, mut progress: impl FnMut(&Cell)) -> Result<Crossover> {
    if options.repeats == 0 {
        return Err(Error::invalid("0 repetitions measure nothing; give at least 1"));
    }
    let mut rows = Vec::new();
    for inr in [Inr::siren(2, 32, 3, 3, 30.0), Inr::siren(2, 64, 4, 3, 30.0)] {
        for (heads, weight) in HEADS {
            let most = 512.min(options.points / 16).max(1);
            let family = Family {
                latent_dim: 64,
                features: 64,
                shared_trunk: true,
                latents: most,
                seed: options.seed,
                ..Family::default()
            };
            let model = Arc::new(family.build(inr.clone(), |_| HeadChoice { weight, modulation: None }));
            let field = engine.load(&model)?;
            for (i, latents) in [1, 8, 64, 512].into_iter().enumerate() {
                for (j, side) in [4, 8, 16, 32, 64, 128, 256].into_iter().enumerate() {
                    if latents <= most && latents * (side * side) as usize <= options.points {
                        let fitted = (i + j).is_multiple_of(2);
                        let cell = measure(engine, &field, heads, latents, side, fitted, options.repeats)?;
                        progress(&cell);
                        rows.push(cell);
                    }
                }
            }
        }
    }
    let costs = judge(&mut rows);
    Ok(Crossover { rows, costs })
}

/// Times both strategies of one cell, in turns, and checks both.
fn measure(
    engine: &Engine,
    field: &Field,
    heads: &'static str,
    latents: usize,
    side: u32,
    fitted: bool,
    repeats: usize,
) -> Result<Cell> {
    let model = field.model();
    let z = &model.latents.values()[..latents * model.latent_dim()];
    let grid = model.coordinates.grid(side, side, None)?;
    let domain = Domain::Grid(grid);
    let strategies = [Strategy::Materialised, Strategy::Fused];
    let mut best = [f64::INFINITY; 2];
    let (mut max_error, mut verified) = (0.0_f64, true);
    for strategy in strategies {
        // The first run warms up: pipelines are made, slices learn their size.
        let (values, _) = field.evaluate(z, &domain, strategy)?;
        let (error, bound) = error(model, z, latents, &verify_rows(&grid), &grid, &values);
        max_error = max_error.max(error);
        verified &= error <= bound;
    }
    for _ in 0..repeats {
        for (best, strategy) in best.iter_mut().zip(strategies) {
            let started = Instant::now();
            field.evaluate(z, &domain, strategy)?;
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    let points = grid.points();
    Ok(Cell {
        device: engine.describe(),
        heads,
        inr: model.inr.to_string(),
        latents,
        points,
        materialised_s: best[0],
        fused_s: best[1],
        fitted,
        auto: "",
        auto_ratio: 0.0,
        max_error,
        verified,
        work: [false, true].map(|fused| field.work(latents, points, fused)),
    })
}

/// Fits the cost model to one half of the cells and judges it by the other.
fn judge(rows: &mut [Cell]) -> CostModel {
    let samples: Vec<(Work, f64)> = (rows.iter().filter(|c| c.fitted))
        .flat_map(|c| [(c.work[0], c.materialised_s), (c.work[1], c.fused_s)])
        .collect();
    let mut costs = CostModel::fit(&samples);
    for cell in rows.iter_mut() {
        let [materialised, fused] = cell.work.each_ref().map(|w| costs.predict(w));
        let (auto, taken) =
            if fused < materialised { ("fused", cell.fused_s) } else { ("materialized", cell.materialised_s) };
        (cell.auto, cell.auto_ratio) = (auto, taken / cell.materialised_s.min(cell.fused_s));
    }
    let held_out: Vec<&Cell> = rows.iter().filter(|c| !c.fitted).collect();
    costs.held_out = held_out.len();
    costs.within = held_out.iter().filter(|c| c.auto_ratio <= 1.25).count() as f64 / held_out.len().max(1) as f64;
    costs
}
