//! One example of everything that is published, with every field and with the fewest.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

pub mod messages;

use std::path::PathBuf;

use spark_schemas::event::*;
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, Frame, GAP_SUBJECT, Leaf, Name, TimeNs};

pub const AT: TimeNs = TimeNs(1_767_225_600_000_000_000); // 2026-01-01T00:00:00Z

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn folder(below_the_crate: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below_the_crate)
}

fn checks() -> Vec<CheckResult> {
    vec![
        CheckResult {
            id: "healthz.slo.latencyP95".into(),
            verdict: CheckVerdict::Warn,
            observed: Some("149.503".into()),
            threshold: Some("150".into()),
            unit: "ms".into(),
            samples: 60,
            reason: "p95 latency over the last 5 minutes is below its limit".to_owned(),
            waived: false,
        },
        CheckResult {
            id: "executor.up".into(),
            verdict: CheckVerdict::NoData,
            observed: None,
            threshold: None,
            unit: "".into(),
            samples: 0,
            reason: "no target has the role of executor".to_owned(),
            waived: true,
        },
    ]
}

/// A heartbeat with what it says since outboxes have bytes and clocks step.
pub fn full_heartbeat() -> Event {
    let clock_offset_us = Some(-250);
    let (queue_bytes, clock_steps, clock_step_us) = (5_000, 2, Some(-3_600_000_000));
    Heartbeat { at_ns: AT, queue: 3, dropped: 1, clock_offset_us, queue_bytes, clock_steps, clock_step_us }.into()
}

/// An alert with what it says since alerts are on burn rates.
pub fn burn_alert() -> Event {
    Alert {
        id: "a2".into(),
        at_ns: AT,
        slo: name("checkout-availability"),
        state: AlertState::Resolved,
        reason: "burn rate 15 in 1h and 2.5 in 5m: not both above 14.4".to_owned(),
        severity: Some(name("page")),
        long: "1h".into(),
        short: "5m".into(),
        previous: "a1".into(),
    }
    .into()
}

/// Every kind with every field that there was at first.
pub fn full_events() -> Vec<Event> {
    vec![
        Observed {
            target: name("checkout"),
            slot_ns: AT,
            started_ns: TimeNs(AT.0 + 1_250_000),
            latency_us: 5_000_000,
            outcome: Outcome::Fail,
            reason: Some(FailReason::Status),
            detail: Some("status 503, expected 200-299".into()),
            status: Some(503),
            phases: Phases {
                dns_us: Some(900),
                connect_us: Some(12_000),
                tls_us: Some(31_000),
                first_byte_us: Some(80_000),
            },
            certificate_expires_ns: Some(TimeNs(AT.0 + 86_400_000_000_000)),
        }
        .into(),
        Missed {
            target: name("checkout"),
            first_slot_ns: AT,
            interval_us: 5_000_000,
            slots: 12,
            why: MissedWhy::NotRunning,
        }
        .into(),
        Heartbeat { at_ns: AT, queue: 3, dropped: 1, clock_offset_us: Some(-250), ..Heartbeat::default() }.into(),
        Targets {
            from_ns: AT,
            part: 1,
            parts: 2,
            targets: vec![TargetSchedule { target: name("checkout"), interval_us: 5_000_000, offset_us: 1_234_567 }],
        }
        .into(),
        ConfigApplied { at_ns: AT, digest: "ab".repeat(32).into(), part: 0, parts: 1, body: "{}".to_owned() }.into(),
        ConfigRejected {
            at_ns: AT,
            source: "spark.toml".to_owned(),
            error: "line 3, column 12: \"5\" is not a duration".to_owned(),
        }
        .into(),
        Maintenance {
            at_ns: AT,
            id: name("db-move"),
            action: MaintenanceAction::Add,
            targets: vec![name("checkout"), name("feed")],
            from_ns: AT,
            to_ns: TimeNs(AT.0 + 3_600_000_000_000),
            reason: "the database moves".to_owned(),
            by: "ayşe".to_owned(),
        }
        .into(),
        Deployment { at_ns: AT, service: name("executor"), version: "2.4.1".to_owned(), by: "ci".to_owned() }.into(),
        CanaryRan {
            id: "c0ffee".into(),
            at_ns: AT,
            mode: CanaryMode::Real,
            verdict: Verdict::Warn,
            checks: checks(),
            by: "ci".to_owned(),
            comparison: None,
            build: String::new(),
        }
        .into(),
        GateDecided {
            id: "0123456789abcdef".into(),
            at_ns: AT,
            verdict: Verdict::Warn,
            profile: name("prod"),
            checks: checks(),
            waivers: Vec::new(),
            components: Vec::new(),
            recounting: Vec::new(),
            positions: vec![StreamPosition { partition: 0, seq: 123_456, origin: String::new() }],
            policy_digest: "cd".repeat(32).into(),
            state_digest: "ef".repeat(32).into(),
            semantics: 1,
            build: "0.1.0".to_owned(),
            by: "ci".to_owned(),
        }
        .into(),
        Alert {
            id: "a1".into(),
            at_ns: AT,
            slo: name("checkout-availability"),
            state: AlertState::Firing,
            reason: "burns 15 times faster than the budget allows".to_owned(),
            severity: None,
            long: "".into(),
            short: "".into(),
            previous: "".into(),
        }
        .into(),
        Notified {
            at_ns: AT,
            alert: "a1".into(),
            channel: name("on-call"),
            delivered: false,
            attempts: 3,
            error: "status 500".to_owned(),
        }
        .into(),
        Audit { at_ns: AT, actor: "mert".to_owned(), action: "gate.decide".into(), detail: "profile prod".to_owned() }
            .into(),
        Rejected {
            at_ns: AT,
            partition: 0,
            seq: 77,
            last_seq: None,
            frames: 1,
            subject: "spark.evt.0.ankara.obs".to_owned(),
            reason: "the frame has no events".to_owned(),
        }
        .into(),
        LogRepaired { at_ns: AT, last_seq: 1_000, bytes_cut: 17 }.into(),
        ReportIssued {
            at_ns: AT,
            date: "2025-12-31".into(),
            digest: "01".repeat(32).into(),
            from_seq: 1,
            to_seq: 1_000_001,
        }
        .into(),
        Portfolio {
            at_ns: AT,
            account: name("main"),
            currency: "TRY".to_owned(),
            equity: "1250000.50".to_owned(),
            positions: vec![Position {
                symbol: "BTCTRY".to_owned(),
                quantity: "0.25".to_owned(),
                average_price: "3900000".to_owned(),
                value: "1000000".to_owned(),
            }],
            demo: true,
        }
        .into(),
        Strategy {
            at_ns: AT,
            name: name("mean-reversion"),
            state: "running".to_owned(),
            pnl: "-120.75".to_owned(),
            currency: "TRY".to_owned(),
            open_orders: 2,
            demo: true,
        }
        .into(),
        Note { at_ns: AT, text: "the feed's provider announced a change".to_owned(), by: "mert".to_owned() }.into(),
    ]
}

/// A report of several frames at once.
pub fn rejected_several() -> Event {
    let (subject, reason) = ("spark.evt.0.ankara.obs".to_owned(), "the frame has no events".to_owned());
    Rejected { at_ns: AT, partition: 0, seq: 77, last_seq: Some(10_077), frames: 9_000, subject, reason }.into()
}

/// A decision with all that is needed to make it again.
pub fn gate_decided_with_evidence() -> Event {
    let decided = full_events().into_iter().find_map(|event| match event {
        Event::GateDecided(decided) => Some(decided),
        _ => None,
    });
    let waiver =
        AppliedWaiver { check: "ui.up".into(), until_ns: AT, reason: "no pages".to_owned(), by: "ops".to_owned() };
    let component =
        |name: &str, status, detail: &str| ComponentState { name: name.into(), status, detail: detail.to_owned() };
    let components =
        vec![component("web", ComponentStatus::Up, ""), component("log", ComponentStatus::Down, "nobody there")];
    let positions =
        vec![StreamPosition { partition: 0, seq: 123_456, origin: "EVENTS@1700000000000000000".to_owned() }];
    GateDecided { waivers: vec![waiver], components, recounting: vec![name("checkout")], positions, ..decided.unwrap() }
        .into()
}

/// The kinds that have fields which may be absent, without them.
pub fn least_events() -> Vec<Event> {
    vec![
        Observed {
            target: name("a"),
            slot_ns: TimeNs(0),
            started_ns: TimeNs(1),
            latency_us: 0,
            outcome: Outcome::Ok,
            reason: None,
            detail: None,
            status: None,
            phases: Phases::default(),
            certificate_expires_ns: None,
        }
        .into(),
        Heartbeat { at_ns: TimeNs(0), queue: 0, dropped: 0, clock_offset_us: None, ..Heartbeat::default() }.into(),
        Targets { from_ns: TimeNs(0), part: 0, parts: 1, targets: Vec::new() }.into(),
        Portfolio {
            at_ns: TimeNs(0),
            account: name("a"),
            currency: String::new(),
            equity: "0".to_owned(),
            positions: Vec::new(),
            demo: false,
        }
        .into(),
        Strategy {
            at_ns: TimeNs(0),
            name: name("a"),
            state: String::new(),
            pnl: "0".to_owned(),
            currency: String::new(),
            open_orders: 0,
            demo: false,
        }
        .into(),
    ]
}

/// A frame of each event that a probe may say.
pub fn frame() -> Frame {
    let subject = subject();
    let events = full_events().into_iter().filter(|event| event.may_travel_in(subject.class)).collect();
    let clock = Clock { source: "chrony".into(), offset_us: Some(-42) };
    Frame { v: 1, agent: subject.agent, boot: Boot(*b"sixteen bytes ok"), seq: 300, clock, events }
}

pub fn subject() -> EventSubject {
    EventSubject { partition: 0, agent: name("ankara"), class: Class::Obs }
}

/// The leaf that `payload` is recorded as.
pub fn leaf(payload: &[u8]) -> Leaf<'_> {
    Leaf {
        seq: 70_000,
        received_ns: AT.0 + 61_000_000,
        subject: "spark.evt.0.ankara.obs",
        msg_id: "7369787465656e206279746573206f6b-300",
        payload,
    }
}

pub fn gap_leaf() -> Leaf<'static> {
    Leaf {
        seq: 70_001,
        received_ns: AT.0 + 62_000_000,
        subject: GAP_SUBJECT,
        msg_id: "70009",
        payload: b"not in the stream",
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.split_whitespace().flat_map(str::chars).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

/// A canary that compared two times of one target, with every field.
pub fn canary_compared() -> Event {
    let side = |from_ns: TimeNs, excluded| CanarySide {
        target: name("checkout"),
        from_ns,
        to_ns: TimeNs(from_ns.0 + 600_000_000_000),
        excluded,
        observed: 118,
        failed: 1,
        missed: 2,
    };
    let deployed = TimeNs(AT.0 + 600_000_000_000);
    let service = name("executor");
    CanaryRan {
        id: "c0ffee02".into(),
        at_ns: AT,
        mode: CanaryMode::Compare,
        verdict: Verdict::Warn,
        checks: checks(),
        by: "ci".to_owned(),
        comparison: Some(Box::new(CanaryComparison {
            baseline: side(AT, vec![TimeSpan { from_ns: AT, to_ns: TimeNs(AT.0 + 60_000_000_000) }]),
            candidate: side(deployed, Vec::new()),
            deployment: Some(Deployment { at_ns: deployed, service, version: "2.4.1".to_owned(), by: "ci".to_owned() }),
            positions: vec![StreamPosition {
                partition: 0,
                seq: 123_456,
                origin: "EVENTS@1790000000000000000".to_owned(),
            }],
            settings: "{\"alpha\":\"1%\"}".to_owned(),
            semantics: 1,
        })),
        build: "0.1.0 (0123456789ab)".to_owned(),
    }
    .into()
}
