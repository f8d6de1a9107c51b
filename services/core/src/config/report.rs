//! `[report]`: when a day is closed, what an incident is, and from which figures on a day is a risk.

use serde::{Deserialize, Serialize};

use crate::units::{DurationUs, RatioPpm};

/// A day's minutes are kept for an hour after it has ended (`Tier::Minute`), and its report is made from them.
const GRACE_MAX: DurationUs = DurationUs::from_secs(3_600);
const MINUTE: DurationUs = DurationUs::from_secs(60);
/// Incidents that continue from the day before are found in that day's last hour.
const GAP_MAX: DurationUs = DurationUs::from_secs(1_800);

/// `[report]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportPolicy {
    /// How long after the day's end its report waits for what comes late.
    pub grace: DurationUs,
    /// A minute in which at least this share of a target's observations failed is part of an incident.
    pub incident_errors: RatioPpm,
    /// Bad minutes of one target with fewer than this between them are one incident.
    pub incident_gap: DurationUs,
    /// A target of which nothing came for so long, although something was due, was not watched.
    pub silence: DurationUs,
    /// The share of failed observations over all judged targets.
    pub error_rate: Limits<RatioPpm>,
    /// The same of the worst target.
    pub target_error_rate: Limits<RatioPpm>,
    /// The 95th percentile of latency over all judged targets.
    pub latency_p95: Limits<DurationUs>,
    /// How long incidents lasted in all.
    pub incident_time: Limits<DurationUs>,
    /// How much of an objective's error budget is spent.
    pub budget_spent: Limits<RatioPpm>,
    /// How far an agent's clock is off.
    pub clock_offset: Limits<DurationUs>,
    /// The share of due observations that are there.
    pub completeness: Floors,
    /// The share of the day's minutes in which anything was observed.
    pub watched: Floors,
    /// A deployment is covered by a decision of the gate that is no older.
    pub gate_max_age: DurationUs,
}

/// From which figure on a day is a medium risk, and from which a high one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits<T> {
    /// This much is a medium risk.
    pub medium: T,
    /// This much is a high one.
    pub high: T,
}

/// Below which share of the evidence a day is a medium risk, and below which nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Less is a medium risk.
    pub medium: RatioPpm,
    /// Less, and the risk is unknown.
    pub unknown: RatioPpm,
}

impl Default for ReportPolicy {
    fn default() -> Self {
        let share = |medium, high| Limits { medium: RatioPpm(medium), high: RatioPpm(high) };
        let ms = |medium, high| Limits { medium: DurationUs::from_ms(medium), high: DurationUs::from_ms(high) };
        let floors = |medium, unknown| Floors { medium: RatioPpm(medium), unknown: RatioPpm(unknown) };
        Self {
            grace: DurationUs::from_secs(300),
            incident_errors: RatioPpm(500_000),
            incident_gap: DurationUs::from_secs(300),
            silence: DurationUs::from_secs(300),
            error_rate: share(10_000, 50_000),
            target_error_rate: share(20_000, 100_000),
            latency_p95: ms(150, 1_000),
            incident_time: ms(60_000, 1_800_000),
            budget_spent: share(750_000, 1_000_000),
            clock_offset: ms(500, 5_000),
            completeness: floors(990_000, 900_000),
            watched: floors(990_000, 900_000),
            gate_max_age: DurationUs::from_secs(3_600),
        }
    }
}

impl ReportPolicy {
    /// Whether nothing was said about reports.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The first rule that is broken: the key, and what is wrong with it.
    pub(super) fn broken_rule(&self) -> Option<(&'static str, String)> {
        if self.grace > GRACE_MAX {
            return Some(("grace", "grace must be at most 1h: the day's minutes are kept no longer".to_owned()));
        }
        if self.incident_errors.0 == 0 {
            return Some(("incident_errors", "incident_errors must be more than 0%".to_owned()));
        }
        if !(MINUTE..=GAP_MAX).contains(&self.incident_gap) {
            return Some(("incident_gap", "incident_gap must be from 1m to 30m".to_owned()));
        }
        if self.silence < MINUTE {
            return Some(("silence", "silence must be at least 1m".to_owned()));
        }
        let rising = [
            ("error_rate", self.error_rate.medium.0, self.error_rate.high.0),
            ("target_error_rate", self.target_error_rate.medium.0, self.target_error_rate.high.0),
            ("latency_p95", self.latency_p95.medium.0, self.latency_p95.high.0),
            ("incident_time", self.incident_time.medium.0, self.incident_time.high.0),
            ("budget_spent", self.budget_spent.medium.0, self.budget_spent.high.0),
            ("clock_offset", self.clock_offset.medium.0, self.clock_offset.high.0),
        ];
        for (key, medium, high) in rising {
            if medium == 0 {
                return Some((key, format!("{key}: medium must be more than 0, or no day could be a low risk")));
            }
            if high < medium {
                return Some((key, format!("{key}: high must be at least medium")));
            }
        }
        for (key, floors) in [("completeness", self.completeness), ("watched", self.watched)] {
            // Nothing is below 0 %: a day of which nothing is known would be a low risk.
            if floors.unknown.0 == 0 {
                return Some((key, format!("{key}: unknown must be more than 0%: no data is never a low risk")));
            }
            if floors.medium < floors.unknown {
                return Some((key, format!("{key}: medium must be at least unknown")));
            }
        }
        None
    }
}
