//! A record as one page in one file: pictures and tables of what was measured, for a reader who knows nothing yet. Nothing
//! is loaded from elsewhere, and it follows the reader's choice of light or dark.

mod curves;
mod history;
mod map;
mod roofline;
mod svg;

use std::fmt::Write;

use super::compare::compare;
use super::record::{Record, Row};
use super::stats::Verdict;
use super::suites::Suite;
use super::table::{clock, count, seconds};
use svg::escape;

/// The page. `base`: what to compare with; `earlier`: records for the history, oldest first.
pub fn page(record: &Record, base: Option<&Record>, earlier: &[Record]) -> String {
    let mut html = head(record);
    html += &tiles(record);
    let mut section = |title: &str, says: &str, body: String| {
        if !body.is_empty() {
            let _ =
                writeln!(html, "<h2>{title}</h2>\n<p class=\"soft\">{says}</p>\n<div class=\"figures\">{body}</div>");
        }
    };
    section(
        "How close to the ceiling",
        "Each dot is a case; the line is the most that this device did when it did nothing else: multiply-adds in registers, \
         and bytes copied. A dot on the flat part cannot be faster by any means; on the slope it can where its numbers stay in \
         a cache, which copying does not. One far below waits for something. Point at a dot to see what it is.",
        roofline::section(record),
    );
    section(
        "How it scales",
        "Evaluating one SIREN of four hidden layers: the rate by its width, and by how many points are asked for at once. The \
         short upright lines are 95 % intervals.",
        curves::widths(record) + &curves::points(record),
    );
    section(
        "When to generate weights inside the kernel",
        "Time of <i>fused</i> (weights are generated where they are used, and never written) over <i>materialised</i> (written \
         once, read by every point), by points of each latent across and latents down. Green: fused is faster. Orange: \
         materialised is. A red frame: <code>auto</code>, which was fitted to half of the cells, would lose more than a quarter.",
        map::section(record),
    );
    let records: Vec<&Record> = earlier.iter().chain([record]).collect();
    if !earlier.is_empty() {
        section(
            "History",
            "Speed of each suite, all its cases together, relative to the first record.",
            history::section(&records),
        );
    }
    if let Some(base) = base {
        html += &changes(record, base);
    }
    html += &tables(record);
    html += &devices(record);
    html + "</main>\n</body>\n</html>\n"
}

fn head(record: &Record) -> String {
    let program = &record.program;
    let revision = program.revision.as_ref().map_or(String::new(), |r| format!(" ({})", escape(r)));
    let look = if record.quick { " A quick look: small cases, few samples." } else { "" };
    let names: Vec<String> = record.devices.iter().map(|d| escape(&d.name)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Hypersine on {0}</title>\n<style>\n{1}</style>\n</head>\n<body>\n<main>\n<h1>Hypersine on {0}</h1>\n<p class=\"soft\">{2}, version {3}{revision}, {4} {5}.{look}</p>\n<p>Hypersine evaluates implicit neural representations, small networks that map a coordinate to a value, whose weights another network writes. This page is what <code>hypersine bench</code> measured on this machine. Every time below belongs to outputs that were compared with a double-precision computation in the same run; a case that was wrong is marked, and counts for nothing.</p>\n",
        names.join(" and "),
        include_str!("style.css"),
        record.date.replace('T', " ").trim_end_matches('Z').to_owned() + " UTC",
        escape(&program.version),
        escape(&record.host.os),
        escape(&record.host.arch),
    )
}

/// The figures that are asked for first.
fn tiles(record: &Record) -> String {
    let mut html = "<div class=\"tiles\">\n".to_owned();
    let mut tile = |value: &str, what: &str| {
        let _ = writeln!(html, "<div class=\"tile\"><b>{value}</b><small>{}</small></div>", escape(what));
    };
    let right = record.rows.iter().filter(|r| r.verified).count();
    let all = record.rows.len();
    let class = if right == all { "good" } else { "bad" };
    tile(&format!("<span class=\"{class}\">{right} of {all}</span>"), "cases verified against the f64 twin");
    for device in &record.devices {
        let mine = || record.rows.iter().filter(|r| r.device == device.name && r.peer.is_none() && r.verified);
        let best = mine().filter(|r| r.suite == Suite::Evaluate).max_by(|a, b| a.gflops().total_cmp(&b.gflops()));
        if let Some(best) = best {
            let roof = roofline::roof(record, &device.name);
            let share = roof.map_or(String::new(), |[flops, _]| {
                format!(", {:.0} % of the measured peak", 100.0 * best.gflops() / flops)
            });
            let inr = best.shape.inr.as_deref().unwrap_or_default();
            tile(
                &format!("{:.1} GFLOP/s", best.gflops()),
                &format!("best evaluation on {}: {inr}{share}", device.name),
            );
        }
    }
    html + "</div>\n"
}

/// What became of each row since `base`.
fn changes(record: &Record, base: &Record) -> String {
    let (mut changes, [new, gone]) = compare(record, base);
    let of = |verdict| changes.iter().filter(|c| c.verdict == verdict).count();
    let [faster, slower, same] = [Verdict::Faster, Verdict::Slower, Verdict::Same].map(of);
    let mut html = format!(
        "<h2>Compared with {}</h2>\n<p>{faster} faster, {slower} slower, {same} the same within their intervals; {new} new, {gone} gone.</p>\n",
        escape(&base.date)
    );
    changes.retain(|c| c.verdict != Verdict::Same);
    changes.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    if !changes.is_empty() {
        html += "<div class=\"scroll\"><table><tr><th>suite</th><th>case</th><th>on</th><th class=\"n\">then</th><th class=\"n\">now</th><th class=\"n\">speed</th></tr>\n";
        for change in changes {
            let class = if change.verdict == Verdict::Faster { "good" } else { "bad" };
            let _ = writeln!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n {class}\">{:.2}x</td></tr>",
                change.new.suite.name(),
                escape(&change.new.case),
                escape(&change.new.who()),
                seconds(change.base.time.summary.median),
                seconds(change.new.time.summary.median),
                1.0 / change.ratio()
            );
        }
        html += "</table></div>\n";
    }
    html
}

/// Every row, suite by suite.
fn tables(record: &Record) -> String {
    let mut html = "<h2>Everything that was measured</h2>\n".to_owned();
    for suite in Suite::ALL.into_iter().chain([Suite::Tune]) {
        let rows: Vec<&Row> = record.rows.iter().filter(|r| r.suite == suite).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            html,
            "<details><summary>{} <small>({} rows)</small></summary><div class=\"scroll\"><table>\n<tr><th>case</th><th>on</th><th class=\"n\">median</th><th class=\"n\">95 % interval</th><th class=\"n\">per second</th><th class=\"n\">GFLOP/s</th><th class=\"n\">GB/s</th><th class=\"n\">first run</th><th>clock</th><th class=\"n\">error</th></tr>",
            suite.name(),
            rows.len()
        );
        for row in rows {
            html += &table_row(row);
        }
        html += "</table></div></details>\n";
    }
    html
}

fn table_row(row: &Row) -> String {
    let s = &row.time.summary;
    let class = if row.verified { "n" } else { "n bad" };
    let figures: Vec<String> =
        row.figures.iter().map(|(name, v)| format!("{} {}", name.replace('_', " "), svg::short(*v))).collect();
    format!(
        "<tr title=\"{}\"><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{} to {}</td><td class=\"n\">{} {}</td><td class=\"n\">{:.2}</td><td class=\"n\">{:.2}</td><td class=\"n\">{}</td><td>{}</td><td class=\"{class}\">{:.1e}</td></tr>\n",
        escape(&figures.join(", ")),
        escape(&row.case),
        escape(&row.who()),
        seconds(s.median),
        seconds(s.low),
        seconds(s.high),
        count(row.rate()),
        escape(&row.work.unit),
        row.gflops(),
        row.gigabytes(),
        seconds(row.first_s),
        clock(row.time.clock),
        row.check.error
    )
}

/// What it was measured on, and how.
fn devices(record: &Record) -> String {
    let mut html = "<h2>What it ran on</h2>\n".to_owned();
    for device in &record.devices {
        let _ = write!(
            html,
            "<details><summary>{}</summary><p>{}, tier {}",
            escape(&device.name),
            escape(&device.kind),
            escape(&device.tier)
        );
        if let Some(driver) = &device.driver {
            let _ = write!(html, ", driver {}", escape(driver));
        }
        html += ".</p>";
        if let Some([before, after]) = device.reference_s {
            let _ = write!(
                html,
                "<p>The same reference work took {} before and {} after everything else.</p>",
                seconds(before),
                seconds(after)
            );
        }
        let limits: Vec<String> =
            device.limits.iter().map(|(name, v)| format!("{} {v}", name.replace('_', " "))).collect();
        let _ = writeln!(html, "<p class=\"soft\">{}</p></details>", escape(&limits.join(", ")));
    }
    if let Some(peers) = &record.peers {
        let _ = writeln!(html, "<p class=\"soft\">Peers: {}.</p>", escape(peers));
    }
    let m = &record.method;
    let _ = writeln!(
        html,
        "<p class=\"soft\">Method: {} of warm-up, then {} samples of at least {} in turns; medians with bootstrapped 95 % intervals.</p>",
        seconds(m.warm_up_s),
        m.samples,
        seconds(m.lap_s)
    );
    html
}
