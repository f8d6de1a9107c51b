//! A series: what one agent saw of one target.
//!
//! Its open buckets and rolling sums live here, its closed buckets in the store. Rolling sums are an optimisation that
//! can be dropped and made again at any time: a sum is always the sum of its window's buckets.

mod digest;
mod expectation;
mod sums;

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spark_schemas::event::{Missed, Observed, Outcome};
use spark_schemas::{Name, TimeNs};

use crate::bucket::{Bucket, BucketStore, SeriesId, Tally};
use crate::merkle::Hash;
use crate::schedule::Schedule;
use crate::window::{Tier, Window};

pub use expectation::{Expectation, Span};

use digest::GroupDigests;
use sums::Sums;

/// Recent failures that a series remembers for people.
const FAILURES_KEPT: usize = 20;

/// What one agent saw of one target.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its number.
    pub id: SeriesId,
    /// Its lasting facts.
    pub head: SeriesHead,
    open: [Option<Bucket>; Tier::ALL.len()],
    sums: Option<Box<Sums>>,
    /// Something changed since the store last took it.
    unsaved: bool,
    /// The digest, until something changes.
    digest: Option<Hash>,
}

/// A series without its buckets; what the store keeps as its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesHead {
    /// The target.
    pub target: Name,
    /// The agent.
    pub agent: Name,
    /// The schedules under which observations were and are expected.
    pub expectation: Expectation,
    /// Observations ever counted.
    pub observations: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Missed slots ever reported.
    pub missed: u64,
    /// The observation of the latest slot.
    pub latest: Option<Observed>,
    /// The latest failures, newest last.
    pub failures: VecDeque<Observed>,
    open_starts: [Option<TimeNs>; Tier::ALL.len()],
    /// Buckets that start earlier are gone, for each tier.
    kept_from: [TimeNs; Tier::ALL.len()],
    digests: [GroupDigests; Tier::ALL.len()],
}

/// The buckets that would tell are no longer kept; replay the log up to that instant instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("buckets of this window are kept from {kept_from} on only")]
pub struct NotKept {
    /// The start of the oldest bucket that is kept, in nanoseconds.
    pub kept_from: TimeNs,
}

/// What is added to a bucket.
enum Delta {
    Observation { latency_us: u64, outcome: Outcome },
    Missed(u64),
}

impl Delta {
    fn add_to(&self, tally: &mut Tally) {
        match *self {
            Self::Observation { latency_us, outcome } => {
                tally.latencies.record(latency_us, 1);
                tally.failed += u64::from(outcome == Outcome::Fail);
            }
            Self::Missed(slots) => tally.missed += slots,
        }
    }
}

impl Series {
    /// A series that nothing is known of yet.
    pub fn new(id: SeriesId, target: Name, agent: Name) -> Self {
        let head = SeriesHead {
            target,
            agent,
            expectation: Expectation::default(),
            observations: 0,
            failed: 0,
            missed: 0,
            latest: None,
            failures: VecDeque::new(),
            open_starts: Default::default(),
            kept_from: Default::default(),
            digests: Default::default(),
        };
        Self { id, head, open: Default::default(), sums: None, unsaved: true, digest: None }
    }

    /// A series as the store kept it.
    pub fn load(id: SeriesId, head: SeriesHead, store: &dyn BucketStore) -> Self {
        let open = Tier::ALL.map(|tier| head.open_starts[tier.index()].and_then(|start| store.get(id, tier, start)));
        Self { id, head, open, sums: None, unsaved: false, digest: None }
    }

    /// Whether something changed since [`Series::mark_saved`].
    pub fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// The store has taken the series as it is.
    pub(crate) fn mark_saved(&mut self) {
        self.unsaved = false;
    }

    /// Something is about to change.
    fn touch(&mut self) {
        self.unsaved = true;
        self.digest = None;
    }

    /// From `from` on observations are expected by `schedule`.
    pub(crate) fn expect(&mut self, schedule: Schedule, from: TimeNs) {
        self.touch();
        self.head.expectation.begin(schedule, from);
    }

    /// From `at` on no observations are expected.
    pub(crate) fn expect_no_more(&mut self, at: TimeNs) {
        self.touch();
        self.head.expectation.end(at);
    }

    /// Puts the open buckets into the store too, so that the head and the store together are the whole series.
    pub(crate) fn flush(&self, store: &mut dyn BucketStore) {
        for tier in Tier::ALL {
            if let Some(bucket) = &self.open[tier.index()] {
                store.put(self.id, tier, bucket.clone());
            }
        }
    }

    /// Counts an observation.
    pub fn observe(&mut self, observed: Observed, fold_time: TimeNs, store: &mut dyn BucketStore) {
        self.touch();
        self.advance(fold_time, store);
        let delta = Delta::Observation { latency_us: observed.latency_us, outcome: observed.outcome };
        for tier in Tier::ALL {
            self.add(tier, tier.bucket_start(observed.slot_ns), &delta, store);
        }
        self.head.observations += 1;
        if observed.outcome == Outcome::Fail {
            self.head.failed += 1;
            self.head.failures.push_back(observed.clone());
            if self.head.failures.len() > FAILURES_KEPT {
                self.head.failures.pop_front();
            }
        }
        if self.head.latest.as_ref().is_none_or(|latest| latest.slot_ns <= observed.slot_ns) {
            self.head.latest = Some(observed);
        }
    }

    /// Counts slots that the agent says it missed; a bucket at a time, however many slots there are.
    pub fn miss(&mut self, missed: &Missed, fold_time: TimeNs, store: &mut dyn BucketStore) {
        self.touch();
        self.advance(fold_time, store);
        self.head.missed = self.head.missed.saturating_add(missed.slots);
        let interval_ns = missed.interval_us.saturating_mul(1_000);
        let last = missed.last_slot_ns().unwrap_or(missed.first_slot_ns);
        for tier in Tier::ALL {
            let (mut slot, mut left) = (missed.first_slot_ns.0, missed.slots);
            // Slots before the tier's reach fall into no bucket of it: step over them at once.
            let kept_from = self.head.kept_from[tier.index()];
            let skipped = kept_from.0.saturating_sub(slot).div_ceil(interval_ns).min(left);
            left -= skipped;
            slot = slot.saturating_add(skipped.saturating_mul(interval_ns));
            while left > 0 && slot <= last.0 {
                let start = tier.bucket_start(TimeNs(slot));
                let in_bucket = (start.0 + tier.width_ns() - slot).div_ceil(interval_ns).min(left);
                self.add(tier, start, &Delta::Missed(in_bucket), store);
                left -= in_bucket;
                slot = slot.saturating_add(in_bucket.saturating_mul(interval_ns));
            }
        }
    }

    /// Adds to the bucket at `start`, to the sums of the windows that hold it, and marks what must be digested again.
    fn add(&mut self, tier: Tier, start: TimeNs, delta: &Delta, store: &mut dyn BucketStore) {
        if start < self.head.kept_from[tier.index()] {
            return;
        }
        self.head.digests[tier.index()].touch(tier, start);
        match &mut self.open[tier.index()] {
            Some(open) if open.start == start => delta.add_to(&mut open.tally),
            Some(open) if start < open.start => {
                let mut late = store.get(self.id, tier, start).unwrap_or_else(|| Bucket::new(start));
                delta.add_to(&mut late.tally);
                store.put(self.id, tier, late);
            }
            open => {
                let mut fresh = Bucket::new(start);
                delta.add_to(&mut fresh.tally);
                if let Some(closed) = open.replace(fresh) {
                    store.put(self.id, tier, closed);
                }
                self.head.open_starts[tier.index()] = Some(start);
            }
        }
        if let Some(sums) = &mut self.sums {
            sums.add(tier, start, |tally| delta.add_to(tally));
        }
    }

    /// Moves the rolling sums and the reach of each tier up to `fold_time`.
    fn advance(&mut self, fold_time: TimeNs, store: &mut dyn BucketStore) {
        if let Some(mut sums) = self.sums.take() {
            sums.advance(fold_time, |tier, starts| self.buckets(tier, starts, store));
            self.sums = Some(sums);
        }
        for tier in Tier::ALL {
            let group_ns = digest::group_ns(tier);
            let reach = fold_time.0.saturating_sub(tier.kept_ns()).saturating_sub(group_ns);
            let kept_from = TimeNs(reach - reach % group_ns);
            if kept_from > self.head.kept_from[tier.index()] {
                self.head.kept_from[tier.index()] = kept_from;
                self.head.digests[tier.index()].drop_before(kept_from);
                store.evict_before(self.id, tier, kept_from);
                if self.open[tier.index()].as_ref().is_some_and(|open| open.start < kept_from) {
                    self.open[tier.index()] = None;
                    self.head.open_starts[tier.index()] = None;
                }
            }
        }
    }

    /// Makes the rolling sums, if they are not there; from then on they are kept up.
    pub fn materialize(&mut self, fold_time: TimeNs, store: &dyn BucketStore) {
        if self.sums.is_none() {
            let sums = Sums::new(fold_time, |tier, starts| self.buckets(tier, starts, store));
            self.sums = Some(Box::new(sums));
        }
    }

    /// The buckets of `tier` that start in `starts`, the open one included.
    pub fn buckets(&self, tier: Tier, starts: Range<TimeNs>, store: &dyn BucketStore) -> Vec<Bucket> {
        let open = self.open[tier.index()].as_ref().filter(|open| starts.contains(&open.start));
        let Some(open) = open else { return store.range(self.id, tier, starts) };
        // A copy that an earlier flush left in the store is out of date.
        let mut buckets = store.range(self.id, tier, starts.start..open.start);
        buckets.push(open.clone());
        buckets.extend(store.range(self.id, tier, TimeNs(open.start.0 + 1)..starts.end));
        buckets
    }

    /// Adds to `sum` what happened in `window` up to `at`: its tier's whole buckets that start after `at` − length.
    pub fn add_window(
        &self,
        window: Window,
        at: TimeNs,
        store: &dyn BucketStore,
        sum: &mut Tally,
    ) -> Result<(), NotKept> {
        let tier = window.tier();
        let first = window.first_bucket(at);
        let past = TimeNs(at.0.saturating_add(1));
        let Some(sums) = self.sums.as_ref().filter(|sums| at >= sums.at) else {
            let kept_from = self.head.kept_from[tier.index()];
            if first < kept_from {
                return Err(NotKept { kept_from });
            }
            self.buckets(tier, first..past, store).iter().for_each(|bucket| sum.add(&bucket.tally));
            return Ok(());
        };
        let (tally, sum_first) = sums.of(window);
        let newest = self.head.open_starts[tier.index()];
        if newest.is_none_or(|newest| newest < first) {
            return Ok(());
        }
        sum.add(tally);
        let mut gone = self.buckets(tier, sum_first..first, store);
        if newest.is_some_and(|newest| newest >= past) {
            gone.extend(self.buckets(tier, past.max(first)..TimeNs(u64::MAX), store));
        }
        gone.iter().for_each(|bucket| sum.subtract(&bucket.tally));
        Ok(())
    }

    /// How far past due the next observation is at `at`, in microseconds; `None` before the first one.
    ///
    /// The observation of a slot is due when the next slot begins; a schedule asks for nothing before it holds.
    pub fn staleness_us(&self, at: TimeNs) -> Option<u64> {
        let latest = self.head.latest.as_ref()?;
        let interval_us = self.head.expectation.latest_schedule()?.interval_us;
        let since = self.head.expectation.current().map_or(latest.slot_ns, |span| latest.slot_ns.max(span.from));
        Some(at.since_us(since.plus_us(interval_us.saturating_mul(2))))
    }

    /// The digest over everything the series holds; computed again only where something changed.
    pub fn digest(&mut self, store: &dyn BucketStore) -> Hash {
        if let Some(digest) = self.digest {
            return digest;
        }
        let mut digests = std::mem::take(&mut self.head.digests);
        for tier in Tier::ALL {
            digests[tier.index()].refresh(tier, |starts| self.buckets(tier, starts, store));
        }
        self.head.digests = digests;
        *self.digest.insert(digest::of_series(&self.head))
    }
}
