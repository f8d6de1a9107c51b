//! Objectives at an instant, over all partitions.

use std::collections::BTreeMap;

use spark_schemas::TimeNs;

use super::{DECLARING, Part, View};
use crate::bucket::{BucketStore, Tally};
use crate::config::{Budgeting, Objective, SloWindow, Timeslices};
use crate::ledger::{Ledger, counts_of};
use crate::series::NotKept;
use crate::slo::{
    AlertView, Budget, Burn, Counts, ObjectiveView, PACE_WINDOW, Span, Standing, allowed_ppm, burn_milli, burn_windows,
    span_of,
};
use crate::window::{Tier, Window};

/// An objective's ledger in one partition, and where its closed buckets are.
type Kept<'a> = (&'a Ledger, &'a dyn BucketStore);

impl<'a> View<'a> {
    /// Every objective of the configuration in force, in its order.
    pub fn objectives(&self) -> Vec<ObjectiveView<'a>> {
        self.configured_objectives().iter().map(|objective| self.objective_view(objective)).collect()
    }

    /// One of them.
    pub fn objective(&self, name: &str) -> Option<ObjectiveView<'a>> {
        let objective = self.configured_objectives().iter().find(|objective| objective.name.as_str() == name)?;
        Some(self.objective_view(objective))
    }

    fn configured_objectives(&self) -> &'a [Objective] {
        self.declarations().policy.as_ref().map_or(&[], |policy| &policy.config.objectives)
    }

    /// The ledgers of all partitions; `None` unless each counts what partition 0 declares, and all of it.
    fn ledgers(&self, objective: &Objective) -> Option<Vec<Kept<'a>>> {
        let declaring = self.parts.iter().find(|part| part.partition == DECLARING)?;
        let declared = declaring.state.ledger(&objective.name)?.spec();
        let of = |part: &Part<'a>| {
            let ledger = part.state.ledger(&objective.name)?;
            (ledger.spec() == declared && !ledger.is_recounting()).then_some((ledger, part.store))
        };
        self.parts.iter().map(of).collect()
    }

    fn objective_view(&self, objective: &'a Objective) -> ObjectiveView<'a> {
        let ledgers = self.ledgers(objective);
        let counted_from = ledgers.iter().flatten().map(|(ledger, _)| ledger.counted_from()).max();
        // The rules of the configuration refuse zones that this build does not know.
        let span = span_of(&objective.window, self.at).unwrap_or(Span { from: self.at, to: None });
        let (standing, figures) = match ledgers.map(|ledgers| self.count(objective, &ledgers, span)) {
            None => (Standing::Recomputing, None),
            Some(Err(NotKept { .. })) => (Standing::NotKept, None),
            Some(Ok(figures)) => (Standing::Counted, Some(figures)),
        };
        let allowed_ppm = allowed_ppm(objective);
        let burn = |window| {
            let counts = figures.as_ref().and_then(|(_, burns)| burns.get(&window).copied());
            Burn { window, counts, rate_milli: counts.and_then(|counts| burn_milli(&counts, allowed_ppm)) }
        };
        let burns: Vec<Burn> = burn_windows(objective).into_iter().map(burn).collect();
        let counts = figures.map(|(counts, _)| counts);
        let pace = burns.iter().find(|burn| burn.window == PACE_WINDOW).and_then(|burn| burn.counts);
        let known = &self.declarations().alert_states;
        let alerts = objective.alerts.iter().map(|alert| AlertView::new(objective, alert, &burns, known)).collect();
        ObjectiveView {
            objective,
            at: self.at,
            from: span.from,
            to: span.to,
            standing,
            counted_from,
            counts,
            sli_ppm: counts.and_then(|counts| counts.sli_ppm()),
            budget: counts.and_then(|counts| Budget::of(&counts, allowed_ppm, pace.as_ref())),
            burns,
            alerts,
        }
    }

    /// What was counted in the objective's window, and in each window whose burn rate is shown.
    fn count(
        &self,
        objective: &Objective,
        ledgers: &[Kept<'_>],
        span: Span,
    ) -> Result<(Counts, BTreeMap<Window, Counts>), NotKept> {
        let burns = burn_windows(objective);
        match objective.budgeting {
            Budgeting::Occurrences => {
                let counts = match &objective.window {
                    SloWindow::Rolling(window) => self.events_in(*window, ledgers)?,
                    SloWindow::Calendar(_) => self.events_since(span.from, ledgers)?,
                };
                // Fine buckets are kept for a shorter time than those of the objective's window.
                let burn = |window| Some((window, self.events_in(window, ledgers).ok()?));
                Ok((counts, burns.into_iter().filter_map(burn).collect()))
            }
            Budgeting::Timeslices(timeslices) => {
                let after = |window: Window| TimeNs(self.at.0.saturating_sub(window.length_ns()));
                let of_window = match &objective.window {
                    SloWindow::Rolling(window) => after(*window),
                    // A slice that ends when the window begins is of the one before.
                    SloWindow::Calendar(_) => span.from,
                };
                let earliest = burns.iter().map(|window| after(*window)).min().unwrap_or(of_window).min(of_window);
                let slices = self.slices_after(earliest, timeslices, ledgers)?;
                let judged = |after| Slice::judge(&slices, after, timeslices);
                Ok((judged(of_window), burns.into_iter().map(|window| (window, judged(after(window)))).collect()))
            }
        }
    }

    fn events_in(&self, window: Window, ledgers: &[Kept<'_>]) -> Result<Counts, NotKept> {
        let mut sum = Tally::default();
        for (ledger, store) in ledgers {
            ledger.rolling().add_window(window, self.at, *store, &mut sum)?;
        }
        Ok(counts_of(&sum))
    }

    /// Calendar windows begin on a quarter of an hour, in every zone.
    fn events_since(&self, from: TimeNs, ledgers: &[Kept<'_>]) -> Result<Counts, NotKept> {
        let (mut sum, past) = (Tally::default(), TimeNs(self.at.0.saturating_add(1)));
        for (ledger, store) in ledgers {
            ledger.rolling().add_range(Tier::Minutes15, from..past, *store, &mut sum)?;
        }
        Ok(counts_of(&sum))
    }

    /// The slices that have ended, but for those that ended at `after` or earlier; of all partitions together, since a
    /// slice is good or bad by all of its events.
    fn slices_after(
        &self,
        after: TimeNs,
        Timeslices { slice, .. }: Timeslices,
        ledgers: &[Kept<'_>],
    ) -> Result<Vec<Slice>, NotKept> {
        let slice_ns = slice.0.saturating_mul(1_000).max(1);
        // The slice that `after` falls into ends behind it.
        let first = TimeNs(after.0 - after.0 % slice_ns);
        let open = TimeNs(self.at.0 - self.at.0 % slice_ns);
        let mut by_end = BTreeMap::<TimeNs, Counts>::new();
        for (ledger, store) in ledgers {
            let Some(tier) = ledger.spec().slice_tier() else { continue };
            let mut slices: Vec<Slice> = Vec::new();
            ledger.visit(tier, first..open, *store, |start, counts| {
                let end = TimeNs(start.0 - start.0 % slice_ns + slice_ns);
                match slices.last_mut().filter(|slice| slice.end == end) {
                    Some(slice) => slice.counts.add(&counts),
                    None => slices.push(Slice { end, counts }),
                }
            })?;
            if ledgers.len() == 1 {
                return Ok(slices);
            }
            slices.iter().for_each(|slice| by_end.entry(slice.end).or_default().add(&slice.counts));
        }
        Ok(by_end.into_iter().map(|(end, counts)| Slice { end, counts }).collect())
    }
}

/// A slice of time, and the events in it.
struct Slice {
    end: TimeNs,
    counts: Counts,
}

impl Slice {
    /// How many of the slices that end after `after` are good: those whose good events are at least the share asked for.
    /// A slice without events is neither.
    fn judge(slices: &[Self], after: TimeNs, Timeslices { objective, .. }: Timeslices) -> Counts {
        let mut judged = Counts::default();
        for Self { counts, .. } in &slices[slices.partition_point(|slice| slice.end <= after)..] {
            let (good, total) = (u128::from(counts.good), u128::from(counts.total()));
            let is_good = good * 1_000_000 >= total * u128::from(objective.0);
            judged.good += u64::from(total > 0 && is_good);
            judged.bad += u64::from(total > 0 && !is_good);
            judged.events += counts.events;
            judged.excluded += counts.excluded;
        }
        judged
    }
}
