//! The crossover map: for every number of latents and points, whether generating inside the kernel is faster.

use std::fmt::Write;

use super::svg::escape;
use crate::bench::record::{Record, Row};
use crate::bench::suites::Suite;
use crate::bench::table::seconds;

/// Size of a cell.
const CELL: [f64; 2] = [62.0, 30.0];
const LEFT: f64 = 82.0;
const TOP: f64 = 22.0;

/// Both strategies' rows of a cell.
struct Pair<'a> {
    materialised: &'a Row,
    fused: &'a Row,
}

impl Pair<'_> {
    /// Time of fused over materialised.
    fn ratio(&self) -> f64 {
        self.fused.time.summary.median / self.materialised.time.summary.median
    }
}

fn pairs(record: &Record) -> Vec<Pair<'_>> {
    let of = |strategy: &'static str| {
        record
            .rows
            .iter()
            .filter(move |r| r.suite == Suite::Crossover && r.verified && r.shape.strategy.as_deref() == Some(strategy))
    };
    let same = |a: &Row, b: &Row| {
        let key = |r: &Row| (r.shape.inr.clone(), r.shape.heads.clone(), r.shape.latents, r.shape.points);
        a.device == b.device && key(a) == key(b)
    };
    of("materialized")
        .filter_map(|m| of("fused").find(|f| same(m, f)).map(|fused| Pair { materialised: m, fused }))
        .collect()
}

/// A map for each device, INR and kind of head.
pub(super) fn section(record: &Record) -> String {
    let pairs = pairs(record);
    let mut html = String::new();
    let mut done: Vec<[String; 3]> = Vec::new();
    for pair in &pairs {
        let name = |r: &Row| {
            [r.device.clone(), r.shape.inr.clone().unwrap_or_default(), r.shape.heads.clone().unwrap_or_default()]
        };
        let group = name(pair.fused);
        if !done.contains(&group) {
            let cells: Vec<&Pair<'_>> = pairs.iter().filter(|p| name(p.fused) == group).collect();
            let _ = writeln!(
                html,
                "<figure class=\"map\"><figcaption>{}<br><small>{}, {} heads</small></figcaption>{}</figure>",
                escape(&group[0]),
                escape(&group[1]),
                escape(&group[2]),
                map(&cells)
            );
            done.push(group);
        }
    }
    html
}

/// Points across, latents down.
fn map(cells: &[&Pair<'_>]) -> String {
    let sorted = |of: fn(&Row) -> Option<usize>| {
        let mut list: Vec<usize> = cells.iter().filter_map(|c| of(c.fused)).collect();
        list.sort_unstable();
        list.dedup();
        list
    };
    let (points, latents) = (sorted(|r| r.shape.points), sorted(|r| r.shape.latents));
    let mut body = String::new();
    let [w, h] = CELL;
    for (i, p) in points.iter().enumerate() {
        let x = LEFT + (i as f64 + 0.5) * w;
        let _ = writeln!(body, "<text x=\"{x}\" y=\"15\" text-anchor=\"middle\">{p}</text>");
    }
    for (j, l) in latents.iter().enumerate() {
        let y = TOP + (j as f64 + 0.5) * h + 4.0;
        let word = if *l == 1 { "latent" } else { "latents" };
        let _ = writeln!(body, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{l} {word}</text>", LEFT - 6.0);
    }
    for cell in cells {
        let place = |list: &[usize], of: Option<usize>| list.iter().position(|v| Some(*v) == of).unwrap_or(0) as f64;
        let x = LEFT + place(&points, cell.fused.shape.points) * w;
        let y = TOP + place(&latents, cell.fused.shape.latents) * h;
        let ratio = cell.ratio();
        // Half the colour at 1.4 times, all of it at twice.
        let strength = (ratio.log2().abs()).clamp(0.06, 1.0);
        let winner = if ratio < 1.0 { "fused" } else { "materialised" };
        let [m, f] = [cell.materialised, cell.fused].map(|r| seconds(r.time.summary.median));
        let missed = cell.fused.figures.get("auto_over_better").is_some_and(|r| *r > 1.25);
        let mark = if missed { " missed" } else { "" };
        let tip = format!("fused {f}, materialised {m}{}", if missed { "; auto picks the slower one" } else { "" });
        let _ = writeln!(
            body,
            "<g><title>{}</title><rect class=\"cell {winner}{mark}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"3\" fill-opacity=\"{strength:.2}\"/><text class=\"value\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{ratio:.2}</text></g>",
            escape(&tip),
            w - 3.0,
            h - 3.0,
            x + (w - 3.0) / 2.0,
            y + h / 2.0 + 3.0
        );
    }
    let size = [LEFT + points.len() as f64 * w, TOP + latents.len() as f64 * h];
    format!(
        "<svg viewBox=\"0 0 {} {}\" style=\"max-width:{}px\" role=\"img\" aria-label=\"crossover map\">\n{body}</svg>\n",
        size[0], size[1], size[0]
    )
}
