//! Silences: stretches of time in which observations of a target were due and none came, of any agent.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use spark_schemas::TimeNs;

use super::model::Silence;
use super::number::U64;
use super::scope::{MINUTE_NS, Scope, Target};
use crate::config::Instant;
use crate::window::Tier;

/// The silences of the day, by their start. Targets that were silent for the same time are one.
pub(super) fn silences(scope: &Scope<'_>) -> Vec<Silence> {
    let mut by_span = BTreeMap::<(TimeNs, TimeNs), Vec<(&Target<'_>, u64)>>::new();
    for target in &scope.targets {
        for (span, expected) in of_target(scope, target) {
            by_span.entry((span.start, span.end)).or_default().push((target, expected));
        }
    }
    let silence = |((from, to), targets): ((TimeNs, TimeNs), Vec<(&Target<'_>, u64)>)| Silence {
        from: Instant(from),
        to: Instant(to),
        judged: targets.iter().any(|(target, _)| target.is_judged()),
        targets: targets.iter().map(|(target, _)| target.name.clone()).collect(),
        expected: U64(targets.iter().map(|(_, expected)| expected).sum()),
    };
    by_span.into_iter().map(silence).collect()
}

fn of_target(scope: &Scope<'_>, target: &Target<'_>) -> Vec<(Range<TimeNs>, u64)> {
    let (start, until, at) = (scope.day.start(), scope.until(), scope.view.at);
    let series = &target.series;
    let buckets = series.iter().flat_map(|one| one.buckets(Tier::Minute, start..until));
    let seen: BTreeSet<TimeNs> = buckets.filter(|bucket| bucket.tally.count() > 0).map(|bucket| bucket.start).collect();
    let due_from = |from: TimeNs| -> u64 { series.iter().map(|one| one.expectation.due(from, at)).sum() };
    let mut silences: Vec<(Range<TimeNs>, u64)> = Vec::new();
    let mut open: Option<(Range<TimeNs>, u64)> = None;
    let mut minute = start;
    while minute < until {
        let end = TimeNs(minute.0 + MINUTE_NS);
        if seen.contains(&minute) || target.is_in_maintenance(minute) {
            silences.extend(open.take());
        } else {
            let expected = due_from(minute) - due_from(end.min(until));
            match &mut open {
                Some((span, sum)) if expected > 0 => {
                    span.end = end;
                    *sum += expected;
                }
                None if expected > 0 => open = Some((minute..end, expected)),
                _ => {}
            }
        }
        minute = end;
    }
    silences.extend(open);
    let long_enough = scope.policy.silence.0.saturating_mul(1_000);
    silences.retain(|(span, _)| span.end.0 - span.start.0 >= long_enough);
    silences
}
