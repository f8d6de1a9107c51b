//! Objectives, targets, and what became known of earlier days.

use maud::{Markup, html};

use super::format::{badge, cite, count, latency, milli, milli_signed, names, none, percent, seconds, time};
use crate::report::model::{Amended, Amendment, Figures, ObjectiveRow, Report, TargetRow};
use crate::report::words;

pub(super) fn objectives(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Objectives and error budgets at the day's end" }
            @if report.objectives.is_empty() { p .none { "No objective is declared." } }
            @for row in &report.objectives { (objective(report, row)) }
        }
    }
}

fn objective(report: &Report, row: &ObjectiveRow) -> Markup {
    html! {
        div .objective {
            h3 {
                (row.objective)
                @match row.standing.as_str() {
                    "counted" => span hidden { (row.standing) },
                    "recomputing" => { " " (badge("unknown", "counted anew")) span hidden { (row.standing) } },
                    other => { " " (badge("unknown", other)) },
                }
            }
            p { (row.promise) }
            dl .facts {
                dt { "Good" }
                dd {
                    (percent(row.sli_ppm)) ", asked for " (percent(Some(row.objective_ppm))) " over " (row.window)
                    @if let (Some(good), Some(bad), Some(excluded)) = (row.good, row.bad, row.excluded) {
                        ": " (count(good)) " good, " (count(bad)) " bad, " (count(excluded)) " in maintenance"
                    }
                }
                dt { "Error budget" }
                dd {
                    @if row.budget_spent_ppm.is_none() { (none()) } @else {
                        (percent(row.budget_spent_ppm)) " spent: " (milli_signed(row.budget_left_milli)) " of "
                        (milli(row.budget_milli)) " bad events are left"
                    }
                }
                dt { "Burn rate at the end" }
                dd {
                    @for (n, burn) in row.burn.iter().enumerate() {
                        @if n > 0 { ", " }
                        (burn.window) "\u{a0}" (milli(burn.rate_milli))
                    }
                }
                dt { "Counted from" }
                dd { @match row.counted_from { Some(at) => (time(at, report.date)), None => (none()) } }
            }
        }
    }
}

pub(super) fn targets(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Targets over the day" }
            @if report.targets.is_empty() { p .none { "No target is configured, and none was observed." } } @else {
                div .wide { table {
                    thead { tr {
                        th { "Target" } th .n { "Observations" } th .n { "Failed" } th .n { "Error rate" } th .n { "Evidence" }
                        th .n { "p50" } th .n { "p95" } th .n { "p99" } th .n { "Slowest" } th { "Leaves" }
                    } }
                    tbody { @for row in &report.targets { (target(row)) } }
                } }
            }
        }
    }
}

fn target(row: &TargetRow) -> Markup {
    html! {
        tr {
            th scope="row" {
                (row.target)
                @if let Some(why) = words::standing(row.standing) { " " (badge("quiet", why)) }
                br; span .soft { "by " @if row.agents.is_empty() { "nobody" } @else { (names(&row.agents)) } }
                @if row.maintenance_s.0 > 0 { br; span .soft { (seconds(row.maintenance_s)) " in maintenance" } }
            }
            @match &row.figures {
                Some(seen) => (figures(seen)),
                None => td colspan="8" { span .none { "the day's minutes are no longer kept" } },
            }
            td { (cite(row.evidence)) }
        }
    }
}

fn figures(seen: &Figures) -> Markup {
    let share_class = |ppm: Option<crate::report::U64>| if ppm.is_some_and(|ppm| ppm.0 > 0) { "n high" } else { "n" };
    html! {
        td .n { (count(seen.observations)) }
        td .n { (count(seen.failed)) }
        td class=(share_class(seen.error_rate_ppm)) { (percent(seen.error_rate_ppm)) }
        td .n {
            (percent(seen.completeness_ppm)) br;
            span .soft { (count(seen.received)) " of " (count(seen.expected))
                @if seen.missed.0 > 0 { ", " (count(seen.missed)) " missed" } }
        }
        @match &seen.latency_us {
            Some(took) => {
                td .n { (latency(took.p50)) } td .n { (latency(took.p95)) }
                td .n { (latency(took.p99)) } td .n { (latency(took.max)) }
            },
            None => td .n colspan="4" { (none()) },
        }
    }
}

pub(super) fn amendments(report: &Report) -> Markup {
    let row = |row: &Amendment| {
        let causes: Vec<&str> = row.causes.iter().map(|cause| words::cause(*cause)).collect();
        html! {
            tr {
                th scope="row" rowspan="2" { (row.date) br; (row.target) br;
                    span .soft { (causes.join("; ")) } br; (cite(Some(row.evidence))) }
                td { "as known then" } (amended(row.then.as_ref()))
            }
            tr { td { "as known now" } (amended(row.now.as_ref())) }
        }
    };
    html! {
        section {
            h2 { "Amendments to earlier days" }
            @if report.amendments.is_empty() {
                p .none { "Nothing became known of earlier days." }
            } @else {
                p .soft { "Reports that were issued stay as they are. This is what their figures would be now." }
                div .wide { table {
                    thead { tr {
                        th { "Day and target" } th {} th .n { "Observations" } th .n { "Failed" } th .n { "Error rate" }
                        th .n { "Evidence" } th .n { "p50" } th .n { "p95" } th .n { "p99" } th .n { "Slowest" }
                        th .n { "Maintenance" }
                    } }
                    tbody { @for one in &report.amendments { (row(one)) } }
                } }
            }
        }
    }
}

fn amended(amended: Option<&Amended>) -> Markup {
    match amended {
        Some(Amended { figures: seen, maintenance_s }) => html! { (figures(seen)) td .n { (seconds(*maintenance_s)) } },
        None => html! { td colspan="9" { span .none { "the figures of that day are no longer kept" } } },
    }
}
