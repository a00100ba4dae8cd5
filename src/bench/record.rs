//! What a run of the harness leaves: one JSON document, described by `docs/bench.schema.json`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Suite;
use super::method::{Check, Method, Time};
use crate::engine::{CostModel, Engine};
use crate::gpu::{Kernel, Tiles};
use crate::output::write_atomically;
use crate::{Error, Result, cpu};

/// The format's name and version.
const FORMAT: &str = "hypersine-bench-1";

/// Everything that was measured, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `hypersine-bench-1`
    pub format: String,
    /// When, in UTC: `2026-11-25T16:30:00Z`.
    pub date: String,
    /// This program.
    pub program: Program,
    /// What it ran on.
    pub host: Host,
    /// How times were taken.
    pub method: Method,
    /// Whether it was a quick look: small cases, few samples.
    pub quick: bool,
    /// The devices that were measured.
    pub devices: Vec<Device>,
    /// Each a case on a device.
    pub rows: Vec<Row>,
    /// What `auto` picks by, where the crossover was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Costs>,
    /// What evaluations are cut by, where it was searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiles: Vec<TunedTiles>,
    /// Who else took part, or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<String>,
}

/// A version of this program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Of the package.
    pub version: String,
    /// The commit it was built from, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// linux, windows, macos.
    pub os: String,
    /// `x86_64`, aarch64.
    pub arch: String,
    /// Threads that the CPU backend uses.
    pub threads: usize,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// In words, as in the rows.
    pub name: String,
    /// `cpu`, or the adapter's type: discrete, integrated, virtual, software, other.
    pub kind: String,
    /// Vulkan, Metal or Dx12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Driver and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The highest capability tier; of the CPU backend: its vector unit.
    pub tier: String,
    /// Limits by name.
    pub limits: BTreeMap<String, u64>,
    /// Seconds of the same reference work before and after everything else: where they differ, the clock drifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_s: Option<[f64; 2]>,
}

/// What a device's work costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The device.
    pub device: String,
    /// Its costs.
    pub costs: CostModel,
}

/// The fastest tiles on a device, where they are not those by rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TunedTiles {
    /// The device.
    pub device: String,
    /// By kind of evaluation.
    pub tiles: Tiles,
}

/// A case on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which suite.
    pub suite: Suite,
    /// What is done, in words; with suite, device and peer the row's name.
    pub case: String,
    /// The device in words.
    pub device: String,
    /// Another program that did it; none: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The sizes of the case.
    #[serde(flatten)]
    pub shape: Shape,
    /// What one run does.
    pub work: Work,
    /// How long one takes.
    pub time: Time,
    /// The first run's seconds: some drivers compile only then.
    pub first_s: f64,
    /// The kernels that ran, and how long it took to make their pipelines.
    pub kernels: Vec<Kernel>,
    /// How right the outputs are.
    pub check: Check,
    /// Whether that is right enough. The time of a row that is wrong means nothing.
    pub verified: bool,
    /// Figures that only this suite has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
    /// Of the crossover: whether the cost model was fitted to this row or is judged by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<bool>,
}

/// The sizes that cases differ by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// The INR, e.g. 2-64x4-3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inr: Option<String>,
    /// Width of its hidden layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Number of its hidden layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Their activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<String>,
    /// Kind of the heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<String>,
    /// fused or materialized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Latents in the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents: Option<usize>,
    /// Points of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// What activations and weights are, where it is not f32: f16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
}

/// What a run does, at least.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Multiplications and additions.
    pub flop: f64,
    /// Bytes that must be read or written.
    pub bytes: f64,
    /// How many of the units.
    pub items: f64,
    /// What is counted: points, latents, rays, steps, pixels, numbers.
    pub unit: String,
}

impl Row {
    /// Units a second.
    pub fn rate(&self) -> f64 {
        self.work.items / self.time.summary.median
    }

    /// Billions of multiplications and additions a second.
    pub fn gflops(&self) -> f64 {
        self.work.flop / self.time.summary.median * 1e-9
    }

    /// Billions of bytes a second.
    pub fn gigabytes(&self) -> f64 {
        self.work.bytes / self.time.summary.median * 1e-9
    }

    /// Who did it where.
    pub fn who(&self) -> String {
        self.peer.as_ref().map_or_else(|| self.device.clone(), |peer| format!("{peer} on {}", self.device))
    }

    /// What a row of another record is to be compared by.
    pub fn key(&self) -> (Suite, &str, &str, Option<&str>) {
        (self.suite, &self.case, &self.device, self.peer.as_deref())
    }

    /// Seconds of making its pipelines.
    pub fn pipelines_s(&self) -> f64 {
        self.kernels.iter().map(|k| k.pipeline_s).sum()
    }
}

impl Device {
    /// What an engine is.
    pub fn of(engine: &Engine) -> Self {
        let name = engine.describe();
        let Some(ctx) = engine.gpu() else {
            let limits = BTreeMap::from([("threads".to_owned(), cpu::threads() as u64)]);
            let (kind, tier) = ("cpu".to_owned(), cpu::vector_unit());
            return Self { name, kind, backend: None, driver: None, tier, limits, reference_s: None };
        };
        let adapter = ctx.summary();
        let given = ctx.device().limits();
        let limits = [
            ("max_binding", adapter.max_binding),
            ("max_buffer", adapter.max_buffer),
            ("workgroup_memory", adapter.workgroup_memory.into()),
            ("workgroup_memory_used", given.max_compute_workgroup_storage_size.into()),
            ("workgroup_invocations_used", given.max_compute_invocations_per_workgroup.into()),
            ("subgroup_min", adapter.subgroup[0].into()),
            ("subgroup_max", adapter.subgroup[1].into()),
            ("timestamps", adapter.timestamps.into()),
        ];
        Self {
            name,
            kind: adapter.kind.to_owned(),
            backend: Some(adapter.backend),
            driver: Some(adapter.driver),
            tier: adapter.tier.to_owned(),
            limits: limits.map(|(name, value)| (name.to_owned(), value)).into(),
            reference_s: None,
        }
    }
}

impl Record {
    /// One without rows, of this program, machine and moment.
    pub fn begin(method: Method, quick: bool, devices: Vec<Device>) -> Self {
        let program = Program { version: env!("CARGO_PKG_VERSION").to_owned(), revision: revision() };
        let host = Host {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            threads: cpu::threads(),
        };
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            format: FORMAT.to_owned(),
            date: date(since.map_or(0, |d| d.as_secs())),
            program,
            host,
            method,
            quick,
            devices,
            rows: Vec::new(),
            models: Vec::new(),
            tiles: Vec::new(),
            peers: None,
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where the file cannot be read, or is none.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let record: Self = serde_json::from_str(&text).map_err(|e| {
            Error::file(path, format!("this is no record of `hypersine bench` ({e}); make one with --output"))
        })?;
        if record.format != FORMAT {
            let what = format!("this has the format '{}'; this version reads {FORMAT}", record.format);
            return Err(Error::file(path, what));
        }
        Ok(record)
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn store(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::invalid(format!("the record cannot be written ({e})")))?;
        write_atomically(path, |f| writeln!(f, "{text}").map_err(Error::io("write", path)))
    }

    /// The first row whose outputs are wrong.
    pub fn wrong(&self) -> Option<&Row> {
        self.rows.iter().find(|r| !r.verified)
    }
}

/// Seconds since 1970 as a date: civil from days, with years that begin in March, so that leap days are last.
fn date(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // 719,468 days before 1970 a cycle of 400 years (146,097 days) began.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The commit this program was built from: told by whoever packaged it (`HYPERSINE_REVISION` at build time), or the one that
/// is checked out where the program lies.
fn revision() -> Option<String> {
    if let Some(told) = option_env!("HYPERSINE_REVISION") {
        return Some(told.to_owned());
    }
    let program = std::env::current_exe().ok()?;
    let source = program.ancestors().find(|f| f.join("Cargo.toml").is_file() && f.join(".git").exists())?;
    let mut git = std::process::Command::new("git");
    let said = git.arg("-C").arg(source).args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (said.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(date(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(date(1_795_624_200), "2026-11-25T16:30:00Z");
        assert_eq!(date(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
