//! The made-up world: its clock, its checks, its log, and the reading of what was told to that log.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use spark_core::config::Target;
use spark_core::schedule::Schedule;
use spark_eventlog::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError};
use spark_schemas::event::{MissedWhy, Outcome, Phases, Targets};
use spark_schemas::{Boot, Event, Frame, MsgId, TimeNs};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::SECOND;
use crate::check::CheckOutcome;
use crate::runner::Check;

/// Numbers from a seed.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`. SplitMix64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) outbox_bytes_max: u64,
    inner: Mutex<Inner>,
    is_troubled: AtomicBool,
    is_log_away: AtomicBool,
    is_refused: AtomicBool,
    has_foreign_duplicates: AtomicBool,
}

struct Inner {
    dice: Dice,
    /// The wall time when this life began, or when the last one ended.
    wall_ns: u64,
    begun: Option<Instant>,
    check_ms: BTreeMap<String, u64>,
    frames: Vec<Outgoing>,
}

impl World {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Self::with_outbox(seed, 1024 * 1024)
    }

    pub(super) fn with_outbox(seed: u64, outbox_bytes_max: u64) -> Arc<Self> {
        let wall_ns = 1_700_000_000 * SECOND + 123_456_789;
        let (dice, check_ms) = (Dice::new(seed ^ 0x5eed), BTreeMap::new());
        Arc::new(Self {
            dir: tempfile::tempdir().unwrap(),
            outbox_bytes_max,
            inner: Mutex::new(Inner { dice, wall_ns, begun: None, check_ms, frames: Vec::new() }),
            is_troubled: AtomicBool::new(false),
            is_log_away: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            has_foreign_duplicates: AtomicBool::new(false),
        })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> TimeNs {
        let inner = self.inner();
        let lived = inner.begun.map_or(0, |begun| u64::try_from(begun.elapsed().as_nanos()).unwrap());
        TimeNs(inner.wall_ns + lived)
    }

    pub(super) fn begin_life(&self) {
        self.inner().begun = Some(Instant::now());
    }

    /// Called while the life's clock still runs.
    pub(super) fn end_life(&self) {
        let now = self.now();
        let mut inner = self.inner();
        (inner.wall_ns, inner.begun) = (now.0, None);
    }

    pub(super) fn pass(&self, duration: Duration) {
        self.inner().wall_ns += u64::try_from(duration.as_nanos()).unwrap();
    }

    pub(super) fn step_clock(&self, step_ns: i64) {
        let mut inner = self.inner();
        inner.wall_ns = inner.wall_ns.saturating_add_signed(step_ns);
    }

    pub(super) fn set_check_time(&self, target: &str, ms: u64) {
        self.inner().check_ms.insert(target.to_owned(), ms);
    }

    pub(super) fn set_troubled(&self, is: bool) {
        self.is_troubled.store(is, Relaxed);
    }

    pub(super) fn set_log_away(&self, is: bool) {
        self.is_log_away.store(is, Relaxed);
    }

    pub(super) fn set_refused(&self, is: bool) {
        self.is_refused.store(is, Relaxed);
    }

    pub(super) fn set_foreign_duplicates(&self, is: bool) {
        self.has_foreign_duplicates.store(is, Relaxed);
    }

    pub(super) fn outbox_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(Result::unwrap);
        let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
        segments.map(|file| file.metadata().unwrap().len()).sum()
    }
}

/// A check that takes a while of made-up time.
pub(super) struct FakeCheck {
    target: String,
    timeout_ms: u64,
    world: Arc<World>,
}

impl FakeCheck {
    pub(super) fn new(target: &Target, world: &Arc<World>) -> Self {
        Self { target: target.name.to_string(), timeout_ms: target.timeout().0 / 1_000, world: Arc::clone(world) }
    }
}

impl Check for FakeCheck {
    fn run(&self, _started: TimeNs) -> Pin<Box<dyn Future<Output = CheckOutcome> + Send + '_>> {
        let ms = {
            let mut inner = self.world.inner();
            match inner.check_ms.get(&self.target).copied() {
                Some(ms) => ms,
                None if self.world.is_troubled.load(Relaxed) && inner.dice.one_in(5) => {
                    inner.dice.below(self.timeout_ms * 3)
                }
                None => 3,
            }
        };
        Box::pin(async move {
            sleep(Duration::from_millis(ms)).await;
            let (outcome, phases) = (Outcome::Ok, Phases::default());
            let latency_us = ms * 1_000;
            CheckOutcome {
                latency_us,
                outcome,
                reason: None,
                detail: None,
                status: None,
                phases,
                certificate_expires_ns: None,
            }
        })
    }
}

/// A log that may be away, take frames without saying so, or be slow.
pub(super) struct FakeLog(Arc<World>);

impl FakeLog {
    pub(super) fn new(world: &Arc<World>) -> Self {
        Self(Arc::clone(world))
    }

    fn roll(&self, one_in: u64) -> bool {
        self.0.is_troubled.load(Relaxed) && self.0.inner().dice.one_in(one_in)
    }

    fn take(&self, frames: &[Outgoing]) -> Vec<Appended> {
        let mut inner = self.0.inner();
        let mut appended = Vec::new();
        for frame in frames {
            let known = inner.frames.iter().position(|known| known.msg_id == frame.msg_id);
            let is_new = known.is_none();
            if let Some(at) = known {
                assert_eq!(inner.frames[at].payload, frame.payload, "two frames under one message id");
            } else {
                inner.frames.push(frame.clone());
            }
            let duplicate = !is_new || self.0.has_foreign_duplicates.load(Relaxed);
            appended.push(Appended { seq: known.unwrap_or(inner.frames.len()) as u64, duplicate });
        }
        appended
    }
}

#[async_trait]
impl EventLog for FakeLog {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        if self.0.is_refused.load(Relaxed) {
            return Err(AppendError::Refused("not you".into()));
        }
        if self.0.is_log_away.load(Relaxed) || self.roll(4) {
            return Err(AppendError::Unavailable("away".into()));
        }
        let slow_ms = if self.roll(4) { self.0.inner().dice.below(2_000) } else { 1 };
        sleep(Duration::from_millis(slow_ms)).await;
        if self.roll(5) {
            // It took some, and the answer got lost.
            let some = self.0.inner().dice.below(frames.len() as u64 + 1);
            self.take(&frames[..usize::try_from(some).unwrap()]);
            return Err(AppendError::Unavailable("no answer".into()));
        }
        Ok(self.take(&frames))
    }

    async fn read(&self, _from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        Err(ReadError::Closed)
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        Err(ReadError::Closed)
    }
}

/// What the log was told, checked while it is read: each slot once, in order, none left out, no frame number skipped.
#[derive(Debug, Default)]
pub(super) struct Told {
    series: BTreeMap<String, Series>,
    next_seq: BTreeMap<Boot, u64>,
    pub(super) heartbeats: u64,
    pub(super) dropped_in_heartbeats: u64,
    pub(super) queue_bytes_in_heartbeats: u64,
    /// How often the clock stepped and how far at last, by the heartbeat that came last.
    pub(super) clock_steps: (u64, Option<i64>),
    pub(super) lists: u64,
}

#[derive(Debug, Default)]
struct Series {
    schedule: Option<Schedule>,
    /// The instant before which every slot was told.
    until: TimeNs,
    is_listed: bool,
    observed: u64,
    missed: BTreeMap<String, u64>,
    lateness_max_us: u64,
}

impl Told {
    pub(super) fn read(world: &World) -> Self {
        let mut told = Self::default();
        for Outgoing { msg_id, payload, subject } in &world.inner().frames {
            let frame = Frame::decode(payload, subject).unwrap();
            told.check_seq(*msg_id);
            frame.events.into_iter().for_each(|event| told.hear(event));
        }
        told
    }

    fn check_seq(&mut self, id: MsgId) {
        let next = self.next_seq.entry(id.boot).or_default();
        assert_eq!(id.seq, *next, "a gap in {}", id.boot);
        *next += 1;
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Observed(observed) => {
                let series = self.extend(&observed.target, observed.slot_ns, 1);
                series.observed += 1;
                series.lateness_max_us = series.lateness_max_us.max(observed.started_ns.since_us(observed.slot_ns));
                assert!(observed.started_ns >= observed.slot_ns, "started before its slot: {observed:?}");
            }
            Event::Missed(missed) => {
                let series = self.extend(&missed.target, missed.first_slot_ns, missed.slots);
                assert_eq!(series.schedule.unwrap().interval_us, missed.interval_us);
                *series.missed.entry(format!("{:?}", missed.why)).or_default() += missed.slots;
            }
            Event::Heartbeat(heartbeat) => {
                self.heartbeats += 1;
                self.dropped_in_heartbeats = self.dropped_in_heartbeats.max(heartbeat.dropped);
                self.queue_bytes_in_heartbeats = self.queue_bytes_in_heartbeats.max(heartbeat.queue_bytes);
                self.clock_steps = (heartbeat.clock_steps, heartbeat.clock_step_us);
            }
            Event::Targets(targets) => self.list(&targets),
            other => panic!("a probe does not say {other:?}"),
        }
    }

    /// The slots must be exactly the next ones.
    fn extend(&mut self, target: &str, first: TimeNs, slots: u64) -> &mut Series {
        let series = self.series.get_mut(target).unwrap_or_else(|| panic!("{target} was never listed"));
        assert!(series.is_listed, "{target} is not listed any more");
        let schedule = series.schedule.unwrap();
        let next = schedule.first_slot_from(series.until);
        assert_eq!(first, schedule.slot_start(next), "{target}: not the next slot");
        series.until = TimeNs(schedule.slot_start(next + slots - 1).0 + 1);
        series
    }

    fn list(&mut self, targets: &Targets) {
        assert_eq!((targets.part, targets.parts), (0, 1), "few targets need one part");
        self.lists += 1;
        let listed: BTreeMap<&str, Schedule> = targets
            .targets
            .iter()
            .map(|t| (t.target.as_str(), Schedule { interval_us: t.interval_us, offset_us: t.offset_us }))
            .collect();
        for (name, series) in self.series.iter_mut().filter(|(_, series)| series.is_listed) {
            let new = listed.get(name.as_str());
            let old = series.schedule.unwrap();
            if new != Some(&old) {
                let next = old.slot_start(old.first_slot_from(series.until));
                assert!(next >= targets.from_ns, "{name}: slots before the change were left out");
                series.is_listed = false;
            }
        }
        for (name, schedule) in listed {
            let series = self.series.entry(name.to_owned()).or_default();
            if !series.is_listed {
                series.until = series.until.max(targets.from_ns);
                series.schedule = Some(schedule);
                series.is_listed = true;
            }
        }
    }

    pub(super) fn observed(&self, target: &str) -> u64 {
        self.series.get(target).map_or(0, |series| series.observed)
    }

    pub(super) fn missed(&self, target: &str) -> u64 {
        self.series.get(target).map_or(0, |series| series.missed.values().sum())
    }

    pub(super) fn missed_because(&self, target: &str, why: MissedWhy) -> u64 {
        let why = format!("{why:?}");
        self.series.get(target).and_then(|series| series.missed.get(&why)).copied().unwrap_or(0)
    }

    pub(super) fn lateness_max_us(&self, target: &str) -> u64 {
        self.series.get(target).map_or(0, |series| series.lateness_max_us)
    }
}
