//! Wires the probe together: opens the outbox, starts its parts, and ends them in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use spark_core::config::{Probe as Settings, Target};
use spark_eventlog::EventLog;
use spark_eventlog::clock::WallClock;
use spark_schemas::{Boot, Class, EventSubject, Name};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::check::{CheckContext, PreparedCheck};
use crate::clock::{Steps, watch_clock};
use crate::error::{OutboxError, ProbeError};
use crate::fleet::{self, Fleet, Prepare};
use crate::outbox::{self, Opened};
use crate::recorder::{Identity, Recorded, Recorder};
use crate::runner::{Check, Surroundings};
use crate::sender::{Sender, Sent};

/// How long the outbox is drained at the end.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// What runners may have said before the recorder takes it.
const SAID_MAX: usize = 4_096;

/// What a probe is to do, where and as whom.
#[derive(Clone)]
pub struct ProbeOptions {
    /// Who speaks.
    pub agent: Name,
    /// The partition its frames go to.
    pub partition: u16,
    /// The outbox's directory, created when missing; one probe at a time.
    pub dir: PathBuf,
    /// The wall clock that the schedule follows.
    pub clock: WallClock,
    /// The probe's own settings.
    pub settings: Settings,
    /// What checks share; the canary and the smoke test may use the same one.
    pub context: Arc<CheckContext>,
    /// The targets; a new list takes effect at once.
    pub targets: watch::Receiver<Arc<Vec<Target>>>,
}

/// What a probe did, from its start to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeSummary {
    /// Observations kept.
    pub observations: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Slots said to be missed, those before the start included.
    pub missed_slots: u64,
    /// Observations made that the outbox could not keep; each is among the missed slots.
    pub dropped: u64,
    /// Frames written to the outbox.
    pub frames_written: u64,
    /// Frames that the log acknowledged, those of earlier starts included.
    pub frames_acked: u64,
    /// Frames that wait in the outbox for the next start.
    pub frames_left: u64,
    /// Damaged records that were passed over.
    pub records_damaged: u64,
    /// First attempts that the log called duplicates.
    pub foreign_duplicates: u64,
}

/// Probes until `shutdown`; then stops checks, writes what was observed, and drains the outbox for up to five seconds.
pub async fn run(
    options: ProbeOptions,
    log: Arc<dyn EventLog>,
    shutdown: CancellationToken,
) -> Result<ProbeSummary, ProbeError> {
    let context = Arc::clone(&options.context);
    let prepare = move |targets: &[Target]| {
        let checks = PreparedCheck::all(targets, &context)?;
        Ok(checks.into_iter().map(|check| Arc::new(check) as Arc<dyn Check>).collect())
    };
    run_with(options, Arc::new(prepare), log, shutdown).await
}

/// [`run`] with checks of the caller's making.
pub(crate) async fn run_with(
    options: ProbeOptions,
    prepare: Arc<Prepare>,
    log: Arc<dyn EventLog>,
    shutdown: CancellationToken,
) -> Result<ProbeSummary, ProbeError> {
    let ProbeOptions { agent, partition, dir, clock, settings, context: _, mut targets } = options;
    let list = Arc::clone(&targets.borrow_and_update());
    let plan = fleet::prepared(Arc::clone(&prepare), list).await?;
    let mut boot = [0; 16];
    getrandom::fill(&mut boot).map_err(ProbeError::Random)?;
    let boot = Boot(boot);
    let outbox_bytes_max = settings.outbox_bytes_max;
    let path = dir.clone();
    let opening = tokio::task::spawn_blocking(move || outbox::open(&dir, outbox_bytes_max));
    let Opened { writer, reader, shared: outbox, waiting } = opening.await.map_err(panicked("outbox"))??;
    if let Some((&theirs, &frames)) = waiting.iter().find(|(theirs, _)| **theirs != partition) {
        return Err(OutboxError::OtherPartition { path, frames, theirs, ours: partition }.into());
    }

    let (last_written, give_up) = (CancellationToken::new(), CancellationToken::new());
    // Should the caller drop this future, nothing of it lives on.
    let _on_drop = give_up.clone().drop_guard();
    let sender = Sender {
        log,
        reader: Some(reader),
        outbox: Arc::clone(&outbox),
        boot,
        last_written: last_written.clone(),
        give_up: give_up.clone(),
    };
    let subject = EventSubject { partition, agent, class: Class::Obs };
    let steps = Arc::new(Steps::default());
    let identity = Identity { subject, boot, linger: settings.linger.to_std(), steps: Arc::clone(&steps) };
    let recorder = Recorder::new(identity, Arc::clone(&clock), writer, Arc::clone(&outbox));
    let (said, heard) = mpsc::channel(SAID_MAX);
    let tasks = TaskTracker::new();
    let recorder = tasks.spawn(recorder.run(heard));
    let mut sender = tasks.spawn(sender.run());

    let (changes, clock_changes) = watch::channel(0);
    let stopped = shutdown.child_token();
    tasks.spawn(watch_clock(Arc::clone(&clock), changes, steps, stopped.clone()));
    let limit = Arc::new(Semaphore::new(settings.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
    let surroundings = Surroundings { clock, clock_changes, limit, recorder: said };
    let fleet = Fleet::new(surroundings, stopped.clone());
    let (scheduled, sender_end) = tokio::select! {
        end = fleet.run(plan, prepare, targets) => (end, None),
        // It ends before the recorder only by a panic.
        end = &mut sender => (Ok(()), Some(end)),
    };
    stopped.cancel();
    // All runners are gone, so the recorder writes what it heard and ends.
    let recorded = recorder.await.and_then(|end| end).map_err(panicked("recorder"));
    last_written.cancel();
    let sent = match sender_end {
        Some(end) => end,
        None => drain(&mut sender, &give_up).await,
    };
    tasks.close();
    tasks.wait().await;
    let sent = sent.and_then(|end| end).map_err(panicked("sender"))?;
    scheduled?;
    Ok(summary(recorded?, sent, &outbox))
}

type SenderEnd = Result<Result<Sent, JoinError>, JoinError>;

async fn drain(sender: &mut JoinHandle<Result<Sent, JoinError>>, give_up: &CancellationToken) -> SenderEnd {
    match timeout(DRAIN_MAX, &mut *sender).await {
        Ok(end) => end,
        Err(_elapsed) => {
            give_up.cancel();
            sender.await
        }
    }
}

fn panicked(part: &'static str) -> impl FnOnce(JoinError) -> ProbeError {
    move |source| ProbeError::Panicked { part, source }
}

fn summary(recorded: Recorded, sent: Sent, outbox: &outbox::Shared) -> ProbeSummary {
    ProbeSummary {
        observations: recorded.observations,
        failed: recorded.failed,
        missed_slots: recorded.missed_slots,
        dropped: recorded.dropped,
        frames_written: recorded.frames,
        frames_acked: sent.frames,
        frames_left: outbox.frames(),
        records_damaged: outbox.damaged(),
        foreign_duplicates: sent.foreign_duplicates,
    }
}
