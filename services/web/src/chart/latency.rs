//! The latency chart: p50, p95 and p99 as bands over time.

use maud::{Markup, html};

use super::{Marks, Point, area, line, runs, time_axis};
use crate::format::latency;

const QUANTILES: [(&str, u64); 3] = [("p50", 500_000), ("p95", 950_000), ("p99", 990_000)];
/// Beyond this ratio of the highest to the lowest latency a linear axis shows nothing but its peak.
const LINEAR_RATIO_MAX: u64 = 60;

/// A vertical axis with evenly spread ticks.
struct Axis {
    logarithmic: bool,
    low_us: f64,
    high_us: f64,
    /// From the top down.
    ticks_us: Vec<u64>,
}

impl Axis {
    fn over(lowest_us: u64, highest_us: u64) -> Self {
        if highest_us / lowest_us.max(1) > LINEAR_RATIO_MAX {
            let decade = |us: u64| us.max(1).ilog10();
            let (low, high) = (decade(lowest_us), decade(highest_us) + 1);
            let ticks_us: Vec<u64> = (low..=high).rev().map(|power| 10_u64.pow(power)).collect();
            let edge = |power| 10_u64.pow(power) as f64;
            return Self { logarithmic: true, low_us: edge(low), high_us: edge(high), ticks_us };
        }
        let step = nice_step(highest_us.div_ceil(4));
        let top = highest_us.div_ceil(step).max(1);
        let ticks_us: Vec<u64> = (0..=top).rev().map(|n| n * step).collect();
        Self { logarithmic: false, low_us: 0.0, high_us: (top * step) as f64, ticks_us }
    }

    /// From 0 at the top to 100 at the bottom.
    fn y(&self, us: u64) -> f64 {
        let us = us as f64;
        let share = match self.logarithmic {
            true => (us.max(self.low_us) / self.low_us).ln() / (self.high_us / self.low_us).ln(),
            false => us / self.high_us,
        };
        100.0 - share.min(1.0) * 100.0
    }
}

/// The least of 1, 2, 2.5 or 5 times a power of ten that is not less than `at_least`.
fn nice_step(at_least: u64) -> u64 {
    let power = 10_u64.pow(at_least.max(10).ilog10());
    [power, power * 2, power * 5 / 2, power * 5, power * 10].into_iter().find(|step| *step >= at_least).unwrap_or(power)
}

/// Latency over time, with the limit that the 95th percentile is held against.
pub(crate) fn latencies(points: &[Point], limit_us: u64, marks: &Marks) -> Markup {
    let quantiles: Vec<Option<[u64; 3]>> = points.iter().map(quantiles).collect();
    let all = || quantiles.iter().flatten();
    let (Some(lowest), Some(highest)) = (all().map(|q| q[0]).min(), all().map(|q| q[2]).max()) else {
        return html! { div .empty { p .what { "No observation in the last hour" } p .why { "Latency shows with the first one." } } };
    };
    // A limit far above what is seen would flatten everything.
    let shown_limit = Some(limit_us).filter(|limit| *limit <= highest.saturating_mul(3));
    let axis = Axis::over(lowest, highest.max(shown_limit.unwrap_or(0)));
    let band = |index: usize| runs(&quantiles, |point| point.map(|q| axis.y(q[index])));
    let (p50, p95, p99) = (band(0), band(1), band(2));
    html! {
        div .chart {
            div .axis.value aria-hidden="true" { @for tick in &axis.ticks_us { span { (latency(*tick)) } } }
            svg .plot viewBox={ "0 0 " (points.len()) " 100" } preserveAspectRatio="none" role="img"
                aria-label="Latency over the last hour: p50, p95 and p99; the table below has the figures" {
                (marks.bands(points, 100))
                @for n in 1..axis.ticks_us.len().saturating_sub(1) {
                    @let y = n as f64 * 100.0 / (axis.ticks_us.len() - 1) as f64;
                    line .grid x1="0" x2=(points.len()) y1=(format!("{y:.2}")) y2=(format!("{y:.2}")) {}
                }
                @for (upper, lower) in p99.iter().zip(&p95) { path .band.tail d=(area(upper, lower)) {} }
                @for (upper, lower) in p95.iter().zip(&p50) { path .band.body d=(area(upper, lower)) {} }
                @for run in &p99 { path .line.p99 d=(line(run)) {} }
                @for run in &p95 { path .line.p95 d=(line(run)) {} }
                @for run in &p50 { path .line.p50 d=(line(run)) {} }
                @if let Some(limit) = shown_limit {
                    @let y = format!("{:.2}", axis.y(limit));
                    line .limit x1="0" x2=(points.len()) y1=(y) y2=(y) {}
                }
                @for (n, (point, quantiles)) in points.iter().zip(&quantiles).enumerate() {
                    rect .hit x=(n) y="0" width="1" height="100" { title { (hover(point, quantiles)) } }
                }
                (marks.lines(points))
            }
            (time_axis(points))
        }
        div .legend {
            @for (name, _) in QUANTILES { span { i class={ "swatch " (name) } {} (name) } }
            span { i .swatch.limit {} "p95 limit " (latency(limit_us)) @if shown_limit.is_none() { " (above the chart)" } }
            @if axis.logarithmic { span { "logarithmic scale" } }
            span .right { "UTC" }
        }
        (marks.list())
        (table(points, &quantiles))
    }
}

fn quantiles(point: &Point) -> Option<[u64; 3]> {
    let quantile = |ppm| point.tally.latencies.quantile_us(ppm);
    Some([quantile(QUANTILES[0].1)?, quantile(QUANTILES[1].1)?, quantile(QUANTILES[2].1)?])
}

fn hover(point: &Point, quantiles: &Option<[u64; 3]>) -> String {
    let time = point.span_text();
    match quantiles {
        None => format!("{time} UTC: no observation"),
        Some([p50, p95, p99]) => format!(
            "{time} UTC: p50 {}, p95 {}, p99 {}, {} observations",
            latency(*p50),
            latency(*p95),
            latency(*p99),
            point.tally.count()
        ),
    }
}

fn table(points: &[Point], quantiles: &[Option<[u64; 3]>]) -> Markup {
    html! {
        details .figures {
            summary { "Figures as a table" }
            div .scroll tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Minute (UTC)" }
                            @for (name, _) in QUANTILES { th .num scope="col" { (name) } }
                            th .num scope="col" { "Observations" }
                            th .num scope="col" { "Failed" }
                            th .num scope="col" { "Expected" }
                        }
                    }
                    tbody {
                        @for (point, quantiles) in points.iter().zip(quantiles).rev() {
                            tr {
                                th scope="row" { (point.span_text()) }
                                @for n in 0..QUANTILES.len() {
                                    td .num {
                                        @match quantiles { Some(q) => (latency(q[n])), None => span .none { "no data" } }
                                    }
                                }
                                td .num { (point.tally.count()) }
                                td .num { (point.tally.failed) }
                                td .num { (point.expected) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_what_is_shown() {
        for (lowest, highest, ticks) in [
            (40_000, 90_000, vec![100_000, 75_000, 50_000, 25_000, 0]),
            (1_000, 9_999, vec![10_000, 7_500, 5_000, 2_500, 0]),
            (900, 2_000_000, vec![10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100]),
        ] {
            let axis = Axis::over(lowest, highest);
            assert_eq!(axis.ticks_us, ticks);
            assert!((0.0..=100.0).contains(&axis.y(highest)), "{highest}");
        }
        assert_eq!(Axis::over(0, 0).ticks_us.last(), Some(&0));
    }
}
