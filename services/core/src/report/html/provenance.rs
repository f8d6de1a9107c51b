//! The evidence itself, who gave it, and where it is.

use maud::{Markup, html};

use super::format::{cite, count, none, offset, seq, time};
use crate::report::model::{ClockRow, Mark, Report};
use crate::report::words;

pub(super) fn evidence(report: &Report) -> Markup {
    let (evidence, day) = (&report.evidence, report.date);
    html! {
        section {
            h2 { "The evidence" }
            dl .facts {
                dt { "Leaves" }
                dd { (count(evidence.leaves))
                    @if let (Some(first), Some(last)) = (evidence.first_received, evidence.last_received) {
                        ", received from " (time(first, day)) " to " (time(last, day))
                    }
                }
                dt { "Counted" }
                dd { (count(evidence.frames)) " frames with " (count(evidence.observations)) " observations and "
                    (count(evidence.missed)) " missed checks"
                    @for (n, row) in evidence.missed_why.iter().enumerate() {
                        (if n == 0 { ": " } else { ", " }) (words::missed(row.why)) "\u{a0}×\u{a0}" (count(row.slots))
                    }
                }
                dt { "Not counted" }
                dd { (count(evidence.duplicates)) " frames that came again, " (count(evidence.rejected)) " rejected, "
                    (count(evidence.unknown_kinds)) " events of unknown kinds, " (count(evidence.too_late))
                    " reports of days too long ago" }
                dt { "Lost by the log" }
                dd { (count(evidence.lost)) " messages" }
            }
            @if !evidence.gaps.is_empty() {
                h3 { "Holes in the log" }
                ul .said { @for gap in &evidence.gaps { li { (time(gap.at, day)) " " (cite(Some(gap.missing))) " " (gap.reason) } } }
            }
            @if !evidence.rejections.is_empty() {
                h3 { "Rejected frames" }
                ul .said { @for row in &evidence.rejections { li {
                    (time(row.at, day)) " " (seq(row.seq)) " " code { (row.subject) } " " (row.reason)
                } } }
            }
            @if !evidence.repairs.is_empty() {
                h3 { "Repairs" }
                ul .said { @for row in &evidence.repairs { li {
                    (time(row.at, day)) " " (seq(row.seq)) " " (count(row.bytes_cut)) " bytes behind #" (row.last_seq)
                    " were cut; they were never acknowledged"
                } } }
            }
        }
    }
}

pub(super) fn agents(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Who observed and declared" }
            @if report.agents.is_empty() { p .none { "Nobody." } } @else {
                div .wide { table {
                    thead { tr {
                        th { "Agent" } th .n { "Runs" } th .n { "Frames" } th .n { "Observations" } th .n { "Missed" } th .n { "Frames missing" }
                        th { "Clock" } th { "Leaves" }
                    } }
                    tbody { @for row in &report.agents { tr {
                        th scope="row" { (row.agent) " " span .soft { (row.class.as_str()) } }
                        td .n { (count(row.runs)) } td .n { (count(row.frames)) } td .n { (count(row.observations)) }
                        td .n { (count(row.missed)) } td .n { (count(row.holes)) }
                        td { (clock(&row.clock)) }
                        td { (cite(Some(row.evidence))) }
                    } } }
                } }
            }
        }
    }
}

fn clock(row: &ClockRow) -> Markup {
    html! {
        (row.source) ": "
        @match (row.offset_us_min, row.offset_us_max) {
            (Some(min), Some(max)) => { (offset(min)) " to " (offset(max)) },
            _ => span .none { "offset not measured" },
        }
        @if let Some(at) = row.seq { " " (seq(at)) }
        @if row.steps.0 > 0 { ", stepped " (count(row.steps)) " times" }
    }
}

pub(super) fn statements(report: &Report) -> Markup {
    html! {
        section {
            h2 { "How to read this" }
            ul .said { @for statement in &report.statements { li { (statement) } } }
        }
    }
}

pub(super) fn provenance(report: &Report) -> Markup {
    let mark = |mark: &Mark| html! { (count(mark.size)) " leaves, up to #" (mark.seq) ", root " code { (mark.root) } };
    let policy = report.policy.as_ref();
    html! {
        section {
            h2 { "Where it comes from" }
            dl .facts {
                dt { "Log" } dd { code { (report.log.origin) } }
                dt { "From" } dd { (mark(&report.log.from)) }
                dt { "To" } dd { (mark(&report.log.to)) }
                dt { "State before" } dd { code { (report.state.from) } }
                dt { "State after" } dd { code { (report.state.to) } }
                dt { "Policy" }
                dd { @match policy {
                    Some(policy) => { code { (policy.digest) } ", in force since " (time(policy.since, report.date)) },
                    None => (none()),
                } }
                dt { "Rules" }
                dd { "format " (report.format) ", fold " (report.arithmetic.fold) ", report " (report.arithmetic.report) }
            }
        }
    }
}
