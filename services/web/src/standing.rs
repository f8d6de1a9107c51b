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
    /// That of the partition which can be trusted least.
    pub(crate) fn of(statuses: &[(u16, FoldStatus)], now: TimeNs, started: TimeNs) -> Self {
        let each = statuses.iter().map(|(partition, status)| match statuses.len() {
            1 => Self::of_one(status, now, started),
            _ => Self::of_one(status, now, started).in_partition(*partition),
        });
        each.fold(Self::Live, Self::worse)
    }

    fn in_partition(self, partition: u16) -> Self {
        let named = |why: String| format!("partition {partition}: {why}");
        match self {
            Self::Stale(why) => Self::Stale(named(why)),
            Self::Unreachable(why) => Self::Unreachable(named(why)),
            Self::Failed(why) => Self::Failed(named(why)),
            same => same,
        }
    }

    fn worse(self, other: Self) -> Self {
        let rank = |standing: &Self| match standing {
            Self::Live => 0,
            Self::Stale(_) => 1,
            Self::Replaying { .. } => 2,
            Self::Unreachable(_) => 3,
            Self::Failed(_) => 4,
        };
        match (self, other) {
            (Self::Replaying { folded, of }, Self::Replaying { folded: more_folded, of: more }) => {
                Self::Replaying { folded: folded + more_folded, of: of + more }
            }
            (one, other) if rank(&other) > rank(&one) => other,
            (one, _) => one,
        }
    }

    fn of_one(status: &FoldStatus, now: TimeNs, started: TimeNs) -> Self {
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
pub(crate) fn components(
    statuses: &[(u16, FoldStatus)],
    mode: LogMode,
    now: TimeNs,
    started: TimeNs,
) -> Vec<Component> {
    let web =
        Component { name: "web".into(), status: Status::Up, detail: format!("up for {}", span(now.since_us(started))) };
    let each = statuses.iter().map(|(partition, status)| (*partition, log_and_fold(status, mode, now, started)));
    let (logs, folds): (Vec<_>, Vec<_>) = each.map(|(n, [log, fold])| ((n, log), (n, fold))).unzip();
    vec![web, over_partitions("log", logs), over_partitions("fold", folds)]
}

/// One component over all partitions: as bad as the worst of them.
fn over_partitions(name: &'static str, mut each: Vec<(u16, (Status, String))>) -> Component {
    let status = each.iter().map(|(_, (status, _))| *status).max().unwrap_or(Status::Up);
    let detail = match each.as_mut_slice() {
        [(_, (_, alone))] => std::mem::take(alone),
        several => {
            let texts: Vec<String> =
                several.iter().map(|(n, (_, detail))| format!("partition {n}: {detail}")).collect();
            texts.join("; ")
        }
    };
    Component { name: name.into(), status, detail }
}

fn log_and_fold(status: &FoldStatus, mode: LogMode, now: TimeNs, started: TimeNs) -> [(Status, String); 2] {
    let FoldStatus { phase, position, log_last_seq, .. } = status;
    let lag = log_last_seq.saturating_sub(*position);
    let silence_us = silence_us(status, now, started);
    let log = match phase {
        Phase::Unreachable(reason) => (Status::Down, reason.clone()),
        Phase::Live if silence_us > SILENCE_US_MAX => {
            (Status::Degraded, format!("{}, silent for {}", mode.as_str(), span(silence_us)))
        }
        _ => (Status::Up, format!("{}, last sequence number {log_last_seq}", mode.as_str())),
    };
    let fold = match phase {
        Phase::Replaying { folded, of } => {
            (Status::Degraded, format!("replaying the log: {} of {} frames", count(*folded), count(*of)))
        }
        Phase::Failed(reason) => (Status::Down, reason.clone()),
        Phase::Unreachable(_) => (Status::Degraded, format!("waits for the log at position {position}")),
        Phase::Live if lag > LAG_FRAMES_MAX => (Status::Degraded, format!("{} frames behind the log", count(lag))),
        Phase::Live if let Some(why) = &status.no_checkpoint => {
            (Status::Degraded, format!("at position {position}, but its store takes no checkpoint: {why}"))
        }
        Phase::Live => (Status::Up, format!("at position {position}, {} frames behind the log", count(lag))),
    };
    [log, fold]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimeNs = TimeNs(1_000 * TimeNs::SECOND);

    fn status(phase: Phase) -> FoldStatus {
        FoldStatus { phase, position: 7, log_last_seq: 7, last_batch: NOW, no_checkpoint: None }
    }

    #[test]
    fn the_partition_that_can_be_trusted_least_speaks_for_all() {
        let of = |phases: &[Phase]| {
            let statuses: Vec<_> = (0..).zip(phases.iter().cloned().map(status)).collect();
            let components = components(&statuses, LogMode::Jetstream, NOW, NOW);
            (Standing::of(&statuses, NOW, NOW), components[1].clone(), components[2].clone())
        };
        let (live, replaying) = (Phase::Live, Phase::Replaying { folded: 3, of: 9 });
        assert_eq!(of(&[live.clone(), live.clone()]).0, Standing::Live);
        assert_eq!(of(&[replaying.clone(), live.clone(), replaying]).0, Standing::Replaying { folded: 6, of: 18 });
        let (standing, log, fold) = of(&[live.clone(), Phase::Unreachable("gone".to_owned())]);
        assert_eq!(standing, Standing::Unreachable("partition 1: gone".to_owned()));
        assert_eq!((log.status, fold.status), (Status::Down, Status::Degraded));
        assert_eq!(log.detail, "partition 0: jetstream, last sequence number 7; partition 1: gone");
        assert_eq!(of(&[live]).1.detail, "jetstream, last sequence number 7", "one partition needs no number");
    }
}
