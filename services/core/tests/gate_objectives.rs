//! The gate's checks on objectives: met over the window, error budget left, burn rate; without events they are no data.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::config::Config;
use spark_core::gate::{self, Circumstances};
use spark_schemas::TimeNs;
use spark_schemas::event::CheckVerdict::{self, Fail, NoData, Pass, Warn};
use spark_schemas::event::Outcome::{Fail as Failed, Ok as Passed};
use support::spark::{Spark, TARGETS, check, circumstances};
use support::{DAY, SECOND, START, name};

const OBJECTIVE: &str = r#"
[[slo]]
name = "shop"
sli = "availability"
objective = "90%"
window = "6h"
[profiles.dev]
latency_p95 = "150ms"
error_rate = "100%"
staleness = "30s"
[[profiles.dev.check]]
name = "met"
objective = { slo = "shop", warn = "95%" }
[[profiles.dev.check]]
name = "left"
budget = { slo = "shop", min = "10%", warn = "50%" }
[[profiles.dev.check]]
name = "burn"
burn_rate = { slo = "shop", window = "1h", below = "1.1", warn = "0.5" }
"#;

fn config() -> Config {
    Config::from_toml(&format!("{TARGETS}{OBJECTIVE}")).unwrap()
}

/// A hundred observations in the last 500 s, of which so many failed; the newest did not.
fn spark_with_failures(failed: u64) -> Spark {
    let mut spark = Spark::configured(&config());
    spark.schedule(&["ui", "executor"]);
    for n in 0..50 {
        let slot = TimeNs(START.0 - (49 - n) * 10 * SECOND);
        spark.observe("ui", slot, 1_000, if n < failed { Failed } else { Passed });
        spark.observe("executor", slot, 1_000, Passed);
    }
    spark
}

#[test]
fn an_objective_is_judged_by_its_share_its_budget_and_its_pace() {
    type Said = (CheckVerdict, Option<&'static str>);
    // 100 events of which 10 may be bad: 5 of them leave half the budget, and burn it half as fast as allowed.
    let rows: [(u64, [Said; 3]); 6] = [
        (0, [(Pass, Some("100")), (Pass, Some("100")), (Pass, Some("0"))]),
        (4, [(Pass, Some("96")), (Pass, Some("60")), (Pass, Some("0.4"))]),
        (5, [(Pass, Some("95")), (Pass, Some("50")), (Warn, Some("0.5"))]),
        (6, [(Warn, Some("94")), (Warn, Some("40")), (Warn, Some("0.6"))]),
        (10, [(Warn, Some("90")), (Fail, Some("0")), (Warn, Some("1"))]),
        (12, [(Fail, Some("88")), (Fail, Some("-20")), (Fail, Some("1.2"))]),
    ];
    for (failed, said) in rows {
        let decided = spark_with_failures(failed).decide(START);
        for (id, (verdict, observed)) in ["met", "left", "burn"].into_iter().zip(said) {
            let check = check(&decided, id);
            assert_eq!((check.verdict, check.observed.as_deref()), (verdict, observed), "{failed} failed: {check:?}");
            assert_eq!(check.samples, 100);
        }
        assert_eq!(decided.recounting, []);
    }
    let decided = spark_with_failures(12).decide(START);
    assert_eq!(check(&decided, "met").threshold.as_deref(), Some("90"));
    assert!(check(&decided, "met").reason.ends_with(": 88 of 100"), "{}", check(&decided, "met").reason);
    let limits =
        ["left", "burn"].map(|id| check(&decided, id)).map(|check| (check.threshold.clone(), check.unit.clone()));
    assert_eq!(limits, [(Some("10".into()), "%".into()), (Some("1.1".into()), "×".into())]);
}

#[test]
fn an_objective_without_events_is_no_data() {
    let nothing_yet = Spark::configured(&config()).decide(START);
    let long_after = spark_with_failures(0).decide(TimeNs(START.0 + DAY));
    for decided in [nothing_yet, long_after] {
        for id in ["met", "left", "burn"] {
            let check = check(&decided, id);
            assert_eq!((check.verdict, check.observed.as_deref(), check.samples), (NoData, None, 0), "{check:?}");
            assert!(check.reason.contains("no event in"), "{check:?}");
        }
    }
}

#[test]
fn an_objective_that_is_counted_anew_is_no_data_and_the_decision_says_so() {
    let mut spark = spark_with_failures(0);
    // Its events were folded by other rules.
    let slower = OBJECTIVE.replace("\"availability\"", "{ latency = \"1s\" }");
    spark.apply(&Config::from_toml(&format!("{TARGETS}{slower}")).unwrap());
    let decided = spark.decide(START);
    for id in ["met", "left", "burn"] {
        assert_eq!(check(&decided, id).verdict, NoData);
        assert!(check(&decided, id).reason.contains("counted anew"), "{decided:#?}");
    }
    assert_eq!(decided.recounting, [name("shop")]);

    // Made again when they are counted, it says what it said.
    let counted = spark_with_failures(0);
    let again = Circumstances { recounting: decided.recounting.clone(), ..circumstances() };
    let again = gate::decide(&counted.view(START), None, again).unwrap();
    assert_eq!((check(&again, "met"), &again.recounting), (check(&decided, "met"), &decided.recounting));
}
