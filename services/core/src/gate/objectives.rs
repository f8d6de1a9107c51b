//! The checks on objectives: met over its window, budget left, burn rate.

use std::collections::{BTreeMap, BTreeSet};

use spark_schemas::Name;
use spark_schemas::event::CheckVerdict;

use super::configured::{Found, at_least};
use crate::config::{BudgetLeft, BurnsBelow, ObjectiveMet};
use crate::slo::{ObjectiveView, Standing};
use crate::units::decimal;
use crate::view::View;

/// The objectives that checks ask for, each looked at once.
pub(super) struct Objectives<'v, 'a> {
    view: &'v View<'a>,
    /// Those that have no figures yet.
    recounting: BTreeSet<Name>,
    seen: BTreeMap<Name, Option<ObjectiveView<'a>>>,
}

impl<'v, 'a> Objectives<'v, 'a> {
    /// Those of `view`; those in `recounting` had no figures yet, even if by now they have.
    pub(super) fn new(view: &'v View<'a>, recounting: &[Name]) -> Self {
        Self { view, recounting: recounting.iter().cloned().collect(), seen: BTreeMap::new() }
    }

    /// Those that were asked for and had no figures yet.
    pub(super) fn recounting(self) -> Vec<Name> {
        self.recounting.into_iter().filter(|name| self.seen.contains_key(name)).collect()
    }

    /// The objective, or why there are no figures.
    fn get(&mut self, name: &Name) -> Result<&ObjectiveView<'a>, &'static str> {
        let view = self.view;
        let seen = self.seen.entry(name.clone()).or_insert_with(|| view.objective(name));
        let Some(objective) = seen else { return Err("there is no such objective") };
        if objective.standing == Standing::Recomputing {
            self.recounting.insert(name.clone());
        }
        match objective.standing {
            _ if self.recounting.contains(name) => Err("its events are being counted anew from the log"),
            Standing::NotKept => Err("its events are no longer kept for this instant"),
            _ => Ok(objective),
        }
    }

    pub(super) fn met(&mut self, ObjectiveMet { slo, warn }: &ObjectiveMet) -> Found {
        let (wanted, looked) = match self.get(slo) {
            Ok(view) => (view.objective.objective.0, Ok((view.sli_ppm, view.counts))),
            Err(why) => (self.view.config().objective(slo).map_or(0, |objective| objective.objective.0), Err(why)),
        };
        let (observed, counts) = looked.unwrap_or_default();
        let why = looked.err().unwrap_or("no event in its window");
        let what = format!("the share of good events of {slo}");
        let (verdict, reason) = at_least(observed, wanted, warn.map(|warn| warn.0), &what, why);
        let of = counts.filter(|_| observed.is_some()).map(|counts| format!(": {} of {}", counts.good, counts.total()));
        Found {
            verdict,
            observed: observed.map(|ppm| decimal(ppm, 4)),
            threshold: decimal(wanted, 4),
            unit: "%",
            samples: counts.map_or(0, |counts| counts.events),
            reason: reason + &of.unwrap_or_default(),
        }
    }

    pub(super) fn budget_left(&mut self, BudgetLeft { slo, min, warn }: &BudgetLeft) -> Found {
        let looked = self.get(slo).map(|view| (view.budget.map(|budget| budget.left_ppm()), view.counts));
        let (observed, counts) = looked.unwrap_or_default();
        let why = looked.err().unwrap_or("no event in its window");
        let what = format!("what is left of the error budget of {slo}");
        let (verdict, reason) = at_least(observed, signed(min.0), warn.map(|warn| signed(warn.0)), &what, why);
        let sign = if observed.is_some_and(|ppm| ppm < 0) { "-" } else { "" };
        Found {
            verdict,
            observed: observed.map(|ppm| format!("{sign}{}", decimal(ppm.unsigned_abs(), 4))),
            threshold: decimal(min.0, 4),
            unit: "%",
            samples: counts.map_or(0, |counts| counts.events),
            reason,
        }
    }

    pub(super) fn burns_below(&mut self, BurnsBelow { slo, window, below, warn }: &BurnsBelow) -> Found {
        let looked = self.get(slo).map(|view| view.burn(*window).copied());
        let burn = looked.unwrap_or_default();
        let observed = burn.and_then(|burn| burn.rate_milli);
        let what = format!("the burn rate of {slo} over {window}");
        let (verdict, reason) = match observed {
            None => {
                let why = looked.err().unwrap_or("no event in the window");
                (CheckVerdict::NoData, format!("no data for {what}: {why}"))
            }
            Some(rate) if rate >= below.0 => (CheckVerdict::Fail, format!("{what} is not below its limit")),
            Some(rate) if warn.is_some_and(|warn| rate >= warn.0) => {
                (CheckVerdict::Warn, format!("{what} is below its limit, and not below what it warns at"))
            }
            Some(_) => (CheckVerdict::Pass, format!("{what} is below its limit")),
        };
        Found {
            verdict,
            observed: observed.map(|rate| decimal(rate, 3)),
            threshold: below.to_string(),
            unit: "×",
            samples: burn.and_then(|burn| burn.counts).map_or(0, |counts| counts.events),
            reason,
        }
    }
}

fn signed(ppm: u64) -> i64 {
    i64::try_from(ppm).unwrap_or(i64::MAX)
}
