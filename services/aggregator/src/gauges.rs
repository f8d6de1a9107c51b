//! The figures of the pages as Prometheus gauges, set when somebody scrapes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Key, Label, Level, Metadata, with_recorder};
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

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Sets the gauges.
pub struct Gauges {
    projections: Projections,
    /// What was set last. A gauge can't be taken back: one whose target or objective is gone has no value from then on.
    set: Mutex<Vec<Key>>,
}

impl Gauges {
    /// Those of what `projections` show.
    pub fn of(projections: Projections) -> Self {
        Self { projections, set: Mutex::default() }
    }

    /// Sets the gauges to the figures at `at`; to no value where these can't be trusted.
    pub fn set(&self, at: TimeNs) {
        let mut figures = Figures::default();
        let is_good = self.projections.view(at, |view| figures.take(&view)).is_ok();
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in set.iter().filter(|key| !figures.0.contains_key(key)) {
            set_gauge(gone, f64::NAN);
        }
        for (key, value) in &figures.0 {
            set_gauge(key, if is_good { *value } else { f64::NAN });
        }
        *set = figures.0.into_keys().collect();
    }
}

fn set_gauge(key: &Key, value: f64) {
    with_recorder(|recorder| recorder.register_gauge(key, &METADATA)).set(value);
}

#[derive(Default)]
struct Figures(BTreeMap<Key, f64>);

impl Figures {
    fn put<const N: usize>(&mut self, name: &'static str, labels: [(&'static str, String); N], value: f64) {
        let labels: Vec<Label> = labels.iter().map(Label::from).collect();
        self.0.insert(Key::from_parts(name, labels), value);
    }

    fn take(&mut self, view: &View<'_>) {
        for target in view.targets() {
            let up = match target.state {
                TargetState::Up => 1.0,
                TargetState::Down => 0.0,
                TargetState::Unknown => f64::NAN,
            };
            self.put(metric::TARGET_UP, [("target", target.name.to_string())], up);
            self.take_targets(view, target.name, std::slice::from_ref(&target), target.staleness_us);
        }
        if let Ok(slo) = view.slo(None) {
            self.take_targets(view, OVER_ALL, &slo.targets, slo.staleness_us);
        }
        view.objectives().iter().for_each(|objective| self.take_objective(objective));
    }

    fn take_targets(&mut self, view: &View<'_>, label: &str, targets: &[TargetView<'_>], staleness_us: Option<u64>) {
        let target = || ("target", label.to_owned());
        self.put(metric::SLO_STALENESS, [target()], or_nan(staleness_us, 1e6));
        for window in WINDOWS {
            let Ok(figures) = view.window_over(targets, window) else { continue };
            let labels = || [target(), ("window", window.to_string())];
            self.put(metric::SLO_OBSERVATIONS, labels(), figures.tally.count() as f64);
            self.put(metric::SLO_ERROR_RATIO, labels(), or_nan(figures.error_rate_ppm(), 1e6));
            self.put(metric::SLO_COMPLETENESS, labels(), or_nan(figures.completeness_ppm(), 1e6));
            // Prometheus keeps the label `quantile` for summaries; these are gauges of a rolling window.
            for (quantile, ppm) in [("0.5", 500_000), ("0.95", 950_000), ("0.99", 990_000)] {
                let [target, window] = labels();
                let value = or_nan(figures.tally.latencies.quantile_us(ppm), 1e6);
                self.put(metric::SLO_LATENCY, [target, window, ("q", quantile.to_owned())], value);
            }
        }
    }

    fn take_objective(&mut self, view: &ObjectiveView<'_>) {
        let slo = || ("slo", view.objective.name.to_string());
        let left = view.budget.map_or(f64::NAN, |budget| budget.left_ppm() as f64 / 1e6);
        self.put(metric::SLO_BUDGET_REMAINING, [slo()], left);
        for burn in &view.burns {
            let labels = [slo(), ("window", burn.window.to_string())];
            self.put(metric::SLO_BURN_RATE, labels, or_nan(burn.rate_milli, 1e3));
        }
        for alert in &view.alerts {
            let state = match alert.state() {
                Some(AlertState::Firing) => 2.0,
                Some(AlertState::Pending) => 1.0,
                Some(AlertState::Resolved) | None => 0.0,
            };
            let windows = format!("{}/{}", alert.alert.long, alert.alert.short);
            let labels = [slo(), ("severity", alert.alert.severity.to_string()), ("windows", windows)];
            self.put(metric::SLO_ALERT, labels, state);
        }
    }
}

/// NaN is Prometheus's own "no value": a missing figure never reads as a good one.
fn or_nan(figure: Option<u64>, unit: f64) -> f64 {
    figure.map_or(f64::NAN, |figure| figure as f64 / unit)
}
