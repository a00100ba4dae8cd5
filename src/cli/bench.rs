//! `bench`: the shader benchmark harness.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hypersine::bench::{Cell, CrossoverOptions, EvaluateOptions, Row, crossover, evaluate};
use hypersine::engine::{DeviceChoice, Engine, Strategy};
use hypersine::gpu;
use serde_json::json;

use super::Global;

/// Measure the kernels on this machine, every figure verified against the f64 twin
///
/// By default the best adapter and the CPU backend are measured side by side; --device narrows to one.
#[derive(Args)]
pub(super) struct Bench {
    /// What to measure
    #[arg(value_enum, default_value = "evaluate")]
    suite: Suite,
    /// Points of each single-latent case; of crossover: most points of a cell, all its latents together
    #[arg(long, default_value_t = 1 << 16)]
    points: usize,
    /// Timed repetitions, of which the median is taken
    #[arg(long, default_value_t = 3)]
    repeats: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// INR evaluation: points per second
    Evaluate,
    /// Fused against materialized; keeps what `--strategy auto` will pick by in your cache folder
    Crossover,
}

impl Bench {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let engines = match &global.device {
            DeviceChoice::Auto if gpu::adapters().is_empty() => vec![Engine::cpu()],
            DeviceChoice::Auto => vec![Engine::open(&DeviceChoice::Gpu)?, Engine::cpu()],
            choice => vec![Engine::open(choice)?],
        };
        match self.suite {
            Suite::Evaluate => self.evaluate(global, &engines),
            Suite::Crossover => self.crossover(global, &engines),
        }
    }

    fn evaluate(&self, global: &Global, engines: &[Engine]) -> Result<()> {
        let strategies = match global.strategy {
            Strategy::Auto => vec![Strategy::Materialised, Strategy::Fused],
            one => vec![one],
        };
        let options = EvaluateOptions { points: self.points, repeats: self.repeats, seed: global.seed };
        let table = !global.json && !global.quiet;
        if table {
            println!(
                "{:<28} {:<12} {:<6} {:>10} {:>7} {:>8} {:>10} {:>9} {:>8} {:>9}",
                "device",
                "strategy",
                "model",
                "INR",
                "latents",
                "points",
                "generate",
                "Mpoints/s",
                "GFLOP/s",
                "max error"
            );
        }
        let rows = evaluate(engines, &strategies, &options, |row| {
            if table {
                println!("{}", line(row));
            }
        })?;
        if global.json {
            println!("{}", json!({"suite": "evaluate", "repeats": self.repeats, "rows": rows}));
        } else if table {
            let devices: Vec<String> = engines.iter().map(Engine::describe).collect();
            println!("times: medians of {}; {}", self.repeats, clocks_of(&rows, &devices));
        }
        if let Some(bad) = rows.iter().find(|r| !r.verified) {
            bail!(
                "{} ({}, {}) is wrong: max error {:.1e}, allowed {:.1e}",
                bad.device,
                bad.inr,
                bad.strategy,
                bad.max_error,
                bad.bound
            );
        }
        Ok(())
    }

    fn crossover(&self, global: &Global, engines: &[Engine]) -> Result<()> {
        let options = CrossoverOptions { points: self.points, repeats: self.repeats, seed: global.seed };
        let table = !global.json && !global.quiet;
        let mut rows = Vec::new();
        let mut costs = Vec::new();
        for engine in engines {
            if table {
                println!("{}", engine.describe());
                println!(
                    "{:<20} {:>10} {:>7} {:>8} {:>13} {:>10} {:>7}",
                    "heads", "INR", "latents", "points", "materialized", "fused", "ratio"
                );
            }
            let map = crossover(engine, &options, |cell| {
                if table {
                    println!("{}", cell_line(cell));
                }
            })?;
            // A wrong kernel's speed is no measurement.
            if let Some(bad) = map.rows.iter().find(|c| !c.verified) {
                bail!(
                    "{} ({}, {}) is wrong: max error {:.1e}; no costs were kept",
                    bad.device,
                    bad.inr,
                    bad.heads,
                    bad.max_error
                );
            }
            let kept = map.costs.store(&engine.describe())?;
            if table {
                println!(
                    "auto, fitted to {} of these times, is within 1.25x of the better strategy in {:.0} % of the {} other cells; kept in {}",
                    map.costs.fitted,
                    map.costs.within * 100.0,
                    map.costs.held_out,
                    kept.display()
                );
            }
            costs.push(json!({"device": engine.describe(), "costs": map.costs}));
            rows.extend(map.rows);
        }
        if global.json {
            println!("{}", json!({"suite": "crossover", "repeats": self.repeats, "rows": rows, "models": costs}));
        }
        Ok(())
    }
}

fn cell_line(cell: &Cell) -> String {
    format!(
        "{:<20} {:>10} {:>7} {:>8} {:>10.2} ms {:>7.2} ms {:>7.2}",
        cell.heads,
        cell.inr,
        cell.latents,
        cell.points,
        cell.materialised_s * 1e3,
        cell.fused_s * 1e3,
        cell.fused_s / cell.materialised_s
    )
}

fn line(row: &Row) -> String {
    let device: String = row.device.chars().take(28).collect();
    format!(
        "{device:<28} {:<12} {:<6} {:>10} {:>7} {:>8} {:>7.2} ms {:>9.3} {:>8.2} {:>9.1e}{}",
        row.strategy,
        row.model,
        row.inr,
        row.latents,
        row.points,
        row.generate_s * 1e3,
        row.points_per_s * 1e-6,
        row.gflops,
        row.max_error,
        if row.verified { "" } else { "  WRONG" }
    )
}

/// Which clock each device was timed by.
fn clocks_of(rows: &[Row], devices: &[String]) -> String {
    let mut parts = Vec::new();
    for device in devices {
        if let Some(row) = rows.iter().find(|r| r.device == *device) {
            let clock =
                serde_json::to_value(row.clock).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            parts.push(format!("{device}: {clock}"));
        }
    }
    parts.join("; ")
}
