//! `/dashboard`: objectives now and over the last hour, error budgets, the gate's preview, agents and targets.

mod agents;
mod budgets;
mod tiles;

use maud::{Markup, html};
use spark_core::gate::{checks, verdict as verdict_over};
use spark_core::series::NotKept;
use spark_core::view::{Slo, TargetView, View, past};
use spark_schemas::event::CheckResult;

use super::Region;
use super::facts::{HOUR_NS, TargetFacts, last_hour};
use super::frame::Frame;
use super::panel::{badges, check_verdict, empty, left_out, panel, panel_with, state, verdict};
use crate::api::problem::Problem;
use crate::chart::{self, Marks, Point};
use crate::format::{self, latency_us, number, percent_ppm, staleness};
use agents::Agent;
use budgets::BudgetFacts;
use tiles::Tiles;

pub(super) struct Model {
    tiles: Tiles,
    budgets: Vec<BudgetFacts>,
    hour: Result<Vec<Point>, NotKept>,
    marks: Marks,
    limit_us: u64,
    /// None for a past instant: the gate judges the present.
    checks: Option<Vec<CheckResult>>,
    profiles: Vec<String>,
    agents: Vec<Agent>,
    targets: Vec<TargetFacts>,
}

impl Model {
    pub(super) fn take(view: &View<'_>, targets: &[TargetView<'_>], slo: &Slo<'_>, frame: &Frame) -> Self {
        Self {
            tiles: Tiles::take(slo),
            budgets: BudgetFacts::all(view),
            hour: last_hour(view, &slo.targets),
            marks: Marks::of(view, HOUR_NS, None),
            limit_us: slo.profile.latency_p95.0,
            checks: (!past::is_past(view)).then(|| checks(view, slo, &frame.health)),
            profiles: view.config().profiles.keys().map(ToString::to_string).collect(),
            agents: Agent::all(view),
            targets: targets.iter().map(|target| TargetFacts::of(view, target)).collect(),
        }
    }

    pub(super) fn is_demo(&self) -> bool {
        self.targets.iter().any(|target| target.demo)
    }

    pub(super) fn render(&self, frame: &Frame) -> Vec<Region> {
        let hour = |draw: &dyn Fn(&[Point]) -> Markup| match &self.hour {
            Ok(points) => Ok(draw(points)),
            Err(error) => Err(Problem::from(*error)),
        };
        vec![
            Region { id: "profiles", class: "profiles", label: "Profile", body: self.profiles(frame) },
            Region { id: "slo", class: "tiles", label: "Objectives", body: self.tiles.render(frame, &self.hour) },
            panel_with(
                frame,
                "latency",
                "panel two-thirds",
                "Latency",
                html! { span .note { "last hour, by minute" } },
                hour(&|points| chart::latencies(points, self.limit_us, &self.marks)),
            ),
            panel(frame, "gate", "panel third tall", "Deploy gate", Ok(self.gate(frame))),
            panel_with(
                frame,
                "errors",
                "panel two-thirds",
                "Checks and errors",
                html! { span .note { "last hour, by minute" } },
                hour(&|points| chart::errors(points, &self.marks)),
            ),
            panel(frame, "budgets", "panel wide", "Error budgets", Ok(budgets::render(&self.budgets, frame))),
            panel(frame, "agents", "panel wide", "Agents", Ok(agents::render(&self.agents, frame))),
            panel(frame, "targets", "panel wide", "Targets", Ok(self.target_table(frame))),
        ]
    }

    fn profiles(&self, frame: &Frame) -> Markup {
        html! {
            span .note { "Profile" }
            @for name in &self.profiles {
                a href={ "/dashboard?profile=" (name) } aria-current=[(*name == frame.profile).then_some("true")] { (name) }
            }
        }
    }

    fn gate(&self, frame: &Frame) -> Markup {
        if !frame.standing.is_live() && !frame.pinned {
            let why = frame.standing.sentence().unwrap_or_default();
            return empty("No verdict while the figures are not live", html! { (why) });
        }
        let Some(checks) = &self.checks else {
            return empty(
                "The gate judges the present",
                html! { "A decision that was made then is an event on the log." },
            );
        };
        html! {
            (verdict(verdict_over(checks)))
            ul .checks {
                @for check in checks {
                    li {
                        (check_verdict(check.verdict))
                        div {
                            code { (check.id) }
                            p .why { (check.reason) }
                        }
                        (observed(check))
                    }
                }
            }
            p .note { "A preview: nothing is recorded. " code { "spark gate" } " decides." }
        }
    }

    fn target_table(&self, frame: &Frame) -> Markup {
        if self.targets.is_empty() {
            return empty("Nothing is watched yet", html! { "Name a target in " code { "spark.toml" } "." });
        }
        html! {
            div .scroll tabindex="0" {
                table .rows {
                    thead {
                        tr {
                            th scope="col" { "Target" } th scope="col" { "State" }
                            @for name in ["p50", "p95", "p99", "Errors", "Complete", "Overdue", "Checks"] {
                                th .num scope="col" { (name) }
                            }
                        }
                    }
                    tbody { @for target in &self.targets { (row(frame, target)) } }
                }
            }
            p .note { "Over the last 5 minutes. Complete: received of the expected checks." }
        }
    }
}

fn observed(check: &CheckResult) -> Markup {
    let with_unit = |figure: &str| match check.unit.is_empty() {
        true => figure.to_owned(),
        false => format!("{figure} {}", check.unit),
    };
    html! {
        div .observed {
            @match &check.observed {
                Some(observed) => data value=(observed) { (with_unit(observed)) },
                None => span .none { "no data" },
            }
            @if let Some(threshold) = &check.threshold {
                span .limit { @if check.unit.is_empty() { "asked: " } @else { "limit " } (with_unit(threshold)) }
            }
        }
    }
}

fn row(frame: &Frame, target: &TargetFacts) -> Markup {
    let figures = target.recent.as_ref().ok();
    let quantiles = figures.and_then(|figures| figures.quantiles());
    html! {
        tr {
            th scope="row" {
                a href={ "/targets/" (target.name) } { (target.name) } " "
                (badges(target.demo, frame.is_stand_in(target.role)))
            }
            td title=(target.reason) { (state(frame, target.state)) (left_out(target)) }
            td .num { (latency_us(quantiles.map(|q| q.p50))) }
            td .num { (latency_us(quantiles.map(|q| q.p95))) }
            td .num { (latency_us(quantiles.map(|q| q.p99))) }
            td .num { (percent_ppm(figures.and_then(|figures| figures.error_rate_ppm()))) }
            td .num { (percent_ppm(figures.and_then(|figures| figures.completeness_ppm()))) }
            td .num { (staleness(target.staleness_us)) }
            td .num { (figures.map_or_else(format::none, |figures| number(figures.tally.count()))) }
        }
    }
}
