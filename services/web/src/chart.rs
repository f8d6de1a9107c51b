//! Charts as inline SVG: they follow the theme by their classes, say their values on hover, and have a table beside.
//!
//! The drawing area is stretched to its box, so every text stands outside it, in HTML; axes have evenly spread labels.

mod lanes;
mod latency;
mod marks;

use maud::{Markup, html};
use spark_core::bucket::Tally;
use spark_core::view::Figures;
use spark_core::window::Window;
use spark_schemas::TimeNs;

pub(crate) use lanes::{errors, uptime};
pub(crate) use latency::latencies;
pub(crate) use marks::Marks;

use crate::format::minute_text;

/// A stretch of time in a chart.
pub(crate) struct Point {
    pub(crate) start: TimeNs,
    pub(crate) width_ns: u64,
    pub(crate) tally: Tally,
    /// Observations that were due in it.
    pub(crate) expected: u64,
}

impl Point {
    pub(crate) fn new(start: TimeNs, width_ns: u64) -> Self {
        Self { start, width_ns, tally: Tally::default(), expected: 0 }
    }

    /// As the figures of a window, for the shares that those know.
    pub(crate) fn figures(&self) -> Figures {
        let to = TimeNs(self.start.0 + self.width_ns);
        let (tally, expected) = (self.tally.clone(), self.expected);
        let received = tally.count().min(expected);
        Figures { window: Window::M5, from: self.start, to, tally, expected, received }
    }

    /// Observations that were due and did not come.
    fn absent(&self) -> u64 {
        self.expected.saturating_sub(self.tally.count())
    }

    /// `14:03–14:04`.
    fn span_text(&self) -> String {
        let to = TimeNs(self.start.0 + self.width_ns);
        if self.width_ns <= 60 * TimeNs::SECOND {
            return minute_text(self.start);
        }
        format!("{}–{}", minute_text(self.start), minute_text(to))
    }
}

/// Five instants, evenly spread over the points.
fn time_axis(points: &[Point]) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    let span = last.start.0 + last.width_ns - first.start.0;
    html! {
        div .axis.time aria-hidden="true" {
            @for n in 0..5 { span { (minute_text(TimeNs(first.start.0 + span * n / 4))) } }
        }
    }
}

/// A small line without axes: `values` from left to right, gaps where there is none.
pub(crate) fn sparkline(values: &[Option<u64>], what: &str) -> Markup {
    let highest = values.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
    let y = |value: u64| 22.0 - value as f64 / highest * 20.0;
    let lines: Vec<String> = runs(values, |value| value.map(y)).iter().map(|run| line(run)).collect();
    html! {
        svg .sparkline viewBox={ "0 0 " (values.len().max(1)) " 24" } preserveAspectRatio="none" role="img" aria-label=(what) {
            @for path in &lines { path d=(path) {} }
        }
    }
}

/// Unbroken stretches of points: x in the middle of each, y as `height` says. A point alone becomes a short dash.
fn runs<T>(points: &[T], height: impl Fn(&T) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for (n, point) in points.iter().enumerate() {
        let Some(y) = height(point) else {
            open = false;
            continue;
        };
        if !open {
            runs.push(Vec::new());
        }
        open = true;
        if let Some(run) = runs.last_mut() {
            run.push((n as f64 + 0.5, y));
        }
    }
    for run in &mut runs {
        if let [(x, y)] = run[..] {
            *run = vec![(x - 0.4, y), (x + 0.4, y)];
        }
    }
    runs
}

fn line(run: &[(f64, f64)]) -> String {
    let steps = run.iter().enumerate().map(|(n, (x, y))| format!("{}{x:.1} {y:.2}", if n == 0 { 'M' } else { 'L' }));
    steps.collect()
}

/// The area between two runs over the same points.
fn area(upper: &[(f64, f64)], lower: &[(f64, f64)]) -> String {
    let back = lower.iter().rev().map(|(x, y)| format!("L{x:.1} {y:.2}"));
    line(upper) + &back.collect::<String>() + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_points_break_the_line() {
        let runs = runs(&[Some(1.0), None, Some(2.0), Some(3.0)], |value| *value);
        let lines: Vec<String> = runs.iter().map(|run| line(run)).collect();
        assert_eq!(lines, ["M0.1 1.00L0.9 1.00", "M2.5 2.00L3.5 3.00"]);
    }
}
