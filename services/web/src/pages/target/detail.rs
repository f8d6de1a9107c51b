//! A target's latest check, its conditions, and each agent's own view of it.

use maud::{Markup, html};
use spark_core::config::{CheckKind, Target};
use spark_core::units::DurationUs;
use spark_core::view::{SeriesView, View, past};
use spark_schemas::TimeNs;
use spark_schemas::event::{FailReason, Observed, Outcome};

use super::super::frame::Frame;
use super::super::panel::{empty, icon};
use crate::format::{ago, latency, latency_ms, number, span, staleness, stamp};

/// A certificate that expires sooner is worth a colour.
const CERTIFICATE_SOON_US: u64 = 14 * 86_400 * 1_000_000;

/// What one agent saw.
pub(super) struct SeriesFacts {
    agent: String,
    outcome: Option<Outcome>,
    slot: Option<TimeNs>,
    staleness_us: Option<u64>,
    observations: u64,
    failed: u64,
    missed: u64,
    interval_us: Option<u64>,
    probed: bool,
}

impl SeriesFacts {
    pub(super) fn of(view: &View<'_>, series: &SeriesView<'_>) -> Self {
        let latest = series.latest().filter(|latest| !past::is_later(view, latest.slot_ns));
        Self {
            agent: series.agent.to_string(),
            outcome: latest.map(|latest| latest.outcome),
            slot: latest.map(|latest| latest.slot_ns),
            staleness_us: latest.and_then(|_| series.staleness_us(view.at)),
            observations: series.observations(),
            failed: series.failed(),
            missed: series.missed(),
            interval_us: series.expectation.latest_schedule().map(|schedule| schedule.interval_us),
            probed: series.is_probed(),
        }
    }
}

/// The latest observation: its outcome, its phases, its certificate.
pub(super) fn latest(frame: &Frame, observed: Option<&Observed>) -> Markup {
    let Some(observed) = observed else {
        return empty("Not observed yet", html! { "The first check of each agent shows here." });
    };
    let (class, word) = match observed.outcome {
        Outcome::Ok => ("ok", "Passed"),
        Outcome::Fail => ("bad", "Failed"),
    };
    html! {
        p .latest {
            span class={ "state " (class) } { (icon(class)) (word) }
            " in " (latency_ms(Some(observed.latency_us))) ", " (stamp(observed.slot_ns))
        }
        @if let Some(detail) = &observed.detail { p .why { (detail) } }
        (phases(observed))
        dl .pairs {
            @if let Some(status) = observed.status { div { dt { "Status" } dd { (status) } } }
            div {
                dt { "Certificate" }
                dd {
                    @match observed.certificate_expires_ns {
                        None => span .none { "none shown" },
                        Some(expires) if expires <= frame.at => span .state.bad { (icon("bad")) "expired " (ago(expires, frame.at)) },
                        Some(expires) => {
                            @let left_us = expires.since_us(frame.at);
                            @if left_us < CERTIFICATE_SOON_US { (icon("warn")) }
                            "expires in " (span(left_us)) ", " (stamp(expires))
                        },
                    }
                }
            }
        }
    }
}

/// Where the time of the latest check went.
fn phases(observed: &Observed) -> Markup {
    let p = observed.phases;
    if p.is_empty() || observed.latency_us == 0 {
        return html! {};
    }
    let known = [
        ("dns", "DNS", p.dns_us),
        ("connect", "Connect", p.connect_us),
        ("tls", "TLS", p.tls_us),
        ("first", "First byte", p.first_byte_us),
    ];
    let sum: u64 = known.iter().filter_map(|(_, _, us)| *us).sum();
    let rest = observed.latency_us.saturating_sub(sum);
    let whole = sum.saturating_add(rest).max(1);
    let mut parts: Vec<(&str, &str, u64)> =
        known.into_iter().filter_map(|(class, name, us)| Some((class, name, us?))).collect();
    parts.push(("rest", "Rest", rest));
    let widths: Vec<f64> = parts.iter().map(|(_, _, us)| *us as f64 / whole as f64 * 1_000.0).collect();
    html! {
        svg .phases viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label="Phases of the latest check" {
            @for (n, (class, name, us)) in parts.iter().enumerate() {
                @let x: f64 = widths[..n].iter().sum();
                rect class={ "phase " (class) } x=(format!("{x:.1}")) width=(format!("{:.1}", widths[n])) height="12" {
                    title { (name) ": " (latency(*us)) }
                }
            }
        }
        dl .legend.phases-legend {
            @for (class, name, us) in &parts {
                div { dt { i class={ "swatch phase " (class) } {} (name) } dd { (latency(*us)) } }
            }
        }
    }
}

/// When it is checked, and what makes a check good.
pub(super) fn conditions(config: Option<&Target>) -> Markup {
    let Some(target) = config else {
        return empty("Not in this configuration", html! { "Only an agent’s own configuration has this target." });
    };
    let offset = latency(target.schedule().offset_us);
    let is_http = CheckKind::from_scheme(target.url.scheme()).is_some_and(CheckKind::is_http);
    let pair = |name: &str, value: Markup| html! { div { dt { (name) } dd { (value) } } };
    html! {
        dl .pairs {
            (pair("Every", html! { (target.interval) ", " (offset) " into each" }))
            (pair("Timeout", html! { (target.timeout()) }))
            @if is_http { (pair("Request", html! { code { (target.method) } })) }
            (pair("Good when", html! { (target.conditions().join(", ")) }))
            @if let Some(role) = target.role { (pair("Role", html! { (super::super::settings::role_text(role)) })) }
            (pair("Agents", match target.agents.as_slice() {
                [] => html! { "any that probe it" },
                names => html! { (names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) },
            }))
        }
    }
}

/// Each agent's own view.
pub(super) fn agents(series: &[SeriesFacts]) -> Markup {
    if series.is_empty() {
        return empty("No agent probes it yet", html! { code { "spark probe" } " starts one." });
    }
    html! {
        div .scroll tabindex="0" {
            table .rows {
                thead {
                    tr {
                        th scope="col" { "Agent" } th scope="col" { "Latest" } th .num scope="col" { "Every" }
                        th .num scope="col" { "Overdue" } th .num scope="col" { "Observations" }
                        th .num scope="col" { "Failed" } th .num scope="col" { "Missed" }
                    }
                }
                tbody {
                    @for one in series {
                        tr {
                            th scope="row" { (one.agent) @if !one.probed { " " span .badge { "no longer probes it" } } }
                            td {
                                @match (one.outcome, one.slot) {
                                    (Some(Outcome::Ok), Some(slot)) => { (icon("ok")) " passed, " (stamp(slot)) },
                                    (Some(Outcome::Fail), Some(slot)) => { (icon("bad")) " failed, " (stamp(slot)) },
                                    _ => span .none { "no data" },
                                }
                            }
                            td .num { @match one.interval_us { Some(us) => (DurationUs(us)), None => "—" } }
                            td .num { (staleness(one.staleness_us)) }
                            td .num { (number(one.observations)) }
                            td .num { (number(one.failed)) }
                            td .num { (number(one.missed)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn reason_text(reason: Option<FailReason>) -> &'static str {
    match reason {
        None => "—",
        Some(FailReason::Timeout) => "timeout",
        Some(FailReason::Dns) => "name resolution",
        Some(FailReason::Connect) => "no connection",
        Some(FailReason::Tls) => "TLS",
        Some(FailReason::Protocol) => "protocol",
        Some(FailReason::Status) => "status",
        Some(FailReason::Header) => "header",
        Some(FailReason::Body) => "body",
        Some(FailReason::Latency) => "too slow",
        Some(FailReason::Certificate) => "certificate",
        Some(FailReason::Other) => "other",
    }
}
