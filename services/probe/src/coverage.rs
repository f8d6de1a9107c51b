//! Which slots are accounted for: a fold over the events that this agent said, so that it can be rebuilt from frames.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spark_core::schedule::Schedule;
use spark_schemas::event::{Missed, MissedWhy, TargetSchedule, Targets};
use spark_schemas::{Event, Name, TimeNs};

use crate::slots::SlotRange;

/// How long a target that is gone is remembered.
const REMEMBERED_NS: u64 = 30 * 86_400 * TimeNs::SECOND;

/// Each target's schedule and how far it is accounted for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Coverage(BTreeMap<Name, Covered>);

/// One target's schedule and how far it is accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Covered {
    interval_us: u64,
    offset_us: u64,
    /// Every slot that begins before this instant is accounted for.
    until_ns: u64,
    /// The `from_ns` of the list of targets that named it last.
    listed_ns: u64,
    /// False for one that is gone, remembered for a while: should the clock go back and the target return, no slot of it
    /// is said again.
    is_listed: bool,
}

impl Covered {
    fn schedule(&self) -> Schedule {
        Schedule { interval_us: self.interval_us.max(1), offset_us: self.offset_us }
    }
}

impl Coverage {
    /// Takes in what was said. Saying it again changes nothing.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Observed(observed) => self.extend(&observed.target, observed.slot_ns),
            Event::Missed(missed) => {
                if let Some(last) = missed.last_slot_ns() {
                    self.extend(&missed.target, last);
                }
            }
            Event::Targets(targets) => self.list(targets),
            _ => {}
        }
    }

    fn extend(&mut self, target: &str, last_slot: TimeNs) {
        if let Some(covered) = self.0.get_mut(target).filter(|covered| covered.is_listed) {
            covered.until_ns = covered.until_ns.max(last_slot.0.saturating_add(1));
        }
    }

    fn list(&mut self, targets: &Targets) {
        let from_ns = targets.from_ns.0;
        for TargetSchedule { target, interval_us, offset_us } in &targets.targets {
            let (interval_us, offset_us) = (*interval_us, *offset_us);
            let new = Covered { interval_us, offset_us, until_ns: from_ns, listed_ns: from_ns, is_listed: true };
            let covered = self.0.entry(target.clone()).or_insert(new);
            let goes_on = covered.is_listed && covered.schedule() == new.schedule();
            let until_ns = if goes_on { covered.until_ns } else { covered.until_ns.max(from_ns) };
            *covered = Covered { until_ns, ..new };
        }
        if targets.part + 1 == targets.parts {
            self.0.retain(|_, covered| {
                covered.is_listed = covered.listed_ns == from_ns;
                covered.is_listed || covered.until_ns.saturating_add(REMEMBERED_NS) > from_ns
            });
        }
    }

    fn get(&self, target: &str) -> Option<&Covered> {
        self.0.get(target).filter(|covered| covered.is_listed)
    }

    /// Whether the slot that begins at `slot` is accounted for already, or belongs to no target.
    pub(crate) fn has(&self, target: &str, slot: TimeNs) -> bool {
        self.get(target).is_none_or(|covered| slot.0 < covered.until_ns)
    }

    /// Up to when a target is accounted for.
    pub(crate) fn until(&self, target: &str) -> Option<TimeNs> {
        self.get(target).map(|covered| TimeNs(covered.until_ns))
    }

    /// From one slot of a target to the next.
    pub(crate) fn interval_us(&self, target: &str) -> Option<u64> {
        self.get(target).map(|covered| covered.interval_us)
    }

    /// The targets and their schedules.
    #[cfg(test)]
    pub(crate) fn schedules(&self) -> impl Iterator<Item = (&Name, Schedule)> {
        self.0.iter().filter(|(_, covered)| covered.is_listed).map(|(target, covered)| (target, covered.schedule()))
    }

    /// What must be said about the slots before `to` of the targets that `wanted` picks.
    pub(crate) fn missing(&self, to: TimeNs, why: MissedWhy, wanted: impl Fn(&Name, Schedule) -> bool) -> Vec<Missed> {
        let listed = self.0.iter().filter(|(_target, covered)| covered.is_listed);
        let picked = listed.filter(|(target, covered)| wanted(target, covered.schedule()));
        let missing = picked.filter_map(|(target, covered)| {
            let SlotRange { first_ns, interval_us, slots } =
                SlotRange::between(covered.schedule(), TimeNs(covered.until_ns), to)?;
            Some(Missed { target: target.clone(), first_slot_ns: first_ns, interval_us, slots, why })
        });
        missing.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn list(from_ns: u64, part: u32, parts: u32, targets: &[(&str, u64)]) -> Event {
        let schedule = |(target, interval_us): &(&str, u64)| TargetSchedule {
            target: name(target),
            interval_us: *interval_us,
            offset_us: 0,
        };
        Targets { from_ns: TimeNs(from_ns), part, parts, targets: targets.iter().map(schedule).collect() }.into()
    }

    #[test]
    fn a_list_in_parts_drops_a_target_only_when_it_is_whole() {
        let mut coverage = Coverage::default();
        coverage.apply(&list(1_000, 0, 1, &[("a", 1), ("b", 1)]));
        coverage.apply(&list(5_000, 0, 2, &[("c", 1)]));
        assert_eq!(coverage.schedules().count(), 3);
        coverage.apply(&list(5_000, 1, 2, &[("a", 2)]));
        let left: Vec<_> = coverage.schedules().map(|(target, _)| target.as_str()).collect();
        assert_eq!(left, ["a", "c"]);
        assert_eq!(coverage.until("a"), Some(TimeNs(5_000)));
    }

    #[test]
    fn a_target_that_returns_after_the_clock_went_back_goes_on_where_it_was() {
        let mut coverage = Coverage::default();
        coverage.apply(&list(9_000, 0, 1, &[("a", 1)]));
        coverage.apply(&list(5_000, 0, 1, &[]));
        assert_eq!((coverage.until("a"), coverage.has("a", TimeNs(9_000))), (None, true));
        coverage.apply(&list(6_000, 0, 1, &[("a", 1)]));
        assert_eq!(coverage.until("a"), Some(TimeNs(9_000)));
        coverage.apply(&list(REMEMBERED_NS + 9_000, 0, 1, &[]));
        assert_eq!(coverage, Coverage::default());
    }

    #[test]
    fn an_unchanged_schedule_keeps_what_is_open() {
        let mut coverage = Coverage::default();
        coverage.apply(&list(0, 0, 1, &[("a", 1)]));
        coverage.apply(&list(5_000, 0, 1, &[("a", 1)]));
        assert_eq!(coverage.until("a"), Some(TimeNs(0)));
        let missing = coverage.missing(TimeNs(5_000), MissedWhy::NotRunning, |_, _| true);
        assert_eq!((missing[0].first_slot_ns, missing[0].slots), (TimeNs(0), 5));
        coverage.apply(&missing[0].clone().into());
        assert_eq!(coverage.missing(TimeNs(5_000), MissedWhy::NotRunning, |_, _| true), []);
        assert!(coverage.has("a", TimeNs(4_000)) && !coverage.has("a", TimeNs(5_000)));
    }
}
