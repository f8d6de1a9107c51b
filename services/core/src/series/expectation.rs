//! Which observations are expected of a series: the schedules that held, and when.

use serde::{Deserialize, Serialize};
use spark_schemas::TimeNs;

use crate::schedule::Schedule;

/// The schedules of one series over time, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expectation {
    pub(crate) spans: Vec<Span>,
}

/// A stretch of time in which one schedule held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first instant.
    pub from: TimeNs,
    /// The first instant it no longer held; `None` while it does.
    pub to: Option<TimeNs>,
    /// From one slot to the next.
    pub interval_us: u64,
    /// The schedule's shift.
    pub offset_us: u64,
}

impl Span {
    const fn schedule(&self) -> Schedule {
        Schedule { interval_us: self.interval_us, offset_us: self.offset_us }
    }
}

/// Schedules that ended longer ago than the longest tier is kept need not be remembered.
const SPANS_MAX: usize = 1_000;

impl Expectation {
    /// From `from` on `schedule` holds. Nothing changes when it holds already.
    pub fn begin(&mut self, schedule: Schedule, from: TimeNs) {
        if self.current().is_some_and(|span| span.schedule() == schedule) {
            return;
        }
        self.end(from);
        let from = self.spans.last().and_then(|span| span.to).map_or(from, |end| end.max(from));
        self.spans.push(Span { from, to: None, interval_us: schedule.interval_us, offset_us: schedule.offset_us });
        if self.spans.len() > SPANS_MAX {
            self.spans.remove(0);
        }
    }

    /// From `at` on nothing is expected.
    pub fn end(&mut self, at: TimeNs) {
        if let Some(open) = self.spans.last_mut().filter(|span| span.to.is_none()) {
            open.to = Some(at.max(open.from));
        }
    }

    /// The schedule that holds now, and since when.
    pub fn current(&self) -> Option<&Span> {
        self.spans.last().filter(|span| span.to.is_none())
    }

    /// The schedule that holds now, or held last.
    pub fn latest_schedule(&self) -> Option<Schedule> {
        self.spans.last().map(Span::schedule)
    }

    /// How many observations are due at `at` of the slots that begin from `from` on. A slot's observation is due when
    /// the next slot begins.
    pub fn due(&self, from: TimeNs, at: TimeNs) -> u64 {
        let due_in = |span: &Span| {
            let begun_before = TimeNs(at.minus_us(span.interval_us).0.saturating_add(1));
            let until = span.to.map_or(begun_before, |to| to.min(begun_before));
            span.schedule().slots_between(from.max(span.from), until)
        };
        self.spans.iter().map(due_in).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = TimeNs::SECOND;

    #[test]
    fn slots_are_due_when_the_next_one_begins() {
        let mut expectation = Expectation::default();
        expectation.begin(Schedule { interval_us: 5_000_000, offset_us: 1_000_000 }, TimeNs(100 * S));
        // Slots begin at 101, 106, 111 …
        assert_eq!(expectation.due(TimeNs(0), TimeNs(105 * S)), 0);
        assert_eq!(expectation.due(TimeNs(0), TimeNs(106 * S)), 1);
        assert_eq!(expectation.due(TimeNs(0), TimeNs(111 * S)), 2);
        assert_eq!(expectation.due(TimeNs(102 * S), TimeNs(111 * S)), 1);
    }

    #[test]
    fn a_changed_interval_counts_each_stretch_by_its_own() {
        let mut expectation = Expectation::default();
        expectation.begin(Schedule { interval_us: 10_000_000, offset_us: 0 }, TimeNs(0));
        expectation.begin(Schedule { interval_us: 10_000_000, offset_us: 0 }, TimeNs(50 * S));
        expectation.begin(Schedule { interval_us: 1_000_000, offset_us: 0 }, TimeNs(100 * S));
        expectation.end(TimeNs(110 * S));
        assert_eq!(expectation.due(TimeNs(0), TimeNs(1_000 * S)), 10 + 10);
        assert!(expectation.current().is_none());
    }
}
