//! The tiles: each objective's figure, its limit, and its last hour.

use maud::{Markup, html};
use spark_core::series::NotKept;
use spark_core::units::decimal;
use spark_core::view::{Figures, Slo};

use super::super::facts::uptime_ppm;
use super::super::frame::Frame;
use super::super::panel::icon;
use crate::chart::{Point, sparkline};
use crate::format::{latency, latency_ms, percent, percent_text, span, staleness};

pub(super) struct Tiles {
    figures: Figures,
    staleness_us: Option<u64>,
    latency_limit_us: u64,
    error_limit_ppm: u64,
    staleness_limit_us: u64,
    /// The most overdue target, when one is overdue.
    most_overdue: Option<String>,
}

/// One tile.
struct Tile {
    title: &'static str,
    value: Markup,
    /// Whether the figure keeps its limit; `None` when there is no figure or no limit.
    holds: Option<bool>,
    note: String,
    /// How much of the limit is used, in thousandths.
    used: Option<u64>,
    history: Markup,
}

impl Tiles {
    pub(super) fn take(slo: &Slo<'_>) -> Self {
        let most_overdue = slo.judged().filter(|target| target.staleness_us > Some(0));
        let most_overdue = most_overdue.max_by_key(|target| target.staleness_us).map(|target| target.name.to_string());
        Self {
            figures: slo.figures.clone(),
            staleness_us: slo.staleness_us,
            latency_limit_us: slo.profile.latency_p95.0,
            error_limit_ppm: slo.profile.error_rate.0,
            staleness_limit_us: slo.profile.staleness.0,
            most_overdue,
        }
    }

    pub(super) fn render(&self, frame: &Frame, hour: &Result<Vec<Point>, NotKept>) -> Markup {
        let judged = |figure: Option<u64>, limit: u64| figure.map(|figure| figure < limit);
        let used = |figure: Option<u64>, limit: u64| figure.map(|figure| figure.saturating_mul(1_000) / limit.max(1));
        let history = |what: &str, value: &dyn Fn(&Point) -> Option<u64>| match hour {
            Ok(points) => {
                sparkline(&points.iter().map(value).collect::<Vec<_>>(), &format!("{what} over the last hour"))
            }
            Err(_) => html! {},
        };
        let (p95, errors) = (self.figures.latency_p95_us(), self.figures.error_rate_ppm());
        let tiles = [
            Tile {
                title: "p95 latency",
                value: latency_ms(p95),
                holds: judged(p95, self.latency_limit_us),
                note: format!("limit {}", latency(self.latency_limit_us)),
                used: used(p95, self.latency_limit_us),
                history: history("p95 latency", &|point| point.tally.latencies.quantile_us(950_000)),
            },
            Tile {
                title: "Error rate",
                value: percent(errors),
                holds: judged(errors, self.error_limit_ppm),
                note: format!("limit {} %", decimal(self.error_limit_ppm, 4)),
                used: used(errors, self.error_limit_ppm),
                history: history("Error rate", &|point| point.figures().error_rate_ppm()),
            },
            Tile {
                title: "Staleness",
                value: staleness(self.staleness_us),
                holds: judged(self.staleness_us, self.staleness_limit_us),
                note: match &self.most_overdue {
                    Some(name) => format!("limit {}, most overdue: {name}", span(self.staleness_limit_us)),
                    None => format!("limit {}", span(self.staleness_limit_us)),
                },
                used: used(self.staleness_us, self.staleness_limit_us),
                history: html! {},
            },
            Tile {
                title: "Uptime",
                value: percent(uptime_ppm(&self.figures)),
                holds: None,
                note: match self.figures.completeness_ppm() {
                    Some(ppm) => format!("on {} % of the expected checks", percent_text(ppm)),
                    None => "no checks were expected".to_owned(),
                },
                used: None,
                history: history("Completeness", &|point| point.figures().completeness_ppm()),
            },
        ];
        html! { @for tile in &tiles { (tile.render(frame)) } }
    }
}

impl Tile {
    fn render(&self, frame: &Frame) -> Markup {
        // A figure that is not live keeps no limit.
        let holds = self.holds.filter(|_| frame.standing.is_live() || frame.pinned);
        let class = match holds {
            Some(true) => "ok",
            Some(false) => "bad",
            None => "plain",
        };
        html! {
            article class={ "tile " (class) } {
                header {
                    h2 { (self.title) }
                    @match holds {
                        Some(true) => span .state.ok { (icon("ok")) "within" },
                        Some(false) => span .state.bad { (icon("bad")) "beyond" },
                        None => {},
                    }
                    @if let Some(badge) = frame.standing.badge() { span .badge.stale { (badge) } }
                }
                p .figure { (self.value) }
                p .note { (self.note) }
                @if let Some(used) = self.used {
                    svg .meter viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true" {
                        rect .rail width="1000" height="6" {}
                        rect .used width=(used.min(1_000)) height="6" {}
                    }
                }
                (self.history)
            }
        }
    }
}
