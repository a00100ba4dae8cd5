//! Several records: how each suite's times changed, relative to the first.

use std::collections::BTreeMap;

use super::svg::{Axis, COLOURS, Plot, legend};
use crate::bench::compare::compare;
use crate::bench::record::Record;

/// Records, oldest first, the newest last; nothing where there is only one.
pub(super) fn section(records: &[&Record]) -> String {
    let Some((first, later)) = records.split_first() else { return String::new() };
    // By suite and device: the geometric mean of time then over time at first.
    let mut curves: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    for (i, record) in later.iter().enumerate() {
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for change in compare(record, first).0.iter().filter(|c| c.new.peer.is_none()) {
            let (sum, n) = sums.entry(format!("{} on {}", change.new.suite.name(), change.new.device)).or_default();
            (*sum, *n) = (*sum + change.ratio().ln(), *n + 1.0);
        }
        for (name, (sum, n)) in sums {
            curves.entry(name).or_insert_with(|| vec![[1.0, 1.0]]).push([i as f64 + 2.0, (-sum / n).exp()]);
        }
    }
    let all = || curves.values().flatten();
    let x = Axis::over("record (oldest first)", all().map(|p| p[0]), true);
    let y = Axis::over("speed, first record = 1", all().map(|p| p[1]), false);
    let (Some(x), Some(y)) = (x, y) else { return String::new() };
    let mut plot = Plot::new("History", x, y);
    for (i, (name, line)) in curves.iter().enumerate() {
        let colour = i % COLOURS;
        plot.line(line, &format!("curve s{colour}"));
        for &[x, y] in line {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number of a record")]
            let record = records[x as usize - 1];
            let revision = record.program.revision.as_deref().unwrap_or(&record.program.version);
            plot.dot(x, y, &format!("c{colour}"), &format!("{name}\n{} {revision}: {y:.2} times", record.date));
        }
    }
    let names: Vec<String> = curves.into_keys().collect();
    format!("<figure class=\"wide\">{}{}</figure>\n", plot.finish(), legend(&names))
}
