//! Which slot of a target is next, as a pure function of the wall time: each slot is handed out once, in rising order.

use spark_core::schedule::Schedule;
use spark_schemas::TimeNs;

/// Slots in a row that did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotRange {
    /// When the first one began.
    pub(crate) first_ns: TimeNs,
    /// From one to the next.
    pub(crate) interval_us: u64,
    /// How many, at least 1.
    pub(crate) slots: u64,
}

impl SlotRange {
    /// The slots of `schedule` that begin in `[from, to)`; `None` when there are none.
    pub(crate) fn between(schedule: Schedule, from: TimeNs, to: TimeNs) -> Option<Self> {
        let slots = schedule.slots_between(from, to);
        let first_ns = schedule.slot_start(schedule.first_slot_from(from));
        (slots > 0).then_some(Self { first_ns, interval_us: schedule.interval_us, slots })
    }
}

/// A place in a target's schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotCursor {
    schedule: Schedule,
    next: u64,
}

impl SlotCursor {
    /// Starts with the first slot that begins at or after `from`.
    pub(crate) fn new(schedule: Schedule, from: TimeNs) -> Self {
        Self { schedule, next: schedule.first_slot_from(from) }
    }

    /// When the next slot begins.
    pub(crate) fn next_start(&self) -> TimeNs {
        self.schedule.slot_start(self.next)
    }

    /// From one slot to the next.
    pub(crate) fn interval_us(&self) -> u64 {
        self.schedule.interval_us
    }

    /// Gives up the slots that are over at `now`: those after which another one has begun already.
    pub(crate) fn skip_over(&mut self, now: TimeNs) -> Option<SlotRange> {
        let begun = self.schedule.first_slot_from(TimeNs(now.0.saturating_add(1)));
        let slots = begun.saturating_sub(1).checked_sub(self.next).filter(|slots| *slots > 0)?;
        let range = SlotRange { first_ns: self.next_start(), interval_us: self.schedule.interval_us, slots };
        self.next += slots;
        Some(range)
    }

    /// Takes the next slot if it has begun.
    pub(crate) fn take(&mut self, now: TimeNs) -> Option<TimeNs> {
        let start = self.next_start();
        if start > now {
            return None;
        }
        self.next += 1;
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = TimeNs::SECOND;
    const SCHEDULE: Schedule = Schedule { interval_us: 10_000_000, offset_us: 3_000_000 };

    #[test]
    fn a_slot_runs_until_the_next_one_begins() {
        let mut cursor = SlotCursor::new(SCHEDULE, TimeNs(5 * S));
        assert_eq!(cursor.next_start(), TimeNs(13 * S));
        assert_eq!(cursor.take(TimeNs(13 * S - 1)), None);
        assert_eq!(cursor.skip_over(TimeNs(23 * S - 1)), None);
        assert_eq!(cursor.take(TimeNs(23 * S - 1)), Some(TimeNs(13 * S)));
        assert_eq!(cursor.take(TimeNs(23 * S - 1)), None);
    }

    #[test]
    fn what_is_over_is_given_up_and_the_latest_kept() {
        let mut cursor = SlotCursor::new(SCHEDULE, TimeNs(0));
        let range = cursor.skip_over(TimeNs(33 * S)).unwrap();
        assert_eq!(range, SlotRange { first_ns: TimeNs(3 * S), interval_us: 10_000_000, slots: 3 });
        assert_eq!(cursor.take(TimeNs(33 * S)), Some(TimeNs(33 * S)));
    }

    #[test]
    fn a_clock_that_went_back_gives_no_slot_twice() {
        let mut cursor = SlotCursor::new(SCHEDULE, TimeNs(0));
        assert_eq!(cursor.take(TimeNs(3 * S)), Some(TimeNs(3 * S)));
        assert_eq!(cursor.skip_over(TimeNs(0)), None);
        assert_eq!(cursor.take(TimeNs(4 * S)), None);
        assert_eq!(cursor.next_start(), TimeNs(13 * S));
    }
}
