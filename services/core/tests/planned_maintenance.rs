//! `[[maintenance]]`: what is refused and where, and what holds once a configuration is in force.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::bucket::MemoryBuckets;
use spark_core::config::Config;
use spark_core::fold::State;
use spark_schemas::event::ConfigApplied;
use spark_schemas::{Class, Event, TimeNs};
use support::{DAY, HOUR, Recorded, START, boot, frame};

const TARGET: &str = "[[target]]\nname = \"db\"\nurl = \"http://db.example/\"\n";

/// A configuration with one maintenance, whose keys are those of `lines` from line 5 on.
fn with(lines: &str) -> String {
    format!("{TARGET}[[maintenance]]\n{lines}")
}

const GOOD: &str = "name = \"disks\"\ntargets = [\"db\"]\nfrom = \"2023-11-14T22:00:00Z\"\nto = \"2023-11-14T23:00:00Z\"\n\
                    reason = \"new disks\"\n";

#[test]
fn what_can_not_be_is_refused_with_its_place() {
    let config = Config::from_toml(&with(GOOD)).unwrap();
    assert_eq!(config.maintenances[0].from.to_string(), "2023-11-14T22:00:00Z");
    assert_eq!(Config::from_canonical_json(&config.canonical_json()).unwrap(), config);
    assert!(!Config::default().canonical_json().contains("maintenance"), "old configurations keep their digest");
    for (text, place, says) in [
        (GOOD.replace("[\"db\"]", "[\"dv\"]"), (6, 12), "no target \"dv\"; there are: db"),
        (GOOD.replace("[\"db\"]", "[\"db\", \"db\"]"), (6, 18), "\"db\" is there twice"),
        (GOOD.replace("T23:00", "T22:00"), (8, 6), "it must end after it begins"),
        (GOOD.replace("to = \"2023-11-14", "to = \"2023-12-15"), (8, 6), "at most 30 days"),
        (GOOD.replace("\"2023-11-14T22:00:00Z\"", "\"tomorrow\""), (7, 8), "is no instant; write RFC 3339"),
        (GOOD.replace("\"2023-11-14T22:00:00Z\"", "2023-11-14T22:00:00Z"), (7, 8), "an instant in quotes"),
        (GOOD.replace("new disks", " "), (9, 10), "say why"),
        (format!("{GOOD}every = \"week\"\n"), (10, 1), "unknown field `every`"),
        (format!("{GOOD}[[maintenance]]\n{GOOD}"), (11, 8), "maintenance \"disks\" is there twice"),
    ] {
        let error = Config::from_toml(&with(&text)).unwrap_err();
        assert_eq!((error.line, error.column), place, "{error} in\n{text}");
        assert!(error.message.contains(says), "{error}");
    }
}

/// The ids that are in force, and when each was declared.
fn in_force(state: &State) -> Vec<(String, TimeNs)> {
    let all = state.head().declarations.maintenances_in_force();
    all.map(|one| (one.id.to_string(), one.at_ns)).collect()
}

#[test]
fn a_configuration_plans_and_calls_off_and_what_is_over_stays() {
    let (mut state, mut buckets, mut number) = (State::default(), MemoryBuckets::default(), 0);
    let mut apply = |state: &mut State, text: &str, at: TimeNs| {
        let config = Config::from_toml(text).unwrap();
        let body = config.canonical_json();
        let applied = ConfigApplied { at_ns: at, digest: config.digest().into(), part: 0, parts: 1, body };
        let frame = frame("aggregator", boot(0, 0), number, vec![Event::ConfigApplied(applied)]);
        number += 1;
        state.apply(&Recorded::of_frame(number, at, Class::Ctl, &frame).leaf(), &mut buckets);
    };
    let after = |ns: u64| TimeNs(START.0 + ns);
    let later = GOOD.replace("disks\"\ntargets", "later\"\ntargets").replace("2023-11-14", "2023-11-16");
    let both = with(&format!("{GOOD}[[maintenance]]\n{later}"));
    apply(&mut state, &both, START);
    assert_eq!(in_force(&state), [("disks".to_owned(), START), ("later".to_owned(), START)]);
    apply(&mut state, &(both.clone() + "[probe]\nconcurrency = 9\n"), after(HOUR));
    assert_eq!(in_force(&state), [("disks".to_owned(), START), ("later".to_owned(), START)], "declared once");
    apply(&mut state, &both.replace("2023-11-16T23:00", "2023-11-16T23:30"), after(2 * HOUR));
    assert_eq!(in_force(&state)[1], ("later".to_owned(), after(2 * HOUR)), "another time is another declaration");
    apply(&mut state, TARGET, after(3 * HOUR));
    assert_eq!(in_force(&state), [("disks".to_owned(), START)], "what had not begun is called off");
    apply(&mut state, &(TARGET.to_owned() + "[probe]\nconcurrency = 9\n"), after(40 * DAY));
    assert_eq!(in_force(&state), []);
}
