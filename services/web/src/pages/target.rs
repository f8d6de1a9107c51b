//! `/targets/<name>`: everything that is known of one target.

mod detail;

use maud::{Markup, html};
use spark_core::config::Target;
use spark_core::series::NotKept;
use spark_core::units::decimal;
use spark_core::view::{Figures, Slo, View, past};
use spark_core::window::Window;
use spark_schemas::Name;
use spark_schemas::event::Observed;

use super::Region;
use super::facts::{HOUR_NS, TargetFacts, last_day, last_hour};
use super::frame::Frame;
use super::panel::{badges, empty, left_out, panel, panel_with, state};
use crate::api::problem::Problem;
use crate::chart::{self, Marks, Point};
use crate::format::{latency_us, number, percent_ppm, staleness};
use detail::SeriesFacts;

pub(super) struct Model {
    facts: TargetFacts,
    config: Option<Target>,
    limit_us: u64,
    windows: Vec<(Window, Result<Figures, NotKept>)>,
    hour: Result<Vec<Point>, NotKept>,
    day: Result<Vec<Point>, NotKept>,
    marks: Marks,
    day_marks: Marks,
    latest: Option<Observed>,
    series: Vec<SeriesFacts>,
    /// Newest first, with the agent that saw it.
    failures: Vec<(String, Observed)>,
}

impl Model {
    pub(super) fn take(view: &View<'_>, slo: &Slo<'_>, name: &Name) -> Result<Self, Problem> {
        let target = past::target(view, name).ok_or_else(|| Problem::unknown_target(name))?;
        let alone = std::slice::from_ref(&target);
        let mut failures: Vec<(String, Observed)> = Vec::new();
        for series in target.series.iter() {
            let seen_by = series.agent.to_string();
            failures.extend(series.failures().map(|failure| (seen_by.clone(), failure.clone())));
        }
        failures.retain(|(_, failure)| failure.slot_ns <= view.at);
        failures.sort_by_key(|(_, failure)| std::cmp::Reverse(failure.slot_ns));
        failures.truncate(20);
        Ok(Self {
            facts: TargetFacts::of(view, &target),
            config: target.config.cloned(),
            limit_us: slo.profile.latency_p95.0,
            windows: Window::ALL.map(|window| (window, view.figures(window, target.series.iter()))).into(),
            hour: last_hour(view, alone),
            day: last_day(view, alone),
            marks: Marks::of(view, HOUR_NS, Some(name)),
            day_marks: Marks::of(view, 24 * HOUR_NS, Some(name)),
            latest: target.latest.cloned(),
            series: target.series.iter().map(|series| SeriesFacts::of(view, series)).collect(),
            failures,
        })
    }

    pub(super) fn is_demo(&self) -> bool {
        self.facts.demo
    }

    pub(super) fn render(&self, frame: &Frame) -> Vec<Region> {
        let drawn = |points: &Result<Vec<Point>, NotKept>, draw: &dyn Fn(&[Point]) -> Markup| match points {
            Ok(points) => Ok(draw(points)),
            Err(error) => Err(Problem::from(*error)),
        };
        let aside = html! { span .note { "last hour, by minute" } };
        vec![
            Region { id: "summary", class: "summary wide", label: "State now", body: self.summary(frame) },
            panel(frame, "day", "panel wide", "Last 24 hours", drawn(&self.day, &|points| self.day(points))),
            panel_with(
                frame,
                "latency",
                "panel two-thirds",
                "Latency",
                aside.clone(),
                drawn(&self.hour, &|points| chart::latencies(points, self.limit_us, &self.marks)),
            ),
            panel(frame, "latest", "panel third", "Latest check", Ok(detail::latest(frame, self.latest.as_ref()))),
            panel_with(
                frame,
                "errors",
                "panel two-thirds",
                "Checks and errors",
                aside,
                drawn(&self.hour, &|points| chart::errors(points, &self.marks)),
            ),
            panel(
                frame,
                "schedule",
                "panel third",
                "Schedule and conditions",
                Ok(detail::conditions(self.config.as_ref())),
            ),
            panel(frame, "windows", "panel wide", "Figures", Ok(self.windows())),
            panel(frame, "failures", "panel wide", "Recent failures", Ok(self.failures())),
            panel(frame, "agents", "panel wide", "Seen by", Ok(detail::agents(&self.series))),
        ]
    }

    fn summary(&self, frame: &Frame) -> Markup {
        html! {
            (state(frame, self.facts.state))
            (left_out(&self.facts))
            span .reason { (self.facts.reason) }
            (badges(self.facts.demo, frame.is_stand_in(self.facts.role)))
            @if let Some(url) = &self.facts.url { code .url { (url) } }
            span .right {
                @match self.facts.staleness_us {
                    Some(0) => { data value="0" data-unit="s" { "on time" } },
                    overdue => { "overdue " (staleness(overdue)) },
                }
            }
        }
    }

    fn day(&self, points: &[Point]) -> Markup {
        html! {
            div .day {
                (chart::uptime(points, &self.facts.name, &self.day_marks))
                div .ends aria-hidden="true" { span { "24 h ago" } span { "now" } }
            }
        }
    }

    fn windows(&self) -> Markup {
        let headings =
            ["Checks", "Failed", "Missed", "Expected", "Errors", "Complete", "p50", "p90", "p95", "p99", "max"];
        html! {
            div .scroll tabindex="0" {
                table .rows {
                    thead { tr { th scope="col" { "Window" } @for name in headings { th .num scope="col" { (name) } } } }
                    tbody {
                        @for (window, figures) in &self.windows {
                            tr {
                                th scope="row" { (window) }
                                @match figures {
                                    Ok(figures) => (window_cells(figures)),
                                    Err(error) => td .why colspan=(headings.len()) { (Problem::from(*error).detail) },
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn failures(&self) -> Markup {
        if self.failures.is_empty() {
            return empty("No failure on record", html! { "The last twenty of each agent would stand here." });
        }
        html! {
            div .scroll tabindex="0" {
                table .rows {
                    thead {
                        tr {
                            th scope="col" { "Slot" } th scope="col" { "Agent" } th scope="col" { "Reason" }
                            th scope="col" { "Detail" } th .num scope="col" { "Status" } th .num scope="col" { "Took" }
                        }
                    }
                    tbody {
                        @for (agent, failure) in &self.failures {
                            tr {
                                th scope="row" { (crate::format::stamp(failure.slot_ns)) }
                                td { (agent) }
                                td { (detail::reason_text(failure.reason)) }
                                td { (failure.detail.as_deref().unwrap_or("—")) }
                                td .num { @match failure.status { Some(status) => (status), None => "—" } }
                                td .num { data value=(decimal(failure.latency_us, 3)) data-unit="ms" { (crate::format::latency(failure.latency_us)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn window_cells(figures: &Figures) -> Markup {
    let quantiles = figures.quantiles();
    html! {
        td .num { (number(figures.tally.count())) }
        td .num { (number(figures.tally.failed)) }
        td .num { (number(figures.tally.missed)) }
        td .num { (number(figures.expected)) }
        td .num { (percent_ppm(figures.error_rate_ppm())) }
        td .num { (percent_ppm(figures.completeness_ppm())) }
        td .num { (latency_us(quantiles.map(|q| q.p50))) }
        td .num { (latency_us(quantiles.map(|q| q.p90))) }
        td .num { (latency_us(quantiles.map(|q| q.p95))) }
        td .num { (latency_us(quantiles.map(|q| q.p99))) }
        td .num { (latency_us(quantiles.map(|q| q.max))) }
    }
}
