//! Which frames of an agent's run were counted: exactly-once, whatever the transport repeats or reorders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The frames seen of one boot: a contiguous mark, and the ranges seen above it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BootMarks {
    /// Every frame below this number was seen.
    pub next_seq: u64,
    /// Ranges seen above: first number to last number.
    above: BTreeMap<u64, u64>,
    /// Observations counted.
    pub observations: u64,
}

/// What a frame number is to the marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Not seen before; it is now.
    Fresh,
    /// Seen before.
    Duplicate,
    /// It would open one hole more than is remembered.
    TooManyHoles,
}

/// How many holes one boot may have. An honest agent numbers without gaps; a few frames may overtake one another.
const HOLES_MAX: usize = 4_096;

impl BootMarks {
    /// Marks frame `seq` as seen.
    pub fn mark(&mut self, seq: u64) -> Mark {
        if seq < self.next_seq {
            return Mark::Duplicate;
        }
        if seq == u64::MAX {
            return Mark::TooManyHoles; // No number follows it, so it ends no run of frames.
        }
        if seq == self.next_seq {
            self.next_seq = match self.above.remove(&(seq + 1)) {
                Some(last) => last + 1,
                None => seq + 1,
            };
            return Mark::Fresh;
        }
        let below = self.above.range(..=seq).next_back().map(|(first, last)| (*first, *last));
        if below.is_some_and(|(_, last)| seq <= last) {
            return Mark::Duplicate;
        }
        let joins_below = below.filter(|(_, last)| last + 1 == seq).map(|(first, _)| first);
        let joins_above = self.above.remove(&(seq + 1));
        let first = joins_below.unwrap_or(seq);
        if joins_below.is_none() && joins_above.is_none() && self.above.len() >= HOLES_MAX {
            return Mark::TooManyHoles;
        }
        self.above.insert(first, joins_above.unwrap_or(seq));
        Mark::Fresh
    }

    /// How many numbers below the highest seen are missing.
    pub fn missing(&self) -> u64 {
        let mut missing = 0;
        let mut expected = self.next_seq;
        for (first, last) in &self.above {
            missing += first - expected;
            expected = last.saturating_add(1);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_what_a_plain_set_would_say(numbers in prop::collection::vec(0_u64..40, 0..200)) {
            let (mut marks, mut naive) = (BootMarks::default(), BTreeSet::new());
            for seq in numbers {
                let expected = if naive.insert(seq) { Mark::Fresh } else { Mark::Duplicate };
                prop_assert_eq!(marks.mark(seq), expected);
                let highest = naive.last().map_or(0, |last| last + 1);
                prop_assert_eq!(marks.missing(), highest - naive.len() as u64);
                prop_assert_eq!(marks.next_seq, (0..).find(|n| !naive.contains(n)).unwrap());
            }
        }
    }

    #[test]
    fn the_number_of_holes_is_bounded_and_the_marks_stay_right() {
        let mut marks = BootMarks::default();
        for hole in 1..=HOLES_MAX as u64 {
            assert_eq!(marks.mark(hole * 2), Mark::Fresh);
        }
        assert_eq!(marks.mark(1_000_000), Mark::TooManyHoles);
        assert_eq!(marks.mark(u64::MAX), Mark::TooManyHoles);
        assert_eq!(marks.mark(3), Mark::Fresh, "closing a hole is always possible");
        assert_eq!(marks.mark(1_000_000), Mark::Fresh, "there is room again");
    }
}
