//! Buckets of every tier and the rolling sums over them: what a series and an objective's ledger are both made of.
//!
//! Rolling sums are an optimisation that can be dropped and made again at any time: a sum is always the sum of its
//! window's buckets.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use spark_schemas::TimeNs;

use super::NotKept;
use super::pages::{Of, Pages, Part};
use super::sums::Sums;
use crate::bucket::{Bucket, BucketStore, SeriesId, Tally};
use crate::json;
use crate::merkle::Hash;
use crate::varint;
use crate::window::{Tier, Window};

/// Something for each tier.
pub(crate) type PerTier<T> = [T; Tier::ALL.len()];

/// The head of a [`Rolling::record`], and the rest of it; `None` when it is none.
pub(crate) fn head_of<H: DeserializeOwned>(mut record: &[u8]) -> Option<(H, &[u8])> {
    let head_bytes = usize::try_from(varint::read(&mut record)?).ok()?;
    let (head, newest) = record.split_at_checked(head_bytes)?;
    Some((serde_json::from_slice(head).ok()?, newest))
}

/// Buckets of every tier and the rolling sums over them.
#[derive(Debug, Clone)]
pub(crate) struct Rolling {
    id: SeriesId,
    /// How long buckets of each tier are kept at least, in nanoseconds; of a tier with 0 there are none.
    kept_ns: PerTier<u64>,
    /// Buckets that start earlier are gone, for each tier.
    kept_from: PerTier<TimeNs>,
    pages: PerTier<Pages>,
    sums: Option<Box<Sums>>,
    /// When windows and reaches move next.
    advance_at: TimeNs,
}

impl Rolling {
    /// Without a bucket.
    pub(crate) fn new(id: SeriesId, kept_ns: PerTier<u64>) -> Self {
        let (kept_from, pages) = Default::default();
        Self { id, kept_ns, kept_from, pages, sums: None, advance_at: TimeNs(0) }
    }

    /// As the store kept it: its pages, and the rest of a record behind its head ([`head_of`]). `None` when that is
    /// something else.
    pub(crate) fn load(
        id: SeriesId,
        kept_ns: PerTier<u64>,
        kept_from: PerTier<TimeNs>,
        mut newest: &[u8],
        store: &dyn BucketStore,
    ) -> Option<Self> {
        let mut pages = Tier::ALL.map(|tier| Pages::load(Of { series: id, tier }, kept_from[tier.index()], store));
        for tier in Tier::ALL {
            pages[tier.index()].read_newest(Of { series: id, tier }, &mut newest)?;
        }
        newest.is_empty().then_some(Self { kept_from, pages, ..Self::new(id, kept_ns) })
    }

    /// What the store keeps beside the pages: the head of what they are of, and each tier's newest page and open bucket.
    pub(crate) fn record<H: Serialize>(&self, head: &H) -> Vec<u8> {
        let (head, mut bytes) = (json::bytes(head), Vec::new());
        varint::write(&mut bytes, head.len() as u64);
        bytes.extend(head);
        for tier in Tier::ALL {
            self.pages[tier.index()].write_newest(self.of(tier), &mut bytes);
        }
        bytes
    }

    /// The digest over a head and what the buckets hold.
    pub(crate) fn digest<H: Serialize>(&mut self, head: &H) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(json::bytes(head));
        for tier in Tier::ALL {
            let of = self.of(tier);
            self.pages[tier.index()].digest_into(of, &mut hasher);
        }
        hasher.finalize().into()
    }

    fn of(&self, tier: Tier) -> Of {
        Of { series: self.id, tier }
    }

    /// The tiers that are kept.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = Tier> + use<> {
        let kept_ns = self.kept_ns;
        Tier::ALL.into_iter().filter(move |tier| kept_ns[tier.index()] > 0)
    }

    /// Buckets that start earlier are gone, for each tier.
    pub(crate) fn kept_from(&self) -> PerTier<TimeNs> {
        self.kept_from
    }

    /// Adds to the bucket at `start` and to the sums of the windows that hold it.
    pub(crate) fn add(&mut self, tier: Tier, start: TimeNs, add_to: impl Fn(&mut Tally), store: &mut dyn BucketStore) {
        if start < self.kept_from[tier.index()] {
            return;
        }
        let of = self.of(tier);
        self.pages[tier.index()].change(of, start, store, &add_to);
        if let Some(sums) = &mut self.sums {
            sums.add(tier, start, &add_to);
        }
    }

    /// Moves the rolling sums and the reach of each tier up to `fold_time`; says whether there was anything to move.
    pub(crate) fn advance(&mut self, fold_time: TimeNs, store: &mut dyn BucketStore) -> bool {
        // Windows and reaches move in whole buckets: until the next one of the finest tier there is nothing to do.
        if fold_time < self.advance_at {
            return false;
        }
        self.advance_at = TimeNs(Tier::ALL[0].bucket_start(fold_time).0.saturating_add(Tier::ALL[0].width_ns()));
        if let Some(mut sums) = self.sums.take() {
            sums.advance(fold_time, |tier, starts, tally| {
                self.visit(tier, starts, store, |_start, part| part.subtract_from(tally));
            });
            self.sums = Some(sums);
        }
        for tier in self.tiers() {
            // Pages leave as a whole.
            let kept_ns = self.kept_ns[tier.index()];
            let reach = TimeNs(fold_time.0.saturating_sub(kept_ns).saturating_sub(tier.page_ns()));
            let kept_from = tier.page_start(reach);
            if kept_from > self.kept_from[tier.index()] {
                self.kept_from[tier.index()] = kept_from;
                let of = self.of(tier);
                self.pages[tier.index()].evict_before(of, kept_from, store);
            }
        }
        true
    }

    /// Makes the rolling sums, if they are not there; from then on they are kept up.
    pub(crate) fn materialize(&mut self, fold_time: TimeNs, store: &dyn BucketStore) {
        if self.sums.is_none() {
            let mut sums = Sums::none(fold_time);
            for tier in Tier::ALL {
                let Some(from) = sums.first_of(tier) else { continue };
                self.visit(tier, from..TimeNs(u64::MAX), store, |start, part| {
                    sums.add(tier, start, |tally| part.add_to(tally));
                });
            }
            self.sums = Some(Box::new(sums));
        }
    }

    /// Empties the buckets that start in `starts`. The rolling sums are dropped with it.
    pub(crate) fn clear(&mut self, starts: Range<TimeNs>, store: &mut dyn BucketStore) {
        self.sums = None;
        for tier in self.tiers() {
            let of = self.of(tier);
            self.pages[tier.index()].clear(of, starts.clone(), store);
        }
    }

    /// Adds every bucket of `other`. The rolling sums are dropped with it.
    pub(crate) fn merge(&mut self, other: &Self, of_other: &dyn BucketStore, store: &mut dyn BucketStore) {
        self.sums = None;
        for tier in self.tiers() {
            for bucket in other.buckets(tier, TimeNs(0)..TimeNs(u64::MAX), of_other) {
                self.add(tier, bucket.start, |tally| tally.add(&bucket.tally), store);
            }
        }
    }

    /// Looks at the buckets of `tier` that start in `starts`, the open one included, in order.
    pub(crate) fn visit(
        &self,
        tier: Tier,
        starts: Range<TimeNs>,
        store: &dyn BucketStore,
        look: impl FnMut(TimeNs, Part<'_>),
    ) {
        self.pages[tier.index()].visit(self.of(tier), starts, store, look);
    }

    /// The buckets of `tier` that start in `starts`, the open one included.
    pub(crate) fn buckets(&self, tier: Tier, starts: Range<TimeNs>, store: &dyn BucketStore) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        self.visit(tier, starts, store, |start, part| {
            let mut bucket = Bucket::new(start);
            part.add_to(&mut bucket.tally);
            buckets.push(bucket);
        });
        buckets
    }

    /// Adds to `sum` what happened in `window` up to `at`: its tier's whole buckets that start after `at` − length.
    pub(crate) fn add_window(
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
            return self.add_range(tier, first..past, store, sum);
        };
        let (tally, sum_first) = sums.of(window);
        let newest = self.pages[tier.index()].open_start();
        if newest.is_none_or(|newest| newest < first) {
            return Ok(());
        }
        sum.add(tally);
        self.visit(tier, sum_first..first, store, |_start, part| part.subtract_from(sum));
        if newest.is_some_and(|newest| newest >= past) {
            self.visit(tier, past.max(first)..TimeNs(u64::MAX), store, |_start, part| part.subtract_from(sum));
        }
        Ok(())
    }

    /// Takes the buckets of `tier` that start in `starts` out of `sum`, which they are part of.
    pub(crate) fn subtract_range(&self, tier: Tier, starts: Range<TimeNs>, store: &dyn BucketStore, sum: &mut Tally) {
        self.visit(tier, starts, store, |_start, part| part.subtract_from(sum));
    }

    /// Adds to `sum` the buckets of `tier` that start in `starts`.
    pub(crate) fn add_range(
        &self,
        tier: Tier,
        starts: Range<TimeNs>,
        store: &dyn BucketStore,
        sum: &mut Tally,
    ) -> Result<(), NotKept> {
        let kept_from = self.kept_from[tier.index()];
        if starts.start < kept_from {
            return Err(NotKept { kept_from });
        }
        self.visit(tier, starts, store, |_start, part| part.add_to(sum));
        Ok(())
    }
}
