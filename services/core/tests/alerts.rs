//! Alerts on burn rates: each change of state is due once, follows from the log alone, and concerns one alert.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::config::Config;
use spark_core::slo::due_transitions;
use spark_schemas::event::Alert;
use spark_schemas::event::AlertState::{self, Firing, Pending, Resolved};
use spark_schemas::event::Outcome::{self, Fail, Ok as Passed};
use spark_schemas::{Class, TimeNs};
use support::spark::Spark;
use support::{DAY, SECOND, START, observed};

const OBJECTIVE: &str = r#"
[[target]]
name = "shop"
url = "http://shop.example/"
[[slo]]
name = "shop-is-up"
sli = "availability"
objective = "90%"
window = "6h"
"#;

/// A Spark with alerts on the pair of 1h and 5m: each a severity, a burn rate and how long it must hold.
fn spark_with(alerts: &[(&str, &str, &str)]) -> Spark {
    let alert = |(severity, burn_rate, hold): &(&str, &str, &str)| {
        let windows = "long = \"1h\"\nshort = \"5m\"";
        format!("[[slo.alerts]]\nseverity = \"{severity}\"\n{windows}\nburn_rate = \"{burn_rate}\"\nfor = \"{hold}\"\n")
    };
    let alerts: String = alerts.iter().map(alert).collect();
    Spark::configured(&Config::from_toml(&format!("{OBJECTIVE}{alerts}")).unwrap())
}

/// The instant so many seconds after `START`.
fn after(secs: u64) -> TimeNs {
    TimeNs(START.0 + secs * SECOND)
}

/// An observation every ten seconds after the one instant, up to the other.
fn observe(spark: &mut Spark, from: u64, to: u64, outcome: impl Fn(u64) -> Outcome) {
    for secs in (from + 10..=to).step_by(10) {
        spark.record(after(secs), Class::Obs, vec![observed("shop", after(secs), 1_000, outcome(secs))]);
    }
}

fn due(spark: &Spark, secs: u64) -> Vec<Alert> {
    let view = spark.view(after(secs));
    due_transitions(&view.objectives(), &view.declarations().alert_states, after(secs))
}

/// Writes the changes that are due; says which they are.
fn write_due(spark: &mut Spark, secs: u64) -> Vec<(String, AlertState)> {
    let due = due(spark, secs);
    due.iter().for_each(|alert| spark.record(after(secs), Class::Ctl, vec![alert.clone().into()]));
    due.into_iter().map(|alert| (alert.severity.unwrap().to_string(), alert.state)).collect()
}

fn page(state: AlertState) -> Vec<(String, AlertState)> {
    vec![("page".to_owned(), state)]
}

#[test]
fn an_alert_fires_once_and_is_resolved_once() {
    let mut spark = spark_with(&[("page", "5", "0s")]);
    observe(&mut spark, 0, 300, |_| Fail);
    assert_eq!(write_due(&mut spark, 300), page(Firing));
    assert_eq!(write_due(&mut spark, 301), []);
    observe(&mut spark, 300, 600, |_| Passed);
    assert_eq!(write_due(&mut spark, 600), page(Resolved), "the short window ends it");
    assert_eq!(write_due(&mut spark, 601), []);
    let alerts = &spark.state.head().declarations.alerts;
    assert_eq!(alerts.iter().map(|alert| alert.state).collect::<Vec<_>>(), [Firing, Resolved]);
    assert_eq!(alerts[1].previous, alerts[0].id);
}

#[test]
fn alerts_that_differ_in_severity_alone_do_not_disturb_each_other() {
    let mut spark = spark_with(&[("page", "5", "0s"), ("ticket", "2", "0s")]);
    // A third fails: the budget burns more than twice, and less than five times too fast.
    observe(&mut spark, 0, 300, |secs| if secs % 30 == 0 { Fail } else { Passed });
    assert_eq!(write_due(&mut spark, 300), [("ticket".to_owned(), Firing)]);
    for secs in 301..304 {
        assert_eq!(write_due(&mut spark, secs), [], "one fires, the other does not hold, and so it stays");
    }
    observe(&mut spark, 300, 600, |_| Fail);
    assert_eq!(write_due(&mut spark, 600), page(Firing));
    let alerts = &spark.state.head().declarations.alerts;
    assert_ne!(alerts[0].id, alerts[1].id, "both are the first of their kind");
    observe(&mut spark, 600, 900, |_| Passed);
    assert_eq!(write_due(&mut spark, 900), [("page".to_owned(), Resolved), ("ticket".to_owned(), Resolved)]);
}

#[test]
fn an_alert_that_must_hold_is_pending_first() {
    let mut spark = spark_with(&[("page", "5", "1m")]);
    observe(&mut spark, 0, 300, |_| Fail);
    assert_eq!(write_due(&mut spark, 300), page(Pending));
    assert_eq!(write_due(&mut spark, 359), []);
    assert_eq!(write_due(&mut spark, 360), page(Firing));
    assert_eq!(write_due(&mut spark, 361), []);

    let mut spark = spark_with(&[("page", "5", "1h")]);
    observe(&mut spark, 0, 300, |_| Fail);
    assert_eq!(write_due(&mut spark, 300), page(Pending));
    observe(&mut spark, 300, 600, |_| Passed);
    assert_eq!(write_due(&mut spark, 600), page(Resolved));
}

#[test]
fn a_change_that_was_written_twice_counts_once() {
    let mut spark = spark_with(&[("page", "5", "0s")]);
    observe(&mut spark, 0, 300, |_| Fail);
    // Nobody knew whether the first was written, so it was due again a second later.
    let (first, again) = (due(&spark, 300), due(&spark, 301));
    assert_eq!(first[0].id, again[0].id);
    for alert in first.iter().chain(&again) {
        spark.record(after(301), Class::Ctl, vec![alert.clone().into()]);
    }
    assert_eq!(spark.state.head().declarations.alerts, first);
    assert_eq!(due(&spark, 302), []);
}

#[test]
fn without_enough_events_an_alert_stays_as_it_is() {
    let mut spark = spark_with(&[("page", "5", "0s")]);
    observe(&mut spark, 0, 90, |_| Fail);
    assert_eq!(write_due(&mut spark, 90), [], "nine are too few");
    observe(&mut spark, 90, 100, |_| Fail);
    assert_eq!(write_due(&mut spark, 100), page(Firing));
    assert_eq!(write_due(&mut spark, DAY / SECOND), [], "nothing was seen since: nobody can say that it is over");
}

#[test]
fn an_alert_that_nothing_asks_for_any_more_is_resolved() {
    let mut spark = spark_with(&[("page", "5", "0s"), ("ticket", "2", "0s")]);
    observe(&mut spark, 0, 300, |_| Fail);
    assert_eq!(write_due(&mut spark, 300).len(), 2);
    spark.apply(&Config::from_toml(&format!("{OBJECTIVE}alerts = []\n")).unwrap());
    let gone = due(&spark, 301);
    assert!(gone.iter().all(|alert| alert.reason == "no objective has this alert any more"), "{gone:?}");
    assert_eq!(write_due(&mut spark, 301), [("page".to_owned(), Resolved), ("ticket".to_owned(), Resolved)]);
    assert_eq!(write_due(&mut spark, 302), []);
}
