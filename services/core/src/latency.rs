//! Latency distributions: HdrHistogram's classes with two significant digits, kept sparse.
//!
//! A dense HdrHistogram of this range takes 20 KB; a target's latencies fall into some hundred classes at most. So a
//! distribution is kept as a sorted list of class and count, and stored as the counts of HdrHistogram's own V2 encoding:
//! with the header, which is the same for all of them, any HdrHistogram library reads it. The class arithmetic and the
//! counts are tested against the hdrhistogram crate.

use crate::varint;

/// Slower observations count as this slow.
pub const LATENCY_US_MAX: u64 = 60_000_000;
/// log2 of HdrHistogram's sub-bucket count for two significant digits: 256 ≥ 2 × 10².
const SUB_BUCKET_BITS: u32 = 8;
const HALF_COUNT: u64 = 1 << (SUB_BUCKET_BITS - 1);

/// The number of an HdrHistogram class: values in it are equal to two significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Class(u16);

impl Class {
    /// The class that a latency falls into.
    pub(crate) const fn of(latency_us: u64) -> Self {
        let value = if latency_us > LATENCY_US_MAX { LATENCY_US_MAX } else { latency_us };
        let shift = u64::BITS - (value | (2 * HALF_COUNT - 1)).leading_zeros() - SUB_BUCKET_BITS;
        // The highest class is 2559, well within u16.
        Self((((shift as u64 + 1) * HALF_COUNT) + (value >> shift) - HALF_COUNT) as u16)
    }

    const fn lowest_us(self) -> u64 {
        let (row, column) = (self.0 as u64 / HALF_COUNT, self.0 as u64 % HALF_COUNT);
        if row == 0 { column } else { (column + HALF_COUNT) << (row - 1) }
    }

    const fn highest_us(self) -> u64 {
        let row = self.0 as u64 / HALF_COUNT;
        self.lowest_us() + (1 << row.saturating_sub(1)) - 1
    }
}

/// How many observations fell into each class of latency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latencies {
    /// Sorted by class, no zero counts.
    classes: Vec<(Class, u32)>,
}

impl Latencies {
    /// Adds `count` observations of `latency_us`.
    pub fn record(&mut self, latency_us: u64, count: u32) {
        self.add_class(Class::of(latency_us), count);
    }

    pub(crate) fn clear(&mut self) {
        self.classes.clear();
    }

    /// Adds every observation of `other`.
    pub fn add(&mut self, other: &Self) {
        if self.classes.is_empty() {
            self.classes.clone_from(&other.classes);
            return;
        }
        other.classes.iter().for_each(|(class, count)| self.add_class(*class, *count));
    }

    /// Takes every observation of `other` away again; it must have been added before.
    pub fn subtract(&mut self, other: &Self) {
        other.classes.iter().for_each(|(class, count)| self.subtract_class(*class, *count));
    }

    pub(crate) fn add_class(&mut self, class: Class, count: u32) {
        match self.classes.binary_search_by_key(&class, |entry| entry.0) {
            Ok(at) => self.classes[at].1 = self.classes[at].1.saturating_add(count),
            Err(at) => self.classes.insert(at, (class, count)),
        }
    }

    fn subtract_class(&mut self, class: Class, count: u32) {
        match self.classes.binary_search_by_key(&class, |entry| entry.0) {
            Ok(at) if self.classes[at].1 > count => self.classes[at].1 -= count,
            Ok(at) => {
                debug_assert_eq!(self.classes[at].1, count, "more taken away than was added");
                self.classes.remove(at);
            }
            Err(_) => debug_assert!(false, "taken away what was not added"),
        }
    }

    /// How many observations there are.
    pub fn count(&self) -> u64 {
        self.classes.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The latency that `ppm` millionths of the observations do not exceed: the highest value of its class, as
    /// HdrHistogram reports it. `None` without observations.
    pub fn quantile_us(&self, ppm: u64) -> Option<u64> {
        let total = u128::from(self.count());
        let rank = (total * u128::from(ppm)).div_ceil(1_000_000).max(1);
        let mut seen = 0_u128;
        self.classes.iter().find_map(|(class, count)| {
            seen += u128::from(*count);
            (seen >= rank).then(|| class.highest_us())
        })
    }

    /// The highest value of the slowest class seen.
    pub fn max_us(&self) -> Option<u64> {
        self.classes.last().map(|(class, _)| class.highest_us())
    }

    /// Each class seen: its lowest and highest latency and its count.
    pub fn classes(&self) -> impl Iterator<Item = (u64, u64, u32)> {
        self.classes.iter().map(|(class, count)| (class.lowest_us(), class.highest_us(), *count))
    }

    /// Appends the counts as HdrHistogram's V2 encoding has them behind its header, which is always the same here:
    /// each class its count, a run of empty classes as a negative number, both zig-zag and LEB128.
    pub(crate) fn write_counts(&self, bytes: &mut Vec<u8>) {
        let mut next = 0;
        for (class, count) in &self.classes {
            match i64::from(class.0 - next) {
                0 => {}
                1 => bytes.push(0),
                empty => write_zig_zag(bytes, -empty),
            }
            write_zig_zag(bytes, i64::from(*count));
            next = class.0 + 1;
        }
    }

    /// Reads what [`Latencies::write_counts`] wrote; `None` for anything else.
    pub(crate) fn read_counts(bytes: &[u8]) -> Option<Self> {
        let mut counts = Counts::of(bytes);
        let classes = counts.by_ref().collect();
        (!counts.failed).then_some(Self { classes })
    }

    /// Adds what [`Latencies::write_counts`] wrote.
    pub(crate) fn add_counts(&mut self, bytes: &[u8]) {
        if self.classes.is_empty() {
            self.classes.extend(Counts::of(bytes));
            return;
        }
        Counts::of(bytes).for_each(|(class, count)| self.add_class(class, count));
    }

    /// Takes what [`Latencies::write_counts`] wrote away again; it must have been added before.
    pub(crate) fn subtract_counts(&mut self, bytes: &[u8]) {
        Counts::of(bytes).for_each(|(class, count)| self.subtract_class(class, count));
    }
}

/// The classes and counts in what [`Latencies::write_counts`] wrote.
struct Counts<'a> {
    bytes: &'a [u8],
    next: i64,
    /// The bytes went wrong here.
    failed: bool,
}

impl<'a> Counts<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, failed: false }
    }

    fn read(&mut self) -> Option<(Class, u32)> {
        loop {
            match read_zig_zag(&mut self.bytes)? {
                empty @ ..0 => self.next = self.next.checked_sub(empty)?,
                0 => self.next += 1,
                count => {
                    let class = Class(u16::try_from(self.next).ok()?);
                    self.next += 1;
                    return (class <= Class::of(LATENCY_US_MAX)).then_some((class, u32::try_from(count).ok()?));
                }
            }
        }
    }
}

impl Iterator for Counts<'_> {
    type Item = (Class, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() || self.failed {
            return None;
        }
        let entry = self.read();
        self.failed = entry.is_none();
        entry
    }
}

/// A count, or as a negative number how many classes have none.
fn write_zig_zag(bytes: &mut Vec<u8>, number: i64) {
    varint::write(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

fn read_zig_zag(bytes: &mut &[u8]) -> Option<i64> {
    varint::read(bytes).map(|number| (number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
    use proptest::prelude::*;

    use super::*;

    const SIGNIFICANT_DIGITS: u8 = 2;

    /// What a V2 histogram of this range and precision starts with, before so many bytes of counts.
    fn v2_header(counts_bytes: usize) -> [u8; 40] {
        let mut header = [0; 40];
        header[..4].copy_from_slice(&0x1c84_9313_u32.to_be_bytes()); // the cookie
        header[4..8].copy_from_slice(&(counts_bytes as u32).to_be_bytes());
        // The normalizing index offset is 0.
        header[12..16].copy_from_slice(&u32::from(SIGNIFICANT_DIGITS).to_be_bytes());
        header[16..24].copy_from_slice(&1_u64.to_be_bytes()); // the lowest discernible value
        header[24..32].copy_from_slice(&LATENCY_US_MAX.to_be_bytes());
        header[32..].copy_from_slice(&1_f64.to_be_bytes()); // the conversion ratio
        header
    }

    fn to_v2(latencies: &Latencies) -> Vec<u8> {
        let mut counts = Vec::new();
        latencies.write_counts(&mut counts);
        [&v2_header(counts.len()), counts.as_slice()].concat()
    }

    fn dense() -> Histogram<u64> {
        Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS).unwrap()
    }

    #[test]
    fn observations_of_no_time_are_encoded_as_by_the_hdrhistogram_crate() {
        for zeros in [1, 200] {
            let (mut ours, mut reference, mut encoded) = (Latencies::default(), dense(), Vec::new());
            (0..zeros).for_each(|_| ours.record(0, 1));
            reference.record_n(0, zeros).unwrap();
            V2Serializer::new().serialize(&reference, &mut encoded).unwrap();
            assert_eq!(to_v2(&ours), encoded);
        }
    }

    #[test]
    fn classes_are_those_of_the_hdrhistogram_crate() {
        let reference = dense();
        let every_power = (0..26).flat_map(|bit| (0..300).map(move |n| (1_u64 << bit) + n * (1 << bit) / 256));
        for value in (0..70_000).chain(every_power).filter(|value| *value <= LATENCY_US_MAX) {
            let class = Class::of(value);
            assert_eq!(class.lowest_us(), reference.lowest_equivalent(value), "lowest of {value}");
            assert_eq!(class.highest_us(), reference.highest_equivalent(value), "highest of {value}");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_hdrhistogram_crate(
            values in prop::collection::vec(0_u64..80_000_000, 1..200),
            ppm in prop::sample::select(vec![1_u64, 500_000, 900_000, 950_000, 990_000, 999_999, 1_000_000]),
        ) {
            let mut ours = Latencies::default();
            let mut reference = dense();
            for value in &values {
                ours.record(*value, 1);
                reference.record((*value).min(LATENCY_US_MAX)).unwrap();
            }
            prop_assert_eq!(ours.quantile_us(ppm), Some(reference.value_at_quantile(ppm as f64 / 1e6)));
            let mut encoded = Vec::new();
            V2Serializer::new().serialize(&reference, &mut encoded).unwrap();
            prop_assert_eq!(&to_v2(&ours), &encoded);
            prop_assert_eq!(Latencies::read_counts(&encoded[40..]), Some(ours));
        }

        #[test]
        fn what_was_added_can_be_taken_away(
            first in prop::collection::vec(0_u64..1_000_000, 0..50),
            second in prop::collection::vec(0_u64..1_000_000, 0..50),
        ) {
            let of = |values: &[u64]| {
                let mut latencies = Latencies::default();
                values.iter().for_each(|value| latencies.record(*value, 1));
                latencies
            };
            let mut both = of(&first);
            both.add(&of(&second));
            prop_assert_eq!(both.count(), (first.len() + second.len()) as u64);
            let mut counts = Vec::new();
            of(&second).write_counts(&mut counts);
            let mut from_counts = of(&first);
            from_counts.add_counts(&counts);
            prop_assert_eq!(&from_counts, &both);
            both.subtract(&of(&second));
            prop_assert_eq!(&both, &of(&first));
            from_counts.subtract_counts(&counts);
            prop_assert_eq!(from_counts, both);
        }

        #[test]
        fn any_counts_are_an_error_or_what_the_hdrhistogram_crate_reads(
            counts in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Some(ours) = Latencies::read_counts(&counts) {
                let bytes = [&v2_header(counts.len()), counts.as_slice()].concat();
                let reference: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                prop_assert_eq!(ours.count(), reference.len());
                let classes = reference.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
                prop_assert!(classes.eq(ours.classes().map(|(_, highest, count)| (highest, u64::from(count)))));
            }
        }
    }
}
