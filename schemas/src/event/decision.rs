//! What the deploy gate decided and canaries found, with all that is needed to make it again from the log.

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Deployment;
use crate::{Name, TimeNs};

/// What one check of a gate, canary or smoke test says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It holds.
    Pass,
    /// It holds, but not by much.
    Warn,
    /// It does not hold.
    Fail,
    /// There is nothing to judge by. Never a pass.
    NoData,
}

/// What a whole gate, canary or smoke test says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check passed, or was waived by name.
    Pass,
    /// No check failed, at least one warns.
    Warn,
    /// At least one check failed.
    Fail,
    /// No check failed, and at least one that was not waived had no data.
    NoData,
}

/// One check of a decision. Figures are decimal strings of the unit, so that they are exact everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The check's name, such as `healthz.slo.latencyP95`.
    #[schemars(with = "String")]
    pub id: CompactString,
    /// What it says.
    pub verdict: CheckVerdict,
    /// The figure or state that was seen; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub observed: Option<CompactString>,
    /// The figure or state that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub threshold: Option<CompactString>,
    /// `ms`, `%`, `s`, `×` (so many times as fast), or empty for a state.
    #[serde(default)]
    #[schemars(with = "String")]
    pub unit: CompactString,
    /// How many observations it was judged by.
    pub samples: u64,
    /// One sentence for people.
    pub reason: String,
    /// Waived by name in the policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// How far a stream was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamPosition {
    /// The partition.
    pub partition: u16,
    /// The last sequence number that was folded.
    pub seq: u64,
    /// The log that the number is of (`EVENTS@<created>`): a stream that is made anew counts from 1 again. Absent in what
    /// was said before logs were named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
}

/// A part of Spark as it was when the gate decided. The log does not have it: the decision is where it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentState {
    /// Its name, such as `log` or `fold`.
    #[schemars(with = "String")]
    pub name: CompactString,
    /// How it was.
    pub status: ComponentStatus,
    /// Why it was not `UP`, one sentence; empty when it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// How a part of Spark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ComponentStatus {
    /// It works.
    Up,
    /// It works, but not as it should.
    Degraded,
    /// It is gone.
    Down,
}

impl ComponentStatus {
    /// As scripts read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Degraded => "DEGRADED",
            Self::Down => "DOWN",
        }
    }
}

/// A waiver that applied: a check without data that the policy lifts by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedWaiver {
    /// The check.
    #[schemars(with = "String")]
    pub check: CompactString,
    /// The first instant at which it no longer applies.
    pub until_ns: TimeNs,
    /// Why, for people.
    pub reason: String,
    /// Who waived.
    pub by: String,
}

/// The deploy gate decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateDecided {
    /// The decision's identity, computed from its content.
    #[schemars(with = "String")]
    pub id: CompactString,
    /// The instant it was judged for.
    pub at_ns: TimeNs,
    /// The verdict over all checks.
    pub verdict: Verdict,
    /// The profile whose thresholds were asked for.
    pub profile: Name,
    /// Each check.
    pub checks: Vec<CheckResult>,
    /// The waivers that applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<AppliedWaiver>,
    /// The parts of Spark, as whoever decided saw them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentState>,
    /// Objectives that were asked for while they were counted anew from the log, so that they had no figures yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recounting: Vec<Name>,
    /// How far the log was folded.
    pub positions: Vec<StreamPosition>,
    /// SHA-256 of the configuration in force, in hex.
    #[schemars(with = "String")]
    pub policy_digest: CompactString,
    /// SHA-256 of the state, in hex.
    #[schemars(with = "String")]
    pub state_digest: CompactString,
    /// The version of the fold's arithmetic.
    pub semantics: u32,
    /// The build that decided.
    pub build: String,
    /// Who asked.
    #[serde(default)]
    pub by: String,
}

/// A canary ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanaryRan {
    /// The run's identity, computed from its content.
    #[schemars(with = "String")]
    pub id: CompactString,
    /// When it ran.
    pub at_ns: TimeNs,
    /// Which kind.
    pub mode: CanaryMode,
    /// The verdict over all checks.
    pub verdict: Verdict,
    /// Each check.
    pub checks: Vec<CheckResult>,
    /// Who asked.
    #[serde(default)]
    pub by: String,
    /// What was compared with what; only of mode `compare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Box<CanaryComparison>>,
    /// The build that ran it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub build: String,
}

/// All that is needed, besides the log, to make a comparison's verdict again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanaryComparison {
    /// What the candidate was held against.
    pub baseline: CanarySide,
    /// What was judged.
    pub candidate: CanarySide,
    /// The deployment that lies between them, when one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// Up to where they were read.
    pub positions: Vec<StreamPosition>,
    /// The configuration's `[canary]` by which it was judged, in canonical JSON.
    pub settings: String,
    /// The version of the judge's arithmetic.
    pub semantics: u32,
}

/// One side of a comparison: a target over a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanarySide {
    /// The target; all its agents' observations count.
    pub target: Name,
    /// Slots count that begin at this instant or later …
    pub from_ns: TimeNs,
    /// … and before this one …
    pub to_ns: TimeNs,
    /// … unless they begin in one of these times, which maintenance took out; apart and in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<TimeSpan>,
    /// How many observations that were.
    pub observed: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many more slots could not run.
    pub missed: u64,
}

/// A time from an instant up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct TimeSpan {
    /// The first instant in it.
    pub from_ns: TimeNs,
    /// The first instant after it.
    pub to_ns: TimeNs,
}

/// What a canary runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CanaryMode {
    /// The built-in target, to prove the machinery.
    Mock,
    /// The configured endpoints.
    Real,
    /// Two samples from the log.
    Compare,
}
