//! A series: what one agent saw of one target.
//!
//! Its newest buckets and rolling sums live here ([`rolling`]), its complete pages in the store.

mod expectation;
mod pages;
pub(crate) mod rolling;
mod sums;

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spark_schemas::event::{Missed, Observed, Outcome};
use spark_schemas::{Name, TimeNs};

use crate::bucket::{Bucket, BucketStore, SeriesId, Tally};
use crate::latency::Class;
use crate::merkle::Hash;
use crate::schedule::Schedule;
use crate::window::{Tier, Window};

pub use expectation::{Expectation, Span};

use rolling::{PerTier, Rolling, head_of};

/// Recent failures that a series remembers for people.
const FAILURES_KEPT: usize = 20;

/// What one agent saw of one target.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its number.
    pub id: SeriesId,
    /// Its lasting facts.
    pub head: SeriesHead,
    rolling: Rolling,
    /// Something changed since the store last took its record.
    unsaved: bool,
    /// The digest, until something changes.
    digest: Option<Hash>,
}

/// A series without its buckets.
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
    /// Buckets that start earlier are gone, for each tier.
    kept_from: PerTier<TimeNs>,
}

const KEPT_NS: PerTier<u64> =
    [Tier::ALL[0].kept_ns(), Tier::ALL[1].kept_ns(), Tier::ALL[2].kept_ns(), Tier::ALL[3].kept_ns()];

/// The buckets that would tell are no longer kept; replay the log up to that instant instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("buckets of this window are kept from {kept_from} on only")]
pub struct NotKept {
    /// The start of the oldest bucket that is kept, in nanoseconds.
    pub kept_from: TimeNs,
}

/// What is added to a bucket.
enum Delta {
    Observation { class: Class, is_failed: bool },
    Missed(u64),
}

impl Delta {
    fn add_to(&self, tally: &mut Tally) {
        match *self {
            Self::Observation { class, is_failed } => {
                tally.latencies.add_class(class, 1);
                tally.failed += u64::from(is_failed);
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
            kept_from: Default::default(),
        };
        Self { id, head, rolling: Rolling::new(id, KEPT_NS), unsaved: true, digest: None }
    }

    /// A series as the store kept it: its [`Series::record`] and its pages. `None` when the record is none.
    pub fn load(id: SeriesId, record: &[u8], store: &dyn BucketStore) -> Option<Self> {
        let (head, newest) = head_of::<SeriesHead>(record)?;
        let rolling = Rolling::load(id, KEPT_NS, head.kept_from, newest, store)?;
        Some(Self { id, head, rolling, unsaved: false, digest: None })
    }

    /// What the store keeps beside the series' pages: its head, and each tier's newest page and open bucket.
    pub fn record(&self) -> Vec<u8> {
        self.rolling.record(&self.head)
    }

    /// Buckets that start earlier are gone, for each tier.
    pub(crate) fn kept_from(&self) -> [TimeNs; Tier::ALL.len()] {
        self.head.kept_from
    }

    /// Whether something changed since [`Series::mark_saved`].
    pub(crate) fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// The store has taken the series' record as it is, or has lost it.
    pub(crate) fn mark_saved(&mut self, is_saved: bool) {
        self.unsaved = !is_saved;
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

    /// Counts an observation.
    pub fn observe(&mut self, observed: Observed, fold_time: TimeNs, store: &mut dyn BucketStore) {
        self.touch();
        self.advance(fold_time, store);
        let is_failed = observed.outcome == Outcome::Fail;
        let delta = Delta::Observation { class: Class::of(observed.latency_us), is_failed };
        for tier in Tier::ALL {
            self.add(tier, tier.bucket_start(observed.slot_ns), &delta, store);
        }
        self.head.observations += 1;
        if is_failed {
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

    fn add(&mut self, tier: Tier, start: TimeNs, delta: &Delta, store: &mut dyn BucketStore) {
        self.rolling.add(tier, start, |tally| delta.add_to(tally), store);
    }

    fn advance(&mut self, fold_time: TimeNs, store: &mut dyn BucketStore) {
        if self.rolling.advance(fold_time, store) {
            self.head.kept_from = self.rolling.kept_from();
        }
    }

    /// Makes the rolling sums, if they are not there; from then on they are kept up.
    pub fn materialize(&mut self, fold_time: TimeNs, store: &dyn BucketStore) {
        self.rolling.materialize(fold_time, store);
    }

    /// The buckets of `tier` that start in `starts`, the open one included.
    pub fn buckets(&self, tier: Tier, starts: Range<TimeNs>, store: &dyn BucketStore) -> Vec<Bucket> {
        self.rolling.buckets(tier, starts, store)
    }

    /// Adds to `sum` what happened in `window` up to `at`: its tier's whole buckets that start after `at` − length.
    pub fn add_window(
        &self,
        window: Window,
        at: TimeNs,
        store: &dyn BucketStore,
        sum: &mut Tally,
    ) -> Result<(), NotKept> {
        self.rolling.add_window(window, at, store, sum)
    }

    /// Adds the buckets of `tier` that start in `starts` to a sum.
    pub(crate) fn add_range(
        &self,
        tier: Tier,
        starts: Range<TimeNs>,
        store: &dyn BucketStore,
        sum: &mut Tally,
    ) -> Result<(), NotKept> {
        self.rolling.add_range(tier, starts, store, sum)
    }

    /// Takes buckets of `tier` that start in `starts` out of a sum that they are part of.
    pub(crate) fn subtract_range(&self, tier: Tier, starts: Range<TimeNs>, store: &dyn BucketStore, sum: &mut Tally) {
        self.rolling.subtract_range(tier, starts, store, sum);
    }

    /// The digest over everything the series holds; computed again only when something changed.
    pub fn digest(&mut self) -> Hash {
        *self.digest.get_or_insert_with(|| self.rolling.digest(&self.head))
    }
}
