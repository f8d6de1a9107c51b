//! What a report says of declarations, of the evidence itself, and of earlier days.

use serde::{Deserialize, Serialize};
use spark_schemas::event::{AlertState, CanaryMode, CheckVerdict, Verdict};
use spark_schemas::{Class, Name};

use super::day::Day;
use super::model::{Cite, Figures, MissedCount};
use super::number::{I64, U64};
use crate::config::Instant;

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

/// A version that went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentRow {
    /// When.
    pub at: Instant,
    /// The service.
    pub service: Name,
    /// Its version.
    pub version: String,
    /// Who said so.
    pub by: String,
    /// The latest decision of the gate before it; absent when none is remembered.
    pub gate: Option<GateBefore>,
    /// The leaf it is in.
    pub seq: U64,
}

/// The gate's latest decision before a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateBefore {
    /// Its identity.
    pub id: String,
    /// What it said.
    pub verdict: Verdict,
    /// How old it was, in seconds.
    pub age_s: U64,
    /// Whether it let the deployment through: it passed, and was not too old.
    pub covers: bool,
}

/// A maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceRow {
    /// Its identity.
    pub id: Name,
    /// The targets it covers; empty: all.
    pub targets: Vec<Name>,
    /// The first instant it covers.
    pub from: Instant,
    /// The first instant it no longer covers.
    pub to: Instant,
    /// Why.
    pub reason: String,
    /// Who declared it, or called it off.
    pub by: String,
    /// When that was said.
    pub declared: Instant,
    /// It was called off.
    pub called_off: bool,
    /// It was said after it had begun.
    pub afterwards: bool,
    /// The leaf that says so; absent when an earlier one does.
    pub seq: Option<U64>,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRow {
    /// The objective.
    pub objective: Name,
    /// Its long and its short window, such as `1h/5m`; empty for an alert without.
    pub windows: String,
    /// What it asks of people, such as `page`.
    pub severity: Option<Name>,
    /// The state.
    pub state: AlertState,
    /// Since when.
    pub at: Instant,
    /// In a sentence.
    pub reason: String,
    /// It was in this state at the end.
    pub at_the_end: bool,
    /// The leaf it is in; absent when it is an earlier one.
    pub seq: Option<U64>,
}

/// A configuration that came into force or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationRow {
    /// When.
    pub at: Instant,
    /// SHA-256 of its canonical JSON, in hex; absent when it was refused.
    pub digest: Option<String>,
    /// Why it was refused.
    pub error: Option<String>,
    /// The leaf that says so.
    pub seq: U64,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteRow {
    /// When.
    pub at: Instant,
    /// What.
    pub text: String,
    /// Who.
    pub by: String,
    /// The leaf it is in.
    pub seq: U64,
}

/// How complete the evidence is. Counts are of this report's leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Leaves.
    pub leaves: U64,
    /// When the log took the first of them; absent when there are none.
    pub first_received: Option<Instant>,
    /// When it took the last.
    pub last_received: Option<Instant>,
    /// Frames counted.
    pub frames: U64,
    /// Observations counted, of whatever day.
    pub observations: U64,
    /// Missed slots, of whatever day.
    pub missed: U64,
    /// Why slots were missed.
    pub missed_why: Vec<MissedCount>,
    /// Frames that had been counted before.
    pub duplicates: U64,
    /// Frames that no figure counts.
    pub rejected: U64,
    /// Sequence numbers that the stream lost.
    pub lost: U64,
    /// Events of kinds that this build does not know.
    pub unknown_kinds: U64,
    /// How many minutes of the day so far had an observation of a judged target.
    pub watched_minutes: U64,
    /// Of how many.
    pub minutes: U64,
    /// Holes that the stream declared.
    pub gaps: Vec<GapRow>,
    /// Rejected frames, the first hundred.
    pub rejections: Vec<RejectionRow>,
    /// Torn tails that were cut.
    pub repairs: Vec<RepairRow>,
    /// Observations of days whose figures are no longer kept.
    pub too_late: U64,
}

/// A hole in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapRow {
    /// When it was noticed.
    pub at: Instant,
    /// The sequence numbers that are missing.
    pub missing: Cite,
    /// Why.
    pub reason: String,
}

/// A frame that no figure counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectionRow {
    /// When it was received.
    pub at: Instant,
    /// Its subject.
    pub subject: String,
    /// What was wrong.
    pub reason: String,
    /// The leaf it is.
    pub seq: U64,
}

/// A torn tail that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairRow {
    /// When.
    pub at: Instant,
    /// The last whole leaf.
    pub last_seq: U64,
    /// How many bytes were cut.
    pub bytes_cut: U64,
    /// The leaf that says so.
    pub seq: U64,
}

/// Who published, in these leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRow {
    /// The agent.
    pub agent: Name,
    /// What it may say: `obs` or `ctl`.
    pub class: Class,
    /// Its runs that spoke.
    pub runs: U64,
    /// Its frames.
    pub frames: U64,
    /// Its observations.
    pub observations: U64,
    /// Slots it says it missed.
    pub missed: U64,
    /// Frame numbers of these runs that are missing at the end.
    pub holes: U64,
    /// Its clock.
    pub clock: ClockRow,
    /// Its leaves.
    pub evidence: Cite,
}

/// An agent's clock, as its frames and heartbeats say; offsets in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRow {
    /// What disciplines it, by the latest frame.
    pub source: String,
    /// The lowest offset; absent when it was never measured.
    pub offset_us_min: Option<I64>,
    /// The highest.
    pub offset_us_max: Option<I64>,
    /// Steps of the wall clock, of the run that had the most.
    pub steps: U64,
    /// The leaf with the offset farthest from 0.
    pub seq: Option<U64>,
}

/// What became known of an earlier day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// The day.
    pub date: Day,
    /// Whose figures.
    pub target: Name,
    /// What came.
    pub causes: Vec<Cause>,
    /// Before this report's leaves; absent when the day's buckets are no longer kept.
    pub then: Option<Amended>,
    /// After them.
    pub now: Option<Amended>,
    /// The leaves that say so.
    pub evidence: Cite,
}

/// Why figures of an earlier day changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Observations came late.
    LateObservations,
    /// Missed slots were reported late.
    LateMissed,
    /// A maintenance was declared or called off afterwards.
    Maintenance,
    /// An agent said afterwards what it was probing.
    Schedule,
    /// A configuration came into force that says otherwise what was to be observed, or was maintenance.
    Configuration,
}

/// A target's earlier day. Maintenance is taken out in whole quarters of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amended {
    /// What was observed.
    pub figures: Figures,
    /// How much of the day was in maintenance, in seconds, rounded up.
    pub maintenance_s: U64,
}
