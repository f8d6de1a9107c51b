//! Small messages derived from the log, for people who subscribe: MessagePack on one subject, JSON on its sibling.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;
use crate::event::{AlertState, Verdict};

/// One target's figures over one window; also the shape of `GET /api/v1/windows`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowMessage {
    /// The target's name; `*` for the default selection over all.
    pub target: String,
    /// The window, such as `5m`.
    pub window: String,
    /// The start of the first bucket in the window, RFC 3339.
    pub from: String,
    /// The instant the window ends at, RFC 3339.
    pub to: String,
    /// Observations.
    pub count: u64,
    /// Observations that failed.
    pub failed: u64,
    /// Slots that agents reported as missed.
    pub missed: u64,
    /// Observations that the schedules ask for.
    pub expected: u64,
    /// Failed of all observations, parts per million; absent without observations.
    pub error_rate_ppm: Option<u64>,
    /// Received of expected observations, parts per million; absent when none are expected.
    pub completeness_ppm: Option<u64>,
    /// How far past due the next observation is; absent before the first.
    pub staleness_ms: Option<u64>,
    /// Latency quantiles; absent without observations.
    pub latency_us: Option<LatencyQuantiles>,
}

/// Quantiles of latency in microseconds, each the highest value of its histogram class (two significant digits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyQuantiles {
    /// Half of the observations were at most this slow.
    pub p50: u64,
    /// 90 % were at most this slow.
    pub p90: u64,
    /// 95 % were at most this slow.
    pub p95: u64,
    /// 99 % were at most this slow.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

/// What a target is like right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// The latest observation passed and is not stale.
    Up,
    /// The latest observation failed.
    Down,
    /// No observation yet, or the latest is stale.
    Unknown,
}

/// One target's state, published when it changes and once a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthMessage {
    /// The target's name.
    pub target: Name,
    /// Its state.
    pub state: TargetState,
    /// As of when, RFC 3339.
    pub at: String,
    /// One sentence for people.
    pub reason: String,
}

/// A gate decision, as subscribers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateMessage {
    /// The decision's identity.
    pub id: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The profile.
    pub profile: Name,
    /// As of when, RFC 3339.
    pub at: String,
}

/// A change of an alert's state, as subscribers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertMessage {
    /// The change's identity.
    pub id: String,
    /// The objective.
    pub slo: Name,
    /// The new state.
    pub state: AlertState,
    /// What it asks of people, such as `page`.
    pub severity: Option<Name>,
    /// The alert's long window.
    pub long: String,
    /// The alert's short window.
    pub short: String,
    /// When the state changed, RFC 3339.
    pub at: String,
    /// One sentence for people.
    pub reason: String,
}
