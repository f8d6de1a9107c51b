//! The JSON Schemas in `json/` are those of the types, take what is published, and refuse what is not.
//!
//! `SPARK_WRITE_SCHEMAS=1` writes them anew.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jsonschema::Validator;
use serde::Serialize;
use serde_json::{Value, json};
use spark_schemas::{Event, json_schema};
use support::{canary_compared, folder, frame, full_events, gate_decided_with_evidence, least_events, messages};

fn committed() -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder("json")).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn validator(schema: &str) -> Validator {
    let text = fs::read_to_string(folder("json").join(format!("{schema}.schema.json"))).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let generated: BTreeMap<String, String> = json_schema::all()
        .into_iter()
        .map(|(name, schema)| {
            let text = serde_json::to_string_pretty(schema.as_value()).unwrap() + "\n";
            (format!("{name}.schema.json"), text)
        })
        .collect();
    if std::env::var_os("SPARK_WRITE_SCHEMAS").is_some() {
        committed().keys().for_each(|file| fs::remove_file(folder("json").join(file)).unwrap());
        generated.iter().for_each(|(file, text)| fs::write(folder("json").join(file), text).unwrap());
    }
    let (there, wanted): (BTreeSet<String>, BTreeSet<String>) =
        (committed().into_keys().collect(), generated.keys().cloned().collect());
    assert_eq!(there, wanted);
    for (file, text) in committed() {
        assert_eq!(text, generated[&file], "{file} is out of date: run this test with SPARK_WRITE_SCHEMAS=1");
    }
}

#[test]
fn what_is_published_fits_its_schema() {
    let event_schema = validator("event");
    for event in
        full_events().into_iter().chain(least_events()).chain([canary_compared(), gate_decided_with_evidence()])
    {
        let value = to_json(&event);
        assert!(event_schema.is_valid(&value), "{value}");
        let fields = &value[event.kind()];
        if let Err(error) = validator(&format!("event.{}", event.kind())).validate(fields) {
            panic!("{}: {error}", event.kind());
        }
        assert_eq!(serde_json::from_value::<Event>(value.clone()).unwrap(), event, "and JSON reads back");
    }
    assert!(validator("frame").is_valid(&to_json(&frame())));
    assert!(validator("window").is_valid(&to_json(&messages::window())));
    assert!(validator("health").is_valid(&to_json(&messages::health())));
    assert!(validator("gate").is_valid(&to_json(&messages::gate())));
    assert!(validator("alert").is_valid(&to_json(&messages::alert())));
}

/// What a Python or JavaScript reader gets from the MessagePack bytes: instants are integers there.
#[test]
fn integers_for_instants_fit_too() {
    let value = json!({"note": {"at_ns": 1_767_225_600_000_000_000_u64, "text": "x"}});
    assert!(validator("event").is_valid(&value));
}

#[test]
fn newer_kinds_and_fields_fit_as_readers_pass_over_them() {
    assert!(validator("event").is_valid(&json!({"from_the_future": {"x": 1}})));
    let mut value = to_json(&full_events()[0]);
    value["observed"]["from_the_future"] = json!([1, 2]);
    assert!(validator("event").is_valid(&value));
}

/// Each field in turn: gone when it must be there, and of a type that no field has.
fn assert_refuses_each_wrong_field(validator: &Validator, value: &Value, what: &str) {
    let required = |field: &str| {
        let mut without = value.clone();
        without.as_object_mut().unwrap().remove(field);
        !validator.is_valid(&without)
    };
    let fields: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert!(fields.iter().any(|field| required(field)), "{what} asks for no field at all");
    for field in fields {
        let mut wrong = value.clone();
        wrong[field] = json!(-0.5);
        assert!(!validator.is_valid(&wrong), "{what} takes -0.5 as {field}");
        wrong[field] = json!([{"not": "this"}]);
        assert!(!validator.is_valid(&wrong), "{what} takes a list of objects as {field}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for event in full_events() {
        let value = to_json(&event);
        let schema = validator(&format!("event.{}", event.kind()));
        assert_refuses_each_wrong_field(&schema, &value[event.kind()], event.kind());
        let whole = json!({event.kind(): {}});
        assert!(!validator("event").is_valid(&whole), "{whole}");
    }
    assert_refuses_each_wrong_field(&validator("frame"), &to_json(&frame()), "frame");
    assert_refuses_each_wrong_field(&validator("window"), &to_json(&messages::window()), "window");
    assert_refuses_each_wrong_field(&validator("health"), &to_json(&messages::health()), "health");
    assert_refuses_each_wrong_field(&validator("gate"), &to_json(&messages::gate()), "gate");
    assert_refuses_each_wrong_field(&validator("alert"), &to_json(&messages::alert()), "alert");

    let note = to_json(full_events().last().unwrap())["note"].clone();
    for wrong in [json!({}), json!([]), json!("note"), json!({"note": note, "audit": {}}), json!({"note": 1})] {
        assert!(!validator("event").is_valid(&wrong), "{wrong}");
    }
    let mut observed = to_json(&full_events()[0])["observed"].clone();
    for (field, wrong) in [
        ("target", json!("a.b")),
        ("target", json!("")),
        ("slot_ns", json!(-1)),
        ("slot_ns", json!("soon")),
        ("outcome", json!("good")),
        ("status", json!(65_536)),
        ("latency_us", json!(-1)),
    ] {
        let right = std::mem::replace(&mut observed[field], wrong);
        assert!(!validator("event.observed").is_valid(&observed), "{observed}");
        observed[field] = right;
    }
    let mut frame = to_json(&frame());
    frame["boot"] = json!("00");
    assert!(!validator("frame").is_valid(&frame));
}
