//! What was declared and decided: configuration in force, maintenance, deployments, decisions, portfolio, strategies.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use spark_schemas::event::{
    Alert, CanaryRan, ConfigApplied, ConfigRejected, Deployment, GateDecided, LogRepaired, Maintenance, Portfolio,
    ReportIssued, Strategy, TimeSpan,
};
use spark_schemas::{Event, Name, TimeNs};

use crate::config::{Config, ServiceHours};
use crate::maintenance::{self, Cancelled};
use crate::series::Expectation;
use crate::slo::{AlertKey, key_of};

/// How many of each kind of recent event are remembered; older ones are in the log.
const RECENT: usize = 100;

/// A configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Since when.
    pub since: TimeNs,
    /// SHA-256 of its canonical JSON, in hex.
    pub digest: String,
    /// The configuration.
    pub config: Config,
}

/// Declarations and decisions as of a log position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Declarations {
    /// The configuration in force; `None` before the first.
    pub policy: Option<Policy>,
    /// The digest of a configuration that came into force after `policy` and that this build can't read: a newer one
    /// wrote it. What holds is not known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_unreadable: Option<String>,
    /// The latest refusal of a configuration since the one in force was applied.
    pub config_rejected: Option<ConfigRejected>,
    /// Maintenances that were declared and not called off, by id.
    pub maintenances: BTreeMap<Name, Maintenance>,
    /// Maintenances of the configuration in force, and those that an earlier one had and that are over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub planned_maintenances: BTreeMap<Name, Maintenance>,
    /// Maintenances that were called off, the latest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub cancelled_maintenances: VecDeque<Cancelled>,
    /// Recent deployments, newest last.
    pub deployments: VecDeque<Deployment>,
    /// Recent gate decisions, newest last.
    pub gate_decisions: VecDeque<GateDecided>,
    /// Recent canary runs, newest last.
    pub canaries: VecDeque<CanaryRan>,
    /// Recent changes of alerts, newest last.
    pub alerts: VecDeque<Alert>,
    /// The latest change of each alert on a burn rate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alert_states: BTreeMap<AlertKey, Alert>,
    /// Recent daily reports, newest last.
    pub reports: VecDeque<ReportIssued>,
    /// Recent repairs of the log, newest last.
    pub repairs: VecDeque<LogRepaired>,
    /// The latest state of each account.
    pub portfolios: BTreeMap<Name, Portfolio>,
    /// The latest state of each strategy.
    pub strategies: BTreeMap<Name, Strategy>,
    /// The agents that configurations named for each target, and when their observations were and are due by that: a
    /// silent one shows, whichever partition it would speak in.
    pub expected: BTreeMap<Name, BTreeMap<Name, Expectation>>,
    /// Parts of a long configuration that wait for their other parts.
    partial_config: BTreeMap<String, BTreeMap<u32, String>>,
}

fn remember<T>(recent: &mut VecDeque<T>, event: T, same: impl Fn(&T, &T) -> bool) {
    if recent.iter().any(|known| same(known, &event)) {
        return; // An event a service derived has an id computed from its content: a repeat says nothing new.
    }
    recent.push_back(event);
    if recent.len() > RECENT {
        recent.pop_front();
    }
}

impl Declarations {
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::ConfigRejected(rejected) => self.config_rejected = Some(rejected),
            Event::Deployment(deployment) => remember(&mut self.deployments, deployment, PartialEq::eq),
            Event::GateDecided(gate) => remember(&mut self.gate_decisions, gate, |a, b| a.id == b.id),
            Event::CanaryRan(canary) => remember(&mut self.canaries, canary, |a, b| a.id == b.id),
            Event::Alert(alert) => self.apply_alert(alert),
            Event::ReportIssued(report) => {
                remember(&mut self.reports, report, |a, b| (&a.date, &a.digest) == (&b.date, &b.digest));
            }
            Event::LogRepaired(repair) => remember(&mut self.repairs, repair, PartialEq::eq),
            Event::Portfolio(portfolio) => {
                keep_newest(&mut self.portfolios, portfolio.account.clone(), portfolio, |kept| kept.at_ns);
            }
            Event::Strategy(strategy) => {
                keep_newest(&mut self.strategies, strategy.name.clone(), strategy, |kept| kept.at_ns);
            }
            // Kept in the log for people; no figure depends on them.
            _ => {}
        }
    }

    pub(super) fn apply_maintenance(&mut self, event: Maintenance, fold_time: TimeNs) {
        maintenance::apply(&mut self.maintenances, &mut self.cancelled_maintenances, event, fold_time);
    }

    /// Every maintenance that takes out time.
    pub fn maintenances_in_force(&self) -> impl Iterator<Item = &Maintenance> {
        self.maintenances.values().chain(self.planned_maintenances.values())
    }

    /// The service hours of the configuration in force.
    pub fn service_hours(&self) -> &[ServiceHours] {
        self.policy.as_ref().map_or(&[], |policy| &policy.config.service_hours)
    }

    /// The parts of `span` that count for no figure of a target, apart and in order: it was in maintenance, or outside
    /// of its service hours. Hours that came into force later hold for all of it.
    pub fn left_out(&self, target: &str, span: TimeSpan) -> Vec<TimeSpan> {
        maintenance::left_out(self.maintenances_in_force(), self.service_hours(), target, span)
    }

    /// A change of an alert counts if it follows the one known last; written twice, it counts once.
    fn apply_alert(&mut self, alert: Alert) {
        let known = self.alert_states.get(&key_of(&alert)).map(|known| known.id.as_str()).unwrap_or_default();
        if !alert.long.is_empty() && known != alert.previous {
            return;
        }
        if !alert.long.is_empty() {
            self.alert_states.insert(key_of(&alert), alert.clone());
        }
        remember(&mut self.alerts, alert, |a, b| a.id == b.id);
    }

    /// Takes a part of a configuration, which comes into force with its last part; says whether it has.
    pub(super) fn apply_config(&mut self, event: ConfigApplied, fold_time: TimeNs) -> bool {
        let ConfigApplied { at_ns, digest, part, parts, body } = event;
        let digest = digest.to_string();
        let received = self.partial_config.entry(digest.clone()).or_default();
        received.insert(part, body);
        if received.len() < parts as usize {
            return false;
        }
        let body: String = self.partial_config.remove(&digest).unwrap_or_default().into_values().collect();
        self.partial_config.clear();
        // A body that is not what its digest says changes nothing.
        if crate::hex(&Sha256::digest(body.as_bytes())) != digest {
            return false;
        }
        let Ok(config) = Config::from_canonical_json(&body) else {
            self.policy_unreadable = Some(digest);
            return false;
        };
        self.policy_unreadable = None;
        self.expect_agents_of(&config, fold_time);
        maintenance::plan(&mut self.planned_maintenances, &config.maintenances, at_ns, fold_time);
        self.policy = Some(Policy { since: at_ns, digest, config });
        self.config_rejected = None;
        true
    }

    /// Agents that the configuration names are expected from now on, even if they never say a word; those that only the
    /// configuration before named are no longer.
    fn expect_agents_of(&mut self, config: &Config, from: TimeNs) {
        for (target, agents) in &mut self.expected {
            let named = config.target(target).map_or(&[][..], |target| config.agents_of(target));
            let dropped = agents.iter_mut().filter(|(agent, _)| !named.contains(agent));
            dropped.for_each(|(_, expectation)| expectation.end(from));
        }
        for target in &config.targets {
            for agent in config.agents_of(target) {
                let agents = self.expected.entry(target.name.clone()).or_default();
                agents.entry(agent.clone()).or_default().begin(target.schedule(), from);
            }
        }
    }
}

fn keep_newest<T>(kept: &mut BTreeMap<Name, T>, key: Name, event: T, at: impl Fn(&T) -> TimeNs) {
    if kept.get(&key).is_none_or(|known| at(known) <= at(&event)) {
        kept.insert(key, event);
    }
}
