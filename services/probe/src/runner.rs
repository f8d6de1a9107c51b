//! One target's loop: wait for the slot, run the check, say what came of it, or that the slot was missed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use spark_eventlog::clock::WallClock;
use spark_schemas::event::{Missed, MissedWhy, Observed, Outcome};
use spark_schemas::{Name, TimeNs, metric};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::check::{CheckOutcome, PreparedCheck};
use crate::clock::Pace;
use crate::recorder::Said;
use crate::slots::{SlotCursor, SlotRange};

/// Longer sleeps are split, should nobody tell of a clock's step.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Something that can be checked again and again; the simulation brings its own.
pub(crate) trait Check: Send + Sync {
    /// Runs it once.
    fn run(&self, started: TimeNs) -> Pin<Box<dyn Future<Output = CheckOutcome> + Send + '_>>;
}

impl Check for PreparedCheck {
    fn run(&self, started: TimeNs) -> Pin<Box<dyn Future<Output = CheckOutcome> + Send + '_>> {
        // Boxed, so that a target that waits costs no more than its wait.
        Box::pin(self.run(started))
    }
}

/// What all runners share.
pub(crate) struct Surroundings {
    pub(crate) clock: WallClock,
    pub(crate) clock_changes: watch::Receiver<u64>,
    /// How many checks may run at once.
    pub(crate) limit: Arc<Semaphore>,
    pub(crate) recorder: mpsc::Sender<Said>,
}

/// How a runner is stopped.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    /// Start no more checks.
    pub(crate) retire: CancellationToken,
    /// Also give up the one that runs.
    pub(crate) abort: CancellationToken,
}

pub(crate) struct Runner {
    target: Name,
    check: Arc<dyn Check>,
    cursor: SlotCursor,
    surroundings: Arc<Surroundings>,
    clock_changes: watch::Receiver<u64>,
    pace: Pace,
    stop: Stop,
    meters: Meters,
}

struct Meters {
    running: Gauge,
    passed: Counter,
    failed: Counter,
    lateness: Histogram,
    latency: Histogram,
}

impl Meters {
    fn new(target: &Name) -> Self {
        let checks = |outcome| counter!(metric::PROBE_CHECKS, "target" => target.to_string(), "outcome" => outcome);
        Self {
            running: gauge!(metric::PROBE_RUNNING),
            passed: checks("ok"),
            failed: checks("fail"),
            lateness: histogram!(metric::PROBE_LATENESS),
            latency: histogram!(metric::PROBE_LATENCY, "target" => target.to_string()),
        }
    }
}

impl Runner {
    pub(crate) fn new(
        target: Name,
        check: Arc<dyn Check>,
        cursor: SlotCursor,
        surroundings: Arc<Surroundings>,
        stop: Stop,
    ) -> Self {
        let clock_changes = surroundings.clock_changes.clone();
        let pace = Pace::now(&surroundings.clock);
        let meters = Meters::new(&target);
        Self { target, check, cursor, surroundings, clock_changes, pace, stop, meters }
    }

    /// Runs until stopped.
    pub(crate) async fn run(mut self) {
        let limit = Arc::clone(&self.surroundings.limit);
        let retire = self.stop.retire.clone();
        while self.wait_for_slot().await {
            // Waiting here counts as lateness: the slot may be over before it may run.
            let Some(Ok(_permit)) = retire.run_until_cancelled(limit.acquire()).await else { return };
            let now = self.look_at_clock();
            if !self.say_skipped(now).await {
                return;
            }
            let Some(slot) = self.cursor.take(now.wall()) else { continue };
            let Some(observed) = self.run_check(slot, now.wall()).await else { return };
            if !self.say(Said::Observed(observed)).await {
                return;
            }
        }
    }

    /// Sleeps until the next slot has begun; false when there is to be none.
    async fn wait_for_slot(&mut self) -> bool {
        let retire = self.stop.retire.clone();
        let mut has_warned = false;
        loop {
            self.clock_changes.mark_unchanged();
            // Not `look_at_clock`: the step must still be seen when the slots it jumped over are accounted for.
            let now = (self.surroundings.clock)();
            let next = self.cursor.next_start();
            if next <= now {
                return !retire.is_cancelled();
            }
            let wait_ns = next.0 - now.0;
            if !has_warned && wait_ns / 1_000 > self.cursor.interval_us().saturating_add(1_000_000) {
                has_warned = true;
                tracing::warn!(
                    target_name = %self.target, wait_s = wait_ns / TimeNs::SECOND,
                    "the wall clock is behind the last slot that ran: no slot runs twice, so the target waits for it"
                );
            }
            tokio::select! {
                () = retire.cancelled() => return false,
                () = sleep(Duration::from_nanos(wait_ns).min(SLEEP_MAX)) => {}
                Ok(()) = self.clock_changes.changed() => {}
            }
        }
    }

    fn look_at_clock(&self) -> Pace {
        Pace::now(&self.surroundings.clock)
    }

    /// Accounts for the slots that are over without having run.
    async fn say_skipped(&mut self, now: Pace) -> bool {
        let before = std::mem::replace(&mut self.pace, now);
        let Some(SlotRange { first_ns, interval_us, slots }) = self.cursor.skip_over(now.wall()) else { return true };
        let why = if now.stepped_forward(&before) { MissedWhy::ClockStep } else { MissedWhy::Late };
        let target = self.target.clone();
        self.say(Said::Missed(Missed { target, first_slot_ns: first_ns, interval_us, slots, why })).await
    }

    /// Runs the check; `None` when it was given up.
    async fn run_check(&self, slot: TimeNs, started: TimeNs) -> Option<Observed> {
        self.meters.lateness.record(started.since_us(slot) as f64 / 1e6);
        self.meters.running.increment(1);
        let outcome = self.stop.abort.run_until_cancelled(self.check.run(started)).await;
        self.meters.running.decrement(1);
        let outcome = outcome?;
        let CheckOutcome { latency_us, outcome, reason, detail, status, phases, certificate_expires_ns } = outcome;
        let count = if outcome == Outcome::Ok { &self.meters.passed } else { &self.meters.failed };
        count.increment(1);
        self.meters.latency.record(latency_us as f64 / 1e6);
        let (target, slot_ns, started_ns) = (self.target.clone(), slot, started);
        Some(Observed {
            target,
            slot_ns,
            started_ns,
            latency_us,
            outcome,
            reason,
            detail,
            status,
            phases,
            certificate_expires_ns,
        })
    }

    /// Waits for the recorder, which keeps the order; false when there is none any more.
    async fn say(&self, said: Said) -> bool {
        matches!(self.stop.abort.run_until_cancelled(self.surroundings.recorder.send(said)).await, Some(Ok(())))
    }
}
