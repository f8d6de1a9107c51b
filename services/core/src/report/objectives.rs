//! Objectives and their budgets at the day's end.

use super::model::{BurnRow, ObjectiveRow};
use super::number::{I64, U64};
use crate::config::{CalendarUnit, Config, Instant, Objective, SloWindow};
use crate::slo::{BURN_WINDOWS, ObjectiveView};
use crate::view::View;

pub(super) fn objectives(view: &View<'_>) -> Vec<ObjectiveRow> {
    let config = view.config();
    view.objectives().iter().map(|objective| row(objective, &config)).collect()
}

fn row(view: &ObjectiveView<'_>, config: &Config) -> ObjectiveRow {
    let Objective { name, objective, window, .. } = view.objective;
    let burn = |window| {
        let rate_milli = view.burn(window).and_then(|burn| burn.rate_milli).map(U64);
        BurnRow { window: window.to_string(), rate_milli }
    };
    ObjectiveRow {
        objective: name.clone(),
        promise: view.objective.explained(config).into_iter().next().unwrap_or_default(),
        objective_ppm: U64(objective.0),
        window: window_text(window),
        standing: view.standing.as_str().to_owned(),
        counted_from: view.counted_from.map(Instant),
        good: view.counts.map(|counts| U64(counts.good)),
        bad: view.counts.map(|counts| U64(counts.bad)),
        excluded: view.counts.map(|counts| U64(counts.excluded)),
        sli_ppm: view.sli_ppm.map(U64),
        budget_milli: view.budget.map(|budget| U64(budget.total_milli)),
        budget_left_milli: view.budget.map(|budget| I64(budget.left_milli)),
        budget_spent_ppm: view.budget.map(|budget| U64(budget.spent_ppm)),
        burn: BURN_WINDOWS.into_iter().map(burn).collect(),
    }
}

fn window_text(window: &SloWindow) -> String {
    match window {
        SloWindow::Rolling(window) => window.to_string(),
        SloWindow::Calendar(window) => {
            let unit = match window.calendar {
                CalendarUnit::Day => "day",
                CalendarUnit::Week => "week",
                CalendarUnit::Month => "month",
            };
            format!("{unit} in {}", window.time_zone)
        }
    }
}
