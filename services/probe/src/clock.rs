//! Notices when the wall clock leaves the steady one, so that whoever sleeps until a wall time looks again.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicI64, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;

use metrics::counter;
use spark_eventlog::clock::WallClock;
use spark_schemas::{TimeNs, metric};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A sleeper may be off by this much; more wakes everyone.
const DRIFT_NS_MAX: u64 = 5_000_000;
/// From here on it is called a step rather than a correction.
const STEP_NS_MIN: u64 = 500_000_000;

/// How far apart the two readings of one pace may be, and how often that is tried.
const CLOSE_ENOUGH: Duration = Duration::from_millis(1);
const READINGS_MAX: u32 = 4;

/// A reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    wall: TimeNs,
    steady: Instant,
}

impl Pace {
    /// Reads them close together: on a busy machine a pause between the two would look like a step, and wake everyone.
    pub(crate) fn now(clock: &WallClock) -> Self {
        let read = || {
            let (steady, wall) = (Instant::now(), clock());
            (steady.elapsed(), Self { wall, steady })
        };
        let (mut apart, mut pace) = read();
        for _ in 1..READINGS_MAX {
            if apart <= CLOSE_ENOUGH {
                break;
            }
            let again = read();
            if again.0 < apart {
                (apart, pace) = again;
            }
        }
        pace
    }

    /// The wall time of this reading.
    pub(crate) fn wall(&self) -> TimeNs {
        self.wall
    }

    /// How far the wall clock went beyond the steady one since `before`, in nanoseconds; negative when it fell behind.
    pub(crate) fn gained_ns(&self, before: &Self) -> i64 {
        let wall = i128::from(self.wall.0) - i128::from(before.wall.0);
        let steady = i128::try_from(self.steady.duration_since(before.steady).as_nanos()).unwrap_or(i128::MAX);
        i64::try_from(wall.saturating_sub(steady)).unwrap_or(if wall > steady { i64::MAX } else { i64::MIN })
    }

    /// Whether the wall clock stepped forward since `before`.
    pub(crate) fn stepped_forward(&self, before: &Self) -> bool {
        let gained = self.gained_ns(before);
        gained > 0 && gained.unsigned_abs() >= STEP_NS_MIN
    }
}

/// The steps that were seen, for the heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    count: AtomicU64,
    last_us: AtomicI64,
}

impl Steps {
    fn note(&self, step_us: i64) {
        self.last_us.store(step_us, Relaxed);
        self.count.fetch_add(1, Release);
        let direction = if step_us < 0 { "back" } else { "ahead" };
        counter!(metric::PROBE_CLOCK_STEPS, "direction" => direction).increment(1);
    }

    /// How many there were, and how far the last one went.
    pub(crate) fn seen(&self) -> (u64, Option<i64>) {
        let count = self.count.load(Acquire);
        (count, (count > 0).then(|| self.last_us.load(Relaxed)))
    }
}

/// Counts up in `changes` whenever the clocks part, and notes `steps`, until `stop`.
pub(crate) async fn watch_clock(
    clock: WallClock,
    changes: watch::Sender<u64>,
    steps: Arc<Steps>,
    stop: CancellationToken,
) {
    let mut base = Pace::now(&clock);
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let pace = Pace::now(&clock);
        let gained_ns = pace.gained_ns(&base);
        if gained_ns.unsigned_abs() < DRIFT_NS_MAX {
            continue;
        }
        base = pace;
        changes.send_modify(|count| *count += 1);
        if gained_ns.unsigned_abs() >= STEP_NS_MIN {
            steps.note(gained_ns / 1_000);
            tracing::warn!(
                step_ms = gained_ns / 1_000_000,
                "the wall clock stepped: the schedule follows it, slots it jumped over are missed, none runs twice"
            );
        }
    }
}
