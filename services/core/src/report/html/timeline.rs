//! The day at a glance: what the tables say of times, on one line.

use maud::{Markup, html};
use spark_schemas::TimeNs;

use super::format::{from_to, time_text};
use crate::config::Instant;
use crate::report::model::Report;

const WIDTH: u64 = 960;

/// An hour each 40 units.
fn x(report: &Report, at: Instant) -> u64 {
    let (from, to) = (report.from.0, report.to.0);
    let secs = |until: TimeNs| until.0.saturating_sub(from.0) / TimeNs::SECOND;
    secs(at.0.min(to)) * WIDTH / secs(to).max(1)
}

fn bar(report: &Report, class: &str, (y, height): (u64, u64), from: Instant, to: Instant, what: &str) -> Markup {
    let (start, end) = (x(report, from), x(report, to));
    // What is too short to be seen is shown as short.
    html! {
        rect class=(class) x=(start) y=(y) width=(end.saturating_sub(start).max(2)) height=(height) {
            title { (what) ", " (time_text(from, report.date)) "–" (time_text(to, report.date)) }
        }
    }
}

/// The line.
pub(super) fn timeline(report: &Report) -> Markup {
    let day = report.date;
    html! {
        svg viewBox="0 0 960 62" role="img" aria-label="The day: incidents, silences, maintenance and deployments over its hours" {
            rect .track x="0" y="16" width="960" height="26" {}
            @for maintenance in report.maintenances.iter().filter(|one| !one.called_off) {
                @if maintenance.from < report.to && maintenance.to > report.from {
                    (bar(report, "kept-out", (16, 26), maintenance.from, maintenance.to, "maintenance"))
                }
            }
            @for silence in &report.silences { (bar(report, "silent", (22, 14), silence.from, silence.to, "not watched")) }
            @for incident in &report.incidents {
                @let class = if incident.judged_minutes.0 > 0 { "bad" } else { "bad aside" };
                (bar(report, class, (16, 26), incident.from, incident.to, "incident"))
            }
            @if report.draft { (bar(report, "ahead", (16, 26), report.seen_until, report.to, "not known yet")) }
            @for deployment in report.deployments.iter().filter(|one| one.at >= report.from && one.at < report.to) {
                @let at = x(report, deployment.at);
                path .out d={ "M" (at) " 15l-4 -8h8z" } {
                    title { (deployment.service) " " (deployment.version) ", " (time_text(deployment.at, day)) }
                }
            }
            @for hour in (0..=24_u64).step_by(3) {
                @let anchor = match hour { 0 => "start", 24 => "end", _ => "middle" };
                line .tick x1=(hour * 40) x2=(hour * 40) y1="42" y2="47" {}
                text x=(hour * 40) y="58" text-anchor=(anchor) { (format!("{hour:02}:00")) }
            }
        }
        p .soft { "UTC, " (from_to(report.from, report.to, day)) ". "
            b .high { "Red" } ": incident (pale: not judged). "
            b .unknown { "Violet" } ": nothing was seen. Blue: maintenance. Triangles: deployments."
        }
    }
}
