//! Missed slots that could not be said yet, joined into ranges so that a long outage takes little memory.

use std::collections::{BTreeMap, VecDeque};

use spark_schemas::Name;
use spark_schemas::event::{Missed, MissedWhy};

/// More ranges of one target are joined under one reason.
const RANGES_MAX: usize = 16;

/// Ranges by target, each target's in the order of slots.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<Name, VecDeque<Missed>>);

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, target: &str) -> bool {
        self.0.contains_key(target)
    }

    /// Adds slots that come after all others of their target.
    pub(super) fn push(&mut self, missed: Missed) {
        let ranges = self.0.entry(missed.target.clone()).or_default();
        let is_crowded = ranges.len() >= RANGES_MAX;
        match ranges.back_mut() {
            Some(last) if follows(last, &missed) && (last.why == missed.why || is_crowded) => {
                if last.why != missed.why {
                    last.why = MissedWhy::OutboxFull;
                }
                last.slots += missed.slots;
            }
            _ => ranges.push_back(missed),
        }
    }

    /// Takes the first range of some target.
    pub(super) fn pop(&mut self) -> Option<Missed> {
        let mut first = self.0.first_entry()?;
        let missed = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        missed
    }

    /// Undoes a [`pop`](Self::pop).
    pub(super) fn put_back(&mut self, missed: Missed) {
        self.0.entry(missed.target.clone()).or_default().push_front(missed);
    }
}

fn follows(last: &Missed, next: &Missed) -> bool {
    let next_start = last.last_slot_ns().map(|slot| slot.plus_us(last.interval_us));
    last.interval_us == next.interval_us && next_start == Some(next.first_slot_ns)
}

#[cfg(test)]
mod tests {
    use spark_schemas::TimeNs;

    use super::*;

    fn missed(first_us: u64, slots: u64, why: MissedWhy) -> Missed {
        let target = Name::new("a").unwrap();
        Missed { target, first_slot_ns: TimeNs(first_us * 1_000), interval_us: 10, slots, why }
    }

    #[test]
    fn ranges_that_touch_are_joined_and_never_grow_without_bound() {
        let mut pending = Pending::default();
        pending.push(missed(0, 2, MissedWhy::OutboxFull));
        pending.push(missed(20, 1, MissedWhy::OutboxFull));
        assert_eq!(pending.pop(), Some(missed(0, 3, MissedWhy::OutboxFull)));
        assert!(pending.is_empty());
        for n in 0..1_000 {
            pending.push(missed(n * 10, 1, if n % 2 == 0 { MissedWhy::Late } else { MissedWhy::OutboxFull }));
        }
        let all: Vec<_> = std::iter::from_fn(|| pending.pop()).collect();
        assert_eq!(all.len(), RANGES_MAX);
        assert_eq!(all.iter().map(|missed| missed.slots).sum::<u64>(), 1_000);
    }
}
