//! One agent's view of one target, whichever partitions its frames are in.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use spark_schemas::event::{Observed, TimeSpan};
use spark_schemas::{Name, TimeNs};

use crate::bucket::{Bucket, BucketStore, Tally};
use crate::maintenance::whole_buckets;
use crate::series::{Expectation, NotKept, Series, Span};
use crate::window::{Tier, Window};

/// What one agent saw of one target, and what is expected of it.
#[derive(Clone)]
pub struct SeriesView<'a> {
    /// The target.
    pub target: &'a Name,
    /// The agent.
    pub agent: &'a Name,
    /// When an observation is due: as the agent says, and before it says anything as the configuration does.
    pub expectation: Cow<'a, Expectation>,
    /// One for each partition that has frames of it: none before the agent speaks, and more than one only after the
    /// number of partitions was changed.
    kept: Vec<Kept<'a>>,
}

/// A series, and where its closed buckets are.
pub(super) type Kept<'a> = (&'a Series, &'a dyn BucketStore);

impl fmt::Debug for SeriesView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.target, self.agent)
    }
}

impl<'a> SeriesView<'a> {
    pub(super) fn new(
        target: &'a Name,
        agent: &'a Name,
        kept: Vec<Kept<'a>>,
        declared: Option<&'a Expectation>,
    ) -> Self {
        let expectation = match (kept.as_slice(), declared) {
            ([(series, _)], None) => Cow::Borrowed(&series.head.expectation),
            ([], Some(declared)) => Cow::Borrowed(declared),
            (kept, declared) => Cow::Owned(joined(kept.iter().map(|(series, _)| &series.head.expectation), declared)),
        };
        Self { target, agent, expectation, kept }
    }

    /// The observation of the latest slot.
    pub fn latest(&self) -> Option<&'a Observed> {
        self.kept.iter().filter_map(|(series, _)| series.head.latest.as_ref()).max_by_key(|latest| latest.slot_ns)
    }

    /// The latest failures, oldest first in each partition.
    pub fn failures(&self) -> impl Iterator<Item = &'a Observed> {
        self.kept.iter().flat_map(|(series, _)| &series.head.failures)
    }

    /// Observations ever counted.
    pub fn observations(&self) -> u64 {
        self.kept.iter().map(|(series, _)| series.head.observations).sum()
    }

    /// Of these, failed.
    pub fn failed(&self) -> u64 {
        self.kept.iter().map(|(series, _)| series.head.failed).sum()
    }

    /// Missed slots ever reported.
    pub fn missed(&self) -> u64 {
        self.kept.iter().fold(0, |sum, (series, _)| sum.saturating_add(series.head.missed))
    }

    /// Whether observations are expected now.
    pub fn is_probed(&self) -> bool {
        self.expectation.current().is_some()
    }

    /// How far past due the next observation is at `at`, in microseconds; `None` before the first one.
    ///
    /// The observation of a slot is due when the next slot begins; a schedule asks for nothing before it holds.
    pub fn staleness_us(&self, at: TimeNs) -> Option<u64> {
        let latest = self.latest()?;
        let interval_us = self.expectation.latest_schedule()?.interval_us;
        let since = self.expectation.current().map_or(latest.slot_ns, |span| latest.slot_ns.max(span.from));
        Some(at.since_us(since.plus_us(interval_us.saturating_mul(2))))
    }

    /// The buckets of `tier` that start in `starts`; those of one start in different partitions each for itself.
    pub fn buckets(&self, tier: Tier, starts: Range<TimeNs>) -> impl Iterator<Item = Bucket> {
        self.kept.iter().flat_map(move |(series, store)| series.buckets(tier, starts.clone(), *store))
    }

    /// Adds to `sum` what happened in `window` up to `at`, but for its whole buckets in `excluded`.
    pub(super) fn add_window(
        &self,
        window: Window,
        at: TimeNs,
        excluded: &[TimeSpan],
        sum: &mut Tally,
    ) -> Result<(), NotKept> {
        for (series, store) in &self.kept {
            series.add_window(window, at, *store, sum)?;
            for starts in cut(window.tier(), window.first_bucket(at), at, excluded) {
                series.subtract_range(window.tier(), starts, *store, sum);
            }
        }
        Ok(())
    }

    /// Adds to `sum` what happened in the buckets of `tier` from `from` up to `at`, but for whole ones in `excluded`.
    pub(super) fn add_since(
        &self,
        tier: Tier,
        from: TimeNs,
        at: TimeNs,
        excluded: &[TimeSpan],
        sum: &mut Tally,
    ) -> Result<(), NotKept> {
        for (series, store) in &self.kept {
            series.add_range(tier, from..TimeNs(at.0.saturating_add(1)), *store, sum)?;
            for starts in cut(tier, from, at, excluded) {
                series.subtract_range(tier, starts, *store, sum);
            }
        }
        Ok(())
    }

    /// How many observations are due at `at` of the slots from `from` on, but for the whole buckets of `tier` in
    /// `excluded`.
    pub(super) fn due(&self, tier: Tier, from: TimeNs, at: TimeNs, excluded: &[TimeSpan]) -> u64 {
        let due_from = |from: TimeNs| self.expectation.due(from, at);
        let left_out = cut(tier, from, at, excluded).map(|starts| due_from(starts.start) - due_from(starts.end));
        due_from(from).saturating_sub(left_out.sum())
    }
}

/// The buckets of `tier` from `first` up to `at` which lie wholly in one of `excluded`, by their starts.
fn cut(tier: Tier, first: TimeNs, at: TimeNs, excluded: &[TimeSpan]) -> impl Iterator<Item = Range<TimeNs>> {
    let past = TimeNs(at.0.saturating_add(1));
    let inside = whole_buckets(excluded, tier).map(move |starts| starts.start.max(first)..starts.end.min(past));
    inside.filter(|starts| !starts.is_empty())
}

/// What an agent says holds; where it says nothing, what the configuration declares of it. Of what it says in several
/// partitions, what began later holds.
fn joined<'a>(own: impl Iterator<Item = &'a Expectation>, declared: Option<&Expectation>) -> Expectation {
    let mut own: Vec<Span> = own.flat_map(|expectation| expectation.spans.iter().copied()).collect();
    own.sort_by_key(|span| span.from);
    for n in 1..own.len() {
        let later = own[n].from;
        let earlier = &mut own[n - 1];
        earlier.to = Some(earlier.to.map_or(later, |to| to.min(later)));
    }
    let declared = declared.into_iter().flat_map(|expectation| &expectation.spans);
    let mut spans: Vec<Span> = declared.flat_map(|span| outside(*span, &own)).collect();
    spans.extend(&own);
    spans.sort_by_key(|span| span.from);
    Expectation { spans }
}

/// The parts of `span` that none of `others`, which are in order and apart, covers.
fn outside(span: Span, others: &[Span]) -> Vec<Span> {
    let mut parts = Vec::new();
    let mut from = Some(span.from);
    for other in others {
        let Some(start) = from else { break };
        let until = span.to.map_or(other.from, |to| to.min(other.from));
        parts.extend((start < until).then_some(Span { from: start, to: Some(until), ..span }));
        from = other.to.map(|to| to.max(start));
    }
    if let Some(start) = from.filter(|start| span.to.is_none_or(|to| *start < to)) {
        parts.push(Span { from: start, ..span });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: Option<u64>, interval_us: u64) -> Span {
        Span { from: TimeNs(from), to: to.map(TimeNs), interval_us, offset_us: 0 }
    }

    fn expectation(spans: &[Span]) -> Expectation {
        Expectation { spans: spans.to_vec() }
    }

    #[test]
    fn the_configuration_speaks_for_an_agent_while_it_says_nothing_itself() {
        for (own, declared, wanted) in [
            (vec![span(20, None, 5)], span(10, None, 7), vec![span(10, Some(20), 7), span(20, None, 5)]),
            (
                vec![span(20, Some(30), 5)],
                span(10, None, 7),
                vec![span(10, Some(20), 7), span(20, Some(30), 5), span(30, None, 7)],
            ),
            (vec![span(5, None, 5)], span(10, Some(50), 7), vec![span(5, None, 5)]),
            (vec![span(20, Some(30), 5)], span(10, Some(25), 7), vec![span(10, Some(20), 7), span(20, Some(30), 5)]),
            (
                vec![span(20, Some(30), 5), span(30, Some(40), 6)],
                span(35, Some(50), 7),
                vec![span(20, Some(30), 5), span(30, Some(40), 6), span(40, Some(50), 7)],
            ),
        ] {
            let joined = joined([expectation(&own)].iter(), Some(&expectation(&[declared])));
            assert_eq!(joined, expectation(&wanted), "{own:?} and {declared:?}");
        }
    }

    #[test]
    fn an_agent_that_moved_to_another_partition_is_expected_once() {
        let (before, after) = (expectation(&[span(10, None, 5)]), expectation(&[span(30, None, 5)]));
        let joined = joined([&before, &after].into_iter(), None);
        assert_eq!(joined, expectation(&[span(10, Some(30), 5), span(30, None, 5)]));
    }
}
