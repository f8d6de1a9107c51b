//! What was declared and decided, each with the leaf that says so. A repeat says nothing new.

use std::collections::BTreeMap;

use compact_str::CompactString;
use spark_schemas::Event;
use spark_schemas::event::{
    Alert, CanaryRan, CheckResult, CheckVerdict, Deployment, GateDecided, Maintenance, Verdict,
};

use crate::config::Instant;
use crate::fold::State;
use crate::report::model::{
    CanaryRow, CheckRow, ConfigurationRow, DeploymentRow, GateBefore, GateRow, NoteRow, RepairRow,
};
use crate::report::number::U64;
use crate::slo::{AlertKey, key_of};

/// What was said, in the order of the log.
#[derive(Debug, Default)]
pub(in crate::report) struct Said {
    pub(in crate::report) gate: Vec<GateRow>,
    pub(in crate::report) canaries: Vec<CanaryRow>,
    pub(in crate::report) deployments: Vec<DeploymentRow>,
    pub(in crate::report) maintenances: Vec<(Maintenance, u64)>,
    pub(in crate::report) alerts: Vec<(Alert, u64)>,
    pub(in crate::report) configurations: Vec<ConfigurationRow>,
    pub(in crate::report) notes: Vec<NoteRow>,
    pub(in crate::report) repairs: Vec<RepairRow>,
    latest_alerts: BTreeMap<AlertKey, CompactString>,
    /// How old a decision may be that covers a deployment is only known at the end.
    pub(in crate::report) latest_gate: Option<GateDecided>,
}

impl Said {
    /// An event of a control frame; `state` is as it was before the frame.
    pub(super) fn event(&mut self, seq: u64, event: &Event, state: &State) {
        match event {
            Event::GateDecided(decided) => self.gate(seq, decided, state),
            Event::CanaryRan(ran) => self.canary(seq, ran, state),
            Event::Deployment(deployment) => self.deployment(seq, deployment, state),
            Event::Maintenance(maintenance) => self.maintenances.push((maintenance.clone(), seq)),
            Event::Alert(alert) => self.alert(seq, alert, state),
            Event::ConfigApplied(config) => {
                // The last part of several says when it was complete.
                self.configurations
                    .retain(|row| (row.at.0, row.digest.as_deref()) != (config.at_ns, Some(&config.digest)));
                let digest = Some(config.digest.to_string());
                self.configurations.push(ConfigurationRow {
                    at: Instant(config.at_ns),
                    digest,
                    error: None,
                    seq: U64(seq),
                });
            }
            Event::ConfigRejected(rejected) => {
                let error = Some(format!("{}: {}", rejected.source, rejected.error));
                self.configurations.push(ConfigurationRow {
                    at: Instant(rejected.at_ns),
                    digest: None,
                    error,
                    seq: U64(seq),
                });
            }
            Event::LogRepaired(repair) => self.repairs.push(RepairRow {
                at: Instant(repair.at_ns),
                last_seq: U64(repair.last_seq),
                bytes_cut: U64(repair.bytes_cut),
                seq: U64(seq),
            }),
            Event::Note(note) => {
                let (text, by) = (note.text.clone(), note.by.clone());
                self.notes.push(NoteRow { at: Instant(note.at_ns), text, by, seq: U64(seq) });
            }
            _ => {}
        }
    }

    fn gate(&mut self, seq: u64, decided: &GateDecided, state: &State) {
        let is_known = state.head().declarations.gate_decisions.iter().any(|known| known.id == decided.id);
        if is_known || self.gate.iter().any(|row| row.id == decided.id) {
            return;
        }
        self.gate.push(GateRow {
            id: decided.id.to_string(),
            at: Instant(decided.at_ns),
            verdict: decided.verdict,
            profile: decided.profile.clone(),
            by: decided.by.clone(),
            policy_digest: decided.policy_digest.to_string(),
            checks: U64(decided.checks.len() as u64),
            not_passed: not_passed(&decided.checks),
            seq: U64(seq),
        });
        self.latest_gate = Some(decided.clone());
    }

    fn canary(&mut self, seq: u64, ran: &CanaryRan, state: &State) {
        let is_known = state.head().declarations.canaries.iter().any(|known| known.id == ran.id);
        if is_known || self.canaries.iter().any(|row| row.id == ran.id) {
            return;
        }
        let compared = ran.comparison.as_deref().map(|comparison| {
            let (candidate, baseline) = (&comparison.candidate, &comparison.baseline);
            format!("{} with {}", candidate.target, baseline.target)
        });
        self.canaries.push(CanaryRow {
            id: ran.id.to_string(),
            at: Instant(ran.at_ns),
            mode: ran.mode,
            verdict: ran.verdict,
            compared,
            by: ran.by.clone(),
            checks: U64(ran.checks.len() as u64),
            not_passed: not_passed(&ran.checks),
            seq: U64(seq),
        });
    }

    fn deployment(&mut self, seq: u64, deployment: &Deployment, state: &State) {
        let at = Instant(deployment.at_ns);
        let is_same = |row: &DeploymentRow| {
            (row.at, &row.service, &row.version) == (at, &deployment.service, &deployment.version)
        };
        if state.head().declarations.deployments.contains(deployment) || self.deployments.iter().any(is_same) {
            return;
        }
        let remembered = state.head().declarations.gate_decisions.iter().chain(&self.latest_gate);
        let before = remembered.filter(|decided| decided.at_ns <= deployment.at_ns).max_by_key(|decided| decided.at_ns);
        let gate = before.map(|decided| GateBefore {
            id: decided.id.to_string(),
            verdict: decided.verdict,
            age_s: U64((deployment.at_ns.0 - decided.at_ns.0) / spark_schemas::TimeNs::SECOND),
            covers: matches!(decided.verdict, Verdict::Pass | Verdict::Warn),
        });
        self.deployments.push(DeploymentRow {
            at,
            service: deployment.service.clone(),
            version: deployment.version.clone(),
            by: deployment.by.clone(),
            gate,
            seq: U64(seq),
        });
    }

    /// As the fold takes it: a change counts if it follows the one known last.
    fn alert(&mut self, seq: u64, alert: &Alert, state: &State) {
        let key = key_of(alert);
        let known = match self.latest_alerts.get(&key) {
            Some(id) => id.as_str(),
            None => state.head().declarations.alert_states.get(&key).map(|known| known.id.as_str()).unwrap_or_default(),
        };
        if !alert.long.is_empty() && known != alert.previous || self.alerts.iter().any(|(one, _)| one.id == alert.id) {
            return;
        }
        self.latest_alerts.insert(key, alert.id.clone());
        self.alerts.push((alert.clone(), seq));
    }
}

fn not_passed(checks: &[CheckResult]) -> Vec<CheckRow> {
    let row = |check: &CheckResult| CheckRow {
        id: check.id.to_string(),
        verdict: check.verdict,
        waived: check.waived,
        reason: check.reason.clone(),
    };
    checks.iter().filter(|check| check.verdict != CheckVerdict::Pass).map(row).collect()
}
