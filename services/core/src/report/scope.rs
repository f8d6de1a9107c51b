//! What a report looks at: the day, up to when, and which targets are judged.

use std::collections::BTreeSet;

use spark_schemas::event::TimeSpan;
use spark_schemas::{Name, TimeNs};

use super::amend::targets_of;
use super::collect::Collector;
use super::day::Day;
use super::figures::{figures, length_s};
use super::model::{Figures, Standing, TargetRow};
use super::number::U64;
use crate::config::{Profile, ReportPolicy};
use crate::view::{SeriesView, View};
use crate::window::Tier;

pub(super) const MINUTE_NS: u64 = 60 * TimeNs::SECOND;

/// A day looked at from its end, or for a draft from the log's time.
pub(super) struct Scope<'a> {
    pub(super) day: Day,
    pub(super) is_draft: bool,
    pub(super) view: View<'a>,
    pub(super) policy: ReportPolicy,
    pub(super) collected: &'a Collector,
    pub(super) targets: Vec<Target<'a>>,
}

/// A target of that day.
pub(super) struct Target<'a> {
    pub(super) name: &'a Name,
    pub(super) standing: Standing,
    pub(super) series: Vec<SeriesView<'a>>,
    pub(super) maintained: Vec<TimeSpan>,
}

impl Target<'_> {
    pub(super) fn is_judged(&self) -> bool {
        self.standing == Standing::Judged
    }

    /// Whether the whole minute at `start` lies in a maintenance.
    pub(super) fn is_in_maintenance(&self, start: TimeNs) -> bool {
        let end = TimeNs(start.0.saturating_add(MINUTE_NS));
        self.maintained.iter().any(|span| span.from_ns <= start && end <= span.to_ns)
    }
}

impl<'a> Scope<'a> {
    pub(super) fn new(day: Day, is_draft: bool, view: View<'a>, collected: &'a Collector) -> Self {
        let declared = view.declarations().policy.as_ref();
        let policy = declared.map(|policy| policy.config.report.clone()).unwrap_or_default();
        let mut scope = Self { day, is_draft, view, policy, collected, targets: Vec::new() };
        scope.targets = scope.find_targets();
        scope
    }

    /// The instant up to which the day is known.
    pub(super) fn until(&self) -> TimeNs {
        TimeNs(self.view.at.0.saturating_add(1))
    }

    fn profile(&self) -> Option<&'a Profile> {
        let config = &self.view.declarations().policy.as_ref()?.config;
        config.profiles.get(&config.profile)
    }

    /// Configured targets in their order, then others of which something was observed or due on that day.
    fn find_targets(&self) -> Vec<Target<'a>> {
        let policy = self.view.declarations().policy.as_ref();
        let configured = policy.map_or(&[][..], |policy| &policy.config.targets);
        let names: BTreeSet<&Name> = configured.iter().map(|target| &target.name).collect();
        let judged_by_name = self.profile().map_or(&[][..], |profile| &profile.targets);
        let configured = configured.iter().map(|target| {
            let is_selected =
                if judged_by_name.is_empty() { !target.demo } else { judged_by_name.contains(&target.name) };
            let standing = match (is_selected, target.demo) {
                (true, _) => Standing::Judged,
                (false, true) => Standing::Demo,
                (false, false) => Standing::NotSelected,
            };
            self.target(&target.name, standing)
        });
        let others = targets_of(&self.view).into_iter().filter(|name| !names.contains(name));
        let others = others.map(|name| self.target(name, Standing::NotConfigured));
        configured.chain(others.filter(|target| self.is_of_the_day(target))).collect()
    }

    fn target(&self, name: &'a Name, standing: Standing) -> Target<'a> {
        let maintained = self.view.left_out_within(name, TimeSpan { from_ns: self.day.start(), to_ns: self.until() });
        Target { name, standing, series: self.view.series_of(name), maintained }
    }

    fn is_of_the_day(&self, target: &Target<'_>) -> bool {
        let seen = self.view.figures_without(Tier::Minute, self.day.start(), &target.series, |_| Vec::new());
        seen.map_or(true, |seen| seen.tally.count() + seen.tally.missed + seen.expected > 0)
    }

    /// What was observed of some targets; `None` when the day's minutes are no longer kept.
    pub(super) fn figures<'s>(&'s self, targets: impl IntoIterator<Item = &'s Target<'a>>) -> Option<Figures> {
        let series = targets.into_iter().flat_map(|target| &target.series);
        self.view.figures_since(Tier::Minute, self.day.start(), series).ok().map(|seen| figures(&seen))
    }

    pub(super) fn judged<'s>(&'s self) -> impl Iterator<Item = &'s Target<'a>> {
        self.targets.iter().filter(|target| target.is_judged())
    }

    pub(super) fn target_rows(&self) -> Vec<TargetRow> {
        let row = |target: &Target<'a>| TargetRow {
            target: target.name.clone(),
            standing: target.standing,
            agents: target.series.iter().map(|one| one.agent.clone()).collect(),
            figures: self.figures([target]),
            maintenance_s: length_s(&target.maintained),
            evidence: self.collected.seen.target(target.name).and_then(|seen| seen.cite),
        };
        self.targets.iter().map(row).collect()
    }

    /// How many minutes of the day so far had an observation of a judged target, and how many minutes that are.
    pub(super) fn watched(&self) -> (U64, U64) {
        let starts = self.day.start()..self.until();
        let mut seen = BTreeSet::new();
        for series in self.judged().flat_map(|target| &target.series) {
            let buckets = series.buckets(Tier::Minute, starts.clone());
            seen.extend(buckets.filter(|bucket| bucket.tally.count() > 0).map(|bucket| bucket.start));
        }
        let minutes = (self.until().0 - self.day.start().0).div_ceil(MINUTE_NS);
        (U64(seen.len() as u64), U64(minutes))
    }
}
