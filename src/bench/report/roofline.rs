//! Roofline (Williams, Waterman and Patterson 2009): arithmetic per byte across, arithmetic per second up. Nothing can be
//! above the roof: the measured rate of multiply-adds, and to the left of the ridge what the measured bandwidth can feed.

use std::fmt::Write;

use super::svg::{Axis, Plot, legend, short};
use crate::bench::record::{Record, Row};
use crate::bench::suites::Suite;
use crate::bench::table::seconds;

/// What a device can do at most, GFLOP/s and GB/s: the fastest samples, for whatever slowed the others is no ceiling.
pub(super) fn roof(record: &Record, device: &str) -> Option<[f64; 2]> {
    let peak = |case: &str| {
        let row = record.rows.iter().find(|r| r.suite == Suite::Peak && r.case == case && r.device == device)?;
        Some((row, row.time.samples.iter().copied().reduce(f64::min)?))
    };
    let ((fma, fastest), (copy, quickest)) = (peak("multiply-adds")?, peak("copy")?);
    Some([fma.work.flop / fastest * 1e-9, copy.work.bytes / quickest * 1e-9])
}

/// Suites whose rows have both arithmetic and bytes.
const SUITES: [Suite; 6] =
    [Suite::Evaluate, Suite::Generate, Suite::Crossover, Suite::Jets, Suite::TrainStep, Suite::Trace];

/// A picture for each device that has a roof.
pub(super) fn section(record: &Record) -> String {
    let mut html = String::new();
    for device in &record.devices {
        let Some([flops, bytes]) = roof(record, &device.name) else { continue };
        let rows: Vec<&Row> = record
            .rows
            .iter()
            .filter(|r| r.device == device.name && r.peer.is_none() && r.verified && r.work.flop > 0.0)
            .filter(|r| SUITES.contains(&r.suite))
            .collect();
        let intensity = |r: &Row| r.work.flop / r.work.bytes;
        let ridge = flops / bytes;
        let x = Axis::over("multiplications and additions per byte", rows.iter().map(|r| intensity(r)), false);
        let y = Axis::over("GFLOP/s", rows.iter().map(|r| r.gflops()).chain([flops * 1.4]), false);
        let (Some(x), Some(y)) = (x, y) else { continue };
        let x = x.including(ridge / 4.0).including(ridge * 4.0);
        let [left, right] = x.ends();
        let y = y.including((left * bytes).min(flops) * 0.7);
        let mut plot = Plot::new(&format!("Roofline of {}", device.name), x, y);
        plot.line(&[[left, left * bytes], [ridge, flops], [right, flops]], "roof");
        plot.word(right, flops, "end", &format!("{} GFLOP/s, measured", short(flops.round())));
        // Above the line, which rises to the right.
        plot.word(left, left * bytes * 4.0, "start", &format!("{bytes:.1} GB/s"));
        let mut present = Vec::new();
        for row in rows {
            let colour = present.iter().position(|&s| s == row.suite).unwrap_or_else(|| {
                present.push(row.suite);
                present.len() - 1
            });
            let tip = format!(
                "{} {}\n{}, {:.2} GFLOP/s: {:.0} % of the roof",
                row.suite.name(),
                row.case,
                seconds(row.time.summary.median),
                row.gflops(),
                100.0 * row.gflops() / flops.min(bytes * intensity(row))
            );
            plot.dot(intensity(row), row.gflops(), &format!("c{colour}"), &tip);
        }
        let names: Vec<String> = present.iter().map(|s| s.name().to_owned()).collect();
        let _ = writeln!(
            html,
            "<figure><figcaption>{}</figcaption>{}{}</figure>",
            super::svg::escape(&device.name),
            plot.finish(),
            legend(&names)
        );
    }
    html
}
