//! Lanes of bars: what passed, failed or never came, stretch by stretch.

use maud::{Markup, html};

use super::{Marks, Point, time_axis};
use crate::format::{count, percent_text};

/// A quarter of a bar's width stays free between bars.
const GAP: f64 = 0.25;
/// Up to this share of failures a bar is amber; beyond, red.
const PARTLY_PPM_MAX: u64 = 50_000;

/// How many observations passed, failed and never came in each point.
pub(crate) fn errors(points: &[Point], marks: &Marks) -> Markup {
    let highest = points.iter().map(|point| point.tally.count().max(point.expected)).max().unwrap_or(0);
    if highest == 0 {
        return html! { div .empty { p .what { "No observation in the last hour" } p .why { "None was due either." } } };
    }
    let failed: u64 = points.iter().map(|point| point.tally.failed).sum();
    let absent: u64 = points.iter().map(Point::absent).sum();
    let height = |number: u64| number as f64 / highest as f64 * 100.0;
    html! {
        div .chart.lane {
            div .axis.value aria-hidden="true" { span { (count(highest)) } span { "0" } }
            svg .plot viewBox={ "0 0 " (points.len()) " 100" } preserveAspectRatio="none" role="img"
                aria-label={ (failed) " failed and " (absent) " absent observations in the last hour" } {
                (marks.bands(points, 100))
                @for (n, point) in points.iter().enumerate() {
                    @let passed = point.tally.count() - point.tally.failed.min(point.tally.count());
                    @let lanes = [("failed", point.tally.failed), ("passed", passed), ("absent", point.absent())];
                    @for (class, from, number) in stacked(lanes) {
                        rect class={ "bar " (class) } x=(format!("{:.2}", n as f64 + GAP / 2.0)) width=(1.0 - GAP)
                            y=(format!("{:.2}", 100.0 - height(from + number))) height=(format!("{:.2}", height(number))) {}
                    }
                    rect .hit x=(n) y="0" width="1" height="100" { title { (hover(point)) } }
                }
                (marks.lines(points))
            }
            (time_axis(points))
        }
        div .legend {
            span { i .swatch.passed {} "passed" }
            span { i .swatch.failed {} "failed (" (count(failed)) ")" }
            span { i .swatch.absent {} "due, but not received (" (count(absent)) ")" }
        }
        (marks.list())
    }
}

/// The lanes that are not empty, each with the sum of those below it.
fn stacked<const N: usize>(lanes: [(&'static str, u64); N]) -> Vec<(&'static str, u64, u64)> {
    let mut below = 0;
    let mut stacked = Vec::with_capacity(N);
    for (class, number) in lanes.into_iter().filter(|(_, number)| *number > 0) {
        stacked.push((class, below, number));
        below += number;
    }
    stacked
}

fn hover(point: &Point) -> String {
    let time = point.span_text();
    let (received, failed) = (point.tally.count(), point.tally.failed);
    let mut text = match received {
        0 => format!("{time} UTC: no data"),
        _ => format!("{time} UTC: {} observations, {} failed", count(received), count(failed)),
    };
    if point.absent() > 0 {
        text += &format!(", {} due but not received", count(point.absent()));
    }
    text
}

/// One bar for each point: its colour says how much passed, its height how much was received. What is missing is grey.
pub(crate) fn uptime(points: &[Point], name: &str, marks: &Marks) -> Markup {
    let with_data = points.iter().filter(|point| point.tally.count() > 0).count();
    let failing = points.iter().filter(|point| point.tally.failed > 0).count();
    let label = format!(
        "{name} in the last 24 hours: {failing} of {} half hours with failures, {} without data",
        points.len(),
        points.len() - with_data
    );
    html! {
        svg .uptime viewBox={ "0 0 " (points.len()) " 10" } preserveAspectRatio="none" role="img" aria-label=(label) {
            (marks.bands(points, 10))
            @for (n, point) in points.iter().enumerate() {
                @let x = format!("{:.2}", n as f64 + GAP / 2.0);
                @let height = received(point) * 10.0;
                g .slot {
                    title { (uptime_hover(point)) }
                    rect .bar.unknown x=(x) y="0" width=(1.0 - GAP) height="10" {}
                    @if height > 0.0 {
                        rect class={ "bar " (quality(point)) } x=(x) y=(format!("{:.2}", 10.0 - height)) width=(1.0 - GAP)
                            height=(format!("{height:.2}")) {}
                    }
                }
            }
        }
    }
}

/// Received of the expected observations, 0 to 1.
fn received(point: &Point) -> f64 {
    match point.tally.count() {
        0 => 0.0,
        received => (received as f64 / point.expected.max(received) as f64).max(0.1),
    }
}

fn quality(point: &Point) -> &'static str {
    match point.figures().error_rate_ppm() {
        None => "unknown",
        Some(0) => "ok",
        Some(ppm) if ppm <= PARTLY_PPM_MAX => "partly",
        Some(_) => "bad",
    }
}

fn uptime_hover(point: &Point) -> String {
    match point.figures().error_rate_ppm() {
        None => hover(point),
        Some(ppm) => format!("{}: {} % passed", hover(point), percent_text(1_000_000 - ppm)),
    }
}
