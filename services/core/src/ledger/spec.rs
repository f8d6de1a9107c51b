//! What a ledger counts: which targets' observations, which of them are good, and which maintenances and service hours
//! exclude.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spark_schemas::event::{Maintenance, Observed, Outcome, TimeSpan};
use spark_schemas::{Name, TimeNs};

use crate::bucket::Tally;
use crate::config::{Budgeting, Config, Objective, ServiceHours, Sli, Timeslices};
use crate::fold::Declarations;
use crate::latency::Class;
use crate::maintenance::joined;
use crate::service_hours::outside;
use crate::window::Tier;

/// The part of an objective, of the maintenances and of the service hours that its counts depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The objective.
    pub objective: Name,
    sli: Sli,
    targets: Selection,
    /// The length of its slices in nanoseconds; `None` when events are counted.
    slice_ns: Option<u64>,
    exclusions: Vec<Exclusion>,
    /// The service hours that concern it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hours: Vec<ServiceHours>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Selection {
    Of(BTreeSet<Name>),
    /// Also those that only agents know of.
    AllBut(BTreeSet<Name>),
}

/// A maintenance, as far as it concerns an objective.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Exclusion {
    from: TimeNs,
    to: TimeNs,
    /// Empty: all.
    targets: Vec<Name>,
}

/// What an observation is to an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    Excluded,
}

/// All good and bad events are of one latency class: what a ledger needs of a tally is how many there are.
const ANY_LATENCY: u64 = 1;

impl Verdict {
    /// How a ledger's tallies hold it: bad events as failed ones, excluded ones as missed.
    pub(crate) fn add_to(self, tally: &mut Tally) {
        match self {
            Self::Good | Self::Bad => {
                tally.latencies.add_class(Class::of(ANY_LATENCY), 1);
                tally.failed += u64::from(self == Self::Bad);
            }
            Self::Excluded => tally.missed += 1,
        }
    }
}

/// How a specification differs from another of the same objective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    None,
    /// Only events of these slots are counted in another way.
    Slots(Range<TimeNs>),
    All,
}

impl Spec {
    /// What the objectives of the configuration in force count, in its order.
    pub fn all(declarations: &Declarations) -> Vec<Self> {
        let Some(policy) = &declarations.policy else { return Vec::new() };
        let of = |objective| Self::new(objective, &policy.config, declarations.maintenances_in_force());
        policy.config.objectives.iter().map(of).collect()
    }

    fn new<'a>(objective: &Objective, config: &Config, maintenances: impl Iterator<Item = &'a Maintenance>) -> Self {
        let demo = || config.targets.iter().filter(|target| target.demo).map(|target| target.name.clone());
        let targets = match objective.targets.as_slice() {
            [] => Selection::AllBut(demo().collect()),
            named => Selection::Of(named.iter().cloned().collect()),
        };
        let concerns =
            |one: &&Maintenance| one.targets.is_empty() || one.targets.iter().any(|target| targets.has(target));
        let exclusion = |one: &Maintenance| {
            let (from, to, mut targets) = (one.from_ns, one.to_ns, one.targets.clone());
            targets.sort();
            Exclusion { from, to, targets }
        };
        let mut exclusions: Vec<Exclusion> = maintenances.filter(concerns).map(exclusion).collect();
        exclusions.sort();
        exclusions.dedup();
        let slice_ns = match objective.budgeting {
            Budgeting::Occurrences => None,
            Budgeting::Timeslices(Timeslices { slice, .. }) => Some(slice.0.saturating_mul(1_000)),
        };
        let concerned =
            |one: &&ServiceHours| one.targets.is_empty() || one.targets.iter().any(|target| targets.has(target));
        let hours = config.service_hours.iter().filter(concerned).cloned().collect();
        Self { objective: objective.name.clone(), sli: objective.sli, targets, slice_ns, exclusions, hours }
    }

    /// Whether it counts observations of `target`.
    pub(crate) fn has(&self, target: &str) -> bool {
        self.targets.has(target)
    }

    /// The tier that its slices are put together from; `None` when events are counted.
    ///
    /// Slices are whole minutes (a rule of the configuration).
    pub(crate) fn slice_tier(&self) -> Option<Tier> {
        let is_of_quarters = |slice_ns: u64| slice_ns.is_multiple_of(Tier::Minutes15.width_ns());
        self.slice_ns.map(|slice_ns| if is_of_quarters(slice_ns) { Tier::Minutes15 } else { Tier::Minute })
    }

    /// Whether some of its targets' time is left out.
    pub(super) fn leaves_out(&self) -> bool {
        !self.exclusions.is_empty() || !self.hours.is_empty()
    }

    pub(super) fn has_hours(&self) -> bool {
        !self.hours.is_empty()
    }

    /// The parts of `within` that are left out of a target's events, apart and in order.
    pub(super) fn left_out(&self, target: &str, within: TimeSpan) -> Vec<TimeSpan> {
        let is_its =
            |one: &&Exclusion| one.targets.is_empty() || one.targets.iter().any(|name| name.as_str() == target);
        let maintained = self.exclusions.iter().filter(is_its);
        let maintained = maintained.map(|one| TimeSpan { from_ns: one.from, to_ns: one.to });
        joined(maintained.chain(outside(&self.hours, target, within)), within)
    }

    /// What an observation that is not left out is to it. A failed one is never good; a slow one is bad to the
    /// microsecond, whatever its class in a histogram.
    pub(super) fn judge(&self, observed: &Observed) -> Verdict {
        let is_good = observed.outcome != Outcome::Fail
            && match self.sli {
                Sli::Availability => true,
                Sli::Latency(limit) => observed.latency_us <= limit.0,
            };
        if is_good { Verdict::Good } else { Verdict::Bad }
    }

    /// How it differs from `before`, of the same objective.
    pub(crate) fn difference(&self, before: &Self) -> Difference {
        let is_same_but_for_exclusions =
            Self { exclusions: Vec::new(), ..self.clone() } == Self { exclusions: Vec::new(), ..before.clone() };
        if !is_same_but_for_exclusions {
            return Difference::All;
        }
        let only_in = |these: &Self, those: &Self| -> Vec<Exclusion> {
            these.exclusions.iter().filter(|one| !those.exclusions.contains(one)).cloned().collect()
        };
        let changed = [only_in(self, before), only_in(before, self)].concat();
        let bounds = changed.iter().map(|one| one.from).min().zip(changed.iter().map(|one| one.to).max());
        bounds.map_or(Difference::None, |(from, to)| Difference::Slots(from..to))
    }
}

impl Selection {
    fn has(&self, target: &str) -> bool {
        match self {
            Self::Of(named) => named.contains(target),
            Self::AllBut(demo) => !demo.contains(target),
        }
    }
}
