//! Scaling: how rates change with the width of the INR and with the number of points.

use super::svg::{Axis, COLOURS, Plot, legend};
use crate::bench::record::{Record, Row};
use crate::bench::suites::Suite;
use crate::bench::table::{count, seconds};

/// Single SIREN rows of `evaluate`: the usual depth.
fn sirens(record: &Record) -> impl Iterator<Item = &Row> {
    record.rows.iter().filter(|r| {
        r.suite == Suite::Evaluate
            && r.verified
            && r.shape.heads.is_none()
            && r.shape.depth == Some(4)
            && r.shape.activation.as_deref() == Some("sine")
    })
}

/// Whose curve a row is on: a program's on a device, and in which precision, where it is not f32.
fn curve(row: &Row) -> String {
    row.shape.precision.as_ref().map_or_else(|| row.who(), |precision| format!("{}, {precision}", row.who()))
}

/// GFLOP/s over the width.
pub(super) fn widths(record: &Record) -> String {
    // Each width at its usual number of points: the first row of a kind.
    let mut rows: Vec<&Row> = Vec::new();
    for row in sirens(record) {
        if rows.iter().all(|r| (curve(r), r.shape.width) != (curve(row), row.shape.width)) {
            rows.push(row);
        }
    }
    let x = |r: &Row| r.shape.width.unwrap_or(0) as f64;
    chart("GFLOP/s by width of the INR", ("width of the hidden layers", "GFLOP/s"), &rows, x, Row::gflops)
}

/// Points a second over the number of points, 64 wide.
pub(super) fn points(record: &Record) -> String {
    let rows: Vec<&Row> = sirens(record).filter(|r| r.shape.width == Some(64)).collect();
    let x = |r: &Row| r.shape.points.unwrap_or(0) as f64;
    chart("Points a second by number of points, 64 wide", ("points", "points per second"), &rows, x, Row::rate)
}

/// A curve for each program, device and precision.
fn chart(
    title: &str,
    (across, up): (&'static str, &'static str),
    rows: &[&Row],
    x: impl Fn(&Row) -> f64,
    y: impl Fn(&Row) -> f64,
) -> String {
    let axes = (Axis::over(across, rows.iter().map(|r| x(r)), true), Axis::over(up, rows.iter().map(|r| y(r)), false));
    let (Some(across), Some(up)) = axes else { return String::new() };
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        if !names.contains(&curve(row)) {
            names.push(curve(row));
        }
    }
    let mut plot = Plot::new(title, across, up);
    for (i, name) in names.iter().enumerate() {
        let colour = i % COLOURS;
        let mut mine: Vec<&&Row> = rows.iter().filter(|r| curve(r) == *name).collect();
        mine.sort_by(|a, b| x(a).total_cmp(&x(b)));
        let line: Vec<[f64; 2]> = mine.iter().map(|r| [x(r), y(r)]).collect();
        plot.line(&line, &format!("curve s{colour}"));
        for row in mine {
            let s = &row.time.summary;
            plot.whisker(
                x(row),
                [y(row) * s.median / s.high, y(row) * s.median / s.low],
                &format!("whisker s{colour}"),
            );
            let tip = format!("{name}\n{}: {} in {}", row.case, count(row.rate()) + " points/s", seconds(s.median));
            plot.dot(x(row), y(row), &format!("c{colour}"), &tip);
        }
    }
    format!("<figure><figcaption>{title}</figcaption>{}{}</figure>\n", plot.finish(), legend(&names))
}
