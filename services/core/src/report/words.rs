//! Kinds and verdicts in words, the same in every format.

use spark_schemas::event::{AlertState, CanaryMode, CheckVerdict, FailReason, MissedWhy, Verdict};

use super::model::{Cause, Standing};

pub(super) const fn reason(reason: FailReason) -> &'static str {
    match reason {
        FailReason::Timeout => "timeout",
        FailReason::Dns => "name resolution",
        FailReason::Connect => "no connection",
        FailReason::Tls => "TLS handshake",
        FailReason::Protocol => "protocol",
        FailReason::Status => "status",
        FailReason::Header => "header",
        FailReason::Body => "body",
        FailReason::Latency => "too slow",
        FailReason::Certificate => "certificate",
        FailReason::Other => "other",
    }
}

pub(super) const fn missed(why: MissedWhy) -> &'static str {
    match why {
        MissedWhy::NotRunning => "the agent was not running",
        MissedWhy::Late => "too late for the slot",
        MissedWhy::OutboxFull => "the outbox was full",
        MissedWhy::ClockStep => "the clock jumped",
        MissedWhy::Other => "another reason",
    }
}

pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
        Verdict::NoData => "no data",
    }
}

pub(super) const fn check(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Pass => "pass",
        CheckVerdict::Warn => "warn",
        CheckVerdict::Fail => "fail",
        CheckVerdict::NoData => "no data",
    }
}

/// The colour of a verdict.
pub(super) const fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "low",
        Verdict::Warn => "medium",
        Verdict::Fail => "high",
        Verdict::NoData => "unknown",
    }
}

pub(super) const fn mode(mode: CanaryMode) -> &'static str {
    match mode {
        CanaryMode::Mock => "mock",
        CanaryMode::Real => "real",
        CanaryMode::Compare => "compare",
    }
}

pub(super) const fn alert(state: AlertState) -> &'static str {
    match state {
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    }
}

pub(super) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::LateObservations => "observations came late",
        Cause::LateMissed => "missed checks were reported late",
        Cause::Maintenance => "maintenance was declared or called off afterwards",
        Cause::Schedule => "an agent said afterwards what it was checking",
        Cause::Configuration => "a changed configuration",
    }
}

/// Why a target is not judged; nothing for one that is.
pub(super) const fn standing(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Judged => None,
        Standing::Demo => Some("demo"),
        Standing::NotSelected => Some("not in the profile"),
        Standing::NotConfigured => Some("not configured"),
    }
}
