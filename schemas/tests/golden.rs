//! Golden bytes of version 1: what was once written reads the same for ever, and is written the same.
//!
//! The rule for `fixtures/v1`: add, never edit. `SPARK_WRITE_FIXTURES=1` writes those that are not there yet.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

use spark_schemas::{Event, Frame, Leaf, to_msgpack};
use support::{folder, frame, full_events, gap_leaf, hex, leaf, least_events, messages, subject, unhex};

/// The name of each fixture, and the bytes that this build writes for it.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let full = full_events().into_iter().map(|event| (format!("event.{}", event.kind()), to_msgpack(&event)));
    let least = least_events().into_iter().map(|event| (format!("event.{}.least", event.kind()), to_msgpack(&event)));
    let payload = frame().encode().unwrap();
    let rest = [
        ("leaf".to_owned(), leaf(&payload).encode().unwrap()),
        ("event.rejected.several".to_owned(), to_msgpack(&support::rejected_several())),
        ("event.canary_ran.compared".to_owned(), to_msgpack(&support::canary_compared())),
        ("leaf.gap".to_owned(), gap_leaf().encode().unwrap()),
        ("frame".to_owned(), payload),
        ("event.alert.burn".to_owned(), to_msgpack(&support::burn_alert())),
        ("event.heartbeat.fares".to_owned(), to_msgpack(&support::full_heartbeat())),
        ("event.gate_decided.evidence".to_owned(), to_msgpack(&support::gate_decided_with_evidence())),
        ("message.window".to_owned(), to_msgpack(&messages::window())),
        ("message.health".to_owned(), to_msgpack(&messages::health())),
        ("message.gate".to_owned(), to_msgpack(&messages::gate())),
        ("message.alert".to_owned(), to_msgpack(&messages::alert())),
    ];
    full.chain(least).chain(rest).collect()
}

fn golden(fixture: &str) -> Vec<u8> {
    let path = folder("fixtures/v1").join(format!("{fixture}.hex"));
    unhex(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn every_value_is_written_as_its_golden_bytes() {
    for (fixture, bytes) in fixtures() {
        if std::env::var_os("SPARK_WRITE_FIXTURES").is_some() {
            let path = folder("fixtures/v1").join(format!("{fixture}.hex"));
            // `create_new`: a fixture that is there is never written again.
            if let Ok(mut file) = OpenOptions::new().write(true).create_new(true).open(path) {
                let digits = hex(&bytes);
                for line in digits.as_bytes().chunks(96) {
                    writeln!(file, "{}", std::str::from_utf8(line).unwrap()).unwrap();
                }
            }
        }
        assert_eq!(hex(&bytes), hex(&golden(&fixture)), "{fixture}");
    }
}

#[test]
fn golden_events_read_as_the_values_they_were_written_from() {
    for event in full_events() {
        let bytes = golden(&format!("event.{}", event.kind()));
        assert_eq!(rmp_serde::from_slice::<Event>(&bytes).unwrap(), event);
    }
    let bytes = golden("event.heartbeat.fares");
    assert_eq!(rmp_serde::from_slice::<Event>(&bytes).unwrap(), support::full_heartbeat());
    let bytes = golden("event.canary_ran.compared");
    assert_eq!(rmp_serde::from_slice::<Event>(&bytes).unwrap(), support::canary_compared());
    let bytes = golden("event.gate_decided.evidence");
    assert_eq!(rmp_serde::from_slice::<Event>(&bytes).unwrap(), support::gate_decided_with_evidence());
    let bytes = golden("event.alert.burn");
    assert_eq!(rmp_serde::from_slice::<Event>(&bytes).unwrap(), support::burn_alert());
    for event in least_events() {
        let bytes = golden(&format!("event.{}.least", event.kind()));
        assert_eq!(rmp_serde::from_slice::<Event>(&bytes).unwrap(), event);
    }
}

#[test]
fn golden_frames_leaves_and_messages_read_as_the_values_they_were_written_from() {
    let payload = golden("frame");
    assert_eq!(Frame::decode(&payload, &subject()).unwrap(), frame());
    let (leaf_bytes, gap_bytes) = (golden("leaf"), golden("leaf.gap"));
    assert_eq!(Leaf::decode_canonical(&leaf_bytes).unwrap(), leaf(&payload));
    assert_eq!(leaf(&payload).msg_id.parse(), Ok(frame().msg_id()));
    let gap = Leaf::decode_canonical(&gap_bytes).unwrap();
    assert_eq!((gap.gap_last_seq(), gap), (Some(70_009), gap_leaf()));
    assert_eq!(rmp_serde::from_slice(&golden("message.window")).ok(), Some(messages::window()));
    assert_eq!(rmp_serde::from_slice(&golden("message.health")).ok(), Some(messages::health()));
    assert_eq!(rmp_serde::from_slice(&golden("message.gate")).ok(), Some(messages::gate()));
    assert_eq!(rmp_serde::from_slice(&golden("message.alert")).ok(), Some(messages::alert()));
}

#[test]
fn every_kind_has_a_fixture_and_every_fixture_a_value() {
    let kinds: Vec<&str> = full_events().iter().map(Event::kind).collect();
    assert_eq!(kinds, Event::KINDS);
    let entries = fs::read_dir(folder("fixtures/v1")).unwrap();
    let there: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let wanted: BTreeSet<String> = fixtures().into_iter().map(|(fixture, _)| format!("{fixture}.hex")).collect();
    assert_eq!(there, wanted);
}
