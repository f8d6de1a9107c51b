//! The gate and health: nothing to judge by is never a pass, and a figure passes only below its limit.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::bucket::Tally;
use spark_core::config::{Config, SIX as CHECKS, Target};
use spark_core::gate::{self, Circumstances};
use spark_core::health::{self, Status};
use spark_core::view::{Figures, SLO_WINDOW};
use spark_schemas::TimeNs;
use spark_schemas::event::Outcome::{Fail, Ok as Passed};
use spark_schemas::event::{CheckVerdict, GateDecided, Verdict};
use support::spark::{AGENT, Spark, check, circumstances, component, config, target};
use support::{DAY, HOUR, MINUTE, SECOND, START, name};

fn assert_verdicts(decided: &GateDecided, wanted: [CheckVerdict; 6]) {
    let seen: Vec<(&str, CheckVerdict)> =
        decided.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect();
    assert_eq!(seen, CHECKS.into_iter().zip(wanted).collect::<Vec<_>>(), "{decided:#?}");
}

use CheckVerdict::{Fail as Failed, NoData, Pass};

#[test]
fn a_healthy_spark_passes_all_six() {
    let decided = Spark::healthy().decide(START);
    assert_verdicts(&decided, [Pass; 6]);
    assert_eq!(decided.verdict, Verdict::Pass);
    // The window's first bucket starts 290 s back: 59 slots of each target.
    assert_eq!(check(&decided, "healthz.slo.latencyP95").samples, 118);
}

#[test]
fn nothing_at_all_is_no_data() {
    let decided = Spark::new().decide(START);
    assert_verdicts(&decided, [NoData; 6]);
    assert_eq!(decided.verdict, Verdict::NoData);
    assert_eq!(gate::verdict(&[]), Verdict::NoData, "no checks at all are no pass");
}

#[test]
fn no_targets_are_no_data() {
    let decided = Spark::configured(&Config::default()).decide(START);
    assert_verdicts(&decided, [NoData; 6]);
    assert!(check(&decided, "healthz.slo.latencyP95").reason.contains("the profile selects no target"));
}

#[test]
fn targets_that_were_never_observed_are_no_data() {
    let mut spark = Spark::configured(&config());
    assert_verdicts(&spark.decide(START), [NoData; 6]);
    spark.schedule(&["ui", "executor"]);
    let decided = spark.decide(START);
    assert_verdicts(&decided, [NoData; 6]);
    assert!(check(&decided, "ui.up").reason.contains("not observed yet"), "{decided:#?}");
}

#[test]
fn one_target_of_the_selection_that_was_never_observed_is_no_data() {
    let with_third = Config { targets: [config().targets, vec![target("feed", None)]].concat(), ..config() };
    let mut spark = Spark::configured(&with_third);
    spark.schedule(&["ui", "executor", "feed"]);
    for n in 0..60 {
        spark.observe_both(TimeNs(START.0 - n * 5 * SECOND), 1_000, Passed);
    }
    let decided = spark.decide(START);
    assert_verdicts(&decided, [Pass, Pass, NoData, Pass, Pass, NoData]);
    assert_eq!(decided.verdict, Verdict::NoData);
    assert!(check(&decided, "healthz.slo.staleness").reason.contains("target feed was never observed"));
}

#[test]
fn a_selection_of_demo_targets_only_is_no_data() {
    let targets = config().targets.into_iter().map(|target| Target { demo: true, ..target }).collect();
    let mut spark = Spark::configured(&Config { targets, ..config() });
    spark.schedule(&["ui", "executor"]);
    spark.observe_both(START, 1_000, Passed);
    let decided = spark.decide(START);
    assert_ne!(decided.verdict, Verdict::Pass);
    assert_eq!(check(&decided, "healthz.slo.errorRate").verdict, NoData);
}

#[test]
fn no_target_with_a_role_is_no_data() {
    let targets = config().targets.into_iter().map(|target| Target { role: None, ..target }).collect();
    let mut spark = Spark::configured(&Config { targets, ..config() });
    spark.schedule(&["ui", "executor"]);
    spark.observe_both(START, 1_000, Passed);
    let decided = spark.decide(START);
    assert_verdicts(&decided, [NoData, NoData, Pass, Pass, Pass, Pass]);
    assert_eq!(decided.verdict, Verdict::NoData);
}

#[test]
fn stale_observations_never_pass() {
    let spark = Spark::healthy();
    // Due at +5 s, complete at +10 s: the dev profile allows less than 30 s after that.
    assert_eq!(spark.decide(TimeNs(START.0 + 40 * SECOND - 1_000_000)).verdict, Verdict::Pass);
    let decided = spark.decide(TimeNs(START.0 + 40 * SECOND));
    assert_verdicts(&decided, [NoData, NoData, Failed, Pass, Pass, Failed]);
    assert_eq!(decided.verdict, Verdict::Fail);
}

#[test]
fn an_empty_window_never_passes() {
    let spark = Spark::healthy();
    for later in [5 * MINUTE + 10 * SECOND, HOUR, 40 * DAY, 500 * DAY] {
        let decided = spark.decide(TimeNs(START.0 + later));
        assert_verdicts(&decided, [NoData, NoData, NoData, NoData, NoData, Failed]);
        assert_eq!(decided.verdict, Verdict::Fail);
    }
    let before_anything = spark.decide(TimeNs(START.0 - 30 * DAY));
    assert_ne!(before_anything.verdict, Verdict::Pass, "nor does one that is no longer kept, or was never there");
}

#[test]
fn an_old_observation_without_a_schedule_never_passes() {
    // The agent's list of targets did not arrive: nobody can say what is overdue.
    let mut spark = Spark::configured(&config());
    spark.observe_both(TimeNs(START.0 - DAY), 1_000, Passed);
    let decided = spark.decide(START);
    for id in CHECKS {
        assert_ne!(check(&decided, id).verdict, Pass, "{id}: {decided:#?}");
    }
}

#[test]
fn an_unknown_profile_is_an_error_that_names_those_there_are() {
    let spark = Spark::healthy();
    let error = spark.view(START).slo(Some("staging")).unwrap_err();
    assert_eq!(error.to_string(), "no profile \"staging\"; there are: dev, prod");
}

#[test]
fn a_failing_target_fails_the_check_of_its_role_and_no_other() {
    for (failing, id, other) in [("ui", "ui.up", "executor.up"), ("executor", "executor.up", "ui.up")] {
        let mut spark = Spark::healthy();
        spark.observe(failing, TimeNs(START.0 + 5 * SECOND), 1_000, Fail);
        let decided = spark.decide(TimeNs(START.0 + 5 * SECOND));
        assert_eq!((check(&decided, id).verdict, check(&decided, other).verdict), (Failed, Pass));
        assert!(check(&decided, id).reason.contains(failing), "{decided:#?}");
        assert_eq!(decided.verdict, Verdict::Fail);
        spark.observe(failing, TimeNs(START.0 + 10 * SECOND), 1_000, Passed);
        assert_eq!(spark.decide(TimeNs(START.0 + 10 * SECOND)).verdict, Verdict::Pass, "and it recovers");
    }
}

#[test]
fn a_late_failure_of_an_earlier_slot_does_not_take_a_target_down() {
    let mut spark = Spark::healthy();
    spark.observe("ui", TimeNs(START.0 - 100 * SECOND), 1_000, Fail);
    assert_eq!(check(&spark.decide(START), "ui.up").verdict, Pass);
}

/// One observation of each latency at one target, all within the last five minutes.
fn spark_with_latencies(latencies_us: &[u64], failures: usize) -> Spark {
    let mut spark = Spark::configured(&config());
    spark.schedule(&["ui", "executor"]);
    for (n, latency_us) in latencies_us.iter().enumerate() {
        let outcome = if n < failures { Fail } else { Passed };
        let slot = TimeNs(START.0 - (latencies_us.len() - 1 - n) as u64 * SECOND);
        spark.observe(if n % 2 == 0 { "ui" } else { "executor" }, slot, *latency_us, outcome);
    }
    spark
}

#[test]
fn the_latency_passes_below_its_limit_and_fails_at_it() {
    // 149.503 ms and 149.504 ms are on either side of the class that reaches over the dev profile's 150 ms.
    for (latency_us, verdict, observed) in [
        (149_503, Pass, "149.503"),
        (149_504, Failed, "150.527"),
        (150_000, Failed, "150.527"),
        (1_000_000, Failed, "1003.519"),
    ] {
        let decided = spark_with_latencies(&[latency_us; 20], 0).decide(START);
        let check = check(&decided, "healthz.slo.latencyP95");
        assert_eq!((check.verdict, check.observed.as_deref()), (verdict, Some(observed)), "{latency_us} µs");
        assert_eq!((check.threshold.as_deref(), check.unit.as_str(), check.samples), (Some("150"), "ms", 20));
    }
    // The 95th of a hundred counts, the slower five do not.
    for (slow, verdict) in [(5, Pass), (6, Failed)] {
        let latencies: Vec<u64> = (0..100).map(|n| if n < slow { 900_000 } else { 1_000 }).collect();
        let decided = spark_with_latencies(&latencies, 0).decide(START);
        assert_eq!(check(&decided, "healthz.slo.latencyP95").verdict, verdict, "{slow} of 100 are slow");
    }
}

#[test]
fn the_error_rate_passes_below_its_limit_and_fails_at_it() {
    for (count, failed, verdict, observed) in
        [(100, 4, Pass, "4"), (100, 5, Failed, "5"), (20, 1, Failed, "5"), (21, 1, Pass, "4.762"), (100, 0, Pass, "0")]
    {
        let decided = spark_with_latencies(&vec![1_000; count], failed).decide(START);
        let check = check(&decided, "healthz.slo.errorRate");
        assert_eq!((check.verdict, check.observed.as_deref()), (verdict, Some(observed)), "{failed} of {count}");
        assert_eq!((check.threshold.as_deref(), check.unit.as_str()), (Some("5"), "%"));
    }
}

#[test]
fn a_rare_failure_never_reads_as_none_and_a_rare_gap_never_as_complete() {
    let mut tally = Tally { failed: 1, ..Tally::default() };
    tally.latencies.record(1_000, 3_000_000);
    let (expected, received) = (3_000_001, 3_000_000);
    let figures = Figures { window: SLO_WINDOW, from: START, to: START, tally, expected, received };
    assert_eq!((figures.error_rate_ppm(), figures.completeness_ppm()), (Some(1), Some(999_999)));
}

#[test]
fn a_waiver_lifts_missing_data_and_never_a_failure() {
    let mut checks = Spark::new().decide(START).checks;
    checks.iter_mut().for_each(|check| check.waived = true);
    assert_eq!(gate::verdict(&checks), Verdict::Pass);
    checks[0].verdict = Failed;
    assert_eq!(gate::verdict(&checks), Verdict::Fail);
    checks[0].verdict = CheckVerdict::Warn;
    assert_eq!(gate::verdict(&checks), Verdict::Warn);
    checks[1].waived = false;
    assert_eq!(gate::verdict(&checks), Verdict::NoData, "one that is not waived is enough");
}

#[test]
fn a_decision_is_named_by_its_content() {
    let spark = Spark::healthy();
    let (one, again, later) = (spark.decide(START), spark.decide(START), spark.decide(TimeNs(START.0 + SECOND)));
    assert_eq!(one, again);
    assert_ne!(one.id, later.id);
}

#[test]
fn a_targets_failure_never_makes_spark_down() {
    let mut spark = Spark::healthy();
    assert_eq!(spark.health(START).status, Status::Up);
    for n in 0..60 {
        spark.observe_both(TimeNs(START.0 + n * SECOND), 60_000_000, Fail);
    }
    let health = spark.health(TimeNs(START.0 + MINUTE));
    assert_eq!((health.status, health.no_data), (Status::Degraded, false));
    assert_eq!(health.reasons.len(), 2, "{:?}", health.reasons);
}

#[test]
fn without_data_spark_is_degraded_and_says_so() {
    let health = Spark::configured(&config()).health(START);
    assert_eq!((health.status, health.no_data), (Status::Degraded, true));
    assert_eq!(health.reasons, ["p95 latency: no data", "error rate: no data", "staleness: no data"]);
}

#[test]
fn a_component_that_is_gone_makes_spark_down_and_the_gate_fail() {
    let spark = Spark::healthy();
    let view = spark.view(START);
    let slo = view.slo(None).unwrap();
    for (status, verdict) in [(Status::Down, Failed), (Status::Degraded, Failed)] {
        let health = health::judge(&[component(Status::Up), component(status)], &slo);
        assert_eq!(health.status, status);
        assert_eq!(health.reasons, ["log: it does not answer"]);
        let components = vec![component(Status::Up), component(status)];
        let decided = gate::decide(&view, None, Circumstances { components, ..circumstances() }).unwrap();
        assert_eq!(check(&decided, "healthz.status").verdict, verdict);
        assert_eq!(decided.verdict, Verdict::Fail);
    }
}

#[test]
fn a_named_agent_that_never_spoke_is_missing_however_lively_the_others_are() {
    let mut named = config();
    named.agents = vec![AGENT.parse().unwrap(), "fra-1".parse().unwrap()];
    let decided = Spark::healthy_as(&named).decide(START);
    let staleness = check(&decided, "healthz.slo.staleness");
    assert_eq!(staleness.verdict, CheckVerdict::NoData, "{}", staleness.reason);
    assert_eq!(decided.verdict, Verdict::NoData);
}

#[test]
fn an_agent_that_the_configuration_no_longer_names_is_no_longer_waited_for() {
    let mut named = config();
    named.agents = vec![AGENT.parse().unwrap(), "fra-1".parse().unwrap()];
    let mut spark = Spark::healthy_as(&named);
    assert_eq!(spark.decide(START).verdict, Verdict::NoData);
    spark.apply(&config());
    assert_eq!(spark.decide(START).verdict, Verdict::Pass);
    let view = spark.view(START);
    let silent = view.series_of("ui").into_iter().find(|series| series.agent.as_str() == "fra-1").unwrap();
    assert!(!silent.is_probed());
}

#[test]
fn a_target_that_is_no_longer_configured_is_no_longer_judged() {
    let mut with_more = config();
    let mut more = Target::new(name("gone"), "http://gone.example/".parse().unwrap());
    more.agents = vec![name("ghost")];
    with_more.targets.push(more);
    let mut spark = Spark::healthy_as(&with_more);
    assert_eq!(spark.decide(START).verdict, Verdict::NoData);
    spark.apply(&config());
    assert_eq!(spark.decide(START).verdict, Verdict::Pass);
    assert!(spark.view(START).targets().iter().all(|target| target.name.as_str() != "gone"));
}
