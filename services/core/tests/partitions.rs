//! Partitions add up: frames that are spread over several logs by agent give every figure that one log gives.
//!
//! Logs whose clocks never go back, as those of the servers that keep partitions do: when a schedule begins is never
//! later than the log's own time, and clocks that jump would make that a different instant in each log.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use proptest::prelude::*;
use spark_core::bucket::MemoryBuckets;
use spark_core::config::{Config, Role, Target};
use spark_core::fold::State;
use spark_core::gate::{Circumstances, decide};
use spark_core::health::{Component, Status, judge};
use spark_core::units::DurationUs;
use spark_core::view::{Part, View};
use spark_core::window::{Tier, Window};
use spark_schemas::event::{CheckResult, ConfigApplied, Heartbeat};
use spark_schemas::{Class, Event, TimeNs};
use support::history::{AGENTS, TARGETS, Told, steps, tell};
use support::{HOUR, MINUTE, Recorded, SECOND, boot, frame, name};

/// A fold of one partition.
#[derive(Default)]
struct Fold {
    state: State,
    buckets: MemoryBuckets,
    next_seq: u64,
}

impl Fold {
    /// Takes a leaf of the one log, under the next number of this one.
    fn take(&mut self, recorded: &Recorded) {
        let lost = recorded.leaf().gap_last_seq().map(|last| last - recorded.seq);
        let mut recorded = Recorded { seq: self.next_seq + 1, ..recorded.clone() };
        self.next_seq = recorded.seq + lost.unwrap_or(0);
        if lost.is_some() {
            recorded.msg_id = self.next_seq.to_string();
        }
        self.state.apply(&recorded.leaf(), &mut self.buckets);
    }

    fn part(&self, partition: usize) -> Part<'_> {
        Part { partition: partition as u16, state: &self.state, store: &self.buckets }
    }
}

fn view(folds: &[Fold], at: TimeNs) -> View<'_> {
    View { parts: folds.iter().enumerate().map(|(partition, fold)| fold.part(partition)).collect(), at }
}

/// A configuration that names these agents for these targets.
#[derive(Debug, Clone)]
struct Declared {
    targets: Vec<(usize, u64, Vec<usize>)>,
}

impl Declared {
    fn event(&self, at: TimeNs) -> Event {
        let target = |(target, interval_s, agents): &(usize, u64, Vec<usize>)| {
            let role = [Some(Role::Ui), Some(Role::Executor), None][*target];
            let agents = agents.iter().map(|agent| name(AGENTS[*agent])).collect();
            let url = format!("http://{}.example/", TARGETS[*target]).parse().unwrap();
            let interval = DurationUs::from_secs(*interval_s);
            Target { role, agents, interval, ..Target::new(name(TARGETS[*target]), url) }
        };
        let config = Config { targets: self.targets.iter().map(target).collect(), ..Config::default() };
        let (digest, body) = (config.digest().into(), config.canonical_json());
        ConfigApplied { at_ns: at, digest, part: 0, parts: 1, body }.into()
    }
}

fn declarations() -> impl Strategy<Value = Declared> {
    let agents = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    let target = (prop::sample::select(vec![45_u64, 60, 90]), agents);
    prop::collection::btree_map(0..TARGETS.len(), target, 0..=TARGETS.len()).prop_map(|targets| Declared {
        targets: targets.into_iter().map(|(target, (interval_s, agents))| (target, interval_s, agents)).collect(),
    })
}

/// The log with declarations and heartbeats put in, its clock never going back; each leaf with its agent's number.
fn one_log(told: Vec<Told>, declared: &[(prop::sample::Index, Declared)]) -> Vec<(Option<usize>, Recorded)> {
    let mut log: Vec<(Option<usize>, Recorded)> = Vec::new();
    let mut now = TimeNs(0);
    let mut said = 0;
    let length = told.len();
    for (position, told) in told.into_iter().enumerate() {
        now = now.max(told.recorded.received);
        let agent = AGENTS.iter().position(|agent| told.recorded.subject.contains(agent));
        log.push((agent, Recorded { received: now, ..told.recorded }));
        for (_, declared) in declared.iter().filter(|(index, _)| index.index(length) == position) {
            let heartbeat = Heartbeat { at_ns: now, queue: said, ..Heartbeat::default() };
            let frame = frame("aggregator", boot(9, 0), said, vec![declared.event(now), heartbeat.into()]);
            log.push((None, Recorded::of_frame(0, now, Class::Ctl, &frame)));
            said += 1;
        }
    }
    log
}

fn assert_equal(one: &View<'_>, several: &View<'_>) {
    let at = one.at;
    assert_eq!(one.fold_time(), several.fold_time());
    assert_eq!(one.totals(), several.totals());
    assert_eq!(one.declarations(), several.declarations());
    let runs = |view: &View<'_>| -> Vec<_> {
        let runs = view.agent_runs().into_iter();
        runs.map(|run| (run.agent.clone(), run.class, run.boot, run.marks.clone())).collect()
    };
    assert_eq!(runs(one), runs(several));
    assert_eq!(one.heartbeat("aggregator", Class::Ctl), several.heartbeat("aggregator", Class::Ctl));

    let (all, of_several) = (one.targets(), several.targets());
    let names = |targets: &[spark_core::view::TargetView<'_>]| -> Vec<String> {
        targets.iter().map(|target| target.name.to_string()).collect()
    };
    assert_eq!(names(&all), names(&of_several));
    for (target, same) in all.iter().zip(&of_several) {
        let name = target.name;
        assert_eq!((target.state, &target.reason), (same.state, &same.reason), "{name} at {at}");
        assert_eq!((target.latest, target.staleness_us), (same.latest, same.staleness_us), "{name} at {at}");
        for (series, same) in target.series.iter().zip(same.series.iter()) {
            assert_eq!((series.agent, &series.expectation), (same.agent, &same.expectation));
            assert_eq!(series.observations(), same.observations());
            assert_eq!((series.failed(), series.missed()), (same.failed(), same.missed()));
            assert!(series.failures().eq(same.failures()));
        }
        assert_eq!(target.series.len(), same.series.len());
        for window in Window::ALL {
            assert_eq!(one.window(name, window).unwrap(), several.window(name, window).unwrap(), "{name} {window}");
        }
    }
    let hour_ago = TimeNs(at.0 - HOUR);
    assert_eq!(one.history(&all, Tier::Minute, hour_ago), several.history(&of_several, Tier::Minute, hour_ago));
    assert_eq!(decision(one), decision(several));
}

/// Health and what the gate's checks say.
fn decision(view: &View<'_>) -> (Vec<CheckResult>, Vec<String>) {
    let components = vec![Component { name: "log".into(), status: Status::Up, detail: String::new() }];
    let health = judge(&components, &view.slo(None).unwrap());
    let circumstances = Circumstances {
        state_digest: String::new(),
        components,
        recounting: Vec::new(),
        build: String::new(),
        by: String::new(),
    };
    (decide(view, None, circumstances).unwrap().checks, health.reasons)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn several_partitions_show_what_one_shows(
        steps in prop::collection::vec(steps(), 1..90),
        declared in prop::collection::vec((any::<prop::sample::Index>(), declarations()), 0..4),
        partitions in 1_usize..=3,
        homes in prop::array::uniform3(0_usize..3),
        live_from in any::<prop::sample::Index>(),
        look_after in prop::sample::select(vec![0, 1, SECOND, 17 * SECOND, MINUTE, 20 * MINUTE, 3 * HOUR]),
    ) {
        let log = one_log(tell(&steps), &declared);
        let live_from = live_from.index(log.len() + 1);
        let mut one = [Fold::default()];
        let mut several: Vec<Fold> = (0..partitions).map(|_| Fold::default()).collect();
        for (position, (agent, recorded)) in log.iter().enumerate() {
            if position == live_from {
                one.iter_mut().chain(&mut several).for_each(|fold| fold.state.go_live(&fold.buckets));
            }
            one[0].take(recorded);
            several[agent.map_or(0, |agent| homes[agent] % partitions)].take(recorded);
            if position % 16 == 0 || position + 1 == log.len() {
                let at = TimeNs(one[0].state.head().fold_time.0 + look_after);
                assert_equal(&view(&one, at), &view(&several, at));
            }
        }
    }
}
