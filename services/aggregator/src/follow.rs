//! The fold loop: reads the log in order, records it where a recorder is given, folds it, and checkpoints.
//!
//! It never gives up on a log that does not answer or is not there yet. When the log is deleted and made anew, figures go
//! on: the state is sealed at its position in the old one and continues with the first frame of the new one. It stops
//! only when the log is damaged, unsafe or older than what is known of it, or when it is told to.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use spark_eventlog::archive::Archive;
use spark_eventlog::clock::WallClock;
use spark_eventlog::{AppendError, Bounds, EventLog, LogReader, ReadError, Recorded};
use spark_schemas::metric;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::catch_up::{CatchUpError, fold_archive};
use crate::dead::{DeadLetter, DeadLetters};
use crate::gaps::insert_gaps;
use crate::recorder::{Recorder, RecorderError, created_ns};
use crate::recount::{Leaves, keep_counted};
use crate::status::StoreGone;
use crate::store::StoreError;
use crate::{Phase, Projection};

const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a reader may say nothing before the log is asked whether it is still there.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// What is followed, and where it goes.
pub struct Follow {
    /// The projection that is kept up.
    pub projection: Projection,
    /// The log. It need not be there yet.
    pub log: Arc<dyn EventLog>,
    /// Gets a copy of every frame; `None` where the log is the archive itself, and in the web service.
    pub recorder: Option<Recorder>,
    /// Get copies of what is rejected.
    pub dead_letters: Option<DeadLetters>,
    /// The wall clock, for the status.
    pub clock: WallClock,
}

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log is damaged, or not safe.
    #[error("the log can't be read any further")]
    Log(#[from] ReadError),
    /// The archive does not take what was read.
    #[error("the archive does not take what was read")]
    Record(#[from] AppendError),
    /// There is no archive to record into.
    #[error("the log can't be recorded")]
    Recorder(#[from] RecorderError),
    /// What was recorded can't be folded.
    #[error("the archive can't be folded")]
    CatchUp(#[from] CatchUpError),
    /// An incarnation that is older than the one followed last.
    #[error(
        "the log is {found} now, but {known} was followed after it: it was restored from a copy; \
         move this data directory away to follow it as it is now"
    )]
    Returned {
        /// The incarnation now.
        found: String,
        /// The one that was followed last.
        known: String,
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
    /// What is folded can't be trusted.
    #[error(transparent)]
    StoreGone(#[from] StoreGone),
    /// The store can't be opened anew.
    #[error("the store can't be opened anew")]
    Store(#[from] StoreError),
    /// A bug: the fold panicked.
    #[error("the fold panicked; this is a bug")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Follow {
    /// Follows the log until `shutdown`, then makes a last checkpoint.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), FollowError> {
        // Nothing is counted anew once nothing is followed.
        let counting = CancellationToken::new();
        let leaves = Leaves {
            log: Arc::clone(&self.log),
            archives: self.recorder.as_ref().map(|recorder| recorder.dir().to_owned()),
            partition: self.projection.partition(),
            shutdown: counting.clone(),
        };
        let counted = keep_counted(self.projection.clone(), leaves);
        let followed = async {
            let result = self.follow(&shutdown).await;
            counting.cancel();
            result
        };
        let (result, ()) = tokio::join!(followed, counted);
        if let Err(error) = &result {
            let text = describe(error);
            self.projection.set_status(|status| status.phase = Phase::Failed(text));
        }
        result.and(self.checkpoint().await)
    }

    async fn follow(&mut self, shutdown: &CancellationToken) -> Result<(), FollowError> {
        // What the archives have and the projection lacks may be gone from the stream.
        let mut is_folded = self.fold_archives(shutdown).await;
        let mut last_text = String::new();
        while !shutdown.is_cancelled() {
            if self.projection.store_gone().is_err() {
                is_folded = match self.reopen_store().await {
                    Ok(()) => self.fold_archives(shutdown).await,
                    still_gone => still_gone,
                };
            }
            let followed = match is_folded {
                Ok(()) => self.read_until_error(shutdown).await,
                Err(error) => Err(error),
            };
            is_folded = Ok(());
            match followed {
                Ok(()) => return Ok(()),
                Err(error) if may_pass(&error) => {
                    let is_recorded_in_part = matches!(error, FollowError::Record(_));
                    let text = describe(&error);
                    // Said once for each time, also when it is the same again.
                    if text != last_text || self.projection.status().phase == Phase::Live {
                        tracing::warn!(error = text, "waiting to go on");
                        last_text.clone_from(&text);
                    }
                    self.projection.set_status(|status| status.phase = Phase::Unreachable(text));
                    tokio::select! {
                        () = sleep(RETRY_AFTER) => {}
                        () = shutdown.cancelled() => {}
                    }
                    if is_recorded_in_part {
                        // What the archive took is not read again from the log.
                        is_folded = self.fold_archives(shutdown).await;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The projection as it was committed to its store last, or an empty one: what it lacks is folded again.
    async fn reopen_store(&self) -> Result<(), FollowError> {
        let projection = self.projection.clone();
        tokio::task::spawn_blocking(move || projection.reopen()).await??;
        tracing::info!(position = self.projection.position(), "the store is open again");
        Ok(())
    }

    async fn fold_archives(&self, shutdown: &CancellationToken) -> Result<(), FollowError> {
        let Some(recorder) = &self.recorder else { return Ok(()) };
        if let Some(archive) = recorder.current() {
            archive.sync().await?;
        }
        let (projection, kept, shutdown) = (self.projection.clone(), recorder.kept().to_vec(), shutdown.clone());
        let folding = move || kept.iter().try_for_each(|kept| fold_archive(&projection, kept, &shutdown));
        Ok(tokio::task::spawn_blocking(folding).await??)
    }

    /// Makes sure that what follows is of the log `bounds`: the one that was followed before, or one that takes its place.
    async fn enter(&mut self, bounds: &Bounds, shutdown: &CancellationToken) -> Result<(), FollowError> {
        let known = self.projection.origin();
        if known != bounds.incarnation {
            if created_ns(&known) > created_ns(&bounds.incarnation) {
                return Err(FollowError::Returned { found: bounds.incarnation.clone(), known });
            }
            self.fold_archives(shutdown).await?;
            if shutdown.is_cancelled() {
                return Err(ReadError::Closed.into()); // Not all of it was folded: it can't be sealed.
            }
        }
        if let Some(mut recorder) = self.recorder.take() {
            let origin = bounds.incarnation.clone();
            let beginning = tokio::task::spawn_blocking(move || {
                let begun = recorder.begin(&origin);
                (recorder, begun)
            });
            let (recorder, begun) = beginning.await?;
            self.recorder = Some(recorder);
            begun?;
        }
        if known != bounds.incarnation {
            if !known.is_empty() {
                tracing::warn!(known, now = bounds.incarnation, "the log was made anew: its figures go on");
            }
            self.projection.begin(&bounds.incarnation);
        }
        let known = self.projection.position().max(self.archive().map_or(0, |archive| archive.next_seq() - 1));
        match known > bounds.last_seq {
            true => Err(FollowError::Regressed { known, last_seq: bounds.last_seq }),
            false => Ok(()),
        }
    }

    fn archive(&self) -> Option<&Archive> {
        self.recorder.as_ref().and_then(Recorder::current)
    }

    async fn read_until_error(&mut self, shutdown: &CancellationToken) -> Result<(), FollowError> {
        let bounds = self.log.bounds().await?;
        self.enter(&bounds, shutdown).await?;
        let mut next = match self.archive() {
            Some(archive) => archive.next_seq(),
            None => self.projection.position() + 1,
        };
        let mut reader = match self.log.read(next).await {
            Err(ReadError::Gone { first_seq, .. }) => self.log.read(first_seq).await?,
            other => other?,
        };
        // The reader is of one incarnation, and this one was there before and after it was made.
        still_is(&bounds, self.log.bounds().await?)?;
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
                    self.give_up_what_takes_no_checkpoint().await?;
                    self.checkpoint().await?;
                    self.projection.store_gone()?;
                    continue;
                }
                batch = next_or_proof_of_life(reader.as_mut(), self.log.as_ref(), &bounds) => batch?,
            };
            let Some(mut batch) = batch else { continue };
            insert_gaps(&mut batch, next);
            next = batch.last().map_or(next, Recorded::next_seq);
            if let Some(archive) = self.archive() {
                archive.record(batch.clone()).await?;
            }
            self.fold(batch, &bounds).await?;
            if !live {
                live = self.go_live_at(caught_up_at).await?;
            }
            self.projection.store_gone()?;
        }
    }

    async fn fold(&self, batch: Vec<Recorded>, bounds: &Bounds) -> Result<(), FollowError> {
        let projection = self.projection.clone();
        let folding = move || {
            let rejected = projection.apply(&batch);
            (batch, rejected)
        };
        let (batch, rejected) = tokio::task::spawn_blocking(folding).await?;
        let (position, now, caught_up_at) = (self.projection.position(), (self.clock)(), bounds.last_seq);
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
        if let Some(dead_letters) = &self.dead_letters {
            let letter = |(place, reason): (usize, String)| {
                let (origin, message) = (bounds.incarnation.clone(), batch.get(place)?.clone());
                Some(DeadLetter { origin, message, reason })
            };
            dead_letters.hand_over(rejected.into_iter().filter_map(letter).collect()).await;
        }
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

    /// Once a write has failed, as on a full disk, the store takes none until it is opened anew: as soon as it would help.
    async fn give_up_what_takes_no_checkpoint(&self) -> Result<(), FollowError> {
        let projection = self.projection.clone();
        let asking = move || {
            if projection.is_worth_reopening() {
                projection.give_up("it took no checkpoint, and is opened anew");
            }
            projection.store_gone()
        };
        Ok(tokio::task::spawn_blocking(asking).await??)
    }

    /// A checkpoint that fails costs a longer replay after a crash, no figure: it is said and tried again later.
    async fn checkpoint(&self) -> Result<(), FollowError> {
        if let Some(archive) = self.archive() {
            // The store never reflects a frame that the archive could lose: the stream may be gone when it is needed.
            archive.sync().await?;
        }
        let projection = self.projection.clone();
        let began = Instant::now();
        if let Err(error) = tokio::task::spawn_blocking(move || projection.checkpoint()).await? {
            tracing::error!(error = &error as &dyn Error, "no checkpoint of the store; trying again later");
        }
        metrics::histogram!(metric::STORE_CHECKPOINT).record(began.elapsed());
        Ok(())
    }
}

/// The log is another one when its stream was deleted and made anew meanwhile.
pub(crate) fn still_is(bounds: &Bounds, now: Bounds) -> Result<(), ReadError> {
    if now.incarnation == bounds.incarnation { Ok(()) } else { Err(ReadError::Closed) }
}

/// The next batch; after a silence `None`, once the log has said that it is there.
pub(crate) async fn next_or_proof_of_life(
    reader: &mut dyn LogReader,
    log: &dyn EventLog,
    bounds: &Bounds,
) -> Result<Option<Vec<Recorded>>, ReadError> {
    tokio::select! {
        batch = reader.next_batch() => batch.map(Some),
        () = sleep(ASK_AFTER) => still_is(bounds, log.bounds().await?).map(|()| None),
    }
}

/// Whether it is worth waiting: the log does not answer, the disk of the archive is full, or the store has to be opened
/// anew.
fn may_pass(error: &FollowError) -> bool {
    matches!(
        error,
        FollowError::Log(ReadError::Unavailable(_) | ReadError::Closed)
            | FollowError::Record(AppendError::Full(_) | AppendError::Unavailable(_))
            | FollowError::StoreGone(_)
            | FollowError::Store(_)
    )
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
mod tests;
