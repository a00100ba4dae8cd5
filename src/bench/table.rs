//! Rows as lines: for a terminal, and as CSV.

use super::record::{Record, Row};
use crate::measure::Clock;

/// A drift of the clock that is worth a mark.
const DRIFT: f64 = 1.1;

/// What the columns of [`line()`] are.
pub fn header() -> String {
    format!(
        "{:<11} {:<52} {:<26} {:>10} {:>8} {:>11} {:>9} {:>8} {:>9}",
        "suite", "case", "on", "median", "+- %", "per s", "GFLOP/s", "GB/s", "error"
    )
}

/// A row in at most 153 characters. `wall`: not the GPU's own clock; `~`: the clock drifted by a tenth.
pub fn line(row: &Row) -> String {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let s = &row.time.summary;
    let spread = 100.0 * (s.high - s.low) / 2.0 / s.median;
    let mut marks = String::new();
    if row.time.drift.max(1.0 / row.time.drift) > DRIFT {
        marks.push_str(" ~");
    }
    if !row.verified {
        marks.push_str(" WRONG");
    }
    let on = row.peer.as_deref().unwrap_or(&row.device);
    let gflops = if row.work.flop > 0.0 { format!("{:.2}", row.gflops()) } else { String::new() };
    format!(
        "{:<11} {:<52} {:<26} {:>10} {:>8.1} {:>11} {:>9} {:>8.2} {:>9.1e}{marks}",
        row.suite.name(),
        cut(&row.case, 52),
        cut(on, 26),
        seconds(s.median),
        spread,
        count(row.rate()),
        gflops,
        row.gigabytes(),
        row.check.error
    )
}

/// A duration with three digits.
pub(super) fn seconds(s: f64) -> String {
    match s {
        s if s < 1e-3 => format!("{} us", digits(s * 1e6)),
        s if s < 1.0 => format!("{} ms", digits(s * 1e3)),
        s => format!("{} s", digits(s)),
    }
}

/// A number with three digits and a letter for thousands, millions, billions.
pub(super) fn count(n: f64) -> String {
    match n {
        n if n < 1e3 => digits(n),
        n if n < 1e6 => format!("{} k", digits(n * 1e-3)),
        n if n < 1e9 => format!("{} M", digits(n * 1e-6)),
        n => format!("{} G", digits(n * 1e-9)),
    }
}

fn digits(n: f64) -> String {
    match n {
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 100.0 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

/// The clock's name.
pub(super) fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::GpuTimestamps => "gpu-timestamps",
        Clock::Wall => "wall",
    }
}

/// All rows as CSV (RFC 4180), a line of names first.
pub fn csv(record: &Record) -> String {
    let names = [
        "suite",
        "case",
        "device",
        "peer",
        "inr",
        "width",
        "depth",
        "activation",
        "heads",
        "strategy",
        "latents",
        "points",
        "precision",
        "median_s",
        "mad_s",
        "low_s",
        "high_s",
        "samples",
        "repeats",
        "clock",
        "drift",
        "first_s",
        "pipelines_s",
        "flop",
        "bytes",
        "items",
        "unit",
        "items_per_s",
        "gflops",
        "gbytes_per_s",
        "error",
        "bound",
        "verified",
    ];
    let mut text = names.join(",") + "\r\n";
    for row in &record.rows {
        let (shape, time, s) = (&row.shape, &row.time, &row.time.summary);
        let number = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
        let word = |w: &Option<String>| w.clone().unwrap_or_default();
        let fields = [
            row.suite.name().to_owned(),
            row.case.clone(),
            row.device.clone(),
            word(&row.peer),
            word(&shape.inr),
            number(shape.width),
            number(shape.depth),
            word(&shape.activation),
            word(&shape.heads),
            word(&shape.strategy),
            number(shape.latents),
            number(shape.points),
            word(&shape.precision),
            format!("{:e}", s.median),
            format!("{:e}", s.mad),
            format!("{:e}", s.low),
            format!("{:e}", s.high),
            time.samples.len().to_string(),
            time.repeats.to_string(),
            clock(time.clock).to_owned(),
            format!("{:.4}", time.drift),
            format!("{:e}", row.first_s),
            format!("{:e}", row.pipelines_s()),
            format!("{:e}", row.work.flop),
            format!("{:e}", row.work.bytes),
            format!("{:e}", row.work.items),
            row.work.unit.clone(),
            format!("{:e}", row.rate()),
            format!("{:.4}", row.gflops()),
            format!("{:.4}", row.gigabytes()),
            format!("{:e}", row.check.error),
            format!("{:e}", row.check.bound),
            row.verified.to_string(),
        ];
        text += &(fields.map(|f| quoted(&f)).join(",") + "\r\n");
    }
    text
}

/// A field in quotes, if it needs them.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(seconds(0.000_012_34), "12.3 us");
        assert_eq!(seconds(0.1234), "123 ms");
        assert_eq!(seconds(2.5), "2.50 s");
        assert_eq!(count(6_961_000.0), "6.96 M");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
