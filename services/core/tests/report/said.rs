//! What was declared and decided, and the rules that look at it.

use spark_core::report::{I64, Level, U64};
use spark_schemas::event::{
    Alert, AlertState, CanaryMode, CanaryRan, CheckResult, CheckVerdict, Deployment, GateDecided, Heartbeat,
    LogRepaired, Note, Verdict,
};
use spark_schemas::{Class, Event};

use crate::support::name;
use crate::world::{World, at, level, maintenance, rule};

const DAY_MINUTES: u64 = 24 * 60;

pub fn check(id: &str, verdict: CheckVerdict) -> CheckResult {
    CheckResult {
        id: id.into(),
        verdict,
        observed: None,
        threshold: None,
        unit: "".into(),
        samples: 10,
        reason: format!("{id} says so"),
        waived: false,
    }
}

pub fn decided(id: &str, minute: u64, verdict: Verdict) -> GateDecided {
    let failed = if verdict == Verdict::Pass { CheckVerdict::Pass } else { CheckVerdict::Fail };
    GateDecided {
        id: id.into(),
        at_ns: at(minute),
        verdict,
        profile: name("dev"),
        checks: vec![check("ui.up", CheckVerdict::Pass), check("executor.up", failed)],
        waivers: Vec::new(),
        components: Vec::new(),
        recounting: Vec::new(),
        positions: Vec::new(),
        policy_digest: "aa".into(),
        state_digest: "bb".into(),
        semantics: 1,
        build: "test".to_owned(),
        by: "ci".to_owned(),
    }
}

pub fn deployment(minute: u64, version: &str) -> Deployment {
    Deployment { at_ns: at(minute), service: name("shop"), version: version.to_owned(), by: "ci".to_owned() }
}

pub fn alert(id: &str, previous: &str, minute: u64, state: AlertState, severity: &str) -> Alert {
    Alert {
        id: id.into(),
        at_ns: at(minute),
        slo: name("taken"),
        state,
        reason: "burns".to_owned(),
        severity: Some(name(severity)),
        long: "1h".into(),
        short: "5m".into(),
        previous: previous.into(),
    }
}

/// A day with something of everything.
pub fn eventful() -> World {
    let mut config = crate::world::config();
    config.objectives = vec![crate::world::objective()];
    let mut world = World::configured(&config);
    world.well(0..100);
    world.control(at(100), decided("d-1", 100, Verdict::Pass));
    world.control(at(101), deployment(101, "v1"));
    world.control(at(102), decided("d-2", 102, Verdict::Fail));
    world.control(at(103), deployment(103, "v2"));
    let mut ran = CanaryRan {
        id: "c-1".into(),
        at_ns: at(104),
        mode: CanaryMode::Real,
        verdict: Verdict::Fail,
        checks: vec![check("shop", CheckVerdict::Fail)],
        by: "ci".to_owned(),
        comparison: None,
        build: String::new(),
    };
    world.control(at(104), ran.clone());
    let side = |target: &str| spark_schemas::event::CanarySide {
        target: name(target),
        from_ns: at(1),
        to_ns: at(2),
        excluded: Vec::new(),
        observed: 3,
        failed: 0,
        missed: 0,
    };
    let comparison = spark_schemas::event::CanaryComparison {
        baseline: side("shop"),
        candidate: side("feed"),
        deployment: None,
        positions: Vec::new(),
        settings: "{}".to_owned(),
        semantics: 1,
    };
    (ran.id, ran.mode, ran.comparison) = ("c-2".into(), CanaryMode::Compare, Some(Box::new(comparison)));
    world.control(at(105), ran);
    world.control(at(106), maintenance("disks", &["feed"], 106, 110..120));
    world.control(at(107), alert("a-1", "", 107, AlertState::Firing, "page"));
    world.control(at(108), Note { at_ns: at(108), text: "we know".to_owned(), by: "ece".to_owned() });
    world.control(at(109), LogRepaired { at_ns: at(109), last_seq: 5, bytes_cut: 12 });
    let refused = spark_schemas::event::ConfigRejected {
        at_ns: at(110),
        source: "spark.toml".to_owned(),
        error: "line 1".to_owned(),
    };
    world.control(at(110), refused);
    let heartbeat =
        |us, steps| Heartbeat { at_ns: at(111), clock_offset_us: Some(us), clock_steps: steps, ..Heartbeat::default() };
    world.say(at(111), Class::Obs, vec![heartbeat(-700_000, 0).into(), heartbeat(300_000, 2).into()]);
    world.down("shop", 112..120);
    world.well(120..130);
    world.say(at(140), Class::Obs, vec![crate::support::missed("feed", at(130), 20_000_000, 30)]);
    world.down("demo", 140..145);
    let first = world.next_seq();
    world.log.push(crate::support::Recorded::gap(first, first + 2, at(146)));
    let seq = world.next_seq();
    let mut noise = world.log[0].clone();
    (noise.seq, noise.received, noise.payload) = (seq, at(147), b"noise".to_vec());
    noise.msg_id = String::new();
    world.log.push(noise);
    world.well(147..DAY_MINUTES);
    world
}

#[test]
fn each_thing_that_was_said_is_there_with_its_leaf() {
    let mut world = eventful();
    let seq_of = |kind: &str| {
        let is_it = |one: &&crate::support::Recorded| {
            let subject = one.subject.parse().unwrap();
            let frame = spark_schemas::Frame::decode(&one.payload, &subject);
            frame.is_ok_and(|frame| frame.events.first().is_some_and(|event: &Event| event.kind() == kind))
        };
        world.log.iter().filter(|one| one.subject != "gap").find(is_it).map(|one| U64(one.seq)).unwrap()
    };
    let (gate, deployed, noted) = (seq_of("gate_decided"), seq_of("deployment"), seq_of("note"));
    let report = world.first_day();
    assert_eq!((report.gate[0].seq, report.deployments[0].seq, report.notes[0].seq), (gate, deployed, noted));
    let verdicts: Vec<_> = report.gate.iter().map(|row| (row.verdict, row.not_passed.len())).collect();
    assert_eq!(verdicts, [(Verdict::Pass, 0), (Verdict::Fail, 1)]);
    let before: Vec<_> = report
        .deployments
        .iter()
        .map(|row| row.gate.as_ref().unwrap())
        .map(|one| (one.id.as_str(), one.covers, one.age_s.0))
        .collect();
    assert_eq!(before, [("d-1", true, 60), ("d-2", false, 60)]);
    assert_eq!(
        (level(&report, "gate_max_age"), rule(&report, "gate_max_age").observed.as_deref()),
        (Level::High, Some("1 of 2"))
    );
    assert_eq!(report.canaries[1].compared.as_deref(), Some("feed with shop"));
    assert_eq!((report.alerts.len(), report.alerts[0].at_the_end, level(&report, "alerts")), (1, true, Level::High));
    assert_eq!((report.evidence.repairs.len(), report.evidence.rejections.len(), report.evidence.lost), (1, 1, U64(3)));
    assert_eq!(level(&report, "configuration"), Level::Medium, "a changed one was refused");
    let clock = &report.agents.iter().find(|row| row.class == Class::Obs).unwrap().clock;
    assert_eq!(
        (clock.offset_us_min, clock.offset_us_max, clock.steps),
        (Some(I64(-700_000)), Some(I64(300_000)), U64(2))
    );
    assert_eq!(rule(&report, "clock_offset").observed.as_deref(), Some("700 ms"));
    assert_eq!(report.evidence.missed_why[0].slots, U64(30));
    assert_eq!(report.risk.level, Level::High);
}

#[test]
fn a_deployment_that_the_gate_was_not_asked_about_or_long_ago_is_a_medium_risk() {
    let mut world = World::new();
    world.well(0..100);
    world.control(at(100), decided("d-1", 100, Verdict::Pass));
    world.control(at(161), deployment(161, "v1"));
    world.well(100..DAY_MINUTES);
    let report = world.first_day();
    assert_eq!((level(&report, "gate_max_age"), report.risk.level), (Level::Medium, Level::Medium));
    assert_eq!(report.risk.reasons, ["shop v1 went out without a fresh pass of the gate."]);
}

#[test]
fn an_alert_that_was_resolved_is_told_of_and_a_repeat_or_a_stranger_is_not() {
    let mut world = World::new();
    world.well(0..100);
    for one in [
        alert("a-1", "", 100, AlertState::Firing, "page"),
        alert("a-1", "", 100, AlertState::Firing, "page"),
        alert("a-9", "a-8", 101, AlertState::Firing, "page"),
        alert("a-2", "a-1", 102, AlertState::Resolved, "page"),
    ] {
        world.control(one.at_ns, one);
    }
    world.well(100..DAY_MINUTES);
    let report = world.first_day();
    let states: Vec<_> = report.alerts.iter().map(|row| (row.state, row.at_the_end)).collect();
    assert_eq!(states, [(AlertState::Firing, false), (AlertState::Resolved, true)]);
    assert_eq!(level(&report, "alerts"), Level::Low);
}
