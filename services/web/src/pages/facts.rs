//! What several pages show of targets, taken out of the view.

use spark_core::config::Role;
use spark_core::series::NotKept;
use spark_core::view::{Figures, SLO_WINDOW, TargetView, View, past};
use spark_core::window::{Tier, Window};
use spark_schemas::derived::TargetState;
use spark_schemas::event::Maintenance;
use spark_schemas::{Name, TimeNs};

use crate::chart::Point;

const MINUTE: u64 = 60 * TimeNs::SECOND;
/// Minutes that charts show.
const MINUTES: u64 = 60;
/// Half hours that uptime bars show.
const HALF_HOURS: u64 = 48;
/// What the charts by minute show.
pub(super) const HOUR_NS: u64 = MINUTES * MINUTE;

/// One target, as lists show it.
pub(super) struct TargetFacts {
    pub(super) name: Name,
    pub(super) url: Option<String>,
    pub(super) role: Option<Role>,
    pub(super) demo: bool,
    pub(super) state: TargetState,
    pub(super) reason: String,
    /// While it is in maintenance, no figure over several targets counts it.
    pub(super) maintenance: Option<Maintenance>,
    /// The same while it is outside of its service hours: until then.
    pub(super) outside_hours_until: Option<TimeNs>,
    pub(super) staleness_us: Option<u64>,
    /// The last five minutes.
    pub(super) recent: Result<Figures, NotKept>,
}

impl TargetFacts {
    pub(super) fn of(view: &View<'_>, target: &TargetView<'_>) -> Self {
        Self {
            name: target.name.clone(),
            url: target.config.map(|config| config.url.to_string()),
            role: target.config.and_then(|config| config.role),
            demo: target.is_demo(),
            state: target.state,
            reason: target.reason.to_string(),
            maintenance: target.maintenance.cloned(),
            outside_hours_until: target.outside_hours_until,
            staleness_us: target.staleness_us,
            recent: view.figures(SLO_WINDOW, target.series.iter()),
        }
    }

    /// Whether figures over several targets count it.
    pub(super) fn is_judged(&self) -> bool {
        self.maintenance.is_none() && self.outside_hours_until.is_none()
    }
}

/// What passed of all observations, in parts per million, rounded down so that a failure always shows.
pub(super) fn uptime_ppm(figures: &Figures) -> Option<u64> {
    figures.error_rate_ppm().map(|failed| 1_000_000 - failed)
}

/// The last hour of `targets`, minute by minute.
pub(super) fn last_hour(view: &View<'_>, targets: &[TargetView<'_>]) -> Result<Vec<Point>, NotKept> {
    refuse_what_is_gone(view, targets, Window::H2)?;
    Ok(points(view, targets, Tier::Minute, MINUTE, MINUTES))
}

/// The last 24 hours of `targets`, half hour by half hour.
pub(super) fn last_day(view: &View<'_>, targets: &[TargetView<'_>]) -> Result<Vec<Point>, NotKept> {
    refuse_what_is_gone(view, targets, Window::D3)?;
    Ok(points(view, targets, Tier::Minutes15, 30 * MINUTE, HALF_HOURS))
}

/// Fails where the buckets of a window's width are no longer kept. Those up to now always are.
fn refuse_what_is_gone(view: &View<'_>, targets: &[TargetView<'_>], window: Window) -> Result<(), NotKept> {
    if !past::is_past(view) {
        return Ok(());
    }
    view.window_over(targets, window).map(drop)
}

fn points(view: &View<'_>, targets: &[TargetView<'_>], tier: Tier, width_ns: u64, number: u64) -> Vec<Point> {
    let last = view.at.0 / width_ns;
    let first = (last + 1).saturating_sub(number);
    let mut points: Vec<Point> = (first..=last).map(|n| Point::new(TimeNs(n * width_ns), width_ns)).collect();
    for (start, tally) in view.history(targets, tier, TimeNs(first * width_ns)) {
        if let Some(point) = points.get_mut((start.0 / width_ns).saturating_sub(first) as usize) {
            point.tally.add(&tally);
        }
    }
    for series in targets.iter().flat_map(|target| target.series.iter()) {
        let due_from = |at: TimeNs| series.expectation.due(at, view.at);
        let mut due = due_from(TimeNs(first * width_ns));
        for point in &mut points {
            let later = due_from(TimeNs(point.start.0 + width_ns));
            point.expected += due.saturating_sub(later);
            due = later;
        }
    }
    points
}
