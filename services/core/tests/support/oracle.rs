//! The oracle: every figure computed from the raw accepted events, naively, with no bucket and no sum kept.

use std::collections::{BTreeMap, BTreeSet};

use spark_core::fold::AHEAD_MAX_NS;
use spark_core::latency::LATENCY_US_MAX;
use spark_core::schedule::Schedule;
use spark_core::window::Window;
use spark_schemas::event::{Outcome, Targets};
use spark_schemas::{Boot, Event, Frame, TimeNs};

use super::history::Told;

/// A target and the agent that probes it.
pub type SeriesName = (String, String);

#[derive(Debug, Clone, Copy)]
pub struct Observation {
    pub slot: TimeNs,
    pub latency_us: u64,
    pub failed: bool,
}

/// One schedule of one series: from when, until when.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: TimeNs,
    to: Option<TimeNs>,
    schedule: Schedule,
}

/// Everything that was accepted of one series.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub observations: Vec<Observation>,
    /// Each missed slot by itself.
    pub missed: Vec<TimeNs>,
    stretches: Vec<Stretch>,
}

/// A target list of which not all parts have come: when it holds from, its parts and its targets so far.
type Partial = (TimeNs, BTreeSet<u32>, BTreeSet<String>);

#[derive(Debug, Clone, Default)]
pub struct Oracle {
    pub series: BTreeMap<SeriesName, Facts>,
    pub fold_time: TimeNs,
    seen: BTreeSet<(String, Boot, u64)>,
    partial: BTreeMap<String, Partial>,
}

/// A window's figures, exact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exact {
    pub failed: u64,
    pub missed: u64,
    pub expected: u64,
    /// Sorted, and clamped to what a histogram can say.
    pub latencies_us: Vec<u64>,
}

impl Exact {
    pub fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.missed += other.missed;
        self.expected += other.expected;
        self.latencies_us.extend(&other.latencies_us);
        self.latencies_us.sort_unstable();
    }

    pub fn count(&self) -> u64 {
        self.latencies_us.len() as u64
    }

    pub fn quantile_us(&self, ppm: u64) -> Option<u64> {
        let rank = (self.count() * ppm).div_ceil(1_000_000).max(1);
        self.latencies_us.get(rank as usize - 1).copied()
    }
}

impl Oracle {
    /// Takes the next leaf of the log.
    pub fn take(&mut self, told: &Told) {
        self.fold_time = self.fold_time.max(told.recorded.received);
        let Some(frame) = &told.frame else { return };
        if self.seen.insert((frame.agent.to_string(), frame.boot, frame.seq)) && !self.is_ahead(frame, told) {
            frame.events.iter().for_each(|event| self.accept(&frame.agent, event));
        }
    }

    fn is_ahead(&self, frame: &Frame, told: &Told) -> bool {
        let limit = TimeNs(told.recorded.received.0 + AHEAD_MAX_NS);
        frame.events.iter().any(|event| match event {
            Event::Observed(observed) => observed.slot_ns > limit,
            Event::Missed(missed) => slots(missed.first_slot_ns, missed.interval_us, missed.slots).any(|at| at > limit),
            _ => false,
        })
    }

    fn accept(&mut self, agent: &str, event: &Event) {
        match event {
            Event::Observed(observed) => self.facts(&observed.target, agent).observations.push(Observation {
                slot: observed.slot_ns,
                latency_us: observed.latency_us,
                failed: observed.outcome == Outcome::Fail,
            }),
            Event::Missed(missed) => {
                let slots = slots(missed.first_slot_ns, missed.interval_us, missed.slots);
                self.facts(&missed.target, agent).missed.extend(slots);
            }
            Event::Targets(list) => self.expect(agent, list),
            _ => {}
        }
    }

    fn facts(&mut self, target: &str, agent: &str) -> &mut Facts {
        self.series.entry((target.to_owned(), agent.to_owned())).or_default()
    }

    fn expect(&mut self, agent: &str, list: &Targets) {
        let from = list.from_ns.min(self.fold_time);
        for one in &list.targets {
            let schedule = Schedule { interval_us: one.interval_us, offset_us: one.offset_us };
            self.facts(&one.target, agent).begin(schedule, from);
        }
        let partial = self.partial.entry(agent.to_owned()).or_default();
        if partial.0 != list.from_ns {
            *partial = (list.from_ns, BTreeSet::new(), BTreeSet::new());
        }
        partial.1.insert(list.part);
        partial.2.extend(list.targets.iter().map(|one| one.target.to_string()));
        if partial.1.len() as u32 == list.parts {
            let (_, _, names) = self.partial.remove(agent).unwrap();
            let dropped = self.series.iter_mut().filter(|((target, by), _)| by == agent && !names.contains(target));
            dropped.for_each(|(_, facts)| facts.end(from));
        }
    }
}

impl Facts {
    fn begin(&mut self, schedule: Schedule, from: TimeNs) {
        match self.stretches.last() {
            Some(last) if last.to.is_none() && last.schedule == schedule => return,
            _ => self.end(from),
        }
        let from = self.stretches.last().and_then(|last| last.to).map_or(from, |end| end.max(from));
        self.stretches.push(Stretch { from, to: None, schedule });
    }

    fn end(&mut self, at: TimeNs) {
        if let Some(last) = self.stretches.last_mut() {
            last.to = last.to.or(Some(at.max(last.from)));
        }
    }

    /// The figures by the definition: whole buckets that start after `at` − length, up to `at`.
    pub fn window(&self, window: Window, at: TimeNs) -> Exact {
        let width = i128::from(window.tier().width_ns());
        let after = i128::from(at.0) - i128::from(window.length_ns());
        let is_in = |slot: TimeNs| {
            let bucket_start = i128::from(slot.0) / width * width;
            bucket_start > after && bucket_start <= i128::from(at.0)
        };
        let inside: Vec<&Observation> = self.observations.iter().filter(|one| is_in(one.slot)).collect();
        let mut latencies_us: Vec<u64> = inside.iter().map(|one| one.latency_us.min(LATENCY_US_MAX)).collect();
        latencies_us.sort_unstable();
        Exact {
            failed: inside.iter().filter(|one| one.failed).count() as u64,
            missed: self.missed.iter().filter(|slot| is_in(**slot)).count() as u64,
            expected: self.expected(after, width, at),
            latencies_us,
        }
    }

    /// Slots that begin in the window's buckets while their schedule holds, and whose successor has begun at `at`.
    fn expected(&self, after: i128, width: i128, at: TimeNs) -> u64 {
        let first_bucket = (after.div_euclid(width) + 1) * width;
        let mut expected = 0;
        for Stretch { from, to, schedule: Schedule { interval_us, offset_us } } in &self.stretches {
            let (interval, offset) = (i128::from(*interval_us) * 1_000, i128::from(*offset_us) * 1_000);
            let earliest = first_bucket.max(i128::from(from.0));
            let mut slot = offset + (earliest - offset).div_euclid(interval) * interval;
            while slot + interval <= i128::from(at.0) && to.is_none_or(|to| slot < i128::from(to.0)) {
                expected += u64::from(slot >= earliest);
                slot += interval;
            }
        }
        expected
    }

    /// The observation of the latest slot; of two of the same slot the one that came last.
    pub fn latest(&self) -> Option<TimeNs> {
        self.observations.iter().map(|one| one.slot).max()
    }

    /// How far past due the observation after the latest is; a schedule that came later asks only from then on.
    pub fn staleness_us(&self, at: TimeNs) -> Option<u64> {
        let stretch = self.stretches.last()?;
        let asked_since = if stretch.to.is_none() { stretch.from.0 } else { 0 };
        let due = self.latest()?.0.max(asked_since) + 2 * stretch.schedule.interval_us * 1_000;
        Some(at.0.saturating_sub(due) / 1_000)
    }
}

fn slots(first: TimeNs, interval_us: u64, slots: u64) -> impl Iterator<Item = TimeNs> {
    (0..slots).map(move |n| TimeNs(first.0 + n * interval_us * 1_000))
}
