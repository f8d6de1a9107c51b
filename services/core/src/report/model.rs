//! What a report says. Every whole number is a text in JSON, every share is in parts per million, every duration in
//! microseconds or seconds as its name says, every instant RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use spark_schemas::Name;

use super::day::Day;
use super::number::U64;
use crate::config::Instant;

pub use super::model_events::*;
pub use super::model_figures::*;

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
