//! Maintenances: which are remembered, and the time that they and service hours take out of a target's figures.
//!
//! Nothing is taken out of the log: what was observed meanwhile stays there, and counts again when a maintenance is
//! called off.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spark_schemas::event::{Maintenance, MaintenanceAction, TimeSpan};
use spark_schemas::{Name, TimeNs};

use crate::config::{PlannedMaintenance, ServiceHours};
use crate::service_hours::outside;
use crate::window::Tier;

/// How long a maintenance is remembered after it has ended: longer than any window, and what comes late to it.
const REMEMBERED_NS: u64 = 34 * 24 * 3_600 * TimeNs::SECOND;
/// How many that were called off are remembered; older ones are in the log.
const CANCELLED: usize = 100;

/// A maintenance that was called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// As it was declared.
    pub declared: Maintenance,
    /// As it was called off: when, by whom, why.
    pub cancel: Maintenance,
}

/// Takes a declaration, or takes one back. Those that ended so long ago that no figure depends on them are forgotten.
pub(crate) fn apply(
    declared: &mut BTreeMap<Name, Maintenance>,
    cancelled: &mut VecDeque<Cancelled>,
    event: Maintenance,
    fold_time: TimeNs,
) {
    match event.action {
        MaintenanceAction::Add => drop(declared.insert(event.id.clone(), event)),
        MaintenanceAction::Cancel => {
            if let Some(declared) = declared.remove(&event.id) {
                cancelled.push_back(Cancelled { declared, cancel: event });
            }
            if cancelled.len() > CANCELLED {
                cancelled.pop_front();
            }
        }
    }
    declared.retain(|_, one| one.to_ns.0.saturating_add(REMEMBERED_NS) >= fold_time.0);
}

/// Takes what a configuration plans. One that it plans no longer is called off, unless it is over: tidying up is no
/// correction.
pub(crate) fn plan(
    known: &mut BTreeMap<Name, Maintenance>,
    planned: &[PlannedMaintenance],
    at_ns: TimeNs,
    fold_time: TimeNs,
) {
    let is_remembered = |one: &Maintenance| one.to_ns.0.saturating_add(REMEMBERED_NS) >= fold_time.0;
    let before = std::mem::take(known);
    for declared in planned.iter().map(|one| one.declared(at_ns)).filter(is_remembered) {
        // What was planned before was not declared again.
        let unchanged = before.get(&declared.id).filter(|one| Maintenance { at_ns, ..(*one).clone() } == declared);
        let declared = unchanged.cloned().unwrap_or(declared);
        known.insert(declared.id.clone(), declared);
    }
    for (id, over) in before.into_iter().filter(|(_, one)| one.to_ns <= fold_time && is_remembered(one)) {
        known.entry(id).or_insert(over);
    }
}

/// Whether a maintenance covers a target.
pub fn covers(maintenance: &Maintenance, target: &str) -> bool {
    maintenance.targets.is_empty() || maintenance.targets.iter().any(|name| name.as_str() == target)
}

/// The buckets of `tier` that lie wholly in one of `spans`. A bucket on an edge counts: better a figure that is a little
/// too bad than one from which something was left out that nobody declared.
pub(crate) fn whole_buckets(spans: &[TimeSpan], tier: Tier) -> impl Iterator<Item = Range<TimeNs>> {
    let ranges = spans.iter().map(move |span| {
        let first_whole = TimeNs(span.from_ns.0.saturating_add(tier.width_ns() - 1));
        tier.bucket_start(first_whole)..tier.bucket_start(span.to_ns)
    });
    ranges.filter(|range| !range.is_empty())
}

/// The parts of `span` that are left out of a target's figures, apart and in order: it was in maintenance, or outside of
/// its service hours.
pub(crate) fn left_out<'a>(
    maintenances: impl Iterator<Item = &'a Maintenance>,
    hours: &[ServiceHours],
    target: &str,
    span: TimeSpan,
) -> Vec<TimeSpan> {
    // Most are of another time, and times are compared faster than names.
    let at_that_time = maintenances.filter(|one| one.from_ns < span.to_ns && span.from_ns < one.to_ns);
    let of_target = at_that_time.filter(|one| covers(one, target));
    let maintained = of_target.map(|one| TimeSpan { from_ns: one.from_ns, to_ns: one.to_ns });
    joined(maintained.chain(outside(hours, target, span)), span)
}

/// The parts of `spans` in `within`, joined where they meet, in order.
pub(crate) fn joined(spans: impl Iterator<Item = TimeSpan>, within: TimeSpan) -> Vec<TimeSpan> {
    let cut =
        spans.map(|one| TimeSpan { from_ns: one.from_ns.max(within.from_ns), to_ns: one.to_ns.min(within.to_ns) });
    let mut spans: Vec<TimeSpan> = cut.filter(|part| part.from_ns < part.to_ns).collect();
    spans.sort_unstable();
    let mut apart: Vec<TimeSpan> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.from_ns <= last.to_ns => last.to_ns = last.to_ns.max(span.to_ns),
            _ => apart.push(span),
        }
    }
    apart
}

/// Whether `at` is in one of `spans`, which are apart and in order.
pub(crate) fn is_in(spans: &[TimeSpan], at: TimeNs) -> bool {
    let last_begun = spans.partition_point(|span| span.from_ns <= at).checked_sub(1);
    last_begun.is_some_and(|n| at < spans[n].to_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenances_of_a_target_are_cut_to_the_span_and_joined() {
        let span = |from, to| TimeSpan { from_ns: TimeNs(from), to_ns: TimeNs(to) };
        let name = |text: &str| Name::new(text).unwrap();
        let maintenance = |id, targets: &[&str], from, to| Maintenance {
            at_ns: TimeNs(0),
            id: name(id),
            action: MaintenanceAction::Add,
            targets: targets.iter().map(|target| name(target)).collect(),
            from_ns: TimeNs(from),
            to_ns: TimeNs(to),
            reason: String::new(),
            by: String::new(),
        };
        let all = [
            maintenance("early", &[], 0, 100),
            maintenance("start", &["shop"], 90, 120),
            maintenance("others", &["feed"], 130, 140),
            maintenance("joins", &["feed", "shop"], 120, 125),
            maintenance("end", &[], 190, 500),
            maintenance("inside", &[], 192, 195),
        ];
        assert_eq!(left_out(all.iter(), &[], &name("shop"), span(100, 200)), [span(100, 125), span(190, 200)]);
        assert_eq!(left_out(all[..3].iter(), &[], &name("x"), span(100, 200)), []);
        assert!(is_in(&[span(3, 5)], TimeNs(3)) && !is_in(&[span(3, 5)], TimeNs(5)));
    }

    #[test]
    fn only_whole_buckets_are_left_out() {
        let second = |secs: u64| TimeNs(secs * TimeNs::SECOND);
        let span = |from, to| TimeSpan { from_ns: second(from), to_ns: second(to) };
        let buckets = |from, to| {
            let ranges: Vec<_> = whole_buckets(&[span(from, to)], Tier::Seconds10).collect();
            ranges.first().map(|range| (range.start.0 / TimeNs::SECOND, range.end.0 / TimeNs::SECOND))
        };
        assert_eq!(buckets(10, 20), Some((10, 20)));
        assert_eq!(buckets(11, 20), None);
        assert_eq!(buckets(11, 39), Some((20, 30)));
        assert_eq!(buckets(13, 17), None);
    }

    #[test]
    fn what_is_called_off_stays_visible_and_what_is_long_over_is_forgotten() {
        let day = |days: u64| TimeNs(days * 24 * 3_600 * TimeNs::SECOND);
        let event = |id: String, action, from, to| Maintenance {
            at_ns: from,
            id: Name::new(&id).unwrap(),
            action,
            targets: Vec::new(),
            from_ns: from,
            to_ns: to,
            reason: String::new(),
            by: String::new(),
        };
        let (mut declared, mut cancelled) = (BTreeMap::new(), VecDeque::new());
        for n in 0..120 {
            for action in [MaintenanceAction::Add, MaintenanceAction::Cancel, MaintenanceAction::Cancel] {
                apply(&mut declared, &mut cancelled, event(format!("m-{n}"), action, day(1), day(2)), day(1));
            }
        }
        assert_eq!((declared.len(), cancelled.len()), (0, CANCELLED), "called off once each");
        let add = |n: u64| event(format!("m-{n}"), MaintenanceAction::Add, day(n), day(n + 1));
        apply(&mut declared, &mut cancelled, add(1), day(2));
        apply(&mut declared, &mut cancelled, add(35), day(36));
        assert_eq!(declared.len(), 2);
        apply(&mut declared, &mut cancelled, add(36), day(37));
        assert_eq!(declared.keys().map(Name::as_str).collect::<Vec<_>>(), ["m-35", "m-36"]);
    }
}
