//! What surrounds every page: how Spark is, as of when, under which configuration, and what to beware of.

use maud::{Markup, html};
use spark_core::config::Role;
use spark_core::health::{Health, Status};
use spark_core::view::{Slo, View, rfc3339};
use spark_schemas::TimeNs;
use spark_schemas::event::ConfigRejected;

use super::Region;
use super::panel::icon;
use crate::app::Server;
use crate::format::{clock_text, stamp, stamp_text};
use crate::standing::Standing;

/// The surroundings of a page.
pub(super) struct Frame {
    /// The instant that is shown.
    pub(super) at: TimeNs,
    /// Whether that instant was asked for, so that the page stands still.
    pub(super) pinned: bool,
    pub(super) standing: Standing,
    pub(super) health: Health,
    /// The profile that is looked at.
    pub(super) profile: String,
    pub(super) config_digest: Option<String>,
    rejected: Option<ConfigRejected>,
    /// Any figure that is shown comes from a demonstration.
    pub(super) demo: bool,
    pub(super) stand_in: bool,
}

impl Frame {
    pub(super) fn take(server: &Server, view: &View<'_>, slo: &Slo<'_>, pinned: bool) -> Self {
        let (_, health) = server.judge(slo);
        let declarations = view.declarations();
        Self {
            at: view.at,
            pinned,
            standing: server.standing(),
            health,
            profile: slo.profile_name.to_string(),
            config_digest: declarations.policy.as_ref().map(|policy| policy.digest.clone()),
            rejected: declarations.config_rejected.clone(),
            demo: false,
            stand_in: server.stand_in,
        }
    }

    /// Whether a target of that role is the built-in stand-in.
    pub(super) fn is_stand_in(&self, role: Option<Role>) -> bool {
        self.stand_in && role == Some(Role::Executor)
    }

    /// The regions that every page has: the health dot, and what to beware of.
    pub(super) fn regions(&self) -> Vec<Region> {
        vec![
            Region { id: "pulse", class: "pulse", label: "Spark's health", body: self.pulse() },
            Region { id: "notices", class: "notices", label: "Notices", body: self.notices() },
        ]
    }

    fn pulse(&self) -> Markup {
        let class = match self.health.status {
            Status::Up => "dot ok",
            Status::Degraded => "dot warn",
            Status::Down => "dot bad",
        };
        let reasons = match self.health.reasons.as_slice() {
            [] => "Every part works and every figure is within its limit".to_owned(),
            reasons => reasons.join("; "),
        };
        html! {
            a .health href="/settings#parts" title=(reasons) {
                span class=(class) {}
                span .word { (self.health.status.as_str()) }
                span .hidden { ": " (reasons) }
            }
            time .at datetime=(rfc3339(self.at)) title=(stamp_text(self.at)) {
                @if self.pinned { (stamp_text(self.at)) } @else { (clock_text(self.at)) span .unit { "UTC" } }
            }
        }
    }

    fn notices(&self) -> Markup {
        html! {
            @if self.pinned {
                p .notice.info { (icon("clock")) span { "As of " (stamp(self.at)) ". " a href="?" { "Back to live" } } }
            }
            @if let Some(sentence) = self.standing.sentence() {
                p .notice.warn role="status" { (icon("warn")) span { (sentence) } }
                @if let Standing::Replaying { folded, of } = &self.standing {
                    @if of > folded { progress max=(of) value=(folded) { (folded) " of " (of) } }
                }
            }
            @if let Some(rejected) = &self.rejected {
                p .notice.warn {
                    (icon("warn"))
                    span {
                        "A new configuration was refused at " (stamp(rejected.at_ns)) "; the one before stays in force. "
                        code { (rejected.source) } ": " (rejected.error)
                    }
                }
            }
            @if self.demo {
                p .notice.demo {
                    span .badge.demo { "Demo" }
                    span { "Some figures on this page come from a demonstration, and count for no verdict." }
                }
            }
        }
    }
}
