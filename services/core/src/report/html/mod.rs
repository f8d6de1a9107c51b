//! A report for people: one file without scripts, for the screen in light and dark and for paper. It shows all that
//! `report.json` holds and nothing else.

pub(super) mod format;
mod happened;
mod provenance;
mod tables;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{Report, Rule};
use format::{badge, cite, class_of, count, latency, none, percent, time};

/// What the page looks like.
pub(super) const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(report: &Report) -> Markup {
    let (date, level) = (report.date, report.risk.level);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Risk report " (date) ": " (level.as_str()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report))
                main {
                    (verdict(report))
                    (tiles(report))
                    (timeline::timeline(report))
                    (happened::incidents(report))
                    (happened::silences(report))
                    (tables::objectives(report))
                    (tables::targets(report))
                    (happened::deployments(report))
                    (happened::gate(report))
                    (happened::canaries(report))
                    (happened::maintenances(report))
                    (happened::alerts(report))
                    (tables::amendments(report))
                    (rules(report))
                    (provenance::evidence(report))
                    (provenance::agents(report))
                    (happened::remarks(report))
                    (provenance::statements(report))
                    (provenance::provenance(report))
                }
                footer { "Made by Spark from the leaves named above. report.json has the same figures; the evidence bundle proves them." }
            }
        }
    }
}

fn header(report: &Report) -> Markup {
    let day = report.date;
    html! {
        header {
            h1 {
                "Daily risk report, " (day)
                @if report.draft { " " (badge("medium", "Draft")) }
            }
            p .where {
                @match &report.environment {
                    Some(environment) => { "Environment " b { (environment) } },
                    None => "No environment is known",
                }
                " · UTC day, seen until " (time(report.seen_until, day))
                @if let Some(policy) = &report.policy { " · judged by profile " b { (policy.profile) } }
            }
        }
    }
}

fn verdict(report: &Report) -> Markup {
    let risk = &report.risk;
    html! {
        section class={ "verdict " (class_of(risk.level)) } {
            p .level { "Risk: " (risk.level.as_str()) }
            @if !risk.reasons.is_empty() {
                ul { @for reason in &risk.reasons { li { (reason) } } }
            }
            p { b { (risk.recommendation) } }
        }
    }
}

/// The figures that are asked for first.
fn tiles(report: &Report) -> Markup {
    let totals = &report.totals;
    html! {
        dl .tiles {
            div {
                dt { "Failed" }
                dd { (percent(totals.error_rate_ppm))
                    small { (count(totals.failed)) " of " (count(totals.observations)) " observations" } }
            }
            div {
                dt { "95 % took at most" }
                dd {
                    @match &totals.latency_us {
                        Some(seen) => {
                            (latency(seen.p95))
                            small { "median " (latency(seen.p50)) ", 99 % " (latency(seen.p99)) ", slowest " (latency(seen.max)) }
                        },
                        None => (none()),
                    }
                }
            }
            div {
                dt { "Evidence that is there" }
                dd { (percent(totals.completeness_ppm))
                    small { (count(totals.received)) " of " (count(totals.expected)) " due, " (count(totals.missed)) " missed" } }
            }
            div {
                dt { "Minutes watched" }
                dd { (count(report.evidence.watched_minutes))
                    small { "of " (count(report.evidence.minutes)) @if report.draft { " so far" } } }
            }
        }
        p .soft { "All judged targets together, without maintenance." }
    }
}

fn rules(report: &Report) -> Markup {
    let limit = |text: &Option<String>| html! { td { @if let Some(text) = text { (text) } } };
    let row = |rule: &Rule| {
        html! {
            tr {
                td { (badge(class_of(rule.level), rule.level.as_str())) }
                th scope="row" { (rule.title) br; code .soft { (rule.id) } }
                td { @match &rule.observed { Some(seen) => (seen), None => span .none { "–" } } }
                (limit(&rule.medium)) (limit(&rule.high)) (limit(&rule.unknown))
                td .words { (rule.reason) " " (cite(rule.evidence)) }
            }
        }
    };
    html! {
        section {
            h2 { "How the risk comes about" }
            p .soft { "The worst rule decides. The limits are those of [report] in the configuration in force." }
            div .wide { table {
                thead { tr { th { "Says" } th { "Rule" } th { "Seen" } th { "Medium" } th { "High" } th { "Unknown" } th { "In words" } } }
                tbody { @for rule in &report.risk.rules { (row(rule)) } }
            } }
        }
    }
}
