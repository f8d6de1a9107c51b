//! What a report says of targets and objectives: figures, incidents, silences.

use serde::{Deserialize, Serialize};
use spark_schemas::Name;
use spark_schemas::event::{FailReason, MissedWhy};

use super::model::Cite;
use super::number::{I64, U64};
use crate::config::Instant;

/// What was observed in a stretch of time, without what lies in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Observations.
    pub observations: U64,
    /// Of these, failed.
    pub failed: U64,
    /// Slots that agents say they missed.
    pub missed: U64,
    /// Observations that were due.
    pub expected: U64,
    /// Of those due, received.
    pub received: U64,
    /// Failed of all observations, rounded up; absent without observations.
    pub error_rate_ppm: Option<U64>,
    /// Received of expected, rounded down; absent when nothing was expected.
    pub completeness_ppm: Option<U64>,
    /// How long the observations took; absent without observations.
    pub latency_us: Option<Latency>,
}

/// Quantiles of latency: the upper ends of classes of two significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The median.
    pub p50: U64,
    /// The 95th percentile.
    pub p95: U64,
    /// The 99th percentile.
    pub p99: U64,
    /// The slowest.
    pub max: U64,
}

/// Whether a target's figures decide the day's risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// They do.
    Judged,
    /// It is a demonstration.
    Demo,
    /// The profile looks at other targets.
    NotSelected,
    /// It is in no configuration.
    NotConfigured,
}

/// A target over the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRow {
    /// Its name.
    pub target: Name,
    /// Whether it is judged.
    pub standing: Standing,
    /// The agents that were to observe it, or did.
    pub agents: Vec<Name>,
    /// What was observed; absent when the buckets are no longer kept.
    pub figures: Option<Figures>,
    /// How much of the day it was in maintenance, in seconds, rounded up.
    pub maintenance_s: U64,
    /// The leaves with observations of this day.
    pub evidence: Option<Cite>,
}

/// An objective at the day's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveRow {
    /// Its name.
    pub objective: Name,
    /// What it promises, in a sentence.
    pub promise: String,
    /// What share is to be good.
    pub objective_ppm: U64,
    /// Its window, such as `28d` or `month in Europe/Istanbul`.
    pub window: String,
    /// Whether its events are counted: `counted`, `recomputing` or `not_kept`.
    pub standing: String,
    /// Nothing before this instant is counted.
    pub counted_from: Option<Instant>,
    /// Good events in its window.
    pub good: Option<U64>,
    /// Bad ones.
    pub bad: Option<U64>,
    /// Those that maintenance takes out.
    pub excluded: Option<U64>,
    /// The good share, rounded down.
    pub sli_ppm: Option<U64>,
    /// The error budget in thousandths of an event.
    pub budget_milli: Option<U64>,
    /// What is left of it; below 0 once it is overspent.
    pub budget_left_milli: Option<I64>,
    /// The share that is spent, rounded up.
    pub budget_spent_ppm: Option<U64>,
    /// How fast it burned at the end.
    pub burn: Vec<BurnRow>,
}

/// How fast a budget burned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnRow {
    /// Over which window, such as `1h`.
    pub window: String,
    /// How many times faster than allowed, in thousandths; absent without events.
    pub rate_milli: Option<U64>,
}

/// A stretch of time in which targets failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// The start of the first bad minute.
    pub from: Instant,
    /// The end of the last one.
    pub to: Instant,
    /// How many minutes were bad for any of the targets.
    pub bad_minutes: U64,
    /// It had begun before the day.
    pub continues_before: bool,
    /// It had not ended with the day, or for a draft with the log.
    pub continues_after: bool,
    /// How many of the bad minutes count for the risk: those of judged targets outside of maintenance.
    pub judged_minutes: U64,
    /// The worst minute of any target.
    pub worst: WorstMinute,
    /// Who failed, in the order in which they began to.
    pub targets: Vec<IncidentTarget>,
}

impl Incident {
    /// Who failed, each once.
    pub fn names(&self) -> Vec<&Name> {
        let mut names: Vec<&Name> = Vec::new();
        for target in &self.targets {
            if !names.contains(&&target.target) {
                names.push(&target.target);
            }
        }
        names
    }
}

/// The minute with the highest share of failures; the first one of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorstMinute {
    /// Whose.
    pub target: Name,
    /// When it began.
    pub at: Instant,
    /// How many observations failed.
    pub failed: U64,
    /// Of how many.
    pub observations: U64,
}

/// A target in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentTarget {
    /// Its name.
    pub target: Name,
    /// Whether it is judged.
    pub standing: Standing,
    /// The start of its first bad minute.
    pub from: Instant,
    /// The end of its last one.
    pub to: Instant,
    /// How many minutes were bad.
    pub bad_minutes: U64,
    /// How many of these lie in maintenance.
    pub maintenance_minutes: U64,
    /// Failed observations from `from` to `to`.
    pub failed: U64,
    /// Of how many.
    pub observations: U64,
    /// What failed first, the most frequent reason first. Not known of leaves before this report's first.
    pub reasons: Vec<ReasonCount>,
    /// One of the agent's own sentences.
    pub example: Option<String>,
    /// The leaves with its failures.
    pub evidence: Option<Cite>,
}

/// How often something failed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonCount {
    /// What.
    pub reason: FailReason,
    /// How often.
    pub count: U64,
}

/// A stretch of time in which nothing came of targets although it was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// The start of the first silent minute.
    pub from: Instant,
    /// The end of the last one.
    pub to: Instant,
    /// Whether any of the targets is judged.
    pub judged: bool,
    /// Who was not watched.
    pub targets: Vec<Name>,
    /// Observations that were due and did not come.
    pub expected: U64,
}

/// A kind of missed slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissedCount {
    /// Why.
    pub why: MissedWhy,
    /// How many slots.
    pub slots: U64,
}
