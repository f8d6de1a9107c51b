//! Incidents: runs of minutes in which too large a share of a target's observations failed, and of targets at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use spark_schemas::TimeNs;

use super::collect::{FailedMinute, NO_EXAMPLE, REASONS};
use super::model::{Cite, Incident, IncidentTarget, ReasonCount, WorstMinute};
use super::number::U64;
use super::scope::{MINUTE_NS, Scope, Target};
use crate::bucket::Tally;
use crate::config::Instant;
use crate::window::Tier;

/// Minutes of one target in which something was observed.
type Minutes = BTreeMap<TimeNs, Minute>;

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    failed: u64,
    observations: u64,
}

/// A run of bad minutes of one target.
struct Run<'a> {
    target: &'a Target<'a>,
    /// From the first bad minute to the end of the last.
    span: Range<TimeNs>,
    bad: Vec<(TimeNs, Minute)>,
    failed: u64,
    observations: u64,
    continues: (bool, bool),
}

/// The incidents of the day, by their start.
pub(super) fn incidents(scope: &Scope<'_>) -> Vec<Incident> {
    let mut incidents = Vec::new();
    // Others than judged targets fail by themselves: a demonstration's outage is no part of a real one.
    for is_judged in [true, false] {
        let targets = scope.targets.iter().filter(|target| target.is_judged() == is_judged);
        let mut runs: Vec<Run<'_>> = targets.flat_map(|target| runs_of(scope, target)).collect();
        runs.sort_by_key(|run| (run.span.start, run.target.name));
        let gap_ns = scope.policy.incident_gap.0.saturating_mul(1_000);
        let mut groups: Vec<(TimeNs, Vec<Run<'_>>)> = Vec::new();
        for run in runs {
            match groups.last_mut() {
                // Targets that fail at the same time are one incident.
                Some((end, group)) if run.span.start.0 < end.0.saturating_add(gap_ns) => {
                    *end = run.span.end.max(*end);
                    group.push(run);
                }
                _ => groups.push((run.span.end, vec![run])),
            }
        }
        incidents.extend(groups.into_iter().filter_map(|(end, group)| incident(scope, end, &group)));
    }
    incidents.sort_by_key(|incident| incident.from);
    incidents
}

fn runs_of<'s>(scope: &'s Scope<'_>, target: &'s Target<'s>) -> Vec<Run<'s>> {
    let gap_ns = scope.policy.incident_gap.0.saturating_mul(1_000);
    let day = scope.day.start()..scope.until();
    // What lies around the day tells whether an incident goes on there.
    let around = TimeNs(day.start.0.saturating_sub(gap_ns))..TimeNs(day.end.0.saturating_add(gap_ns));
    let mut minutes = Minutes::new();
    for bucket in target.series.iter().flat_map(|series| series.buckets(Tier::Minute, around.clone())) {
        let Tally { failed, .. } = bucket.tally;
        let minute = minutes.entry(bucket.start).or_default();
        minute.failed += failed;
        minute.observations += bucket.tally.count();
    }
    let limit = u128::from(scope.policy.incident_errors.0);
    let is_bad = |minute: &Minute| {
        minute.failed > 0 && u128::from(minute.failed) * 1_000_000 >= u128::from(minute.observations) * limit
    };
    let bad: Vec<(TimeNs, Minute)> =
        minutes.iter().filter(|(_, minute)| is_bad(minute)).map(|(start, minute)| (*start, *minute)).collect();
    let is_apart = |a: TimeNs, b: TimeNs| b.0 - (a.0 + MINUTE_NS) >= gap_ns;
    let mut runs = Vec::new();
    for group in bad.chunk_by(|a, b| !is_apart(a.0, b.0)) {
        let inside: Vec<(TimeNs, Minute)> = group.iter().filter(|(start, _)| day.contains(start)).copied().collect();
        let (Some((first, _)), Some((last, _))) = (inside.first().copied(), inside.last().copied()) else { continue };
        let span = first..TimeNs(last.0 + MINUTE_NS);
        let of_run = || minutes.range(span.clone()).map(|(_, minute)| minute);
        let failed = of_run().map(|minute| minute.failed).sum();
        let observations = of_run().map(|minute| minute.observations).sum();
        let before = group.first().is_some_and(|(start, _)| *start < day.start);
        let after = group.last().is_some_and(|(start, _)| *start >= day.end)
            || (scope.is_draft && !is_apart(last, TimeNs(day.end.0.max(last.0 + MINUTE_NS))));
        runs.push(Run { target, span, bad: inside, failed, observations, continues: (before, after) });
    }
    runs
}

fn incident(scope: &Scope<'_>, end: TimeNs, runs: &[Run<'_>]) -> Option<Incident> {
    let from = runs.first()?.span.start;
    let mut worst: Option<(&Run<'_>, TimeNs, Minute)> = None;
    let mut bad = BTreeMap::<TimeNs, bool>::new();
    for run in runs {
        for (start, minute) in &run.bad {
            let counts = run.target.is_judged() && !run.target.is_in_maintenance(*start);
            *bad.entry(*start).or_default() |= counts;
            let is_worse = worst.as_ref().is_none_or(|(_, _, known)| {
                let (a, b) = (
                    u128::from(minute.failed) * u128::from(known.observations),
                    u128::from(known.failed) * u128::from(minute.observations),
                );
                a > b
            });
            if is_worse {
                worst = Some((run, *start, *minute));
            }
        }
    }
    let (run, at, minute) = worst?;
    let worst = WorstMinute {
        target: run.target.name.clone(),
        at: Instant(at),
        failed: U64(minute.failed),
        observations: U64(minute.observations),
    };
    Some(Incident {
        from: Instant(from),
        to: Instant(end),
        bad_minutes: U64(bad.len() as u64),
        continues_before: runs.iter().any(|run| run.continues.0),
        continues_after: runs.iter().any(|run| run.continues.1),
        judged_minutes: U64(bad.values().filter(|counts| **counts).count() as u64),
        worst,
        targets: runs.iter().map(|run| of_target(scope, run)).collect(),
    })
}

fn of_target(scope: &Scope<'_>, run: &Run<'_>) -> IncidentTarget {
    let seen = scope.collected.seen.target(run.target.name);
    let minute_of = |at: TimeNs| ((at.0 - scope.day.start().0) / MINUTE_NS) as u16;
    let minutes = minute_of(run.span.start)..minute_of(run.span.end);
    let failed: Vec<&FailedMinute> =
        seen.into_iter().flat_map(|seen| seen.failed.range(minutes.clone()).map(|(_, minute)| minute)).collect();
    let mut reasons: Vec<ReasonCount> = REASONS
        .iter()
        .enumerate()
        .map(|(n, reason)| {
            let count = failed.iter().map(|minute| u64::from(minute.reasons[n])).sum();
            ReasonCount { reason: *reason, count: U64(count) }
        })
        .filter(|reason| reason.count.0 > 0)
        .collect();
    reasons.sort_by_key(|reason| Reverse(reason.count));
    let example = failed.iter().find(|minute| minute.example != NO_EXAMPLE);
    let example = example.and_then(|minute| seen?.examples.get(usize::from(minute.example)));
    let evidence = failed.iter().map(|minute| minute.cite).reduce(|mut all: Cite, one| {
        all.add(one.first.0);
        all.add(one.last.0);
        all
    });
    IncidentTarget {
        target: run.target.name.clone(),
        standing: run.target.standing,
        from: Instant(run.span.start),
        to: Instant(run.span.end),
        bad_minutes: U64(run.bad.len() as u64),
        maintenance_minutes: U64(
            run.bad.iter().filter(|(start, _)| run.target.is_in_maintenance(*start)).count() as u64
        ),
        failed: U64(run.failed),
        observations: U64(run.observations),
        reasons,
        example: example.map(ToString::to_string),
        evidence,
    }
}
