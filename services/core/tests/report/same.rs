//! The same leaves give the same bytes.

use proptest::prelude::*;
use spark_core::report::Report;
use spark_schemas::event::Outcome::{Fail, Ok as Passed};

use crate::said::eventful;
use crate::world::{World, at};

#[test]
fn a_report_reads_back_as_the_same_bytes_and_gives_the_same_page() {
    let report = eventful().first_day();
    let json = report.to_json().unwrap();
    let again = Report::from_json(&json).unwrap();
    assert_eq!(again, report);
    assert_eq!(again.to_json().unwrap(), json);
    assert_eq!(again.to_html(), report.to_html());
    let text = String::from_utf8(json).unwrap();
    assert!(text.starts_with(r#"{"agents":[{"agent":"ankara""#), "canonical: keys in order, no space: {text:.60}");
}

#[test]
fn numbers_are_texts_but_for_versions() {
    fn numbers(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Number(_) => found.push(path.to_owned()),
            serde_json::Value::Array(list) => list.iter().for_each(|one| numbers(one, path, found)),
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(key, one)| numbers(one, &format!("{path}/{key}"), found))
            }
            _ => {}
        }
    }
    let json = eventful().first_day().to_json().unwrap();
    let mut found = Vec::new();
    numbers(&serde_json::from_slice(&json).unwrap(), "", &mut found);
    assert_eq!(found, ["/arithmetic/fold", "/arithmetic/report", "/format"]);
}

#[test]
fn what_is_no_report_is_refused() {
    let json = String::from_utf8(eventful().first_day().to_json().unwrap()).unwrap();
    for (known, wrong) in [
        ("\"date\":\"2026-11-20\"", "\"date\":\"2026-11-31\""),
        ("\"draft\":false", "\"draft\":0"),
        ("\"draft\":false", "\"draft\":false,\"more\":1"),
        ("\"leaves\":\"", "\"leaves\":\"-"),
    ] {
        assert!(json.contains(known), "{known}");
        assert!(Report::from_json(json.replacen(known, wrong, 1).as_bytes()).is_err(), "{wrong}");
    }
    assert!(Report::from_json(b"").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever happens in whatever order, two replays agree to the byte, and every leaf is in one report.
    #[test]
    fn two_replays_agree(steps in prop::collection::vec((0_u64..3_000, 0_u64..200, any::<bool>()), 1..60)) {
        let mut world = World::new();
        let mut now = 6;
        for (minute, pass, fails) in steps {
            now += pass;
            let minute = minute.min(now);
            world.minute_received(minute, at(now), |target| if fails && target == "shop" { Fail } else { Passed });
        }
        let (one, other) = (world.reports(), world.reports());
        prop_assert_eq!(one.len(), other.len());
        let mut leaves = 0;
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(one.to_json().unwrap(), other.to_json().unwrap());
            prop_assert_eq!(one.to_html(), other.to_html());
            leaves += one.evidence.leaves.0;
        }
        prop_assert_eq!(leaves, world.log.len() as u64);
    }
}
