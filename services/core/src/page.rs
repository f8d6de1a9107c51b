//! Pages: the closed buckets of one series and tier over a few minutes, hours or a day, as they are kept, stored and
//! digested.
//!
//! A page is bytes and stays bytes: a bucket of few observations takes some seven of them, and a rolling sum is moved
//! along without decoding one into memory. Buckets come nearly always in order and go to the end; a late one writes
//! the page anew. The same buckets have the same bytes, in whatever order they came.

use spark_schemas::TimeNs;

use crate::bucket::{Bucket, Tally};
use crate::latency::Latencies;
use crate::varint;
use crate::window::Tier;

impl Tier {
    /// How many buckets a page holds.
    pub const fn page_buckets(self) -> u64 {
        match self {
            Self::Seconds10 | Self::Minute => 60,
            Self::Minutes15 => 16,
            Self::Hour => 24,
        }
    }

    /// The time that a page spans, in nanoseconds.
    pub const fn page_ns(self) -> u64 {
        self.page_buckets() * self.width_ns()
    }

    /// The start of the page that `at` falls into.
    pub const fn page_start(self, at: TimeNs) -> TimeNs {
        TimeNs(at.0 - at.0 % self.page_ns())
    }
}

/// The buckets of a page. Each is: the empty places before it, failed, missed, the length of its counts, its counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    bytes: Vec<u8>,
    /// The place behind the last bucket.
    next: u64,
}

/// A bucket in a page.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its place: how many widths behind the page's start it begins.
    pub place: u64,
    failed: u64,
    missed: u64,
    counts: &'a [u8],
}

impl Entry<'_> {
    /// Adds the bucket to a sum.
    pub fn add_to(&self, sum: &mut Tally) {
        sum.failed += self.failed;
        sum.missed += self.missed;
        sum.latencies.add_counts(self.counts);
    }

    /// Takes the bucket away from a sum that it was added to.
    pub fn subtract_from(&self, sum: &mut Tally) {
        sum.failed = sum.failed.saturating_sub(self.failed);
        sum.missed = sum.missed.saturating_sub(self.missed);
        sum.latencies.subtract_counts(self.counts);
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.add_to(&mut tally);
        tally
    }
}

impl Page {
    /// The bytes that are stored and digested.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads [`Page::as_bytes`] of a page of `tier`; `None` for anything else.
    pub fn from_bytes(tier: Tier, bytes: &[u8]) -> Option<Self> {
        let (mut rest, mut next) = (bytes, 0);
        while !rest.is_empty() {
            let entry = read_entry(&mut rest, next)?;
            Latencies::read_counts(entry.counts)?;
            next = entry.place + 1;
        }
        (next <= tier.page_buckets()).then(|| Self { bytes: bytes.to_vec(), next })
    }

    /// Its buckets, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let (mut rest, mut next) = (self.bytes.as_slice(), 0);
        std::iter::from_fn(move || {
            let entry = read_entry(&mut rest, next)?;
            next = entry.place + 1;
            Some(entry)
        })
    }

    /// Changes the bucket at `place`, which may be new.
    pub fn change(&mut self, place: u64, change: impl FnOnce(&mut Tally)) {
        if place >= self.next {
            let mut tally = Tally::default();
            change(&mut tally);
            return self.push(place, &tally);
        }
        let mut changed = Self::default();
        let mut change = Some(change);
        let mut change_now = |page: &mut Self, mut tally: Tally| {
            if let Some(change) = change.take() {
                change(&mut tally);
                page.push(place, &tally);
            }
        };
        for entry in self.entries() {
            match entry.place.cmp(&place) {
                std::cmp::Ordering::Less => changed.push_entry(&entry),
                std::cmp::Ordering::Equal => change_now(&mut changed, entry.tally()),
                std::cmp::Ordering::Greater => {
                    change_now(&mut changed, Tally::default());
                    changed.push_entry(&entry);
                }
            }
        }
        *self = changed;
    }

    /// Appends a bucket; its place must be behind the last one's.
    pub fn push(&mut self, place: u64, tally: &Tally) {
        self.push_head(place, tally.failed, tally.missed);
        // The length comes first and is nearly always one byte.
        let length_at = self.bytes.len();
        self.bytes.push(0);
        tally.latencies.write_counts(&mut self.bytes);
        let length = (self.bytes.len() - length_at - 1) as u64;
        if length < 0x80 {
            self.bytes[length_at] = length as u8;
        } else {
            let mut encoded = Vec::with_capacity(2);
            varint::write(&mut encoded, length);
            self.bytes.splice(length_at..=length_at, encoded);
        }
    }

    fn push_entry(&mut self, entry: &Entry<'_>) {
        self.push_head(entry.place, entry.failed, entry.missed);
        varint::write(&mut self.bytes, entry.counts.len() as u64);
        self.bytes.extend_from_slice(entry.counts);
    }

    fn push_head(&mut self, place: u64, failed: u64, missed: u64) {
        debug_assert!(place >= self.next, "out of order");
        for number in [place - self.next, failed, missed] {
            varint::write(&mut self.bytes, number);
        }
        self.next = place + 1;
    }

    /// Gives back the memory that was for more buckets.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// Takes an entry off the front of `bytes`; `next` is the place behind the one before.
fn read_entry<'a>(bytes: &mut &'a [u8], next: u64) -> Option<Entry<'a>> {
    let place = next.checked_add(varint::read(bytes)?).filter(|place| *place < u64::MAX)?;
    let (failed, missed) = (varint::read(bytes)?, varint::read(bytes)?);
    let length = usize::try_from(varint::read(bytes)?).ok()?;
    let (counts, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Entry { place, failed, missed, counts })
}

/// The place of the bucket at `start` in its page.
pub(crate) const fn place_of(tier: Tier, start: TimeNs) -> u64 {
    start.0 % tier.page_ns() / tier.width_ns()
}

/// The bucket that an entry of the page at `page_start` is.
pub(crate) fn bucket_of(tier: Tier, page_start: TimeNs, entry: &Entry<'_>) -> Bucket {
    Bucket { start: start_of(tier, page_start, entry), tally: entry.tally() }
}

/// When an entry of the page at `page_start` begins.
pub(crate) const fn start_of(tier: Tier, page_start: TimeNs, entry: &Entry<'_>) -> TimeNs {
    TimeNs(page_start.0 + entry.place * tier.width_ns())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Changes = Vec<(u64, Option<u64>)>;

    fn apply(tally: &mut Tally, latency: Option<u64>) {
        match latency {
            Some(us) => tally.latencies.record(us, 1),
            None => tally.missed += 1,
        }
    }

    fn changes() -> impl Strategy<Value = Changes> {
        prop::collection::vec((0_u64..24, prop::option::weighted(0.8, 0_u64..100_000)), 0..80)
    }

    proptest! {
        #[test]
        fn a_page_holds_what_was_put_in_and_its_bytes_do_not_tell_in_which_order(changes in changes()) {
            let (mut page, mut expected) = (Page::default(), BTreeMap::<u64, Tally>::new());
            for (place, latency) in &changes {
                page.change(*place, |tally| apply(tally, *latency));
                apply(expected.entry(*place).or_default(), *latency);
            }
            let (mut in_order, mut sum) = (Page::default(), Tally::default());
            for (place, tally) in &expected {
                in_order.push(*place, tally);
                sum.add(tally);
            }
            prop_assert_eq!(&page, &in_order);
            prop_assert!(page.entries().map(|entry| (entry.place, entry.tally())).eq(expected));
            page.entries().for_each(|entry| entry.subtract_from(&mut sum));
            prop_assert_eq!(sum, Tally::default());

            prop_assert_eq!(Page::from_bytes(Tier::Hour, page.as_bytes()), Some(page.clone()));
            for length in 0..page.as_bytes().len() {
                prop_assert_ne!(Page::from_bytes(Tier::Hour, &page.as_bytes()[..length]), Some(page.clone()));
            }
        }

        #[test]
        fn any_bytes_are_a_page_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(page) = Page::from_bytes(Tier::Seconds10, &bytes) {
                page.entries().for_each(|entry| drop(entry.tally()));
            }
        }
    }

    #[test]
    fn pages_are_aligned_and_leave_as_a_whole() {
        for tier in Tier::ALL {
            assert_eq!(tier.kept_ns() % tier.width_ns(), 0);
            let at = TimeNs(1_700_000_123 * TimeNs::SECOND);
            let (start, place) = (tier.page_start(at), place_of(tier, tier.bucket_start(at)));
            assert!(place < tier.page_buckets());
            assert_eq!(start.0 + place * tier.width_ns(), tier.bucket_start(at).0);
        }
    }
}
