//! What a probe may say: observations, slots it missed, its heartbeat and its schedule.

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, TimeNs};

/// One check that ran in one slot.
///
/// A timeout is an observation too: its latency is the timeout and its outcome `fail`, so quantiles include it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The target's name.
    pub target: Name,
    /// When the slot began by the schedule; the event's time.
    pub slot_ns: TimeNs,
    /// When the check really started.
    pub started_ns: TimeNs,
    /// How long the check took, whole, in microseconds.
    pub latency_us: u64,
    /// Whether every condition held.
    pub outcome: Outcome,
    /// What failed first; absent when nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailReason>,
    /// A short sentence for people, such as `status 503, expected 200-299`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub detail: Option<CompactString>,
    /// The protocol's status code, such as HTTP's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Where the time went.
    #[serde(default, skip_serializing_if = "Phases::is_empty")]
    pub phases: Phases,
    /// When the certificate that was shown expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires_ns: Option<TimeNs>,
}

impl Observed {
    /// A check that began with its slot and passed, and nothing else is known of it.
    pub fn passed(target: Name, slot_ns: TimeNs, latency_us: u64) -> Self {
        Self {
            target,
            slot_ns,
            started_ns: slot_ns,
            latency_us,
            outcome: Outcome::Ok,
            reason: None,
            detail: None,
            status: None,
            phases: Phases::default(),
            certificate_expires_ns: None,
        }
    }
}

/// Whether a check passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every condition held.
    Ok,
    /// At least one did not.
    Fail,
}

/// What failed first in a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// The whole check took longer than the timeout.
    Timeout,
    /// The name did not resolve, or not to the records that were expected.
    Dns,
    /// No connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The peer broke the protocol or closed early.
    Protocol,
    /// A status that was not expected.
    Status,
    /// A header condition.
    Header,
    /// A body condition.
    Body,
    /// It worked, but slower than the limit.
    Latency,
    /// The certificate expires too soon.
    Certificate,
    /// Anything else; the detail says what.
    #[serde(other)]
    Other,
}

/// Where an observation's time went, in microseconds; absent for a phase that did not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Phases {
    /// Name resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// Establishing the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// The TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// From the request sent to the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
}

impl Phases {
    /// Whether no phase was measured.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Slots of one target that could not run, so that they are accounted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missed {
    /// The target's name.
    pub target: Name,
    /// When the first missed slot began.
    pub first_slot_ns: TimeNs,
    /// From one missed slot to the next.
    pub interval_us: u64,
    /// How many slots were missed, at least 1.
    pub slots: u64,
    /// Why.
    pub why: MissedWhy,
}

/// Why a slot did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissedWhy {
    /// The agent was not running.
    NotRunning,
    /// The agent ran, but too late for this slot: overload, a suspended machine, or the check before still running.
    Late,
    /// The check ran, but its result could not be kept: the outbox was full.
    OutboxFull,
    /// The wall clock jumped over the slot.
    ClockStep,
    /// Another reason, from a newer agent.
    #[serde(other)]
    Other,
}

impl Missed {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.slots == 0 {
            return Err("no slots");
        }
        if self.interval_us == 0 {
            return Err("the interval is 0");
        }
        self.last_slot_ns().map(|_| ()).ok_or("the range leaves the representable time")
    }

    /// When the last missed slot began; `None` when that can't be represented.
    pub fn last_slot_ns(&self) -> Option<TimeNs> {
        let interval_ns = self.interval_us.checked_mul(1_000)?;
        let span_ns = interval_ns.checked_mul(self.slots.checked_sub(1)?)?;
        self.first_slot_ns.0.checked_add(span_ns).map(TimeNs)
    }
}

/// An agent lives, and how it fares; every 10 s.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// When it was said.
    pub at_ns: TimeNs,
    /// Frames that wait in the outbox.
    #[serde(default)]
    pub queue: u64,
    /// Observations that could not be kept since the agent started.
    #[serde(default)]
    pub dropped: u64,
    /// The clock's measured offset in microseconds, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_us: Option<i64>,
    /// Bytes that the outbox holds on disk.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queue_bytes: u64,
    /// Times the wall clock stepped since the agent started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_steps: u64,
    /// How far the last of them went, in microseconds; negative: back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_us: Option<i64>,
}

/// So that a heartbeat without news is written as before there were such fields.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What an agent is configured to probe, said when it starts and when that changes. A long list is split over parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Targets {
    /// From when on this schedule holds.
    pub from_ns: TimeNs,
    /// This part's number, from 0.
    pub part: u32,
    /// How many parts the list has.
    pub parts: u32,
    /// The targets of this part.
    pub targets: Vec<TargetSchedule>,
}

/// One target's schedule: slot k begins at `offset_us + k * interval_us` after the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetSchedule {
    /// The target's name.
    pub target: Name,
    /// From one slot to the next.
    pub interval_us: u64,
    /// The schedule's shift, less than the interval.
    pub offset_us: u64,
}

impl Targets {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.part >= self.parts {
            return Err("the part's number is not below the number of parts");
        }
        match self.targets.iter().all(|t| t.interval_us > 0 && t.offset_us < t.interval_us) {
            true => Ok(()),
            false => Err("an interval is 0 or an offset is not below its interval"),
        }
    }
}
