//! Hands the outbox's frames to the log, in order, until the log has them.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use spark_eventlog::{AppendError, Appended, EventLog, Outgoing};
use spark_schemas::{Boot, metric};
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::OutboxError;
use crate::outbox::{Batch, Reader, Shared};

/// How many frames are handed over at once.
const WINDOW_FRAMES: usize = 256;
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);
/// While draining, the end is near: try more often.
const BACKOFF_DRAINING: Duration = Duration::from_millis(250);
/// Trying again hardly helps.
const BACKOFF_REFUSED: Duration = Duration::from_secs(30);

/// What the log took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) frames: u64,
    pub(crate) foreign_duplicates: u64,
}

pub(crate) struct Sender {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) reader: Option<Reader>,
    pub(crate) outbox: Arc<Shared>,
    pub(crate) boot: Boot,
    /// No more frames will be written: end when all are sent.
    pub(crate) last_written: CancellationToken,
    /// End as soon as the log has answered.
    pub(crate) give_up: CancellationToken,
}

impl Sender {
    /// Sends until everything is sent and nothing more will come, or until it is to give up.
    pub(crate) async fn run(mut self) -> Result<Sent, JoinError> {
        let mut written = self.outbox.written.subscribe();
        let mut sent = Sent::default();
        while !self.give_up.is_cancelled() {
            let is_last = self.last_written.is_cancelled();
            written.mark_unchanged();
            match self.on_disk(|reader| reader.next(WINDOW_FRAMES)).await? {
                Ok(batch) if !batch.frames.is_empty() => self.deliver(batch, &mut sent).await?,
                Ok(_nothing) if is_last => break,
                Ok(_nothing) if self.outbox.take_retired() => {
                    if let Err(error) = self.on_disk(Reader::delete_acknowledged).await? {
                        self.say_disk_error(&error);
                    }
                }
                Ok(_nothing) => tokio::select! {
                    _ = written.changed() => {}
                    () = self.last_written.cancelled() => {}
                },
                Err(error) => {
                    self.say_disk_error(&error);
                    self.pause(BACKOFF_LAST).await;
                }
            }
        }
        Ok(sent)
    }

    /// Tries until the log has the batch, or gives up and leaves it in the outbox.
    async fn deliver(&mut self, batch: Batch, sent: &mut Sent) -> Result<(), JoinError> {
        let mut backoff = BACKOFF_FIRST;
        let mut is_first_attempt = true;
        loop {
            let append = self.log.append(batch.frames.clone());
            let Some(answer) = self.give_up.run_until_cancelled(append).await else { return Ok(()) };
            match answer {
                Ok(appended) if appended.len() == batch.frames.len() => {
                    if is_first_attempt {
                        sent.foreign_duplicates += self.foreign_duplicates(&batch.frames, &appended);
                    }
                    return self.acknowledge(batch, sent).await;
                }
                Ok(appended) => tracing::error!(
                    sent = batch.frames.len(),
                    acknowledged = appended.len(),
                    "the log acknowledged another number of frames than it was given: they are sent again"
                ),
                Err(AppendError::Refused(source)) => {
                    tracing::error!(
                        error = &*source as &dyn std::error::Error,
                        frames = self.outbox.frames(),
                        "the log refuses this probe's frames: check its credentials, agent name and partition; they are kept"
                    );
                    backoff = BACKOFF_REFUSED;
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    frames = self.outbox.frames(),
                    "the log did not take the probe's frames: they are kept and tried again"
                ),
            }
            is_first_attempt = false;
            counter!(metric::OUTBOX_RETRIES).increment(1);
            self.pause(backoff).await;
            if self.give_up.is_cancelled() {
                return Ok(());
            }
            backoff = (backoff * 2).min(BACKOFF_LAST);
        }
    }

    /// A message id of this boot that the log knows before it was ever sent is somebody else's doing.
    fn foreign_duplicates(&self, frames: &[Outgoing], appended: &[Appended]) -> u64 {
        let ours_known = frames.iter().zip(appended).filter(|(f, a)| a.duplicate && f.msg_id.boot == self.boot);
        let count = ours_known
            .inspect(|(frame, appended)| {
                tracing::error!(
                    msg_id = %frame.msg_id, seq = appended.seq,
                    "the log had this message id before it was sent: somebody else publishes under it, and this frame is lost"
                );
            })
            .count() as u64;
        counter!(metric::OUTBOX_FOREIGN_DUPLICATES).increment(count);
        count
    }

    async fn acknowledge(&mut self, batch: Batch, sent: &mut Sent) -> Result<(), JoinError> {
        let frames = batch.frames.len() as u64;
        let result = self.on_disk(move |reader| reader.acknowledge(&batch)).await?;
        if let Err(error) = result {
            // The acknowledgement stands in memory; the segment is deleted with a later one.
            self.say_disk_error(&error);
        }
        sent.frames += frames;
        counter!(metric::OUTBOX_ACKED).increment(frames);
        self.outbox.set_gauges();
        Ok(())
    }

    /// Runs `work` where blocking is allowed.
    async fn on_disk<T, F>(&mut self, work: F) -> Result<Result<T, OutboxError>, JoinError>
    where
        T: Default + Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, OutboxError> + Send + 'static,
    {
        let Some(mut reader) = self.reader.take() else { return Ok(Ok(T::default())) };
        let work = move || {
            let result = work(&mut reader);
            (reader, result)
        };
        let (reader, result) = tokio::task::spawn_blocking(work).await?;
        self.reader = Some(reader);
        Ok(result)
    }

    async fn pause(&self, backoff: Duration) {
        if self.last_written.is_cancelled() {
            return sleep(backoff.min(BACKOFF_DRAINING)).await;
        }
        // Ends early when the draining begins.
        let _elapsed_or_draining = timeout(backoff, self.last_written.cancelled()).await;
    }

    fn say_disk_error(&self, error: &OutboxError) {
        tracing::error!(error = error as &dyn std::error::Error, "the probe's outbox does not work: tried again");
    }
}
