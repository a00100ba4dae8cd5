//! `bench`: the shader benchmark harness.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use hypersine::bench::{
    Method, Options, PeerCommand, Record, Suite, TunedTiles, Verdict, compare, csv, header, line, report, run,
};
use hypersine::engine::{DeviceChoice, Engine, Strategy};
use hypersine::output::{check_writable, write_atomically};
use hypersine::{Error, gpu};

use super::{Global, say};

/// Measure the kernels on this machine, every figure verified against the f64 twin
///
/// By default the best adapter and the CPU backend are measured side by side; --device narrows to one. --json prints the
/// record on stdout. docs/bench.md says how times are taken.
#[derive(Args)]
pub(super) struct Bench {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    suites: Vec<Suite>,
    /// A look: small cases and few samples, within minutes on any machine
    #[arg(long)]
    quick: bool,
    /// Points of each case; of crossover: most points of a cell, all its latents together [default: as suits the devices]
    #[arg(long)]
    points: Option<usize>,
    /// Samples of each time, of which the median is taken [default: 21; 7 with --quick]
    #[arg(long, alias = "repeats")]
    samples: Option<usize>,
    /// Keep the record: JSON, as docs/bench.schema.json describes it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show an older record instead of measuring anew
    #[arg(long, value_name = "RECORD", conflicts_with_all = ["suites", "quick", "points", "samples", "output", "peers", "peer"])]
    read: Option<PathBuf>,
    /// Say of each row whether it became faster or slower than in that record
    #[arg(long, value_name = "RECORD")]
    compare: Option<PathBuf>,
    /// Write the rows as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write one page with roofline, crossover map and curves
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Older records for the page's history, oldest first
    #[arg(long, value_name = "RECORD", num_args = 1.., requires = "html")]
    history: Vec<PathBuf>,
    /// Let PyTorch take turns with Hypersine: the Python that has it
    #[arg(long, value_name = "PYTHON", num_args = 0..=1, default_missing_value = "python3")]
    peers: Option<String>,
    /// Let another program take turns, too, which speaks as docs/bench.md has it; burn's is in scripts/peers/burn
    #[arg(long, value_name = "PROGRAM")]
    peer: Vec<PathBuf>,
}

impl Bench {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let base = self.compare.as_deref().map(Record::load).transpose()?;
        let earlier = self.history.iter().map(|p| Record::load(p)).collect::<Result<Vec<_>, _>>()?;
        // A name that cannot be written is said before the work.
        [&self.output, &self.csv, &self.html].into_iter().flatten().try_for_each(|path| check_writable(path))?;
        let text = !global.json && !global.quiet;
        let record = match &self.read {
            Some(path) => {
                let record = Record::load(path)?;
                if text {
                    say(header());
                    record.rows.iter().for_each(|row| say(line(row)));
                }
                record
            }
            None => self.measure(global, text)?,
        };
        if let Some(path) = &self.output {
            record.store(path)?;
        }
        if let Some(path) = &self.csv {
            write_text(path, &csv(&record))?;
        }
        if let Some(path) = &self.html {
            write_text(path, &report::page(&record, base.as_ref(), &earlier))?;
        }
        if global.json {
            say(serde_json::to_string(&record)?);
        } else if text {
            summary(&record);
            if self.quick && self.read.is_none() && !(record.models.is_empty() && record.tiles.is_empty()) {
                say("a quick look: what was found of strategies and tiles is not kept; without --quick it is");
            }
            if let Some(base) = &base {
                say_changes(&record, base);
            }
        }
        if let Some(bad) = record.wrong() {
            bail!(
                "{} is wrong on {}: error {:.1e}, allowed {:.1e}; no costs were kept",
                bad.case,
                bad.who(),
                bad.check.error,
                bad.check.bound
            );
        }
        Ok(())
    }

    fn measure(&self, global: &Global, text: bool) -> Result<Record> {
        let engines = match &global.device {
            DeviceChoice::Auto if gpu::adapters().is_empty() => vec![Engine::cpu()],
            DeviceChoice::Auto => vec![Engine::open(&DeviceChoice::Gpu)?, Engine::cpu()],
            choice => vec![Engine::open(choice)?],
        };
        let strategies = match global.strategy {
            Strategy::Auto => vec![Strategy::Materialised, Strategy::Fused],
            one => vec![one],
        };
        let others = self.peer.iter().cloned().map(PeerCommand::Program);
        let method = if self.quick { Method::quick() } else { Method::thorough() };
        if self.suites == [Suite::Tune] && engines.iter().all(|e| e.gpu().is_none()) {
            bail!("tune: tiles are of GPUs, and {} is none; choose one with --device", engines[0].describe());
        }
        let options = Options {
            suites: if self.suites.is_empty() { Suite::ALL.to_vec() } else { self.suites.clone() },
            method: Method { samples: self.samples.unwrap_or(method.samples), seed: global.seed, ..method },
            quick: self.quick,
            points: self.points,
            strategies,
            seed: global.seed,
            peers: self.peers.iter().cloned().map(PeerCommand::Python).chain(others).collect(),
        };
        if text {
            say(header());
        }
        let record = run(&engines, &options, &mut |row| {
            if text {
                say(line(row));
            }
        })?;
        // A wrong kernel's speed is no measurement, and a look is none that `auto` should go by.
        if record.wrong().is_none() && !self.quick {
            for model in &record.models {
                let kept = model.costs.store(&model.device)?;
                log::info!("the costs of {} are kept in {}", model.device, kept.display());
            }
            for TunedTiles { device, tiles } in &record.tiles {
                let kept = gpu::keep_tiles(device, tiles)?;
                log::info!("the tiles of {device} are kept in {}", kept.display());
            }
        }
        Ok(record)
    }
}

fn write_text(path: &std::path::Path, text: &str) -> Result<()> {
    use std::io::Write;
    write_atomically(path, |f| f.write_all(text.as_bytes()).map_err(Error::io("write", path)))?;
    Ok(())
}

/// What the lines do not say.
fn summary(record: &Record) {
    let right = record.rows.iter().filter(|r| r.verified).count();
    say(format_args!(
        "{right} of {} rows verified; medians of up to {} samples, +- half their 95 % interval",
        record.rows.len(),
        record.method.samples
    ));
    for device in &record.devices {
        let clocks: Vec<String> = record
            .rows
            .iter()
            .filter(|r| r.device == device.name && r.peer.is_none())
            .filter_map(|r| serde_json::to_value(r.time.clock).ok()?.as_str().map(str::to_owned))
            .fold(Vec::new(), |mut list, clock| {
                if !list.contains(&clock) {
                    list.push(clock);
                }
                list
            });
        let drift = device.reference_s.map_or(String::new(), |[before, after]| {
            format!("; the same reference work took {:.2} times as long at the end as at the start", after / before)
        });
        say(format_args!("{}: clocks: {}{drift}", device.name, clocks.join(", ")));
    }
    for model in &record.models {
        say(format_args!(
            "{}: auto, fitted to {} times, is within 1.25x of the better strategy in {:.0} % of the {} other cells",
            model.device,
            model.costs.fitted,
            model.costs.within * 100.0,
            model.costs.held_out
        ));
    }
    for TunedTiles { device, tiles } in &record.tiles {
        say(format_args!("{device}: {} tiles are faster than those by rule", tiles.len()));
        tiles.iter().for_each(|(kind, config)| say(format_args!("    {kind}: {config}")));
    }
    if let Some(peers) = &record.peers {
        say(format_args!("peers: {peers}"));
    }
}

fn say_changes(record: &Record, base: &Record) {
    let (changes, [new, gone]) = compare(record, base);
    for change in changes.iter().filter(|c| c.verdict != Verdict::Same) {
        say(format_args!(
            "{:<7} {:>5.2}x {} {} on {}",
            change.verdict.name(),
            change.ratio(),
            change.new.suite.name(),
            change.new.case,
            change.new.who()
        ));
    }
    let of = |verdict| changes.iter().filter(|c| c.verdict == verdict).count();
    say(format_args!(
        "compared with {}: {} faster, {} slower, {} the same; {new} new, {gone} gone",
        base.date,
        of(Verdict::Faster),
        of(Verdict::Slower),
        of(Verdict::Same)
    ));
}
