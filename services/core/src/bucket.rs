//! Buckets: what was observed in one stretch of time, and where closed ones are kept.

use std::collections::BTreeMap;
use std::ops::Range;

use spark_schemas::TimeNs;

use crate::latency::Latencies;
use crate::window::Tier;

/// A series' number, in the order in which the log first mentions them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

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

    /// The bytes that are digested and stored: start, failed and missed as big-endian u64, then V2 latencies.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = [self.start.0, self.tally.failed, self.tally.missed];
        let mut bytes: Vec<u8> = head.into_iter().flat_map(u64::to_be_bytes).collect();
        bytes.extend(self.tally.latencies.to_v2());
        bytes
    }

    /// Reads what [`Bucket::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (start, rest) = bytes.split_first_chunk()?;
        let (failed, rest) = rest.split_first_chunk()?;
        let (missed, v2) = rest.split_first_chunk()?;
        Some(Self {
            start: TimeNs(u64::from_be_bytes(*start)),
            tally: Tally {
                failed: u64::from_be_bytes(*failed),
                missed: u64::from_be_bytes(*missed),
                latencies: Latencies::from_v2(v2).ok()?,
            },
        })
    }
}

/// Where closed buckets are kept. The fold reads its own writes.
pub trait BucketStore {
    /// The bucket that starts at `start`.
    fn get(&self, series: SeriesId, tier: Tier, start: TimeNs) -> Option<Bucket>;

    /// The buckets that start in `starts`, in order.
    fn range(&self, series: SeriesId, tier: Tier, starts: Range<TimeNs>) -> Vec<Bucket>;

    /// Keeps `bucket`, in place of the one with the same start.
    fn put(&mut self, series: SeriesId, tier: Tier, bucket: Bucket);

    /// Drops the buckets that start before `start`.
    fn evict_before(&mut self, series: SeriesId, tier: Tier, start: TimeNs);
}

/// Buckets in memory: for replay without a store, and for tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryBuckets {
    /// By series and tier; a map of their own each, so that a new bucket goes to the end of a small one.
    series: Vec<[BTreeMap<TimeNs, Bucket>; Tier::ALL.len()]>,
}

impl MemoryBuckets {
    fn of(&self, series: SeriesId, tier: Tier) -> Option<&BTreeMap<TimeNs, Bucket>> {
        self.series.get(series.0 as usize).map(|tiers| &tiers[tier.index()])
    }
}

impl BucketStore for MemoryBuckets {
    fn get(&self, series: SeriesId, tier: Tier, start: TimeNs) -> Option<Bucket> {
        self.of(series, tier)?.get(&start).cloned()
    }

    fn range(&self, series: SeriesId, tier: Tier, starts: Range<TimeNs>) -> Vec<Bucket> {
        match self.of(series, tier) {
            Some(buckets) if !starts.is_empty() => buckets.range(starts).map(|(_, bucket)| bucket.clone()).collect(),
            _ => Vec::new(),
        }
    }

    fn put(&mut self, series: SeriesId, tier: Tier, bucket: Bucket) {
        let index = series.0 as usize;
        if self.series.len() <= index {
            self.series.resize_with(index + 1, Default::default);
        }
        self.series[index][tier.index()].insert(bucket.start, bucket);
    }

    fn evict_before(&mut self, series: SeriesId, tier: Tier, start: TimeNs) {
        if let Some(tiers) = self.series.get_mut(series.0 as usize) {
            let buckets = &mut tiers[tier.index()];
            *buckets = buckets.split_off(&start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_reads_back_as_it_was_written() {
        let mut bucket = Bucket::new(TimeNs(10 * TimeNs::SECOND));
        bucket.tally = Tally { failed: 1, missed: 3, ..Tally::default() };
        [800, 1_200, 1_200, 95_000].into_iter().for_each(|us| bucket.tally.latencies.record(us, 1));
        let bytes = bucket.to_bytes();
        assert_eq!(Bucket::from_bytes(&bytes), Some(bucket));
        for length in 0..bytes.len() {
            assert_eq!(Bucket::from_bytes(&bytes[..length]), None, "cut to {length} bytes");
        }
    }
}
