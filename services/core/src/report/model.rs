//! What a report says. Every whole number is a text in JSON, every share is in parts per million, every duration in
//! microseconds or seconds as its name says, every instant RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use spark_schemas::Name;
use spark_schemas::event::{CanaryMode, CheckVerdict, FailReason, MissedWhy, Verdict};

use super::day::Day;
use super::number::{I64, U64};
use crate::config::Instant;

pub use super::model_events::*;

/// The version of this format.
pub const FORMAT: u32 = 1;
/// The version of the rules by which a report follows from its leaves; recorded in it.
pub const REPORT_SEMANTICS: u32 = 1;

/// A place in a log: between two leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// How many leaves lie before it.
    pub size: U64,
    /// The last sequence number before it; 0 at the start. A gap leaf has several.
    pub seq: U64,
    /// The root of the tree over the leaves before it (RFC 6962), in hex.
    pub root: String,
}

/// Leaves of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Which log, such as `spark/production/EVENTS@1763900000`.
    pub origin: String,
    /// Before the first.
    pub from: Mark,
    /// Behind the last.
    pub to: Mark,
}

/// Sequence numbers of leaves that a figure rests on: the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cite {
    /// The first.
    pub first: U64,
    /// The last.
    pub last: U64,
}

impl Cite {
    /// A single leaf.
    pub const fn one(seq: u64) -> Self {
        Self { first: U64(seq), last: U64(seq) }
    }

    /// Takes in another one.
    pub fn add(&mut self, seq: u64) {
        self.first.0 = self.first.0.min(seq);
        self.last.0 = self.last.0.max(seq);
    }
}

/// The report of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of the format.
    pub format: u32,
    /// The day.
    pub date: Day,
    /// The day is not over, or what comes late is still waited for.
    pub draft: bool,
    /// Where this Spark watches.
    pub environment: Option<Name>,
    /// The day's first instant.
    pub from: Instant,
    /// The first instant behind the day.
    pub to: Instant,
    /// Up to when figures are counted: the day's end, or for a draft the log's time.
    pub seen_until: Instant,
    /// The leaves it is made from.
    pub log: Span,
    /// By which rules.
    pub arithmetic: Arithmetic,
    /// What was known before the first leaf and after the last.
    pub state: StateDigests,
    /// What was in force at the end.
    pub policy: Option<Policy>,
    /// How risky the day was.
    pub risk: Risk,
    /// All judged targets together.
    pub totals: Figures,
    /// Each objective at the day's end.
    pub objectives: Vec<ObjectiveRow>,
    /// Each target over the day.
    pub targets: Vec<TargetRow>,
    /// When targets failed.
    pub incidents: Vec<Incident>,
    /// When targets were not watched.
    pub silences: Vec<Silence>,
    /// What the gate decided.
    pub gate: Vec<GateRow>,
    /// Canaries that ran.
    pub canaries: Vec<CanaryRow>,
    /// What went out.
    pub deployments: Vec<DeploymentRow>,
    /// Maintenance that took time out of the day, or was declared or called off in these leaves.
    pub maintenances: Vec<MaintenanceRow>,
    /// Alerts that changed their state, or were on at the end.
    pub alerts: Vec<AlertRow>,
    /// Configurations that came into force or were refused.
    pub configurations: Vec<ConfigurationRow>,
    /// Remarks that people wrote.
    pub notes: Vec<NoteRow>,
    /// How complete the evidence is.
    pub evidence: Evidence,
    /// Who observed, and how well.
    pub agents: Vec<AgentRow>,
    /// What became known of earlier days.
    pub amendments: Vec<Amendment>,
    /// How figures are to be read, and what can't be known from them: a sentence each.
    pub statements: Vec<String>,
}

/// By which rules a report was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arithmetic {
    /// The version of the fold's arithmetic.
    pub fold: u32,
    /// The version of the report's rules.
    pub report: u32,
}

/// SHA-256 of the state, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDigests {
    /// Before the first leaf.
    pub from: String,
    /// After the last.
    pub to: String,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// SHA-256 of its canonical JSON, in hex.
    pub digest: String,
    /// Since when.
    pub since: Instant,
    /// The profile whose targets are judged.
    pub profile: Name,
}

/// How risky a day was; the worst rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Nothing speaks against deploying.
    Low,
    /// Something should be looked at first.
    Medium,
    /// Too little is known. Worse than `MEDIUM`: whatever is not known may be.
    Unknown,
    /// Something is wrong.
    High,
}

impl Level {
    /// As JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::Unknown => "UNKNOWN",
            Self::High => "HIGH",
        }
    }
}

/// The risk, and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// The worst of the rules' levels.
    pub level: Level,
    /// What to do, one or two sentences.
    pub recommendation: String,
    /// The reasons of the rules that are not `LOW`, worst first.
    pub reasons: Vec<String>,
    /// Each rule.
    pub rules: Vec<Rule>,
}

/// One rule of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name; that of its key in `[report]` where it has one.
    pub id: String,
    /// What it looks at.
    pub title: String,
    /// What comes of it.
    pub level: Level,
    /// The figure that was seen; absent when there was none.
    pub observed: Option<String>,
    /// From which figure on it is a medium risk.
    pub medium: Option<String>,
    /// From which figure on it is a high one.
    pub high: Option<String>,
    /// When nothing can be said.
    pub unknown: Option<String>,
    /// The same in a sentence.
    pub reason: String,
    /// The leaves that it rests on; absent when there are none.
    pub evidence: Option<Cite>,
}

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

/// A check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRow {
    /// Its name.
    pub id: String,
    /// What it says.
    pub verdict: CheckVerdict,
    /// Lifted by a waiver.
    pub waived: bool,
    /// In a sentence.
    pub reason: String,
}

/// What the gate decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRow {
    /// The decision's identity.
    pub id: String,
    /// For which instant.
    pub at: Instant,
    /// The verdict.
    pub verdict: Verdict,
    /// The profile.
    pub profile: Name,
    /// Who asked.
    pub by: String,
    /// SHA-256 of the configuration that it judged by, in hex.
    pub policy_digest: String,
    /// How many checks were made.
    pub checks: U64,
    /// Those that did not pass.
    pub not_passed: Vec<CheckRow>,
    /// The leaf it is in.
    pub seq: U64,
}

/// A canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryRow {
    /// The run's identity.
    pub id: String,
    /// When.
    pub at: Instant,
    /// Which kind.
    pub mode: CanaryMode,
    /// The verdict.
    pub verdict: Verdict,
    /// What was compared with what; absent unless something was.
    pub compared: Option<String>,
    /// Who asked.
    pub by: String,
    /// How many checks were made.
    pub checks: U64,
    /// Those that did not pass.
    pub not_passed: Vec<CheckRow>,
    /// The leaf it is in.
    pub seq: U64,
}
