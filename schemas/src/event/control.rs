//! Declarations and decisions: what web, aggregator and admin may say.

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, TimeNs};

/// A configuration came into force. Its canonical JSON is split over parts when it is long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigApplied {
    /// When it was applied.
    pub at_ns: TimeNs,
    /// SHA-256 of the whole body, in hex.
    #[schemars(with = "String")]
    pub digest: CompactString,
    /// This part's number, from 0.
    pub part: u32,
    /// How many parts the body has.
    pub parts: u32,
    /// This part of the configuration in canonical JSON; secrets only by reference.
    pub body: String,
}

impl ConfigApplied {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.part < self.parts { Ok(()) } else { Err("the part's number is not below the number of parts") }
    }
}

/// A configuration was refused; the one before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigRejected {
    /// When it was refused.
    pub at_ns: TimeNs,
    /// The file it came from.
    pub source: String,
    /// What was wrong, with line and column.
    pub error: String,
}

/// A maintenance declared or called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Maintenance {
    /// When it was said.
    pub at_ns: TimeNs,
    /// Its identity.
    pub id: Name,
    /// Declared or called off.
    pub action: MaintenanceAction,
    /// The targets it covers; empty: all.
    #[serde(default)]
    pub targets: Vec<Name>,
    /// The first instant it covers.
    pub from_ns: TimeNs,
    /// The first instant it no longer covers.
    pub to_ns: TimeNs,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
    /// Who said it.
    #[serde(default)]
    pub by: String,
}

/// What is done with a maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceAction {
    /// It is declared, or replaces the one of the same id.
    Add,
    /// It is called off.
    Cancel,
}

impl Maintenance {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.from_ns < self.to_ns { Ok(()) } else { Err("it ends before it begins") }
    }
}

/// A version of a service went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// When it went out.
    pub at_ns: TimeNs,
    /// The service.
    pub service: Name,
    /// Its version, as its team names it.
    pub version: String,
    /// Who said it.
    #[serde(default)]
    pub by: String,
}

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
    /// `ms`, `%`, `s`, or empty for a state.
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

/// An objective's alert changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// The alert's identity, computed from its content; repeats are ignored.
    #[schemars(with = "String")]
    pub id: CompactString,
    /// When the state changed.
    pub at_ns: TimeNs,
    /// The objective.
    pub slo: Name,
    /// The new state.
    pub state: AlertState,
    /// One sentence for people.
    pub reason: String,
    /// What it asks of people, such as `page`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Name>,
    /// The alert's long window, such as `1h`; with the short one it tells an objective's alerts apart.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    #[schemars(with = "String")]
    pub long: CompactString,
    /// The alert's short window.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    #[schemars(with = "String")]
    pub short: CompactString,
    /// The identity of the change before; empty when it is the first. A change that follows another than the one known
    /// last says nothing new.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    #[schemars(with = "String")]
    pub previous: CompactString,
}

/// The life of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds, not long enough yet.
    Pending,
    /// It has held long enough.
    Firing,
    /// It no longer holds.
    Resolved,
}

/// A notification was delivered or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notified {
    /// When.
    pub at_ns: TimeNs,
    /// The alert it tells of.
    #[schemars(with = "String")]
    pub alert: CompactString,
    /// The channel's name.
    pub channel: Name,
    /// Whether it arrived.
    pub delivered: bool,
    /// How many tries it took.
    pub attempts: u32,
    /// The last error, when there was one.
    #[serde(default)]
    pub error: String,
}

/// Somebody did something that changes Spark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// When.
    pub at_ns: TimeNs,
    /// Who.
    pub actor: String,
    /// What, such as `gate.decide`.
    #[schemars(with = "String")]
    pub action: CompactString,
    /// Details for people.
    #[serde(default)]
    pub detail: String,
}

/// Messages of the log were rejected: they stay leaves of it, and no figure counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// When it was noticed.
    pub at_ns: TimeNs,
    /// Its partition.
    pub partition: u16,
    /// Its sequence number there; 0 when it was in a log that was sealed since.
    pub seq: u64,
    /// The sequence number of the last one, when the report speaks of several: the first and some up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// How many were rejected.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub frames: u64,
    /// Its subject.
    pub subject: String,
    /// What was wrong.
    pub reason: String,
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

/// A torn tail was cut from the archive when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogRepaired {
    /// When.
    pub at_ns: TimeNs,
    /// The last whole leaf's sequence number.
    pub last_seq: u64,
    /// How many bytes were cut.
    pub bytes_cut: u64,
}

/// A daily report was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportIssued {
    /// When.
    pub at_ns: TimeNs,
    /// The UTC day, `YYYY-MM-DD`.
    #[schemars(with = "String")]
    pub date: CompactString,
    /// SHA-256 of `report.json`, in hex.
    #[schemars(with = "String")]
    pub digest: CompactString,
    /// The first leaf it covers.
    pub from_seq: u64,
    /// The first leaf it no longer covers.
    pub to_seq: u64,
}

/// A remark for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// When.
    pub at_ns: TimeNs,
    /// What.
    pub text: String,
    /// Who.
    #[serde(default)]
    pub by: String,
}
