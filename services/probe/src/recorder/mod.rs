//! Puts what runners say into frames and the frames into the outbox; the one place that knows what was said in order.
//!
//! It does not check whether a slot is due (`slots`) and does not talk to the log (`sender`).

mod batch;
mod pending;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use spark_core::schedule::Schedule;
use spark_eventlog::Outgoing;
use spark_eventlog::clock::WallClock;
use spark_schemas::event::{Heartbeat, Missed, MissedWhy, Observed, Outcome, TargetSchedule, Targets};
use spark_schemas::{Boot, Clock, Event, EventSubject, FRAME_VERSION, Frame, FrameError, Name, TimeNs, metric};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use self::batch::Batch;
use self::pending::Pending;
use crate::clock::Steps;
use crate::coverage::Coverage;
use crate::outbox::{Kept, Shared, Writer};

const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// After the disk refused.
const RETRY_EVERY: Duration = Duration::from_secs(1);
const HEARD_AT_ONCE: usize = 256;
/// So that a list's part shares its frame with nothing that makes it too long.
const TARGETS_PART_BYTES_MAX: usize = 48 * 1024;

/// What the recorder is told.
pub(crate) enum Said {
    /// A slot's observation.
    Observed(Observed),
    /// Slots that a runner had to pass over.
    Missed(Missed),
    /// From now on these targets are probed.
    Declared(Declaration),
}

/// A list of targets that comes into force.
pub(crate) struct Declaration {
    pub(crate) from_ns: TimeNs,
    pub(crate) schedules: BTreeMap<Name, Schedule>,
    /// The agent has just started: whatever is open was missed because it did not run.
    pub(crate) is_start: bool,
    /// Gets, for each target, the instant from which on its slots are to run.
    pub(crate) reply: oneshot::Sender<BTreeMap<Name, TimeNs>>,
}

/// What was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) observations: u64,
    pub(crate) failed: u64,
    pub(crate) missed_slots: u64,
    pub(crate) dropped: u64,
    pub(crate) frames: u64,
}

/// Who speaks, and how long frames wait for company.
pub(crate) struct Identity {
    pub(crate) subject: EventSubject,
    pub(crate) boot: Boot,
    pub(crate) linger: Duration,
    /// What its clock did.
    pub(crate) steps: Arc<Steps>,
}

pub(crate) struct Recorder {
    identity: Identity,
    clock: WallClock,
    writer: Option<Writer>,
    outbox: Arc<Shared>,
    /// What was said, whether on disk yet or not.
    said: Coverage,
    batch: Batch,
    pending: Pending,
    /// Encoded, and not on disk yet: what a refused write leaves behind is tried again unchanged.
    sealed: Vec<Kept>,
    sealed_bytes: u64,
    retry_at: Option<Instant>,
    room: u64,
    seq: u64,
    sums: Recorded,
}

impl Recorder {
    pub(crate) fn new(identity: Identity, clock: WallClock, writer: Writer, outbox: Arc<Shared>) -> Self {
        Self {
            said: outbox.coverage(),
            room: outbox.room(),
            identity,
            clock,
            writer: Some(writer),
            outbox,
            batch: Batch::default(),
            pending: Pending::default(),
            sealed: Vec::new(),
            sealed_bytes: 0,
            retry_at: None,
            seq: 0,
            sums: Recorded::default(),
        }
    }

    /// Records until everyone who could say something is gone, and everything is on disk.
    pub(crate) async fn run(mut self, mut said: mpsc::Receiver<Said>) -> Result<Recorded, JoinError> {
        let outbox = Arc::clone(&self.outbox);
        let mut heard = Vec::with_capacity(HEARD_AT_ONCE);
        let mut beats = interval_at(Instant::now() + HEARTBEAT_EVERY, HEARTBEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let flush_at = self.flush_at();
            tokio::select! {
                count = said.recv_many(&mut heard, HEARD_AT_ONCE) => match count {
                    0 => break,
                    _ => heard.drain(..).for_each(|said| self.hear(said)),
                },
                _ = beats.tick() => self.say_heartbeat(),
                () = outbox.freed.notified(), if !self.pending.is_empty() => {}
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => {}
            }
            self.say_pending();
            if self.is_due() {
                self.flush().await?;
            }
        }
        self.say_pending();
        self.flush().await?;
        if !self.sealed.is_empty() || !self.pending.is_empty() {
            tracing::error!(
                "not everything could be kept at the end: those slots are said to be missed at the next start"
            );
        }
        Ok(self.sums)
    }

    fn flush_at(&self) -> Option<Instant> {
        self.retry_at.or_else(|| self.batch.since().map(|since| since + self.identity.linger))
    }

    fn is_due(&self) -> bool {
        match self.retry_at {
            Some(retry_at) => Instant::now() >= retry_at,
            None => self.batch.is_full() || self.flush_at().is_some_and(|at| Instant::now() >= at),
        }
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Observed(observed) => self.hear_observed(observed),
            Said::Missed(missed) => self.hear_missed(missed),
            Said::Declared(declaration) => self.declare(declaration),
        }
    }

    fn hear_observed(&mut self, observed: Observed) {
        if self.is_said_already(&observed.target, observed.slot_ns) {
            return;
        }
        let is_failed = observed.outcome == Outcome::Fail;
        let event = Event::from(observed);
        self.said.apply(&event);
        self.say_pending();
        let Event::Observed(observed) = &event else { return };
        if self.pending.has(&observed.target) || !self.has_room_for(&event) {
            self.sums.dropped += 1;
            counter!(metric::OUTBOX_DROPPED).increment(1);
            let Some(interval_us) = self.said.interval_us(&observed.target) else { return };
            let (target, first_slot_ns) = (observed.target.clone(), observed.slot_ns);
            let why = MissedWhy::OutboxFull;
            self.put_off(Missed { target, first_slot_ns, interval_us, slots: 1, why });
            return;
        }
        self.sums.observations += 1;
        self.sums.failed += u64::from(is_failed);
        self.batch.push(event);
    }

    fn hear_missed(&mut self, missed: Missed) {
        if self.is_said_already(&missed.target, missed.first_slot_ns) {
            return;
        }
        self.said.apply(&missed.clone().into());
        self.put_off(missed);
        self.say_pending();
    }

    /// No slot may be said twice. Should a runner try, that is a bug here: it is logged, and the first one stands.
    fn is_said_already(&self, target: &Name, slot: TimeNs) -> bool {
        let is_said = self.said.has(target, slot);
        debug_assert!(!is_said, "{target} slot {slot} said twice");
        if is_said {
            tracing::error!(%target, %slot, "a slot was to be recorded twice, or is of no target: please report this");
        }
        is_said
    }

    fn put_off(&mut self, missed: Missed) {
        self.sums.missed_slots += missed.slots;
        let (target, reason) = (missed.target.to_string(), why_label(missed.why));
        counter!(metric::PROBE_MISSED, "target" => target, "reason" => reason).increment(missed.slots);
        self.pending.push(missed);
    }

    /// Says what was put off, as far as there is room.
    fn say_pending(&mut self) {
        while let Some(missed) = self.pending.pop() {
            let event = Event::from(missed);
            if self.has_room_for(&event) {
                self.batch.push(event);
            } else if let Event::Missed(missed) = event {
                self.pending.put_back(missed);
                return;
            }
        }
    }

    /// Lists of targets and what must be said before them are kept even beyond the bound: they are few.
    fn declare(&mut self, declaration: Declaration) {
        let Declaration { from_ns, schedules, is_start, reply } = declaration;
        let why = if is_start { MissedWhy::NotRunning } else { MissedWhy::Late };
        let ends = |name: &Name, schedule: Schedule| is_start || schedules.get(name) != Some(&schedule);
        for missed in self.said.missing(from_ns, why, ends) {
            self.said.apply(&missed.clone().into());
            self.put_off(missed);
        }
        while let Some(missed) = self.pending.pop() {
            self.batch.push(missed.into());
        }
        for part in target_parts(from_ns, &schedules) {
            let event = Event::from(part);
            self.said.apply(&event);
            self.batch.push(event);
        }
        self.say_heartbeat();
        let starts = schedules.into_keys().filter_map(|name| Some((name.clone(), self.said.until(&name)?))).collect();
        // Nobody listens when the probe is stopped meanwhile.
        let _stopped = reply.send(starts);
    }

    fn say_heartbeat(&mut self) {
        self.outbox.set_gauges();
        let (clock_steps, clock_step_us) = self.identity.steps.seen();
        let event = Event::from(Heartbeat {
            at_ns: (self.clock)(),
            queue: self.outbox.frames(),
            dropped: self.sums.dropped,
            clock_offset_us: None,
            queue_bytes: self.outbox.bytes(),
            clock_steps,
            clock_step_us,
        });
        if self.has_room_for(&event) {
            self.batch.push(event);
        }
    }

    fn has_room_for(&mut self, event: &Event) -> bool {
        let waiting = self.batch.bytes() + self.sealed_bytes;
        let needed = waiting + batch::size_max(event) + batch::FRAME_BYTES_OVERHEAD;
        if needed > self.room {
            // The log may have taken something since.
            self.room = self.outbox.room();
        }
        self.retry_at.is_none() && needed <= self.room
    }

    async fn flush(&mut self) -> Result<(), JoinError> {
        let groups = self.batch.take();
        groups.into_iter().for_each(|events| self.seal(events));
        let Some(mut writer) = self.writer.take().filter(|_| !self.sealed.is_empty()) else {
            return Ok(());
        };
        let frames = std::mem::take(&mut self.sealed);
        let write = move || {
            let result = writer.write(&frames);
            (writer, frames, result)
        };
        let (writer, frames, result) = tokio::task::spawn_blocking(write).await?;
        self.writer = Some(writer);
        match result {
            Ok(()) => {
                self.sums.frames += frames.len() as u64;
                self.sealed_bytes = 0;
                self.retry_at = None;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the probe's outbox can't keep observations: until it can, slots count as missed"
                );
                self.sealed = frames;
                self.retry_at = Some(Instant::now() + RETRY_EVERY);
            }
        }
        self.room = self.outbox.room();
        self.outbox.set_gauges();
        Ok(())
    }

    /// Gives `events` the next frame number.
    fn seal(&mut self, mut events: Vec<Event>) {
        let Identity { subject, boot, .. } = &self.identity;
        let (agent, boot, seq) = (subject.agent.clone(), *boot, self.seq);
        let frame = Frame { v: FRAME_VERSION, agent, boot, seq, clock: Clock::default(), events };
        let outgoing = match Outgoing::new(subject.clone(), &frame) {
            Ok(outgoing) => outgoing,
            Err(FrameError::TooLong(_)) if frame.events.len() > 1 => {
                // The estimate was wrong; two halves will do.
                events = frame.events;
                let second = events.split_off(events.len() / 2);
                self.seal(events);
                return self.seal(second);
            }
            Err(error) => {
                tracing::error!(%error, "a frame can't be encoded and is left out: please report this");
                return;
            }
        };
        self.seq += 1;
        self.sealed_bytes += (outgoing.payload.len() + crate::outbox::RECORD_OVERHEAD_MAX) as u64;
        self.sealed.push(Kept { outgoing, events: frame.events });
    }
}

fn why_label(why: MissedWhy) -> &'static str {
    match why {
        MissedWhy::NotRunning => "not_running",
        MissedWhy::Late => "late",
        MissedWhy::OutboxFull => "outbox_full",
        MissedWhy::ClockStep => "clock_step",
        MissedWhy::Other => "other",
    }
}

/// The list as events that each fit a frame; an empty list is one empty part.
fn target_parts(from_ns: TimeNs, schedules: &BTreeMap<Name, Schedule>) -> Vec<Targets> {
    let mut parts: Vec<Vec<TargetSchedule>> = vec![Vec::new()];
    let mut bytes = 0;
    for (target, Schedule { interval_us, offset_us }) in schedules {
        let schedule = TargetSchedule { target: target.clone(), interval_us: *interval_us, offset_us: *offset_us };
        let more = batch::schedule_bytes_max(&schedule);
        if bytes + more > TARGETS_PART_BYTES_MAX {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(part) = parts.last_mut() {
            part.push(schedule);
        }
    }
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    (0..).zip(parts).map(|(part, targets)| Targets { from_ns, part, parts: count, targets }).collect()
}
