//! The fold loop: reads the log in order, records it where a recorder is given, folds it, and checkpoints.
//!
//! It never gives up on a log that does not answer. It stops only when the log is damaged, or when it is told to.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use spark_eventlog::archive::Archive;
use spark_eventlog::clock::WallClock;
use spark_eventlog::{AppendError, EventLog, LogReader, ReadError, Recorded};
use spark_schemas::metric;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::{Phase, Projection};

const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a reader may say nothing before the log is asked whether it is still there.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// What is followed, and where it goes.
pub struct Follow {
    /// The projection that is kept up.
    pub projection: Projection,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The archive that gets a copy of every frame; `None` where the log is the archive itself, and in the web service.
    pub recorder: Option<Archive>,
    /// The wall clock, for the status.
    pub clock: WallClock,
}

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log is damaged.
    #[error("the log can't be read any further")]
    Log(#[from] ReadError),
    /// The archive does not take what was read.
    #[error("the archive does not take what was read")]
    Record(#[from] AppendError),
    /// Another log than the one that the projection or the archive reflects.
    #[error("the log is {found} now, it was {expected}: it was deleted and made anew, restart to follow it")]
    Incarnation {
        /// The incarnation when following began.
        expected: String,
        /// The incarnation now.
        found: String,
    },
    /// The log is the same and yet shorter than what was read of it: somebody restored an older copy.
    #[error(
        "the log ends at {last_seq}, but {known} frames of it are known here: it was restored from an older copy; \
         move this data directory away to follow it as it is now"
    )]
    Regressed {
        /// The last position known here.
        known: u64,
        /// The log's last sequence number now.
        last_seq: u64,
    },
    /// A bug: the fold panicked.
    #[error("the fold panicked; this is a bug")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Follow {
    /// Follows the log until `shutdown`, then makes a last checkpoint.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), FollowError> {
        let result = self.follow(&shutdown).await;
        if let Err(error) = &result {
            let text = describe(error);
            self.projection.set_status(|status| status.phase = Phase::Failed(text));
        }
        self.checkpoint().await?;
        result
    }

    async fn follow(&self, shutdown: &CancellationToken) -> Result<(), FollowError> {
        self.catch_up_from_archive(shutdown).await?;
        let mut incarnation = None;
        while !shutdown.is_cancelled() {
            match self.read_until_error(&mut incarnation, shutdown).await {
                Ok(()) => return Ok(()),
                Err(FollowError::Log(error @ (ReadError::Unavailable(_) | ReadError::Closed))) => {
                    tracing::warn!(error = &error as &dyn Error, "the log can't be read, trying again");
                    let text = describe(&error);
                    self.projection.set_status(|status| status.phase = Phase::Unreachable(text));
                    tokio::select! {
                        () = sleep(RETRY_AFTER) => {}
                        () = shutdown.cancelled() => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the archive has and the projection lacks may be gone from the stream.
    async fn catch_up_from_archive(&self, shutdown: &CancellationToken) -> Result<(), FollowError> {
        let Some(archive) = &self.recorder else { return Ok(()) };
        archive.sync().await?;
        let last = archive.next_seq() - 1;
        if self.projection.position() >= last {
            return Ok(());
        }
        let mut reader = archive.read(self.projection.position() + 1).await?;
        while self.projection.position() < last && !shutdown.is_cancelled() {
            let batch = reader.next_batch().await?;
            self.fold(batch, last).await?;
        }
        Ok(())
    }

    async fn read_until_error(
        &self,
        incarnation: &mut Option<String>,
        shutdown: &CancellationToken,
    ) -> Result<(), FollowError> {
        let bounds = self.log.bounds().await?;
        let expected = incarnation.get_or_insert_with(|| bounds.incarnation.clone());
        if *expected != bounds.incarnation {
            return Err(FollowError::Incarnation { expected: expected.clone(), found: bounds.incarnation });
        }
        let recorded = self.recorder.as_ref().map_or(0, |archive| archive.next_seq() - 1);
        let known = self.projection.position().max(recorded);
        if known > bounds.last_seq {
            return Err(FollowError::Regressed { known, last_seq: bounds.last_seq });
        }
        let mut next = match &self.recorder {
            Some(archive) => archive.next_seq(),
            None => self.projection.position() + 1,
        };
        let mut reader = match self.log.read(next).await {
            Err(ReadError::Gone { first_seq, .. }) => self.log.read(first_seq).await?,
            other => other?,
        };
        let caught_up_at = bounds.last_seq;
        self.note_log_end(caught_up_at);
        let mut live = self.go_live_at(caught_up_at).await?;
        let mut checkpoints = interval(CHECKPOINT_EVERY);
        checkpoints.set_missed_tick_behavior(MissedTickBehavior::Delay);
        checkpoints.reset();
        loop {
            let batch = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                _ = checkpoints.tick() => {
                    self.checkpoint().await?;
                    continue;
                }
                batch = next_or_proof_of_life(reader.as_mut(), self.log.as_ref()) => batch?,
            };
            let Some(mut batch) = batch else { continue };
            insert_gaps(&mut batch, next);
            next = batch.last().map_or(next, Recorded::next_seq);
            if let Some(archive) = &self.recorder {
                archive.record(batch.clone()).await?;
            }
            self.fold(batch, caught_up_at).await?;
            if !live {
                live = self.go_live_at(caught_up_at).await?;
            }
        }
    }

    async fn fold(&self, batch: Vec<Recorded>, caught_up_at: u64) -> Result<(), FollowError> {
        let projection = self.projection.clone();
        tokio::task::spawn_blocking(move || projection.apply(&batch)).await?;
        let (position, now) = (self.projection.position(), (self.clock)());
        self.projection.set_status(|status| {
            status.last_batch = now;
            status.log_last_seq = status.log_last_seq.max(position);
            if let Phase::Replaying { .. } = status.phase {
                status.phase = Phase::Replaying { folded: position, of: caught_up_at };
            }
        });
        let partition = self.projection.partition().to_string();
        metrics::gauge!(metric::LOG_LAST_SEQ, "partition" => partition.clone()).set(position.max(caught_up_at) as f64);
        metrics::gauge!(metric::FOLD_LAG, "partition" => partition).set(caught_up_at.saturating_sub(position) as f64);
        Ok(())
    }

    fn note_log_end(&self, last_seq: u64) {
        let folded = self.projection.position();
        self.projection.set_status(|status| {
            status.log_last_seq = last_seq;
            status.phase = Phase::Replaying { folded, of: last_seq };
        });
    }

    /// Goes live once everything is folded that was there when reading began; says whether it did.
    async fn go_live_at(&self, caught_up_at: u64) -> Result<bool, FollowError> {
        if self.projection.position() < caught_up_at {
            return Ok(false);
        }
        let projection = self.projection.clone();
        tokio::task::spawn_blocking(move || projection.go_live()).await?;
        self.projection.set_status(|status| status.phase = Phase::Live);
        tracing::info!(position = self.projection.position(), "following the log");
        Ok(true)
    }

    /// A checkpoint that fails costs a longer replay after a crash, no figure: it is said and tried again later.
    async fn checkpoint(&self) -> Result<(), FollowError> {
        let projection = self.projection.clone();
        let began = Instant::now();
        if let Err(error) = tokio::task::spawn_blocking(move || projection.checkpoint()).await? {
            tracing::error!(error = &error as &dyn Error, "no checkpoint of the store; trying again later");
        }
        metrics::histogram!(metric::STORE_CHECKPOINT).record(began.elapsed());
        Ok(())
    }
}

/// The next batch; after a silence `None`, once the log has said that it is there.
async fn next_or_proof_of_life(
    reader: &mut dyn LogReader,
    log: &dyn EventLog,
) -> Result<Option<Vec<Recorded>>, ReadError> {
    tokio::select! {
        batch = reader.next_batch() => batch.map(Some),
        () = sleep(ASK_AFTER) => log.bounds().await.map(|_bounds| None),
    }
}

/// Where numbers are missing before or within `batch`, a gap says so.
fn insert_gaps(batch: &mut Vec<Recorded>, first_expected: u64) {
    let mut expected = first_expected;
    let is_whole = batch.iter().all(|frame| {
        let fits = frame.seq <= expected;
        expected = frame.next_seq().max(expected);
        fits
    });
    if is_whole {
        return;
    }
    let mut expected = first_expected;
    let with_gaps = std::mem::take(batch).into_iter().flat_map(|frame| {
        let gap = (frame.seq > expected).then(|| Recorded::gap(expected, frame.seq - 1, frame.received_ns));
        expected = frame.next_seq().max(expected);
        gap.into_iter().chain([frame])
    });
    *batch = with_gaps.collect();
}

/// An error and everything behind it, in a line.
pub fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Recorded {
        Recorded {
            seq,
            received_ns: seq * 10,
            subject: "spark.evt.0.a.obs".to_owned(),
            msg_id: String::new(),
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn every_hole_gets_one_gap_and_whole_batches_stay_as_they_are() {
        let mut whole = vec![frame(3), frame(4)];
        insert_gaps(&mut whole, 3);
        assert_eq!(whole, [frame(3), frame(4)]);

        let mut holed = vec![frame(5), frame(6), frame(9)];
        insert_gaps(&mut holed, 3);
        assert_eq!(holed, [Recorded::gap(3, 4, 50), frame(5), frame(6), Recorded::gap(7, 8, 90), frame(9)]);
    }
}
