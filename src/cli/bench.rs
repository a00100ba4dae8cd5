//! `bench`: the shader benchmark harness.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hypersine::bench::{EvaluateOptions, Row, evaluate};
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
    /// Points of each single-latent case
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
}

impl Bench {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let engines = match &global.device {
            DeviceChoice::Auto if gpu::adapters().is_empty() => vec![Engine::cpu()],
            DeviceChoice::Auto => vec![Engine::open(&DeviceChoice::Gpu)?, Engine::cpu()],
            choice => vec![Engine::open(choice)?],
        };
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
        let rows = match self.suite {
            Suite::Evaluate => evaluate(&engines, &strategies, &options, |row| {
                if table {
                    println!("{}", line(row));
                }
            })?,
        };
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
