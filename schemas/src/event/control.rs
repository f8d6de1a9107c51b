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
    /// What it asks of people, such as `page`; with the two windows it tells an objective's alerts apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Name>,
    /// The alert's long window, such as `1h`.
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
