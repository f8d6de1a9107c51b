//! Objectives at an instant: what was counted, what is left of the error budget, how fast it burns, what alerts say.
//!
//! Whole numbers and ratios of them only: no figure depends on a machine's floating point. Nothing here counts; the
//! counts come from the ledgers (`crate::ledger`), by way of `crate::view`.

mod alert;
mod budget;
mod calendar;

use spark_schemas::TimeNs;

use crate::config::{Objective, SloWindow};
use crate::window::Window;

pub(crate) use alert::key_of;
pub use alert::{AlertKey, AlertView, Condition, due_transitions};
pub use budget::{Budget, Counts, Exhaustion, budget_share_ppm, burn_milli, is_above};
pub use calendar::{Span, UnknownTimeZone, calendar_span};

/// The windows whose burn rates are always shown: those of Google's four pairs.
pub const BURN_WINDOWS: [Window; 7] =
    [Window::M5, Window::M30, Window::H1, Window::H2, Window::H6, Window::D1, Window::D3];

/// The window whose burn rate tells when the budget will be gone.
pub const PACE_WINDOW: Window = Window::H1;

/// Whether an objective's events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// They are, as far as the log goes back.
    Counted,
    /// They are counted anew from the log, because the objective is new to it or what it excludes changed. Until that is
    /// done there are no figures.
    Recomputing,
    /// The instant lies further back than counts are kept.
    NotKept,
}

impl Standing {
    /// As the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Recomputing => "recomputing",
            Self::NotKept => "not_kept",
        }
    }
}

/// How fast the budget burned in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burn {
    /// The window.
    pub window: Window,
    /// What was counted in it; `None` when nothing can be said.
    pub counts: Option<Counts>,
    /// How many times faster than the objective allows, in thousandths, rounded up; `None` without events.
    pub rate_milli: Option<u64>,
}

/// An objective at an instant.
#[derive(Debug, Clone)]
pub struct ObjectiveView<'a> {
    /// What is promised.
    pub objective: &'a Objective,
    /// The instant.
    pub at: TimeNs,
    /// The start of the first bucket (or the earliest possible slice) that is counted.
    pub from: TimeNs,
    /// Where a calendar window ends.
    pub to: Option<TimeNs>,
    /// Whether its events are counted.
    pub standing: Standing,
    /// Nothing before this instant is counted; later than `from` when the log does not go back so far.
    pub counted_from: Option<TimeNs>,
    /// What was counted in the objective's window; `None` unless it [is counted](Standing::Counted).
    pub counts: Option<Counts>,
    /// The share that was good, in parts per million, rounded down; `None` without events.
    pub sli_ppm: Option<u64>,
    /// The error budget; `None` without events.
    pub budget: Option<Budget>,
    /// How fast it burns: [`BURN_WINDOWS`] and those of its alerts, shortest first.
    pub burns: Vec<Burn>,
    /// Its alerts, in the order of the configuration.
    pub alerts: Vec<AlertView<'a>>,
}

impl ObjectiveView<'_> {
    /// How fast the budget burned in `window`; `None` for a window that is not looked at.
    pub fn burn(&self, window: Window) -> Option<&Burn> {
        self.burns.iter().find(|burn| burn.window == window)
    }

    /// How many parts per million of events may be bad.
    pub fn allowed_ppm(&self) -> u64 {
        allowed_ppm(self.objective)
    }
}

/// How many parts per million of events an objective allows to be bad.
pub const fn allowed_ppm(objective: &Objective) -> u64 {
    1_000_000_u64.saturating_sub(objective.objective.0)
}

/// The windows whose burn rates an objective shows, shortest first.
pub(crate) fn burn_windows(objective: &Objective) -> Vec<Window> {
    let of_alerts = objective.alerts.iter().flat_map(|alert| [alert.long, alert.short]);
    let mut windows: Vec<Window> = BURN_WINDOWS.into_iter().chain(of_alerts).collect();
    windows.sort();
    windows.dedup();
    windows
}

/// The stretch that an objective's window covers at `at`.
pub fn span_of(window: &SloWindow, at: TimeNs) -> Result<Span, UnknownTimeZone> {
    match window {
        SloWindow::Rolling(window) => Ok(Span { from: window.first_bucket(at), to: None }),
        SloWindow::Calendar(window) => calendar_span(window, at).map(|(from, to)| Span { from, to: Some(to) }),
    }
}
