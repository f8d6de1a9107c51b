//! A Spark that watches a user interface and an executor, for tests of the gate.

use spark_core::bucket::MemoryBuckets;
use spark_core::config::{Config, Role, Target};
use spark_core::fold::State;
use spark_core::gate::{self, Circumstances};
use spark_core::health::{self, Component, Health, Status};
use spark_core::schedule::Schedule;
use spark_core::view::View;
use spark_schemas::event::Outcome::{self, Ok as Passed};
use spark_schemas::event::{CheckResult, ConfigApplied, GateDecided};
use spark_schemas::{Class, Event, TimeNs};

use super::{HOUR, Recorded, SECOND, START, boot, frame, name, observed, target_list};

pub const EVERY: Schedule = Schedule { interval_us: 5_000_000, offset_us: 0 };
pub const AGENT: &str = "ankara";

/// A Spark that watches a user interface and an executor.
pub struct Spark {
    pub state: State,
    pub buckets: MemoryBuckets,
    position: u64,
    frames: u64,
}

impl Spark {
    /// Nothing is known yet, not even the configuration.
    pub fn new() -> Self {
        Self { state: State::default(), buckets: MemoryBuckets::default(), position: 0, frames: 0 }
    }

    pub fn configured(config: &Config) -> Self {
        let mut spark = Self::new();
        spark.apply(config);
        spark
    }

    pub fn apply(&mut self, config: &Config) {
        let body = config.canonical_json();
        let applied = ConfigApplied { at_ns: START, digest: config.digest().into(), part: 0, parts: 1, body };
        self.record(START, Class::Ctl, vec![applied.into()]);
    }

    /// As configured, with both targets scheduled and observed to be well up to `START`.
    pub fn healthy() -> Self {
        Self::healthy_as(&config())
    }

    pub fn healthy_as(config: &Config) -> Self {
        let mut spark = Self::configured(config);
        spark.schedule(&["ui", "executor"]);
        for n in 0..60 {
            spark.observe_both(TimeNs(START.0 - n * 5 * SECOND), 1_000, Passed);
        }
        spark
    }

    pub fn record(&mut self, received: TimeNs, class: Class, events: Vec<Event>) {
        self.record_of(AGENT, received, class, events);
    }

    pub fn record_of(&mut self, agent: &str, received: TimeNs, class: Class, events: Vec<Event>) {
        self.position += 1;
        let frame = frame(agent, boot(class as usize + 2 * agent.len(), 0), self.frames, events);
        self.frames += 1;
        self.state.apply(&Recorded::of_frame(self.position, received, class, &frame).leaf(), &mut self.buckets);
    }

    pub fn schedule(&mut self, targets: &[&str]) {
        let targets: Vec<_> = targets.iter().map(|target| (*target, EVERY)).collect();
        self.record(START, Class::Obs, vec![target_list(TimeNs(START.0 - HOUR), (0, 1), &targets)]);
    }

    pub fn observe(&mut self, target: &str, slot: TimeNs, latency_us: u64, outcome: Outcome) {
        self.record(START, Class::Obs, vec![observed(target, slot, latency_us, outcome)]);
    }

    pub fn observe_both(&mut self, slot: TimeNs, latency_us: u64, outcome: Outcome) {
        self.observe("ui", slot, latency_us, outcome);
        self.observe("executor", slot, latency_us, outcome);
    }

    pub fn view(&self, at: TimeNs) -> View<'_> {
        View::of_one(&self.state, &self.buckets, at)
    }

    pub fn health(&self, at: TimeNs) -> Health {
        health::judge(&[component(Status::Up)], &self.view(at).slo(None).unwrap())
    }

    pub fn decide(&self, at: TimeNs) -> GateDecided {
        gate::decide(&self.view(at), None, circumstances()).unwrap()
    }
}

pub fn component(status: Status) -> Component {
    Component { name: "log".into(), status, detail: "it does not answer".to_owned() }
}

pub fn circumstances() -> Circumstances {
    Circumstances {
        state_digest: String::new(),
        components: vec![component(Status::Up)],
        recounting: Vec::new(),
        build: "test".to_owned(),
        by: "test".to_owned(),
    }
}

pub fn target(target_name: &str, role: Option<Role>) -> Target {
    let url = format!("http://{target_name}.example/").parse().unwrap();
    Target { role, ..Target::new(name(target_name), url) }
}

/// The same two as `spark.toml` has them.
pub const TARGETS: &str = r#"
[[target]]
name = "ui"
url = "http://ui.example/"
role = "ui"
[[target]]
name = "executor"
url = "http://executor.example/"
role = "executor"
"#;

pub fn config() -> Config {
    let targets = vec![target("ui", Some(Role::Ui)), target("executor", Some(Role::Executor))];
    Config { targets, ..Config::default() }
}

pub fn check<'a>(decided: &'a GateDecided, id: &str) -> &'a CheckResult {
    decided.checks.iter().find(|check| check.id == id).unwrap()
}
