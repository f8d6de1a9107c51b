//! Alerts on burn rates: whether their condition holds, and which change of state is due.
//!
//! An alert's state is its latest `alert` event in the log. A change is due when the condition and that event disagree;
//! it is written once, since its identity follows from the change before it.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use spark_schemas::event::{Alert, AlertState};
use spark_schemas::{Name, TimeNs};

use super::{Burn, ObjectiveView, allowed_ppm, budget_share_ppm, is_above};
use crate::config::{BurnAlert, Objective, SloWindow};
use crate::units::decimal;
use crate::window::Window;

/// Which alert: of an objective, of a severity, on a pair of windows.
pub type AlertKey = String;

/// The key of an alert event.
pub(crate) fn key_of(alert: &Alert) -> AlertKey {
    key(&alert.slo, alert.severity.as_ref(), &alert.long, &alert.short)
}

fn key(slo: &Name, severity: Option<&Name>, long: &str, short: &str) -> AlertKey {
    let severity = severity.map_or("", Name::as_str);
    format!("{slo} {severity} {long} {short}")
}

/// Whether an alert's condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The budget burns faster than the alert allows, in both windows.
    Holds,
    /// It does not, in one of them.
    DoesNotHold,
    /// There are too few events to say; the alert stays in its state.
    NoData,
}

/// An alert at an instant.
#[derive(Debug, Clone)]
pub struct AlertView<'a> {
    /// What it asks.
    pub alert: &'a BurnAlert,
    /// Whether that is so now.
    pub condition: Condition,
    /// The same in a sentence.
    pub reason: String,
    /// Its latest change of state in the log; `None` before the first.
    pub latest: Option<&'a Alert>,
}

impl<'a> AlertView<'a> {
    pub(crate) fn new(
        objective: &'a Objective,
        alert: &'a BurnAlert,
        burns: &[Burn],
        known: &'a BTreeMap<AlertKey, Alert>,
    ) -> Self {
        let key = key(&objective.name, Some(&alert.severity), alert.long.as_str(), alert.short.as_str());
        let latest = known.get(&key);
        let (condition, reason) = judge(objective, alert, burns);
        Self { alert, condition, reason, latest }
    }

    /// Its state; `None` before it ever fired or was pending.
    pub fn state(&self) -> Option<AlertState> {
        self.latest.map(|latest| latest.state)
    }

    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.state() == Some(AlertState::Firing)
    }

    /// The state it is to go to at `at`, if it is not in it.
    fn due(&self, at: TimeNs) -> Option<AlertState> {
        let is_pending_long_enough = |since: TimeNs| at.0.saturating_sub(since.0) / 1_000 >= self.alert.hold.0;
        match (self.condition, self.latest) {
            (Condition::NoData, _) => None,
            (Condition::Holds, Some(Alert { state: AlertState::Firing, .. })) => None,
            (Condition::Holds, Some(Alert { state: AlertState::Pending, at_ns, .. })) => {
                is_pending_long_enough(*at_ns).then_some(AlertState::Firing)
            }
            (Condition::Holds, _) if self.alert.hold.0 == 0 => Some(AlertState::Firing),
            (Condition::Holds, _) => Some(AlertState::Pending),
            (Condition::DoesNotHold, Some(latest)) if latest.state != AlertState::Resolved => {
                Some(AlertState::Resolved)
            }
            (Condition::DoesNotHold, _) => None,
        }
    }
}

fn judge(objective: &Objective, alert: &BurnAlert, burns: &[Burn]) -> (Condition, String) {
    let counts_in = |window: Window| burns.iter().find(|burn| burn.window == window)?.counts;
    let (Some(long), Some(short)) = (counts_in(alert.long), counts_in(alert.short)) else {
        return (Condition::NoData, format!("no figures for {} and {}", alert.long, alert.short));
    };
    if long.events < alert.events_min || long.total() == 0 {
        let reason =
            format!("{} events in {}, at least {} are needed", long.events, alert.long, alert.events_min.max(1));
        return (Condition::NoData, reason);
    }
    if short.total() == 0 {
        return (Condition::NoData, format!("no events in {}", alert.short));
    }
    let allowed = allowed_ppm(objective);
    let rate = |window| {
        let burn = burns.iter().find(|burn| burn.window == window).and_then(|burn| burn.rate_milli);
        burn.map_or_else(|| "-".to_owned(), |milli| decimal(milli, 3))
    };
    let holds = [long, short].iter().all(|counts| is_above(counts, allowed, alert.burn_rate.0));
    let seen = format!("burn rate {} in {} and {} in {}", rate(alert.long), alert.long, rate(alert.short), alert.short);
    if !holds {
        return (Condition::DoesNotHold, format!("{seen}: not both above {}", alert.burn_rate));
    }
    let share = match &objective.window {
        SloWindow::Rolling(window) => {
            let ppm = budget_share_ppm(alert.burn_rate.0, alert.long.length_ns(), window.length_ns());
            format!("; at {} the {} spend {} % of the {window} budget", alert.burn_rate, alert.long, decimal(ppm, 4))
        }
        SloWindow::Calendar(_) => String::new(),
    };
    (Condition::Holds, format!("{seen}: both above {}{share}", alert.burn_rate))
}

/// The changes of state that are due at `at`: of the alerts of `objectives`, and of those in `known` that are on although
/// no objective has them any more.
pub fn due_transitions(objectives: &[ObjectiveView<'_>], known: &BTreeMap<AlertKey, Alert>, at: TimeNs) -> Vec<Alert> {
    let mut due = Vec::new();
    let mut configured = Vec::new();
    for objective in objectives {
        for view in &objective.alerts {
            let change = |state| Alert {
                id: "".into(),
                at_ns: at,
                slo: objective.objective.name.clone(),
                state,
                reason: view.reason.clone(),
                severity: Some(view.alert.severity.clone()),
                long: view.alert.long.as_str().into(),
                short: view.alert.short.as_str().into(),
                previous: view.latest.map(|latest| latest.id.clone()).unwrap_or_default(),
            };
            configured.push(key_of(&change(AlertState::Pending)));
            due.extend(view.due(at).map(change));
        }
    }
    let is_left_on = |alert: &&Alert| alert.state != AlertState::Resolved && !configured.contains(&key_of(alert));
    due.extend(known.values().filter(is_left_on).map(|alert| Alert {
        at_ns: at,
        state: AlertState::Resolved,
        reason: "no objective has this alert any more".to_owned(),
        previous: alert.id.clone(),
        ..alert.clone()
    }));
    due.iter_mut().for_each(|alert| alert.id = identity(alert).into());
    due
}

/// What a change is known by. The time is not in it: a change that was written twice, because nobody could say whether it
/// was written at all, is one.
fn identity(alert @ Alert { state, previous, .. }: &Alert) -> String {
    let mut hasher = Sha256::new();
    for part in [key_of(alert).as_str(), &format!("{state:?}"), previous] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    crate::hex(&hasher.finalize()[..16])
}
