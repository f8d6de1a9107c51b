//! `/settings`: the configuration in force, the parts that run, and what the log holds.

use maud::{Markup, html};
use spark_core::config::{Config, Role};
use spark_core::fold::Policy;
use spark_core::health::{Component, Status};
use spark_core::view::View;
use spark_schemas::TimeNs;

use super::Region;
use super::frame::Frame;
use super::panel::{badges, empty, icon, panel};
use crate::api::log::LogFacts;
use crate::app::{BuildInfo, Server};
use crate::format::{number, stamp};

pub(super) struct Model {
    policy: Option<Policy>,
    components: Vec<Component>,
    log: LogFacts,
    build: BuildInfo,
    started: TimeNs,
}

impl Model {
    pub(super) fn take(view: &View<'_>, server: &Server) -> Self {
        Self {
            policy: view.declarations().policy.clone(),
            components: server.components(),
            log: LogFacts::of(server, view),
            build: server.build.clone(),
            started: server.started,
        }
    }

    pub(super) fn render(&self, frame: &Frame) -> Vec<Region> {
        let config = self.policy.as_ref().map(|policy| &policy.config);
        let with_config = |show: &dyn Fn(&Config) -> Markup| {
            Ok(config.map_or_else(
                || empty("No configuration yet", html! { "None has come into force: the log has none." }),
                show,
            ))
        };
        vec![
            panel(frame, "config", "panel half", "Configuration in force", with_config(&|config| self.config(config))),
            panel(frame, "parts", "panel half", "Parts of Spark", Ok(self.parts())),
            panel(frame, "profiles", "panel half", "Profiles", with_config(&profiles)),
            panel(frame, "log", "panel half", "Log", Ok(self.log())),
            panel(frame, "targets", "panel wide", "Targets", with_config(&|config| targets(config, frame))),
            panel(frame, "runs", "panel wide", "Agents’ runs", Ok(self.runs())),
            panel(frame, "canonical", "panel wide", "As recorded", with_config(&canonical)),
        ]
    }

    fn config(&self, config: &Config) -> Markup {
        let names = |names: &[spark_schemas::Name]| match names {
            [] => "any".to_owned(),
            names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        html! {
            dl .pairs {
                div { dt { "Environment" } dd { (config.environment) } }
                div { dt { "Profile" } dd { (config.profile) } }
                div { dt { "Agents expected" } dd { (names(&config.agents)) } }
                div { dt { "Probe linger" } dd { (config.probe.linger) } }
                div { dt { "Probe concurrency" } dd { (number(config.probe.concurrency as u64)) } }
                div { dt { "Outbox, at most" } dd { (number(config.probe.outbox_bytes_max)) " bytes" } }
                @if let Some(policy) = &self.policy {
                    div { dt { "In force since" } dd { (stamp(policy.since)) } }
                    div { dt { "Digest (SHA-256)" } dd { code .wrap { (policy.digest) } } }
                }
            }
        }
    }

    fn parts(&self) -> Markup {
        html! {
            ul .parts {
                @for part in &self.components {
                    @let class = match part.status { Status::Up => "ok", Status::Degraded => "warn", Status::Down => "bad" };
                    li {
                        span class={ "state " (class) } { (icon(class)) (part.status.as_str()) }
                        strong { (part.name) }
                        span .why { (part.detail) }
                    }
                }
            }
            dl .pairs {
                div { dt { "Version" } dd { (self.build.version) } }
                div { dt { "Build" } dd { code { (self.build.id) } } }
                div { dt { "Started" } dd { (stamp(self.started)) } }
            }
        }
    }

    fn log(&self) -> Markup {
        let log = &self.log;
        html! {
            dl .pairs {
                div { dt { "Mode" } dd { (log.mode) } }
                @for partition in &log.partitions {
                    div { dt { "Partition " (partition.partition) } dd { "folded to " (number(partition.seq)) } }
                }
                @for (name, value) in [
                    ("Frames", log.frames), ("Observations", log.observations), ("Missed slots", log.missed),
                    ("Duplicates, not counted", log.duplicates), ("Rejected", log.rejected), ("Gaps", log.gaps),
                ] {
                    div { dt { (name) } dd { (number(value)) } }
                }
            }
        }
    }

    fn runs(&self) -> Markup {
        if self.log.agents.is_empty() {
            return empty("No agent has spoken yet", html! { code { "spark probe" } " starts one." });
        }
        html! {
            div .scroll tabindex="0" {
                table .rows {
                    thead {
                        tr {
                            th scope="col" { "Agent" } th scope="col" { "Class" } th scope="col" { "Run" }
                            th .num scope="col" { "Next frame" } th .num scope="col" { "Observations" }
                        }
                    }
                    tbody {
                        @for run in &self.log.agents {
                            tr {
                                th scope="row" { (run.agent) }
                                td { (run.class) }
                                td { code title=(run.boot) { (&run.boot[..run.boot.len().min(12)]) } }
                                td .num { (number(run.next_seq)) }
                                td .num { (number(run.observations)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn profiles(config: &Config) -> Markup {
    html! {
        div .scroll tabindex="0" {
            table .rows {
                thead {
                    tr {
                        th scope="col" { "Profile" } th .num scope="col" { "p95 below" } th .num scope="col" { "Errors below" }
                        th .num scope="col" { "Staleness below" } th scope="col" { "Targets" }
                    }
                }
                tbody {
                    @for (name, profile) in &config.profiles {
                        tr {
                            th scope="row" {
                                a href={ "/dashboard?profile=" (name) } { (name) } " "
                                @if *name == config.profile { span .badge { "in use" } }
                            }
                            td .num { (profile.latency_p95) }
                            td .num { (profile.error_rate) }
                            td .num { (profile.staleness) }
                            td {
                                @if profile.targets.is_empty() { "every one that is not demo" }
                                @else { (profile.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn targets(config: &Config, frame: &Frame) -> Markup {
    if config.targets.is_empty() {
        return empty("No target is configured", html! { "Name one in " code { "spark.toml" } "." });
    }
    html! {
        div .scroll tabindex="0" {
            table .rows {
                thead {
                    tr {
                        @for name in ["Target", "URL", "Every", "Timeout", "Role", "Good when"] { th scope="col" { (name) } }
                    }
                }
                tbody {
                    @for target in &config.targets {
                        tr {
                            th scope="row" {
                                a href={ "/targets/" (target.name) } { (target.name) } " "
                                (badges(target.demo, frame.is_stand_in(target.role)))
                            }
                            td { code { (target.url) } }
                            td { (target.interval) }
                            td { (target.timeout()) }
                            td { (target.role.map_or("—", role_text)) }
                            td { (target.conditions().join(", ")) }
                        }
                    }
                }
            }
        }
    }
}

fn canonical(config: &Config) -> Markup {
    let text = serde_json::to_string_pretty(config).unwrap_or_default();
    html! {
        details .figures {
            summary { "The configuration in JSON, secrets by reference only" }
            pre tabindex="0" { (text) }
        }
    }
}

pub(super) const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Ui => "user interface",
        Role::Executor => "executor",
    }
}
