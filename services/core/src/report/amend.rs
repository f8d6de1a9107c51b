//! Amendments: what became known of earlier days, as known then and as known now.
//!
//! Their reports stay as they are. Maintenances and schedules as of the first leaf are remembered; what was observed of a
//! target's day is looked up just before the first leaf that adds to it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use spark_schemas::event::{Maintenance, Missed, Observed, TimeSpan};
use spark_schemas::{Event, Name, TimeNs};

use super::day::Day;
use super::figures::{figures, length_s};
use super::model::{Amended, Amendment, Cause, Cite};
use crate::bucket::BucketStore;
use crate::config::ServiceHours;
use crate::fold::State;
use crate::maintenance::left_out;
use crate::series::Expectation;
use crate::view::{SeriesView, View};
use crate::window::Tier;

/// How many days back figures are kept at quarters of an hour, whatever comes within the day.
const DAYS_BACK: u64 = 31;

/// What was known before the first leaf, and what was added to earlier days since.
#[derive(Debug)]
pub(super) struct Amendments {
    day: Day,
    before: Known,
    touched: BTreeMap<(Day, Name), Touched>,
    /// Leaves that may change earlier days without naming a slot of them.
    noted: BTreeMap<Cause, Cite>,
    too_late: u64,
}

/// What decides how an earlier day is read.
#[derive(Debug, Default)]
struct Known {
    maintenances: Vec<Maintenance>,
    service_hours: Vec<ServiceHours>,
    expectations: BTreeMap<Name, BTreeMap<Name, Expectation>>,
}

#[derive(Debug, Clone)]
struct Touched {
    then: Option<Amended>,
    causes: BTreeSet<Cause>,
    cite: Cite,
}

impl Touched {
    fn new(then: Option<Amended>, seq: u64) -> Self {
        Self { then, causes: BTreeSet::new(), cite: Cite::one(seq) }
    }

    fn add(&mut self, cause: Cause, cite: Cite) {
        self.causes.insert(cause);
        self.cite.add(cite.first.0);
        self.cite.add(cite.last.0);
    }
}

impl Known {
    fn of(view: &View<'_>) -> Self {
        let mut expectations = BTreeMap::<Name, BTreeMap<Name, Expectation>>::new();
        for target in targets_of(view) {
            let of_target = expectations.entry(target.clone()).or_default();
            for one in view.series_of(target) {
                of_target.insert(one.agent.clone(), one.expectation.into_owned());
            }
        }
        let declarations = view.declarations();
        let maintenances = declarations.maintenances_in_force().cloned().collect();
        Self { maintenances, service_hours: declarations.service_hours().to_vec(), expectations }
    }

    fn left_out(&self, target: &str, day: Day) -> Vec<TimeSpan> {
        let span = TimeSpan { from_ns: day.start(), to_ns: day.end() };
        left_out(self.maintenances.iter(), &self.service_hours, target, span)
    }

    /// How many observations of a target were due on that day.
    fn due(&self, target: &str, day: Day) -> u64 {
        let due = |one: &Expectation| one.due(day.start(), TimeNs(day.end().0 - 1));
        self.expectations.get(target).into_iter().flat_map(BTreeMap::values).map(due).sum()
    }

    /// The figures of a target's earlier day by what `state` holds, read as this says.
    fn figures(&self, target: &Name, day: Day, state: &State, store: &dyn BucketStore) -> Option<Amended> {
        let view = View::of_one(state, store, TimeNs(day.end().0 - 1));
        let none = Expectation::default();
        let of_target = self.expectations.get(target);
        let mut series: Vec<SeriesView<'_>> = view.series_of(target);
        for one in &mut series {
            let known = of_target.and_then(|agents| agents.get(one.agent));
            one.expectation = Cow::Borrowed(known.unwrap_or(&none));
        }
        let excluded = self.left_out(target, day);
        let seen = view.figures_without(Tier::Minutes15, day.start(), &series, |_| excluded.clone()).ok()?;
        Some(Amended { figures: figures(&seen), maintenance_s: length_s(&excluded) })
    }
}

/// Every target that anybody speaks of, once.
pub(super) fn targets_of<'a>(view: &View<'a>) -> BTreeSet<&'a Name> {
    let observed = view.parts.iter().flat_map(|part| part.state.series()).map(|series| &series.head.target);
    let policy = view.declarations().policy.as_ref();
    let configured = policy.into_iter().flat_map(|policy| &policy.config.targets).map(|target| &target.name);
    observed.chain(configured).chain(view.declarations().expected.keys()).collect()
}

impl Amendments {
    pub(super) fn new(day: Day, state: &State, store: &dyn BucketStore) -> Self {
        let before = Known::of(&View::of_one(state, store, day.start()));
        Self { day, before, touched: BTreeMap::new(), noted: BTreeMap::new(), too_late: 0 }
    }

    /// Observations and missed slots of days whose figures are no longer kept.
    pub(super) fn too_late(&self) -> u64 {
        self.too_late
    }

    /// The first earlier day that can be amended.
    fn first_day(&self) -> Day {
        Day::of(TimeNs(self.day.start().0.saturating_sub(DAYS_BACK * 86_400 * TimeNs::SECOND)))
    }

    pub(super) fn observed(&mut self, seq: u64, observed: &Observed, state: &State, store: &dyn BucketStore) {
        if observed.slot_ns < self.day.start() {
            let day = Day::of(observed.slot_ns);
            match day >= self.first_day() {
                true => self.touch(day, &observed.target, Cause::LateObservations, seq, state, store),
                false => self.too_late += 1,
            }
        }
    }

    pub(super) fn missed(&mut self, seq: u64, missed: &Missed, state: &State, store: &dyn BucketStore) {
        if missed.first_slot_ns >= self.day.start() {
            return;
        }
        let last = missed.last_slot_ns().unwrap_or(missed.first_slot_ns);
        let mut day = Day::of(missed.first_slot_ns).max(self.first_day());
        while day < self.day && day.start() <= last {
            self.touch(day, &missed.target, Cause::LateMissed, seq, state, store);
            day = day.next();
        }
    }

    /// A leaf that may change earlier days; whether it did shows at the end.
    pub(super) fn noted(&mut self, seq: u64, cause: Cause) {
        self.noted.entry(cause).or_insert(Cite::one(seq)).add(seq);
    }

    pub(super) fn declared(&mut self, seq: u64, event: &Event) {
        match event {
            Event::Maintenance(_) => self.noted(seq, Cause::Maintenance),
            Event::ConfigApplied(_) => self.noted(seq, Cause::Configuration),
            _ => {}
        }
    }

    fn touch(&mut self, day: Day, target: &Name, cause: Cause, seq: u64, state: &State, store: &dyn BucketStore) {
        let key = (day, target.clone());
        let before = &self.before;
        let then = || before.figures(target, day, state, store);
        self.touched.entry(key).or_insert_with(|| Touched::new(then(), seq)).add(cause, Cite::one(seq));
    }

    /// Every target's earlier day that reads otherwise now, or to which something was added.
    pub(super) fn finish(&self, state: &State, store: &dyn BucketStore) -> Vec<Amendment> {
        let view = View::of_one(state, store, self.day.start());
        let now = Known::of(&view);
        let mut touched = self.touched.clone();
        // Only these leaves can change how an earlier day is read.
        if !self.noted.is_empty() {
            for target in targets_of(&view) {
                let mut day = self.first_day();
                while day < self.day {
                    for (cause, cite) in self.differences(&now, target, day) {
                        let then = || self.before.figures(target, day, state, store);
                        let key = (day, target.clone());
                        touched.entry(key).or_insert_with(|| Touched::new(then(), cite.first.0)).add(cause, cite);
                    }
                    day = day.next();
                }
            }
        }
        let amendment = |((date, target), touched): ((Day, Name), Touched)| {
            let amended = now.figures(&target, date, state, store);
            let Touched { then, causes, cite } = touched;
            Amendment { date, target, causes: causes.into_iter().collect(), then, now: amended, evidence: cite }
        };
        touched.into_iter().map(amendment).collect()
    }

    /// What made a target's earlier day read otherwise now, without anything being added to it.
    fn differences(&self, now: &Known, target: &Name, day: Day) -> Vec<(Cause, Cite)> {
        let mut causes = BTreeSet::new();
        if self.before.left_out(target, day) != now.left_out(target, day) {
            causes.extend([Cause::Maintenance, Cause::Configuration]);
        }
        if self.before.due(target, day) != now.due(target, day) {
            causes.extend([Cause::Schedule, Cause::Configuration]);
        }
        causes.into_iter().filter_map(|cause| Some((cause, *self.noted.get(&cause)?))).collect()
    }
}
