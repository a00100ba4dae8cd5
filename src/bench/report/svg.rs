//! Plots of points and lines over two axes, as SVG text that takes its colours from the page.

use std::fmt::Write;

/// Units of the picture; the page scales it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Room for the labels: left, right, top, bottom.
const MARGINS: [f64; 4] = [64.0, 18.0, 16.0, 46.0];

/// Text that is safe within HTML and SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An axis that shows its numbers' logarithms.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub label: &'static str,
    low: f64,
    high: f64,
    /// Ticks at powers of two instead of ten.
    binary: bool,
}

impl Axis {
    /// One that holds all positive numbers of the list, with some room.
    pub(super) fn over(label: &'static str, values: impl Iterator<Item = f64>, binary: bool) -> Option<Self> {
        let usable = values.filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = usable.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        (low <= high).then(|| {
            let room = if binary { 1.2 } else { (high / low).powf(0.06).max(1.3) };
            Self { label, low: low / room, high: high * room, binary }
        })
    }

    /// The same axis, from there on.
    pub(super) fn including(mut self, value: f64) -> Self {
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        self
    }

    pub(super) fn ends(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// How far along the axis a number is, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value / self.low).ln() / (self.high / self.low).ln()
    }

    /// Numbers with labels.
    fn ticks(&self) -> Vec<f64> {
        if self.binary {
            #[expect(clippy::cast_possible_truncation, reason = "exponents of numbers that a device can have")]
            let exponents = self.low.log2().ceil() as i32..=self.high.log2().floor() as i32;
            let every = exponents.clone().count().div_ceil(9).max(1);
            return exponents.step_by(every).map(|e| 2.0_f64.powi(e)).collect();
        }
        // Few decades have room for numbers between them.
        let steps: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]];
        #[expect(clippy::cast_possible_truncation, reason = "exponents of numbers that a device can have")]
        let decades = self.low.log10().floor() as i32..=self.high.log10().floor() as i32;
        let ticks = |steps: &[f64]| -> Vec<f64> {
            let all = decades.clone().flat_map(|e| steps.iter().map(move |s| s * 10.0_f64.powi(e)));
            all.filter(|v| (self.low..=self.high).contains(v)).collect()
        };
        let found = steps.map(ticks);
        found.iter().find(|ticks| ticks.len() >= 3).unwrap_or(&found[2]).clone()
    }
}

/// A number as short as it can be said.
pub(super) fn short(v: f64) -> String {
    let (v, unit) = match v.abs() {
        a if a >= 1e9 => (v * 1e-9, "G"),
        a if a >= 1e6 => (v * 1e-6, "M"),
        a if a >= 1e4 => (v * 1e-3, "k"),
        _ => (v, ""),
    };
    // Up to three decimals, without zeros at the end.
    let text = format!("{v:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

/// A plot under way.
pub(super) struct Plot {
    x: Axis,
    y: Axis,
    title: String,
    body: String,
}

impl Plot {
    pub(super) fn new(title: &str, x: Axis, y: Axis) -> Self {
        Self { x, y, title: title.to_owned(), body: String::new() }
    }

    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let [left, right, top, bottom] = MARGINS;
        [left + self.x.place(x) * (WIDTH - left - right), HEIGHT - bottom - self.y.place(y) * (HEIGHT - top - bottom)]
    }

    /// A line through points; `class` is one of the page's.
    pub(super) fn line(&mut self, points: &[[f64; 2]], class: &str) {
        let mut path = String::new();
        for [x, y] in points.iter().map(|&[x, y]| self.at(x, y)) {
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        let _ = writeln!(self.body, "<polyline class=\"{class}\" points=\"{}\"/>", path.trim_end());
    }

    /// A dot with a text that appears when it is pointed at.
    pub(super) fn dot(&mut self, x: f64, y: f64, class: &str, tip: &str) {
        let [x, y] = self.at(x, y);
        let tip = escape(tip);
        let _ = writeln!(
            self.body,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{tip}</title></circle>"
        );
    }

    /// An upright line over an interval.
    pub(super) fn whisker(&mut self, x: f64, [low, high]: [f64; 2], class: &str) {
        let ([x, low], [_, high]) = (self.at(x, low), self.at(x, high));
        let _ = writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{low:.1}\" x2=\"{x:.1}\" y2=\"{high:.1}\"/>"
        );
    }

    /// A word beside a place: `end` ends there, `start` starts there.
    pub(super) fn word(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let [x, y] = self.at(x, y);
        let text = escape(text);
        let _ = writeln!(
            self.body,
            "<text class=\"note\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
            y - 7.0
        );
    }

    /// The whole picture.
    pub(super) fn finish(self) -> String {
        let [left, right, top, bottom] = MARGINS;
        let (floor, end) = (HEIGHT - bottom, WIDTH - right);
        let mut grid = String::new();
        for tick in self.x.ticks() {
            let [x, _] = self.at(tick, self.y.low);
            let _ = writeln!(
                grid,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{floor}\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                floor + 16.0,
                short(tick)
            );
        }
        for tick in self.y.ticks() {
            let [_, y] = self.at(self.x.low, tick);
            let _ = writeln!(
                grid,
                "<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 7.0,
                y + 4.0,
                short(tick)
            );
        }
        let (middle, half) = (f64::midpoint(left, end), f64::midpoint(top, floor));
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n{grid}<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text><text transform=\"translate(14 {half}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n{}</svg>\n",
            escape(&self.title),
            HEIGHT - 8.0,
            escape(self.x.label),
            escape(self.y.label),
            self.body
        )
    }
}

/// What the colours of a picture mean.
pub(super) fn legend(names: &[String]) -> String {
    let entries = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("<span><i class=\"swatch c{}\"></i>{}</span>", i % COLOURS, escape(name)));
    format!("<p class=\"legend\">{}</p>\n", entries.collect::<String>())
}

/// Colours that the page has.
pub(super) const COLOURS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let axis = Axis::over("x", [3.0, 800.0].into_iter(), false).unwrap();
        assert_eq!(axis.ticks(), [10.0, 100.0, 1000.0][..axis.ticks().len()]);
        let axis = Axis::over("x", [16.0, 512.0].into_iter(), true).unwrap();
        assert_eq!(axis.ticks(), [16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);
        assert!(Axis::over("x", [0.0, f64::NAN].into_iter(), false).is_none());
        assert_eq!([short(0.25), short(65_536.0), short(2e9), short(1024.0)], ["0.25", "65.536k", "2G", "1024"]);
    }
}
