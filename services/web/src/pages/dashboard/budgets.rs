//! The error budgets: a tile for each objective with what is left, how fast it burns, and what its alerts say.

use maud::{Markup, html};
use spark_core::config::{Sli, SloWindow};
use spark_core::slo::{Budget, Exhaustion, ObjectiveView, Standing};
use spark_core::units::decimal;
use spark_core::view::{View, past, rfc3339};
use spark_schemas::TimeNs;
use spark_schemas::event::AlertState;

use super::super::frame::Frame;
use super::super::panel::{empty, icon};
use crate::format::{self, count, percent_text, span, stamp_text};

/// The windows whose burn rates stand on a tile; the API has all.
const SHOWN: usize = 4;

/// One objective, as its tile shows it.
pub(super) struct BudgetFacts {
    name: String,
    promise: String,
    standing: Standing,
    /// The log does not go back to the start of its window.
    counted_from: Option<TimeNs>,
    budget: Option<Budget>,
    counted: Option<(u64, u64)>,
    burns: Vec<(String, Option<u64>, bool)>,
    alerts: Vec<AlertFacts>,
}

struct AlertFacts {
    state: AlertState,
    severity: String,
    windows: String,
    since: TimeNs,
    reason: String,
}

impl BudgetFacts {
    pub(super) fn all(view: &View<'_>) -> Vec<Self> {
        view.objectives().iter().map(|slo| Self::of(view, slo)).collect()
    }

    fn of(view: &View<'_>, slo: &ObjectiveView<'_>) -> Self {
        let good = match slo.objective.sli {
            Sli::Availability => "available".to_owned(),
            Sli::Latency(limit) => format!("within {limit}"),
        };
        let over = match &slo.objective.window {
            SloWindow::Rolling(window) => format!("over {window}"),
            SloWindow::Calendar(_) => format!("since {}", stamp_text(slo.from)),
        };
        // The windows of its alerts tell most; where it has none, the usual ones.
        let of_alerts = slo
            .burns
            .iter()
            .filter(|burn| slo.alerts.is_empty() || slo.alerts.iter().any(|alert| burn.window == alert.alert.long));
        let is_fast = |window, rate: Option<u64>| {
            let alerts = slo.alerts.iter().filter(|alert| alert.alert.long == window);
            alerts.map(|alert| alert.alert.burn_rate.0).min().zip(rate).is_some_and(|(limit, rate)| rate > limit)
        };
        let on = slo.alerts.iter().filter_map(|alert| {
            let latest = alert.latest.filter(|latest| !past::is_later(view, latest.at_ns))?;
            (latest.state != AlertState::Resolved).then(|| AlertFacts {
                state: latest.state,
                severity: alert.alert.severity.to_string(),
                windows: format!("{} and {}", alert.alert.long, alert.alert.short),
                since: latest.at_ns,
                reason: alert.reason.clone(),
            })
        });
        Self {
            name: slo.objective.name.to_string(),
            promise: format!("{} {good} {over}", slo.objective.objective),
            standing: slo.standing,
            counted_from: slo.counted_from.filter(|from| *from > slo.from),
            budget: slo.budget,
            counted: slo.counts.map(|counts| (counts.good, counts.total())),
            burns: of_alerts
                .map(|burn| (burn.window.to_string(), burn.rate_milli, is_fast(burn.window, burn.rate_milli)))
                .take(SHOWN)
                .collect(),
            alerts: on.collect(),
        }
    }

    fn render(&self, frame: &Frame) -> Markup {
        let is_known = frame.standing.is_live() || frame.pinned;
        let is_firing = self.alerts.iter().any(|alert| alert.state == AlertState::Firing);
        let is_spent = self.budget.is_some_and(|budget| budget.left_ppm() <= 0);
        let class = match self.budget {
            Some(_) if !is_known => "plain",
            Some(_) if is_firing || is_spent => "bad",
            Some(_) => "ok",
            None => "plain",
        };
        html! {
            article class={ "tile " (class) } {
                header {
                    h2 { (self.name) }
                    @if is_known { (self.word(is_firing, is_spent)) }
                }
                p .figure { (self.left()) }
                p .note { (self.promise) }
                p .note { (self.sentence()) }
                @if let Some(budget) = &self.budget {
                    svg .meter viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true" {
                        rect .rail width="1000" height="6" {}
                        rect .used width=(budget.left_ppm().clamp(0, 1_000_000) / 1_000) height="6" {}
                    }
                }
                dl .burns {
                    @for (window, rate, is_fast) in &self.burns {
                        div .fast[*is_fast && is_known] {
                            dt { (window) }
                            dd { @match rate {
                                Some(milli) => { data value=(milli) { (decimal(*milli, 3)) "×" } },
                                None => { (format::none()) },
                            } }
                        }
                    }
                }
                @for alert in &self.alerts { (alert.render()) }
            }
        }
    }

    fn word(&self, is_firing: bool, is_spent: bool) -> Markup {
        let (name, word) = match (self.standing, self.budget) {
            (Standing::Recomputing, _) => ("clock", "recomputing"),
            (_, None) => ("unknown", "no data"),
            _ if is_firing => ("bad", "firing"),
            _ if is_spent => ("bad", "overspent"),
            _ if !self.alerts.is_empty() => ("warn", "pending"),
            _ => ("ok", "within"),
        };
        html! { span class={ "state " (name) } { (icon(name)) (word) } }
    }

    fn left(&self) -> Markup {
        let Some(budget) = &self.budget else { return format::none() };
        let left_ppm = budget.left_ppm();
        let sign = if left_ppm < 0 { "−" } else { "" };
        // Overspent many times over, nobody reads decimals.
        let text = match left_ppm.unsigned_abs() {
            ppm if ppm > 1_000_000 => count(ppm / 10_000),
            ppm => percent_text(ppm),
        };
        html! {
            data value=(left_ppm) data-unit="ppm" {
                (sign) (text) span .unit { "% left" }
            }
        }
    }

    fn sentence(&self) -> Markup {
        let standing = match self.standing {
            Standing::Recomputing => "It is counted anew from the log.",
            Standing::NotKept => "Counts are not kept for that long.",
            Standing::Counted => match self.counted {
                Some((_, 0)) | None => "Nothing was counted in this window.",
                Some(_) => "",
            },
        };
        let pace = self.budget.and_then(|budget| budget.exhaustion).map(|exhaustion| match exhaustion {
            Exhaustion::Gone => "gone".to_owned(),
            Exhaustion::Never => "untouched in the last hour".to_owned(),
            Exhaustion::InSeconds(seconds) => {
                format!("gone in {} at the last hour’s pace", span(seconds.saturating_mul(1_000_000)))
            }
        });
        html! {
            (standing)
            @if standing.is_empty() {
                @if let Some((good, total)) = self.counted { (count(good)) " good of " (count(total)) }
                @if let Some(pace) = pace { "; " (pace) }
            }
            @if let Some(from) = self.counted_from {
                @if standing.is_empty() {
                    ", counted since " time datetime=(rfc3339(from)) { (stamp_text(from)) }
                }
            }
        }
    }
}

impl AlertFacts {
    fn render(&self) -> Markup {
        let (name, word) = match self.state {
            AlertState::Firing => ("bad", "Firing"),
            AlertState::Pending | AlertState::Resolved => ("warn", "Pending"),
        };
        html! {
            p .alert title=(self.reason) {
                (icon(name)) span { (word) " (" (self.severity) ", " (self.windows) ") since "
                time datetime=(rfc3339(self.since)) { (stamp_text(self.since)) } }
            }
        }
    }
}

/// The panel's body.
pub(super) fn render(budgets: &[BudgetFacts], frame: &Frame) -> Markup {
    if budgets.is_empty() {
        return empty(
            "No objective has an error budget",
            html! { "Name one as " code { "[[slo]]" } " in " code { "spark.toml" } "." },
        );
    }
    html! {
        div .tiles { @for budget in budgets { (budget.render(frame)) } }
        p .note { "At a burn rate of 1× a budget lasts exactly as long as its window." }
    }
}
