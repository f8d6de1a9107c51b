//! What happened: incidents and silences, and what was declared and decided.

use maud::{Markup, html};

use super::format::{badge, cite, count, from_to, length_text, names, seconds, seq, seq_or_earlier, time};
use crate::report::model::{CheckRow, Incident, IncidentTarget, MaintenanceRow, Report};
use crate::report::words;

fn empty(text: &str) -> Markup {
    html! { p .none { (text) } }
}

/// More incidents that do not count are folded away, so that they do not hide those that do.
const OPEN_MAX: usize = 5;

pub(super) fn incidents(report: &Report) -> Markup {
    let (judged, others): (Vec<&Incident>, Vec<&Incident>) =
        report.incidents.iter().partition(|incident| incident.judged_minutes.0 > 0);
    html! {
        section {
            h2 { "Incidents" }
            @if report.incidents.is_empty() { (empty("No target failed for a minute or longer.")) }
            @for incident in judged { (incident_of(report, incident)) }
            @if !others.is_empty() {
                details open[others.len() <= OPEN_MAX] {
                    summary { (others.len()) " that do not count for the risk: demonstrations, maintenance, targets that are not judged" }
                    @for incident in others { (incident_of(report, incident)) }
                }
            }
        }
    }
}

fn incident_of(report: &Report, incident: &Incident) -> Markup {
    let day = report.date;
    html! {
        article .incident {
            h3 {
                (from_to(incident.from, incident.to, day)) ": " (names(incident.names()))
                @if incident.judged_minutes.0 == 0 { " " (badge("quiet", "not judged")) }
            }
            p {
                (length_text(incident.from, incident.to)) " in all, " (count(incident.bad_minutes)) " bad minutes, of which "
                (count(incident.judged_minutes)) " count for the risk. "
                "Worst: " (incident.worst.target) " at " (time(incident.worst.at, day)) ", when "
                (count(incident.worst.failed)) " of " (count(incident.worst.observations)) " observations of a minute failed."
                @if incident.continues_before { " It had begun the day before." }
                @if incident.continues_after {
                    @if report.draft { " It had not ended when this draft was made." } @else { " It went on the next day." }
                }
            }
            div .wide { table {
                thead { tr { th { "Target" } th { "From – to" } th .n { "Bad minutes" } th .n { "Failed" } th { "What failed" } th { "Leaves" } } }
                tbody { @for target in &incident.targets { (target_of(report, target)) } }
            } }
        }
    }
}

fn target_of(report: &Report, row: &IncidentTarget) -> Markup {
    html! {
        tr {
            th scope="row" { (row.target) @if let Some(why) = words::standing(row.standing) { " " (badge("quiet", why)) } }
            td { (from_to(row.from, row.to, report.date)) }
            td .n { (count(row.bad_minutes))
                @if row.maintenance_minutes.0 > 0 { br; span .soft { (count(row.maintenance_minutes)) " in maintenance" } } }
            td .n { (count(row.failed)) " of " (count(row.observations)) }
            td {
                @for (n, reason) in row.reasons.iter().enumerate() {
                    @if n > 0 { ", " }
                    (words::reason(reason.reason)) "\u{a0}×\u{a0}" (count(reason.count))
                }
                @if row.reasons.is_empty() { span .soft { "known from before this report's leaves" } }
                @if let Some(example) = &row.example { br; span .soft { "such as “" (example) "”" } }
            }
            td { (cite(row.evidence)) }
        }
    }
}

pub(super) fn silences(report: &Report) -> Markup {
    html! {
        section {
            h2 { "When nobody was looking" }
            @if report.silences.is_empty() { (empty("No target was silent for longer than the policy allows.")) } @else {
                div .wide { table {
                    thead { tr { th { "From – to" } th .n { "For" } th { "Targets" } th .n { "Observations missing" } } }
                    tbody { @for row in &report.silences { tr {
                        td { (from_to(row.from, row.to, report.date)) }
                        td .n { (length_text(row.from, row.to)) }
                        td { (names(&row.targets)) @if !row.judged { " " (badge("quiet", "not judged")) } }
                        td .n { (count(row.expected)) }
                    } } }
                } }
            }
        }
    }
}

pub(super) fn deployments(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Deployments" }
            @if report.deployments.is_empty() { (empty("No deployment was marked.")) } @else {
                div .wide { table {
                    thead { tr { th { "When" } th { "What" } th { "By" } th { "The gate before it" } th { "Leaf" } } }
                    tbody { @for row in &report.deployments { tr {
                        td { (time(row.at, report.date)) }
                        th scope="row" { (row.service) " " (row.version) }
                        td { (row.by) }
                        td { @match &row.gate {
                            Some(gate) => {
                                (badge(words::colour(gate.verdict), words::verdict(gate.verdict))) " " (seconds(gate.age_s)) " before"
                                @if !gate.covers { ", which does not cover it" }
                                br; code { (gate.id) }
                            },
                            None => span .medium { "was not asked" },
                        } }
                        td { (seq(row.seq)) }
                    } } }
                } }
            }
        }
    }
}

fn checks(total: crate::report::U64, not_passed: &[CheckRow]) -> Markup {
    html! {
        @if not_passed.is_empty() { "all " (count(total)) " checks passed" } @else {
            (not_passed.len()) " of " (count(total)) " checks did not pass:"
            ul .said { @for check in not_passed { li {
                b { (check.id) } " " (words::check(check.verdict)) @if check.waived { " (waived)" } ": " (check.reason)
            } } }
        }
    }
}

pub(super) fn gate(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Gate decisions" }
            @if report.gate.is_empty() { (empty("The gate decided nothing.")) } @else {
                div .wide { table {
                    thead { tr { th { "When" } th { "Verdict" } th { "Why" } th { "Asked by" } th { "Decision and policy" } th { "Leaf" } } }
                    tbody { @for row in &report.gate { tr {
                        td { (time(row.at, report.date)) }
                        td { (badge(words::colour(row.verdict), words::verdict(row.verdict))) br; span .soft { (row.profile) } }
                        td { (checks(row.checks, &row.not_passed)) }
                        td { (row.by) }
                        td { code { (row.id) } br; code .soft { (row.policy_digest) } }
                        td { (seq(row.seq)) }
                    } } }
                } }
            }
        }
    }
}

pub(super) fn canaries(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Canaries" }
            @if report.canaries.is_empty() { (empty("No canary ran.")) } @else {
                div .wide { table {
                    thead { tr { th { "When" } th { "Kind" } th { "Verdict" } th { "Why" } th { "Asked by" } th { "Run" } th { "Leaf" } } }
                    tbody { @for row in &report.canaries { tr {
                        td { (time(row.at, report.date)) }
                        td { (words::mode(row.mode)) @if let Some(compared) = &row.compared { br; span .soft { (compared) } } }
                        td { (badge(words::colour(row.verdict), words::verdict(row.verdict))) }
                        td { (checks(row.checks, &row.not_passed)) }
                        td { (row.by) }
                        td { code { (row.id) } }
                        td { (seq(row.seq)) }
                    } } }
                } }
            }
        }
    }
}

pub(super) fn maintenances(report: &Report) -> Markup {
    let day = report.date;
    let said = |row: &MaintenanceRow| {
        html! {
            (if row.called_off { "called off" } else { "declared" }) " " (time(row.declared, day))
            @if row.afterwards { ", afterwards" }
        }
    };
    html! {
        section {
            h2 { "Maintenance" }
            @if report.maintenances.is_empty() { (empty("None took time out of the day.")) } @else {
                div .wide { table {
                    thead { tr { th { "From – to" } th { "Targets" } th { "Why" } th { "Said" } th { "By" } th { "Name" } th { "Leaf" } } }
                    tbody { @for row in &report.maintenances { tr {
                        td { (from_to(row.from, row.to, day)) }
                        td { @if row.targets.is_empty() { "all" } @else { (names(&row.targets)) } }
                        td { (row.reason) }
                        td { (said(row)) }
                        td { (row.by) }
                        td { (row.id) }
                        td { (seq_or_earlier(row.seq)) }
                    } } }
                } }
            }
        }
    }
}

pub(super) fn alerts(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Alerts" }
            @if report.alerts.is_empty() { (empty("None changed its state, and none was on.")) } @else {
                div .wide { table {
                    thead { tr { th { "Since" } th { "Objective" } th { "State" } th { "Why" } th { "Leaf" } } }
                    tbody { @for row in &report.alerts { tr {
                        td { (time(row.at, report.date)) }
                        th scope="row" { (row.objective) br; span .soft { (row.windows)
                            @if let Some(severity) = &row.severity { " " (severity) } } }
                        td { (words::alert(row.state)) @if row.at_the_end { br; span .soft { "at the end" } } }
                        td { (row.reason) }
                        td { (seq_or_earlier(row.seq)) }
                    } } }
                } }
            }
        }
    }
}

pub(super) fn remarks(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Configurations and remarks" }
            @if report.configurations.is_empty() && report.notes.is_empty() { (empty("Neither changed nor said.")) } @else {
                ul .said {
                    @for row in &report.configurations { li {
                        (time(row.at, report.date)) " "
                        @if let Some(digest) = &row.digest { "applied " code { (digest) } }
                        @if let Some(error) = &row.error { span .medium { "refused: " (error) } }
                        " " (seq(row.seq))
                    } }
                    @for row in &report.notes { li {
                        (time(row.at, report.date)) " " (row.by) ": " (row.text) " " (seq(row.seq))
                    } }
                }
            }
        }
    }
}
