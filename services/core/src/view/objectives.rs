//! Objectives at an instant, over all partitions.

use super::View;
use crate::config::Objective;
use crate::slo::{AlertView, Budget, Burn, ObjectiveView, PACE_WINDOW, Standing, allowed_ppm, burn_windows};

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

    fn objective_view(&self, objective: &'a Objective) -> ObjectiveView<'a> {
        let (standing, counts) = (Standing::Recomputing, None);
        let allowed_ppm = allowed_ppm(objective);
        let burn = |window| Burn { window, counts: None, rate_milli: None };
        let burns: Vec<Burn> = burn_windows(objective).into_iter().map(burn).collect();
        let pace = burns.iter().find(|burn| burn.window == PACE_WINDOW).and_then(|burn| burn.counts);
        let known = &self.declarations().alert_states;
        let alerts = objective.alerts.iter().map(|alert| AlertView::new(objective, alert, &burns, known)).collect();
        let budget = counts.and_then(|counts| Budget::of(&counts, allowed_ppm, pace.as_ref()));
        ObjectiveView {
            objective,
            at: self.at,
            from: self.at,
            to: None,
            standing,
            counted_from: None,
            counts,
            sli_ppm: None,
            budget,
            burns,
            alerts,
        }
    }
}
