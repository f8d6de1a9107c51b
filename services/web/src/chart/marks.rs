//! Marks on charts over time: deployments as lines, maintenances and the time outside of service hours as shaded bands.
//! What they say on hover stands beside the chart as a list too.

use maud::{Markup, html};
use spark_core::maintenance::covers;
use spark_core::service_hours::outside;
use spark_core::view::View;
use spark_schemas::TimeNs;
use spark_schemas::event::{Deployment, Maintenance, TimeSpan};

use super::Point;
use crate::format::stamp_text;

/// More deployments in one chart would hide it.
const DEPLOYMENTS_MAX: usize = 30;

/// What people said of the time that charts show.
#[derive(Default)]
pub(crate) struct Marks {
    deployments: Vec<Deployment>,
    maintenances: Vec<Maintenance>,
    /// When the one target is outside of its service hours.
    outside_hours: Vec<TimeSpan>,
}

impl Marks {
    /// Those of the last `span_ns`; of maintenances those of the one target, or all. Service hours are one target's.
    pub(crate) fn of(view: &View<'_>, span_ns: u64, target: Option<&str>) -> Self {
        let from = TimeNs(view.at.0.saturating_sub(span_ns));
        let declarations = view.declarations();
        let shown = |one: &&Deployment| from <= one.at_ns && one.at_ns <= view.at;
        let newest = declarations.deployments.iter().rev().filter(shown).take(DEPLOYMENTS_MAX);
        let mut deployments: Vec<Deployment> = newest.cloned().collect();
        deployments.sort_by_key(|one| one.at_ns);
        let overlaps = |one: &&Maintenance| from < one.to_ns && one.from_ns <= view.at;
        let concerns = |one: &&Maintenance| target.is_none_or(|target| covers(one, target));
        let maintenances = declarations.maintenances_in_force().filter(overlaps).filter(concerns).cloned();
        let span = TimeSpan { from_ns: from, to_ns: view.at };
        let outside_hours = target.map(|target| outside(declarations.service_hours(), target, span));
        let outside_hours = outside_hours.unwrap_or_default();
        Self { maintenances: maintenances.collect(), outside_hours, deployments }
    }

    /// The shaded bands, beneath everything else.
    pub(super) fn bands(&self, points: &[Point], height: u64) -> Markup {
        let Some(axis) = Axis::of(points) else { return html! {} };
        let band = |from_ns, to_ns, text: String| {
            let (from, to) = (axis.x(from_ns), axis.x(to_ns));
            html! {
                @if from < to {
                    rect .maintenance x=(format!("{from:.2}")) y="0" width=(format!("{:.2}", to - from)) height=(height) {
                        title { (text) }
                    }
                }
            }
        };
        html! {
            @for one in &self.maintenances { (band(one.from_ns, one.to_ns, maintenance_text(one))) }
            @for one in &self.outside_hours { (band(one.from_ns, one.to_ns, outside_text(one))) }
        }
    }

    /// The lines, above everything else, so that they can be pointed at.
    pub(super) fn lines(&self, points: &[Point]) -> Markup {
        let Some(axis) = Axis::of(points) else { return html! {} };
        html! {
            @for one in self.deployments.iter().filter(|one| axis.has(one.at_ns)) {
                @let x = format!("{:.2}", axis.x(one.at_ns));
                g .deployment {
                    title { (deployment_text(one)) }
                    line x1=(x) x2=(x) y1="0" y2="100" {}
                }
            }
        }
    }

    /// The same in words.
    pub(super) fn list(&self) -> Markup {
        if self.deployments.is_empty() && self.maintenances.is_empty() && self.outside_hours.is_empty() {
            return html! {};
        }
        html! {
            ul .marks {
                @for one in &self.maintenances { li { i .swatch.maintenance {} (maintenance_text(one)) } }
                @for one in &self.outside_hours { li { i .swatch.maintenance {} (outside_text(one)) } }
                @for one in &self.deployments { li { i .swatch.deployment {} (deployment_text(one)) } }
            }
        }
    }
}

fn deployment_text(one: &Deployment) -> String {
    format!("{} {} went out at {}", one.service, one.version, stamp_text(one.at_ns))
}

fn maintenance_text(one: &Maintenance) -> String {
    let names: Vec<&str> = one.targets.iter().map(|name| name.as_str()).collect();
    let targets = if names.is_empty() { "every target".to_owned() } else { names.join(", ") };
    let (from, to) = (stamp_text(one.from_ns), stamp_text(one.to_ns));
    let correction = match one.from_ns < one.at_ns {
        true => format!(" (a correction: declared at {})", stamp_text(one.at_ns)),
        false => String::new(),
    };
    format!("Maintenance {} of {targets}, {from} to {to}: {}{correction}", one.id, one.reason)
}

fn outside_text(one: &TimeSpan) -> String {
    format!("Outside of its service hours, {} to {}", stamp_text(one.from_ns), stamp_text(one.to_ns))
}

/// From instants to the drawing area, in which a point is one unit wide.
struct Axis {
    first: TimeNs,
    width_ns: u64,
    points: usize,
}

impl Axis {
    fn of(points: &[Point]) -> Option<Self> {
        points.first().map(|first| Self { first: first.start, width_ns: first.width_ns, points: points.len() })
    }

    fn has(&self, at: TimeNs) -> bool {
        self.first <= at && self.x(at) < self.points as f64
    }

    fn x(&self, at: TimeNs) -> f64 {
        let x = at.0.saturating_sub(self.first.0) as f64 / self.width_ns as f64;
        x.min(self.points as f64)
    }
}
