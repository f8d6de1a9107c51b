//! Buckets: what was observed in one stretch of time, and where the pages of closed ones are kept.

use std::collections::BTreeMap;
use std::ops::Range;

use spark_schemas::TimeNs;

use crate::latency::Latencies;
use crate::page::Page;
use crate::window::Tier;

/// A series' number, in the order in which the log first mentions them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// The number of the first ledger; those of series stay below.
    const LEDGERS: u32 = 1 << 31;

    /// The number of the `n`th ledger that was ever opened: ledgers share the store with the series.
    pub(crate) const fn of_ledger(n: u32) -> Self {
        Self(Self::LEDGERS + n)
    }

    /// Whether it is a ledger's.
    pub const fn is_ledger(self) -> bool {
        self.0 >= Self::LEDGERS
    }
}

/// What happened in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Observations that failed.
    pub failed: u64,
    /// Slots that the agent reported as missed.
    pub missed: u64,
    /// Every observation's latency; their number is the number of observations.
    pub latencies: Latencies,
}

impl Tally {
    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.missed += other.missed;
        self.latencies.add(&other.latencies);
    }

    /// Takes away a stretch that was added before.
    pub fn subtract(&mut self, other: &Self) {
        self.failed = self.failed.saturating_sub(other.failed);
        self.missed = self.missed.saturating_sub(other.missed);
        self.latencies.subtract(&other.latencies);
    }

    /// Empties it; the room for its latencies stays.
    pub(crate) fn clear(&mut self) {
        (self.failed, self.missed) = (0, 0);
        self.latencies.clear();
    }

    /// How many observations there are.
    pub fn count(&self) -> u64 {
        self.latencies.count()
    }
}

/// One stretch of one series, as long as its tier's width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// When it starts.
    pub start: TimeNs,
    /// What happened in it.
    pub tally: Tally,
}

impl Bucket {
    /// An empty bucket.
    pub fn new(start: TimeNs) -> Self {
        Self { start, tally: Tally::default() }
    }
}

/// Where the pages of closed buckets are kept. The fold reads its own writes.
pub trait BucketStore {
    /// The page that starts at `start`.
    fn get(&self, series: SeriesId, tier: Tier, start: TimeNs) -> Option<Page>;

    /// The pages that start in `starts`, in order.
    fn range(&self, series: SeriesId, tier: Tier, starts: Range<TimeNs>) -> Vec<(TimeNs, Page)>;

    /// Keeps the page that starts at `start`, in place of what was there.
    fn put(&mut self, series: SeriesId, tier: Tier, start: TimeNs, page: Page);

    /// Drops the pages that start before `start`.
    fn evict_before(&mut self, series: SeriesId, tier: Tier, start: TimeNs);
}

/// Pages in memory: for replay without a store, and for tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryBuckets {
    /// By series and tier; a map of their own each, so that a new page goes to the end of a small one.
    series: Vec<[BTreeMap<TimeNs, Page>; Tier::ALL.len()]>,
    /// The same of ledgers, of which there are few and whose numbers are large.
    ledgers: BTreeMap<SeriesId, [BTreeMap<TimeNs, Page>; Tier::ALL.len()]>,
}

impl MemoryBuckets {
    fn of(&self, series: SeriesId, tier: Tier) -> Option<&BTreeMap<TimeNs, Page>> {
        let tiers = if series.is_ledger() { self.ledgers.get(&series) } else { self.series.get(series.0 as usize) };
        tiers.map(|tiers| &tiers[tier.index()])
    }
}

impl BucketStore for MemoryBuckets {
    fn get(&self, series: SeriesId, tier: Tier, start: TimeNs) -> Option<Page> {
        self.of(series, tier)?.get(&start).cloned()
    }

    fn range(&self, series: SeriesId, tier: Tier, starts: Range<TimeNs>) -> Vec<(TimeNs, Page)> {
        match self.of(series, tier) {
            Some(pages) if !starts.is_empty() => pages.range(starts).map(|(at, page)| (*at, page.clone())).collect(),
            _ => Vec::new(),
        }
    }

    fn put(&mut self, series: SeriesId, tier: Tier, start: TimeNs, page: Page) {
        if series.is_ledger() {
            self.ledgers.entry(series).or_default()[tier.index()].insert(start, page);
            return;
        }
        let index = series.0 as usize;
        if self.series.len() <= index {
            self.series.resize_with(index + 1, Default::default);
        }
        self.series[index][tier.index()].insert(start, page);
    }

    fn evict_before(&mut self, series: SeriesId, tier: Tier, start: TimeNs) {
        let tiers = match series.is_ledger() {
            true => self.ledgers.get_mut(&series),
            false => self.series.get_mut(series.0 as usize),
        };
        if let Some(tiers) = tiers {
            let pages = &mut tiers[tier.index()];
            *pages = pages.split_off(&start);
        }
    }
}
