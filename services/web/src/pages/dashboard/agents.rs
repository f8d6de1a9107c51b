//! The agents: when each was last heard of, and how its queue is.

use maud::{Markup, html};
use spark_core::view::{View, past};
use spark_schemas::TimeNs;
use spark_schemas::event::Heartbeat;

use super::super::frame::Frame;
use super::super::panel::{empty, icon};
use crate::format::{count, span, stamp_text};

/// A heartbeat is due every 10 s.
const SILENCE_US_MAX: u64 = 30_000_000;

pub(super) struct Agent {
    name: String,
    class: &'static str,
    heartbeat: Option<Heartbeat>,
    /// Frames of all its runs that are known to be missing.
    missing: u64,
}

impl Agent {
    /// Every agent that was ever heard of.
    pub(super) fn all(view: &View<'_>) -> Vec<Self> {
        let mut agents: Vec<Self> = Vec::new();
        for run in view.agent_runs() {
            let (name, class) = (run.agent.as_str(), run.class.as_str());
            match agents.last_mut().filter(|last| last.name == name && last.class == class) {
                Some(last) => last.missing += run.marks.missing(),
                None => agents.push(Self {
                    name: name.to_owned(),
                    class,
                    heartbeat: view
                        .heartbeat(run.agent, run.class)
                        .filter(|heartbeat| !past::is_later(view, heartbeat.at_ns))
                        .cloned(),
                    missing: run.marks.missing(),
                }),
            }
        }
        agents
    }
}

pub(super) fn render(agents: &[Agent], frame: &Frame) -> Markup {
    if agents.is_empty() {
        return empty("No agent has spoken yet", html! { code { "spark probe" } " starts one." });
    }
    html! { ul .agents { @for agent in agents { (one(agent, frame.at)) } } }
}

fn one(agent: &Agent, at: TimeNs) -> Markup {
    let silence_us = agent.heartbeat.as_ref().map(|heartbeat| at.since_us(heartbeat.at_ns));
    let class = match silence_us {
        Some(us) if us <= SILENCE_US_MAX => "ok",
        _ => "unknown",
    };
    html! {
        li {
            (icon(class))
            div {
                span .name { (agent.name) } " "
                span .badge title="what it may say" { (agent.class) }
                p .why {
                    @match (&agent.heartbeat, silence_us) {
                        (Some(heartbeat), Some(us)) => {
                            span title=(stamp_text(heartbeat.at_ns)) {
                                @if us <= SILENCE_US_MAX { "heard of in the last 30 s" } @else { "silent for " (span(us)) }
                            }
                            @if heartbeat.queue > 0 { ", " (count(heartbeat.queue)) " frames queued" }
                            @if heartbeat.clock_steps > 0 { ", clock stepped " (count(heartbeat.clock_steps)) " times" }
                            @if heartbeat.dropped > 0 { ", " (count(heartbeat.dropped)) " observations dropped" }
                        },
                        _ => "no heartbeat known",
                    }
                    @if agent.missing > 0 { ", " (count(agent.missing)) " frames missing" }
                }
            }
        }
    }
}
