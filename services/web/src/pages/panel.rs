//! Panels, and the small things that they are made of. A panel that can't get its data says what and why.

use maud::{Markup, html};
use spark_schemas::derived::TargetState;
use spark_schemas::event::{CheckVerdict, Verdict};

use super::Region;
use super::facts::TargetFacts;
use super::frame::Frame;
use crate::api::problem::Problem;
use crate::format::stamp_text;

/// What a panel shows, or why it can't.
pub(super) type Panel = Result<Markup, Problem>;

/// A region with a heading.
pub(super) fn panel(frame: &Frame, id: &'static str, class: &'static str, title: &'static str, body: Panel) -> Region {
    panel_with(frame, id, class, title, html! {}, body)
}

/// A region with a heading, and something beside the heading.
pub(super) fn panel_with(
    frame: &Frame,
    id: &'static str,
    class: &'static str,
    title: &'static str,
    aside: Markup,
    body: Panel,
) -> Region {
    let body = html! {
        header .panel-head {
            h2 { (title) }
            div .aside {
                (aside)
                @if let Some(badge) = frame.standing.badge() { span .badge.stale { (badge) } }
            }
        }
        @match body {
            Ok(body) => (body),
            Err(problem) => (failed(&problem)),
        }
    };
    Region { id, class, label: title, body }
}

fn failed(problem: &Problem) -> Markup {
    html! {
        div .empty.failed {
            (icon("warn"))
            p .what { (problem.title) }
            p .why { (problem.detail) }
        }
    }
}

/// What a panel says when there is nothing to show.
pub(super) fn empty(what: &str, why: Markup) -> Markup {
    html! {
        div .empty {
            p .what { (what) }
            p .why { (why) }
        }
    }
}

/// A small picture; the text beside it says the same.
pub(super) fn icon(name: &'static str) -> Markup {
    html! {
        svg class={ "icon " (name) } viewBox="0 0 16 16" aria-hidden="true" {
            @match name {
                "ok" => {
                    circle cx="8" cy="8" r="7" {}
                    path d="M4.8 8.3l2.2 2.2 4.3-4.7" {}
                },
                "bad" => {
                    circle cx="8" cy="8" r="7" {}
                    path d="M5.5 5.5l5 5m0-5l-5 5" {}
                },
                "warn" => {
                    path .fill d="M8 1.6l6.9 12.2H1.1z" {}
                    path d="M8 6v3.6m0 1.9v.1" {}
                },
                "clock" => {
                    circle .ring cx="8" cy="8" r="6.2" {}
                    path d="M8 4.5V8l2.4 1.6" {}
                },
                _ => {
                    circle .ring cx="8" cy="8" r="6.2" {}
                    path d="M6.3 6.4c.2-2.2 3.5-2 3.4.1 0 1.3-1.7 1.4-1.7 2.7m0 2.2v.1" {}
                },
            }
        }
    }
}

/// A target's state. Without live data nobody knows it, whatever it was last.
pub(super) fn state(frame: &Frame, state: TargetState) -> Markup {
    let (name, word) = match state {
        TargetState::Up => ("ok", "Up"),
        TargetState::Down => ("bad", "Down"),
        TargetState::Unknown => ("unknown", "Unknown"),
    };
    if frame.standing.is_live() || frame.pinned || state == TargetState::Unknown {
        return html! { span class={ "state " (name) } { (icon(name)) (word) } };
    }
    html! { span .state.unknown { (icon("unknown")) "Unknown" span .was { " (was " (word.to_lowercase()) ")" } } }
}

/// What a check says.
pub(super) fn check_verdict(verdict: CheckVerdict) -> Markup {
    let (name, word) = match verdict {
        CheckVerdict::Pass => ("ok", "Pass"),
        CheckVerdict::Warn => ("warn", "Warn"),
        CheckVerdict::Fail => ("bad", "Fail"),
        CheckVerdict::NoData => ("unknown", "No data"),
    };
    html! { span class={ "state " (name) } { (icon(name)) (word) } }
}

/// What all checks together say.
pub(super) fn verdict(verdict: Verdict) -> Markup {
    let (name, sentence) = match verdict {
        Verdict::Pass => ("ok", "Safe to deploy"),
        Verdict::Warn => ("warn", "Safe, with warnings"),
        Verdict::Fail => ("bad", "Not safe to deploy"),
        Verdict::NoData => ("unknown", "Can’t tell: data is missing"),
    };
    html! { span class={ "state big " (name) } { (icon(name)) (sentence) } }
}

/// Marks a target that is in maintenance, or outside of its service hours.
pub(super) fn left_out(target: &TargetFacts) -> Markup {
    html! {
        @if let Some(one) = &target.maintenance {
            " " span .badge.maintenance title={ (one.id) ", until " (stamp_text(one.to_ns)) ": " (one.reason) } {
                "in maintenance"
                span .hidden { " until " (stamp_text(one.to_ns)) }
            }
        } @else if let Some(until) = target.outside_hours_until {
            " " span .badge.maintenance title={ "until " (stamp_text(until)) } {
                "outside of service hours"
                span .hidden { " until " (stamp_text(until)) }
            }
        }
    }
}

/// Marks what comes from a demonstration, or from the built-in stand-in.
pub(super) fn badges(demo: bool, stand_in: bool) -> Markup {
    html! {
        @if demo { span .badge.demo { "Demo" } }
        @if stand_in {
            span .badge title="The executor is Spark’s built-in stand-in: nothing else was there" { "stand-in" }
        }
    }
}
