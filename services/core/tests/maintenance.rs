//! Maintenance at view time: what was observed meanwhile counts for no figure of the gate, and what is left out is said.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use proptest::prelude::*;
use spark_core::bucket::MemoryBuckets;
use spark_core::config::{Config, Role, Target};
use spark_core::fold::State;
use spark_core::gate::{self, Circumstances};
use spark_core::health::{self, Component, Status};
use spark_core::schedule::Schedule;
use spark_core::view::{SLO_WINDOW, View};
use spark_core::window::Window;
use spark_schemas::event::Outcome::{self, Fail, Ok as Passed};
use spark_schemas::event::{
    CheckResult, CheckVerdict, ConfigApplied, GateDecided, Maintenance, MaintenanceAction, Verdict,
};
use spark_schemas::{Class, Event, TimeNs};
use support::{HOUR, Recorded, SECOND, START, boot, frame, name, observed, target_list};

const EVERY: Schedule = Schedule { interval_us: 5_000_000, offset_us: 0 };
const TARGETS: [&str; 3] = ["ui", "executor", "shop"];

struct World {
    state: State,
    buckets: MemoryBuckets,
    frames: u64,
}

/// The instant `secs` seconds after (or before) `START`.
fn at(secs: i64) -> TimeNs {
    TimeNs(START.0.checked_add_signed(secs * SECOND as i64).unwrap())
}

fn maintenance(id: &str, targets: &[&str], from: i64, to: i64) -> Maintenance {
    Maintenance {
        at_ns: START,
        id: name(id),
        action: MaintenanceAction::Add,
        targets: targets.iter().map(|target| name(target)).collect(),
        from_ns: at(from),
        to_ns: at(to),
        reason: "new disks".to_owned(),
        by: "ece".to_owned(),
    }
}

impl World {
    /// Three targets, probed every five seconds; nothing is observed yet.
    fn new() -> Self {
        let target = |target_name: &&str| {
            let url = format!("http://{target_name}.example/").parse().unwrap();
            let role = match *target_name {
                "ui" => Some(Role::Ui),
                "executor" => Some(Role::Executor),
                _ => None,
            };
            Target { role, ..Target::new(name(target_name), url) }
        };
        let config = Config { targets: TARGETS.iter().map(target).collect(), ..Config::default() };
        let mut world = Self { state: State::default(), buckets: MemoryBuckets::default(), frames: 0 };
        let body = config.canonical_json();
        let applied = ConfigApplied { at_ns: START, digest: config.digest().into(), part: 0, parts: 1, body };
        world.record(Class::Ctl, vec![applied.into()]);
        let schedules = TARGETS.map(|target| (target, EVERY));
        world.record(Class::Obs, vec![target_list(TimeNs(START.0 - HOUR), (0, 1), &schedules)]);
        world
    }

    /// Ten minutes up to `START` in which all is well.
    fn healthy() -> Self {
        let mut world = Self::new();
        for n in (0..120).rev() {
            TARGETS.iter().for_each(|target| world.observe(target, -5 * n, Passed));
        }
        world
    }

    fn record(&mut self, class: Class, events: Vec<Event>) {
        let frame = frame("ankara", boot(class as usize, 0), self.frames, events);
        self.frames += 1;
        let recorded = Recorded::of_frame(self.frames, at(600), class, &frame);
        self.state.apply(&recorded.leaf(), &mut self.buckets);
    }

    fn observe(&mut self, target: &str, secs: i64, outcome: Outcome) {
        self.record(Class::Obs, vec![observed(target, at(secs), 1_000, outcome)]);
    }

    fn declare(&mut self, maintenance: Maintenance) {
        self.record(Class::Ctl, vec![maintenance.into()]);
    }

    fn cancel(&mut self, maintenance: Maintenance) {
        self.declare(Maintenance { action: MaintenanceAction::Cancel, ..maintenance });
    }

    fn view(&self, secs: i64) -> View<'_> {
        View::of_one(&self.state, &self.buckets, at(secs))
    }

    fn decide(&self, secs: i64) -> GateDecided {
        let components = vec![Component { name: "log".into(), status: Status::Up, detail: String::new() }];
        let (state_digest, recounting, build, by) = Default::default();
        let circumstances = Circumstances { state_digest, components, recounting, build, by };
        gate::decide(&self.view(secs), None, circumstances).unwrap()
    }
}

fn check<'a>(decided: &'a GateDecided, id: &str) -> &'a CheckResult {
    decided.checks.iter().find(|check| check.id == id).unwrap()
}

#[test]
fn an_outage_in_maintenance_fails_no_gate_and_the_decision_says_what_was_left_out() {
    let mut world = World::healthy();
    (-12..=0).for_each(|n| world.observe("shop", 5 * n, Fail));
    (-12..=0).for_each(|n| world.observe("ui", 5 * n, Fail));
    assert_eq!(world.decide(1).verdict, Verdict::Fail);
    let declared = maintenance("disks", &["shop"], -60, 600);
    world.declare(declared.clone());
    assert_eq!(world.decide(1).verdict, Verdict::Fail, "the user interface is down, and in no maintenance");
    (-12..=0).for_each(|n| world.observe("ui", 5 * n + 1, Passed));
    let both = maintenance("pages", &["ui"], -60, 600);
    world.declare(both.clone());
    let decided = world.decide(1);
    let errors = check(&decided, "healthz.slo.errorRate");
    assert_eq!(errors.verdict, CheckVerdict::Pass);
    let said = "the error rate over the last 5 minutes is below its limit; left out, in maintenance: ui (pages), \
                shop (disks)";
    assert_eq!(errors.reason, said);
    let ui = check(&decided, "ui.up");
    assert_eq!((ui.verdict, ui.observed.as_deref(), ui.samples), (CheckVerdict::NoData, None, 0));
    assert_eq!(ui.reason, "every user interface target is in maintenance: ui (pages)");
    assert_eq!(decided.verdict, Verdict::NoData, "nobody looked at a user interface");
    world.cancel(both);
    assert_eq!(world.decide(1).verdict, Verdict::Fail, "called off, its failures count again");
    world.cancel(declared);
    let cancelled = &world.state.head().declarations.cancelled_maintenances;
    assert_eq!(cancelled.iter().map(|one| one.declared.id.as_str()).collect::<Vec<_>>(), ["pages", "disks"]);
}

#[test]
fn a_gate_does_not_pass_because_everything_is_in_maintenance() {
    let mut world = World::healthy();
    assert_eq!(world.decide(1).verdict, Verdict::Pass);
    world.declare(maintenance("all", &[], 0, 600));
    let decided = world.decide(1);
    assert_eq!(decided.verdict, Verdict::NoData);
    for check in &decided.checks {
        assert_eq!((check.verdict, check.samples), (CheckVerdict::NoData, 0), "{}", check.id);
    }
    let why = "no data for the staleness of the most overdue target: every target is in maintenance: ui (all), \
               executor (all), shop (all)";
    assert_eq!(check(&decided, "healthz.slo.staleness").reason, why);
    assert!(world.view(1).targets().iter().all(|target| target.maintenance.unwrap().id.as_str() == "all"));
    assert_eq!(world.view(-1).slo(None).unwrap().judged().count(), 3, "it had not begun");
}

#[test]
fn once_it_is_over_its_whole_buckets_stay_left_out_and_its_edges_count() {
    let mut world = World::healthy();
    // Failures from -120 s to -65 s; the maintenance begins and ends within a bucket of ten seconds.
    (-24..=-13).for_each(|n| world.observe("shop", 5 * n, Fail));
    world.declare(maintenance("disks", &["shop"], -125, -64));
    let figures = world.view(1).window("shop", SLO_WINDOW).unwrap();
    // Of the buckets -130, -120, … -70 those from -120 to -80 lie wholly inside: the failures at -70 and -65 count.
    assert_eq!(figures.tally.failed, 2);
    let plain = world.view(1).window("ui", SLO_WINDOW).unwrap();
    assert_eq!((plain.expected, figures.expected), (58, 48), "nothing is expected of time that is left out");
    assert_eq!(figures.completeness_ppm(), Some(1_000_000));
}

proptest! {
    #[test]
    fn figures_are_those_of_a_naive_count(
        slots in prop::collection::vec((-400_i64..10, any::<bool>()), 0..150),
        spans in prop::collection::vec((-420_i64..20, 1_i64..90, any::<bool>()), 0..8),
        now in -30_i64..30,
        window in prop::sample::select(vec![Window::M5, Window::M30, Window::H2]),
    ) {
        let mut world = World::new();
        for (secs, is_bad) in &slots {
            world.observe("shop", *secs, if *is_bad { Fail } else { Passed });
        }
        for (n, (from, length, all)) in spans.iter().enumerate() {
            let targets: &[&str] = if *all { &[] } else { &["shop", "ui"] };
            world.declare(maintenance(&format!("m-{n}"), targets, *from, from + length));
        }
        world.declare(maintenance("of-others", &["executor"], -400, 100));
        let is_maintained = |secs: i64| spans.iter().any(|(from, length, _)| (*from..from + length).contains(&secs));
        let width = (window.tier().width_ns() / SECOND) as i64;
        let start = (START.0 / SECOND) as i64;
        let bucket = |secs: i64| (start + secs).div_euclid(width) * width - start;
        let counts = |secs: i64| {
            let start = bucket(secs);
            let first = (window.first_bucket(at(now)).0 as i64 - START.0 as i64) / SECOND as i64;
            first <= start && start <= now && !(start..start + width).all(is_maintained)
        };
        let wanted: Vec<_> = slots.iter().filter(|(secs, _)| counts(*secs)).collect();
        for is_live in [false, true] {
            if is_live {
                world.state.go_live(&world.buckets);
            }
            let figures = world.view(now).window("shop", window).unwrap();
            prop_assert_eq!(figures.tally.count(), wanted.len() as u64);
            prop_assert_eq!(figures.tally.failed, wanted.iter().filter(|(_, is_bad)| *is_bad).count() as u64);
            // A slot counts as due once the next one has begun.
            let due = (-3_600..=now - 5).filter(|secs| secs % 5 == 0 && counts(*secs)).count() as u64;
            prop_assert_eq!(figures.expected, due);
        }
    }
}
