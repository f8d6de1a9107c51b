//! How far what is shown can be trusted: whether the fold follows the log, and how old the newest thing it heard is.

use spark_aggregator::{FoldStatus, Phase};
use spark_core::health::{Component, Status};
use spark_schemas::TimeNs;

use crate::app::LogMode;
use crate::format::{count, span};

/// Agents and aggregator say something every 10 s: after three silences in a row nobody can tell what happens.
const SILENCE_US_MAX: u64 = 30_000_000;
/// A fold further behind than this many frames shows the past.
const LAG_FRAMES_MAX: u64 = 5_000;

/// How far what is shown can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The fold follows the log.
    Live,
    /// The fold still reads what is in the log already.
    Replaying {
        /// Position reached.
        folded: u64,
        /// Position to reach.
        of: u64,
    },
    /// Nothing has come for a while, or the fold is far behind.
    Stale(String),
    /// The log can't be read.
    Unreachable(String),
    /// The fold stopped.
    Failed(String),
}

impl Standing {
    pub(crate) fn of(status: &FoldStatus, now: TimeNs, started: TimeNs) -> Self {
        let silence_us = silence_us(status, now, started);
        let lag = status.log_last_seq.saturating_sub(status.position);
        match &status.phase {
            Phase::Replaying { folded, of } => Self::Replaying { folded: *folded, of: *of },
            Phase::Unreachable(reason) => Self::Unreachable(reason.clone()),
            Phase::Failed(reason) => Self::Failed(reason.clone()),
            Phase::Live if silence_us > SILENCE_US_MAX => {
                Self::Stale(format!("nothing has come from the log for {}", span(silence_us)))
            }
            Phase::Live if lag > LAG_FRAMES_MAX => Self::Stale(format!("{} frames behind the log", count(lag))),
            Phase::Live => Self::Live,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        *self == Self::Live
    }

    /// In a sentence; `None` when there is nothing to say.
    pub(crate) fn sentence(&self) -> Option<String> {
        match self {
            Self::Live => None,
            Self::Replaying { folded, of } if of > folded => {
                Some(format!("Spark is reading its log: {} of {} frames.", count(*folded), count(*of)))
            }
            Self::Replaying { .. } => Some("Spark is reading its log.".to_owned()),
            Self::Stale(why) => Some(format!("What is shown is old: {why}.")),
            Self::Unreachable(why) => {
                Some(format!("The log can't be reached: {why}. Figures are the last ones known."))
            }
            Self::Failed(why) => Some(format!("The fold stopped: {why}. Figures are the last ones known.")),
        }
    }

    /// The badge on panels whose figures are not live.
    pub(crate) fn badge(&self) -> Option<&'static str> {
        match self {
            Self::Live => None,
            Self::Replaying { .. } => Some("replaying"),
            Self::Stale(_) => Some("stale"),
            Self::Unreachable(_) => Some("log unreachable"),
            Self::Failed(_) => Some("stopped"),
        }
    }
}

/// How long the log has been silent, in microseconds.
fn silence_us(status: &FoldStatus, now: TimeNs, started: TimeNs) -> u64 {
    now.since_us(status.last_batch.max(started))
}

/// The parts of Spark that this service sees, and how each is.
pub(crate) fn components(status: &FoldStatus, mode: LogMode, now: TimeNs, started: TimeNs) -> Vec<Component> {
    let FoldStatus { phase, position, log_last_seq, .. } = status;
    let lag = log_last_seq.saturating_sub(*position);
    let silence_us = silence_us(status, now, started);
    let (log_status, log_detail) = match phase {
        Phase::Unreachable(reason) => (Status::Down, reason.clone()),
        Phase::Live if silence_us > SILENCE_US_MAX => {
            (Status::Degraded, format!("{}, silent for {}", mode.as_str(), span(silence_us)))
        }
        _ => (Status::Up, format!("{}, last sequence number {log_last_seq}", mode.as_str())),
    };
    let (fold_status, fold_detail) = match phase {
        Phase::Replaying { folded, of } => {
            (Status::Degraded, format!("replaying the log: {} of {} frames", count(*folded), count(*of)))
        }
        Phase::Failed(reason) => (Status::Down, reason.clone()),
        Phase::Unreachable(_) => (Status::Degraded, format!("waits for the log at position {position}")),
        Phase::Live if lag > LAG_FRAMES_MAX => (Status::Degraded, format!("{} frames behind the log", count(lag))),
        Phase::Live => (Status::Up, format!("at position {position}, {} frames behind the log", count(lag))),
    };
    vec![
        Component { name: "web", status: Status::Up, detail: format!("up for {}", span(now.since_us(started))) },
        Component { name: "log", status: log_status, detail: log_detail },
        Component { name: "fold", status: fold_status, detail: fold_detail },
    ]
}
