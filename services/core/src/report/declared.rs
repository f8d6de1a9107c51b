//! Maintenances and alerts: those that these leaves speak of, and those that held over the day or at its end.

use std::collections::BTreeMap;

use spark_schemas::event::{Alert, AlertState, Maintenance, MaintenanceAction};
use spark_schemas::{Name, TimeNs};

use super::model::{AlertRow, DeploymentRow, MaintenanceRow};
use super::number::U64;
use super::scope::Scope;
use crate::config::Instant;
use crate::slo::key_of;

/// Maintenances that took time out of the day, and all that were declared or called off in these leaves.
pub(super) fn maintenances(scope: &Scope<'_>) -> Vec<MaintenanceRow> {
    let declarations = scope.view.declarations();
    let said = &scope.collected.said.maintenances;
    let mut rows = BTreeMap::<(TimeNs, Name, bool), MaintenanceRow>::new();
    for one in declarations.maintenances_in_force() {
        if one.from_ns < scope.day.end() && one.to_ns > scope.day.start() {
            rows.insert((one.from_ns, one.id.clone(), false), row(one, None));
        }
    }
    for (one, seq) in said {
        match one.action {
            MaintenanceAction::Add => drop(rows.insert((one.from_ns, one.id.clone(), false), row(one, Some(*seq)))),
            MaintenanceAction::Cancel => {
                rows.remove(&(one.from_ns, one.id.clone(), false));
                let declared =
                    declarations.cancelled_maintenances.iter().rev().find(|known| known.declared.id == one.id);
                let times = declared.map_or(one, |known| &known.declared);
                let called_off = Maintenance {
                    from_ns: times.from_ns,
                    to_ns: times.to_ns,
                    targets: times.targets.clone(),
                    ..one.clone()
                };
                rows.remove(&(called_off.from_ns, one.id.clone(), false));
                rows.insert((called_off.from_ns, one.id.clone(), true), row(&called_off, Some(*seq)));
            }
        }
    }
    rows.into_values().collect()
}

fn row(one: &Maintenance, seq: Option<u64>) -> MaintenanceRow {
    MaintenanceRow {
        id: one.id.clone(),
        targets: one.targets.clone(),
        from: Instant(one.from_ns),
        to: Instant(one.to_ns),
        reason: one.reason.clone(),
        by: one.by.clone(),
        declared: Instant(one.at_ns),
        called_off: one.action == MaintenanceAction::Cancel,
        afterwards: one.at_ns > one.from_ns,
        seq: seq.map(U64),
    }
}

/// Changes of alerts in these leaves, and alerts that were on at the end since before.
pub(super) fn alerts(scope: &Scope<'_>) -> Vec<AlertRow> {
    let latest = &scope.view.declarations().alert_states;
    let is_latest = |alert: &Alert| latest.get(&key_of(alert)).is_some_and(|known| known.id == alert.id);
    let said = &scope.collected.said.alerts;
    let earlier = latest
        .values()
        .filter(|alert| alert.state != AlertState::Resolved && !said.iter().any(|(one, _)| one.id == alert.id));
    let earlier = earlier.map(|alert| (alert, None));
    let all = earlier.chain(said.iter().map(|(alert, seq)| (alert, Some(U64(*seq)))));
    let row = |(alert, seq): (&Alert, Option<U64>)| AlertRow {
        objective: alert.slo.clone(),
        windows: match alert.long.is_empty() {
            true => String::new(),
            false => format!("{}/{}", alert.long, alert.short),
        },
        severity: alert.severity.clone(),
        state: alert.state,
        at: Instant(alert.at_ns),
        reason: alert.reason.clone(),
        at_the_end: is_latest(alert),
        seq,
    };
    all.map(row).collect()
}

/// Deployments; the gate covers one only for so long.
pub(super) fn deployments(scope: &Scope<'_>) -> Vec<DeploymentRow> {
    let mut rows = scope.collected.said.deployments.clone();
    for gate in rows.iter_mut().filter_map(|row| row.gate.as_mut()) {
        gate.covers = gate.covers && gate.age_s.0 <= scope.policy.gate_max_age.0 / 1_000_000;
    }
    rows
}
