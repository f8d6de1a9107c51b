//! The figures of the pages as Prometheus gauges, set when somebody scrapes.

use metrics::{Gauge, gauge};
use spark_core::slo::ObjectiveView;
use spark_core::view::{TargetView, View};
use spark_core::window::Window;
use spark_schemas::derived::TargetState;
use spark_schemas::event::AlertState;
use spark_schemas::{TimeNs, metric};

use crate::Projections;

/// The windows that are exported; others can be had from the API.
const WINDOWS: [Window; 2] = [Window::M5, Window::H1];
/// The label of figures over the default selection.
const OVER_ALL: &str = "*";

/// Sets the gauges to what `projections` show at `at`; to no value where that can't be trusted.
pub fn set(projections: &Projections, at: TimeNs) {
    let mut values = Vec::new();
    let is_good = projections.view(at, |view| values = take(&view)).is_ok();
    for (gauge, value) in values {
        gauge.set(if is_good { value } else { f64::NAN });
    }
}

fn take(view: &View<'_>) -> Vec<(Gauge, f64)> {
    let mut values = Vec::new();
    for target in view.targets() {
        let up = match target.state {
            TargetState::Up => 1.0,
            TargetState::Down => 0.0,
            TargetState::Unknown => f64::NAN,
        };
        values.push((gauge!(metric::TARGET_UP, "target" => target.name.to_string()), up));
        take_target(&mut values, view, target.name, std::slice::from_ref(&target), target.staleness_us);
    }
    if let Ok(slo) = view.slo(None) {
        take_target(&mut values, view, OVER_ALL, &slo.targets, slo.staleness_us);
    }
    view.objectives().iter().for_each(|objective| take_objective(&mut values, objective));
    values
}

fn take_objective(values: &mut Vec<(Gauge, f64)>, view: &ObjectiveView<'_>) {
    let slo = || ("slo", view.objective.name.to_string());
    let left = view.budget.map_or(f64::NAN, |budget| budget.left_ppm() as f64 / 1e6);
    values.push((gauge!(metric::SLO_BUDGET_REMAINING, &[slo()]), left));
    for burn in &view.burns {
        let rate = burn.rate_milli.map_or(f64::NAN, |milli| milli as f64 / 1e3);
        values.push((gauge!(metric::SLO_BURN_RATE, &[slo(), ("window", burn.window.to_string())]), rate));
    }
    for alert in &view.alerts {
        let state = match alert.state() {
            Some(AlertState::Firing) => 2.0,
            Some(AlertState::Pending) => 1.0,
            Some(AlertState::Resolved) | None => 0.0,
        };
        let windows = format!("{}/{}", alert.alert.long, alert.alert.short);
        let labels = [slo(), ("severity", alert.alert.severity.to_string()), ("windows", windows)];
        values.push((gauge!(metric::SLO_ALERT, &labels), state));
    }
}

fn take_target(
    values: &mut Vec<(Gauge, f64)>,
    view: &View<'_>,
    label: &str,
    targets: &[TargetView<'_>],
    staleness_us: Option<u64>,
) {
    // NaN is Prometheus's own "no value": a missing figure never reads as a good one.
    let or_nan = |figure: Option<u64>, unit: f64| figure.map_or(f64::NAN, |figure| figure as f64 / unit);
    values.push((gauge!(metric::SLO_STALENESS, "target" => label.to_owned()), or_nan(staleness_us, 1e6)));
    for window in WINDOWS {
        let Ok(figures) = view.window_over(targets, window) else { continue };
        let labels = [("target", label.to_owned()), ("window", window.to_string())];
        values.push((gauge!(metric::SLO_OBSERVATIONS, &labels), figures.tally.count() as f64));
        values.push((gauge!(metric::SLO_ERROR_RATIO, &labels), or_nan(figures.error_rate_ppm(), 1e6)));
        values.push((gauge!(metric::SLO_COMPLETENESS, &labels), or_nan(figures.completeness_ppm(), 1e6)));
        // Prometheus keeps the label `quantile` for summaries; these are gauges of a rolling window.
        for (quantile, ppm) in [("0.5", 500_000), ("0.95", 950_000), ("0.99", 990_000)] {
            let value = or_nan(figures.tally.latencies.quantile_us(ppm), 1e6);
            let [target, window] = labels.clone();
            values.push((gauge!(metric::SLO_LATENCY, &[target, window, ("q", quantile.to_owned())]), value));
        }
    }
}
