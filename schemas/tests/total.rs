//! Decoding is total: any bytes are a value or an error that names what was wrong, never a panic.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::fs;

use proptest::prelude::*;
use rmp_serde::to_vec_named;
use serde_json::{Value, json};
use spark_schemas::derived::{AlertMessage, GateMessage, HealthMessage, WindowMessage};
use spark_schemas::{Event, EventSubject, FRAME_BYTES_MAX, Frame, FrameError, LEAF_BYTES_MAX, Leaf, MsgId, Name};
use support::{folder, frame, full_events, leaf, subject, unhex};

/// Reads the bytes as everything that they could be; an error has something to say.
fn read_as_everything(bytes: &[u8]) {
    fn said<T, E: std::fmt::Display>(read: Result<T, E>) {
        if let Err(error) = read {
            assert!(!error.to_string().is_empty());
        }
    }
    said(Frame::decode(bytes, &subject()));
    said(Frame::decode_alone(bytes));
    said(Leaf::decode(bytes));
    said(Leaf::decode_canonical(bytes));
    said(rmp_serde::from_slice::<Event>(bytes));
    said(rmp_serde::from_slice::<WindowMessage>(bytes));
    said(rmp_serde::from_slice::<HealthMessage>(bytes));
    said(rmp_serde::from_slice::<GateMessage>(bytes));
    said(rmp_serde::from_slice::<AlertMessage>(bytes));
    said(serde_json::from_slice::<Event>(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        said(text.parse::<EventSubject>());
        said(text.parse::<MsgId>());
        said(Name::new(text));
    }
}

fn fixtures() -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder("fixtures/v1")).unwrap();
    entries.map(|entry| unhex(&fs::read_to_string(entry.unwrap().path()).unwrap())).collect()
}

/// A frame of one event of the probe's class, as any other language would write it.
fn frame_with(event: &Value) -> Value {
    json!({"v": 1, "agent": "ankara", "boot": "00".repeat(16), "seq": 0, "events": [event]})
}

fn error_of(value: &Value) -> String {
    Frame::decode(&to_vec_named(value).unwrap(), &subject()).unwrap_err().to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn any_structure_is_read(bytes in prop::collection::vec(
        prop_oneof![0x80_u8..=0x9f, 0xc0_u8..=0xdf, Just(0xa1), any::<u8>()],
        0..100,
    )) {
        read_as_everything(&bytes);
    }

    #[test]
    fn several_flipped_bytes_are_read(
        fixture in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = fixture.get(&fixtures()).clone();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_as_everything(&bytes);
    }
}

#[test]
fn every_fixture_cut_anywhere_is_an_error() {
    for bytes in fixtures() {
        for length in 0..bytes.len() {
            read_as_everything(&bytes[..length]);
            assert!(Frame::decode_alone(&bytes[..length]).is_err());
            assert!(Leaf::decode(&bytes[..length]).is_err());
            assert!(rmp_serde::from_slice::<Event>(&bytes[..length]).is_err());
        }
    }
}

#[test]
fn every_single_flipped_bit_of_every_fixture_is_read() {
    for mut bytes in fixtures() {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            read_as_everything(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn whatever_follows_a_value_is_noticed() {
    let payload = frame().encode().unwrap();
    let leaf = leaf(&payload).encode().unwrap();
    for byte in 0..=255 {
        let follows = [payload.as_slice(), &[byte]].concat();
        assert!(Frame::decode_alone(&follows).unwrap_err().to_string().contains("more bytes follow"), "{byte:#x}");
        assert!(Leaf::decode(&[leaf.as_slice(), &[byte]].concat()).is_err(), "{byte:#x}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let levels = FRAME_BYTES_MAX / 2;
    let deep_map = || [0x81, 0xa0].repeat(levels);
    for deep in [vec![0x91; levels], deep_map(), [&[0xdd, 0, 0, 0, 1][..]; 10_000].concat()] {
        assert!(Frame::decode_alone(&deep).is_err());
        assert!(Leaf::decode(&deep).is_err());
        // Where it would be passed over: a field that nobody knows, and the fields of an unknown kind.
        for key in ["x", "events"] {
            let mut bytes = vec![0x81, 0xa0 | key.len() as u8];
            bytes.extend(key.as_bytes());
            bytes.extend(&deep);
            assert!(Frame::decode_alone(&bytes).is_err());
        }
        let kind = [b"\x81\xa6events\x91\x81\xa1x", deep.as_slice()].concat();
        assert!(Frame::decode_alone(&kind).is_err());
        let trailing = [frame().encode().unwrap(), deep].concat();
        assert!(Frame::decode_alone(&trailing).is_err());
    }
    let json = "[".repeat(60_000);
    assert!(serde_json::from_str::<Event>(&json).is_err());
}

#[test]
fn lengths_that_nothing_backs_cost_nothing() {
    let huge = [0xff; 4];
    for marker in [0xdd_u8, 0xdf, 0xdb, 0xc6, 0xc9] {
        let claim = [&[marker][..], &huge].concat();
        read_as_everything(&claim);
        for key in ["agent", "boot", "events", "clock", "x"] {
            let mut bytes = vec![0x81, 0xa0 | key.len() as u8];
            bytes.extend(key.as_bytes());
            bytes.extend(&claim);
            assert!(Frame::decode_alone(&bytes).is_err());
        }
        let leaf = [&[0x95, 1, 1, 0xa0, 0xa0][..], &claim].concat();
        assert!(Leaf::decode(&leaf).is_err());
    }
}

#[test]
fn texts_that_are_not_utf_8_are_refused() {
    let mut bytes = frame().encode().unwrap();
    let at = bytes.windows(6).position(|six| six == b"ankara").unwrap();
    bytes[at] = 0xff;
    assert!(Frame::decode_alone(&bytes).is_err());
    let mut event = support::unhex(&support::hex(&spark_schemas::to_msgpack(&full_events()[0])));
    let at = event.windows(8).position(|eight| eight == b"checkout").unwrap();
    event[at] = 0xc0;
    assert!(rmp_serde::from_slice::<Event>(&event).is_err());
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    let long = vec![0x90; FRAME_BYTES_MAX + 1];
    assert!(matches!(Frame::decode_alone(&long), Err(FrameError::TooLong(_))));
    assert!(Leaf::decode(&vec![0x90; LEAF_BYTES_MAX + 1]).is_err());
    let mut frame = frame();
    let note = || spark_schemas::event::Note { at_ns: support::AT, text: "x".repeat(40_000), by: String::new() }.into();
    frame.events = vec![note(), note()];
    assert!(matches!(frame.encode(), Err(FrameError::TooLong(_))));
}

#[test]
fn unknown_fields_are_passed_over_at_every_level() {
    let observed = json!({
        "target": "feed", "slot_ns": 5, "started_ns": 6, "latency_us": 7, "outcome": "ok",
        "phases": {"dns_us": 1, "quic_us": [1, {"deep": null}]},
        "from_the_future": {"a": [1, 2.5, "x", true, null]}
    });
    let mut frame = frame_with(&json!({"observed": observed}));
    frame["newer"] = json!([1, 2, 3]);
    frame["clock"] = json!({"source": "ptp", "quality": 9});
    let read = Frame::decode(&to_vec_named(&frame).unwrap(), &subject()).unwrap();
    let [Event::Observed(observed)] = read.events.as_slice() else { panic!("{read:?}") };
    assert_eq!((observed.latency_us, observed.phases.dns_us, read.clock.source.as_str()), (7, Some(1), "ptp"));
}

#[test]
fn unknown_kinds_are_kept_by_name_and_the_rest_of_the_frame_counts() {
    let mut frame = frame_with(&json!({"from_the_future": {"a": [1, {"b": 2}]}}));
    let events = frame["events"].as_array_mut().unwrap();
    events.push(json!({"heartbeat": {"at_ns": 1}}));
    events.push(json!({"also_new": 7}));
    let read = Frame::decode(&to_vec_named(&frame).unwrap(), &subject()).unwrap();
    let kinds: Vec<&str> = read.events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["unknown", "heartbeat", "unknown"]);
    assert_eq!(read.events[0], Event::Unknown { kind: "from_the_future".into() });
}

#[test]
fn newer_values_of_open_lists_read_as_other() {
    let observed =
        json!({"target": "feed", "slot_ns": 5, "started_ns": 6, "latency_us": 7, "outcome": "fail", "reason": "quic"});
    let read = Frame::decode(&to_vec_named(&frame_with(&json!({"observed": observed}))).unwrap(), &subject()).unwrap();
    let [Event::Observed(observed)] = read.events.as_slice() else { panic!("{read:?}") };
    assert_eq!(observed.reason, Some(spark_schemas::event::FailReason::Other));
}

#[test]
fn an_error_names_what_was_wrong() {
    let heartbeat = json!({"heartbeat": {"at_ns": 1}});
    let changed = |field: &str, value: Value| {
        let mut frame = frame_with(&heartbeat);
        frame[field] = value;
        frame
    };
    let without = |field: &str| {
        let mut frame = frame_with(&heartbeat);
        frame.as_object_mut().unwrap().remove(field);
        frame
    };
    let missed = |first: u64, interval: u64, slots: u64| {
        let fields =
            json!({"target": "a", "first_slot_ns": first, "interval_us": interval, "slots": slots, "why": "late"});
        frame_with(&json!({"missed": fields}))
    };
    let targets = |part: u32, parts: u32, interval: u64, offset: u64| {
        let target = json!({"target": "a", "interval_us": interval, "offset_us": offset});
        frame_with(&json!({"targets": {"from_ns": 1, "part": part, "parts": parts, "targets": [target]}}))
    };
    for (frame, names) in [
        (changed("v", json!(2)), "frame version 2 is unknown here (known: 1)"),
        (changed("agent", json!("berlin")), "the frame says agent berlin, its subject says ankara"),
        (changed("agent", json!("a.b")), "a name is made of letters, digits, '-' and '_', not '.'"),
        (changed("agent", json!("")), "a name must not be empty"),
        (changed("agent", json!("x".repeat(65))), "a name has at most 64 characters, this one has 65"),
        (changed("boot", json!("00")), "a boot is 32 lower-case hex digits"),
        (changed("seq", json!(-1)), "-1"),
        (changed("events", json!([])), "the frame has no events"),
        (changed("events", json!([{}])), "an event without a kind"),
        (changed("events", json!([{"heartbeat": {"at_ns": 1}, "note": {}}])), "an event with more than one kind"),
        (changed("events", json!([7])), "a map of one event kind to its fields"),
        (changed("events", json!([{"heartbeat": {}}])), "missing field `at_ns`"),
        (without("seq"), "missing field `seq`"),
        (without("boot"), "missing field `boot`"),
        (frame_with(&json!({"note": {"at_ns": 1, "text": "x"}})), "a note event is not allowed in class obs"),
        (missed(1, 5, 0), "missed: no slots"),
        (missed(1, 0, 5), "missed: the interval is 0"),
        (missed(u64::MAX - 1, 1, 3), "missed: the range leaves the representable time"),
        (missed(1, u64::MAX, 3), "missed: the range leaves the representable time"),
        (targets(1, 1, 5, 0), "targets: the part's number is not below the number of parts"),
        (targets(0, 0, 5, 0), "targets: the part's number is not below the number of parts"),
        (targets(0, 1, 0, 0), "targets: an interval is 0 or an offset is not below its interval"),
        (targets(0, 1, 5, 5), "targets: an interval is 0 or an offset is not below its interval"),
    ] {
        let error = error_of(&frame);
        assert!(error.contains(names), "{error:?} does not name {names:?}");
    }
}

#[test]
fn a_maintenance_and_a_configuration_keep_their_own_rules() {
    let control = EventSubject { class: spark_schemas::Class::Ctl, ..subject() };
    let refused = |event: Value| {
        let bytes = to_vec_named(&frame_with(&event)).unwrap();
        Frame::decode(&bytes, &control).unwrap_err().to_string()
    };
    let maintenance = json!({"at_ns": 1, "id": "a", "action": "add", "from_ns": 9, "to_ns": 9});
    assert_eq!(refused(json!({"maintenance": maintenance})), "maintenance: it ends before it begins");
    let applied = json!({"at_ns": 1, "digest": "", "part": 2, "parts": 2, "body": ""});
    assert!(refused(json!({"config_applied": applied})).starts_with("config_applied: the part's number"));
    let observed = json!({"target": "feed", "slot_ns": 5, "started_ns": 6, "latency_us": 7, "outcome": "ok"});
    assert_eq!(refused(json!({"observed": observed})), "a observed event is not allowed in class ctl");
}
