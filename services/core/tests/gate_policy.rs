//! What a profile adds to the gate: checks, a score over some, waivers. Each way of having nothing fails closed.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::config::Config;
use spark_core::gate::{self, differences};
use spark_core::schedule::Schedule;
use spark_core::view::rfc3339;
use spark_schemas::event::CheckVerdict::{Fail, NoData, Pass, Warn};
use spark_schemas::event::Outcome::{self, Ok as Passed};
use spark_schemas::event::{
    CanaryComparison, CanaryMode, CanaryRan, CanarySide, CheckVerdict, ConfigApplied, GateDecided, Verdict,
};
use spark_schemas::{Class, TimeNs};
use support::spark::{AGENT, Spark, TARGETS, check};
use support::{HOUR, MINUTE, SECOND, START, observed, target_list};

const DEV: &str = "[profiles.dev]\nlatency_p95 = \"150ms\"\nerror_rate = \"5%\"\nstaleness = \"30s\"\n";

/// The configuration of the other tests with more about the profile `dev`.
fn with(more: &str) -> Config {
    Config::from_toml(&format!("{TARGETS}{DEV}{more}")).unwrap()
}

fn completeness(min: &str, warn: &str) -> Config {
    with(&format!(
        "[[profiles.dev.check]]\nname = \"evidence\"\ncompleteness = {{ window = \"5m\", min = \"{min}\", warn = \"{warn}\" }}\n"
    ))
}

fn waiver(check: &str, until: TimeNs) -> String {
    let until = rfc3339(until);
    format!(
        "[[profiles.dev.waiver]]\ncheck = \"{check}\"\nuntil = \"{until}\"\nreason = \"no pages yet\"\nby = \"ops\"\n"
    )
}

fn verdict_of(decided: &GateDecided, id: &str) -> CheckVerdict {
    check(decided, id).verdict
}

/// Both targets observed over five minutes but for every `gap`th slot.
fn with_gaps(config: &Config, gap: u64) -> Spark {
    let mut spark = Spark::configured(config);
    spark.schedule(&["ui", "executor"]);
    for n in (0..60).filter(|n| n % gap != gap - 1) {
        spark.observe_both(TimeNs(START.0 - n * 5 * SECOND), 1_000, Passed);
    }
    spark
}

#[test]
fn completeness_fails_below_its_minimum_and_warns_below_its_warning() {
    for (gap, verdict, over_all) in [(100, Pass, Verdict::Pass), (20, Warn, Verdict::Warn), (8, Fail, Verdict::Fail)] {
        let decided = with_gaps(&completeness("90%", "99%"), gap).decide(START);
        let evidence = check(&decided, "evidence");
        assert_eq!((evidence.verdict, decided.verdict), (verdict, over_all), "{evidence:?}");
        assert_eq!((evidence.threshold.as_deref(), evidence.unit.as_str()), (Some("90"), "%"));
    }
    let decided = with_gaps(&completeness("90%", "99%"), 20).decide(START);
    let evidence = check(&decided, "evidence");
    assert_eq!(evidence.observed.as_deref(), Some("98.2758"), "of 116 in 290 s, two lack; rounded down");
    assert!(evidence.reason.ends_with(": 114 of 116"), "{}", evidence.reason);
}

#[test]
fn completeness_without_anything_due_is_no_data() {
    for spark in [Spark::new(), Spark::configured(&completeness("1%", "2%"))] {
        assert_eq!(spark.decide(START).verdict, Verdict::NoData);
    }
    let spark = Spark::configured(&completeness("1%", "2%"));
    assert_eq!(verdict_of(&spark.decide(START), "evidence"), NoData);
    let mut no_targets = Config { targets: Vec::new(), ..completeness("1%", "2%") };
    no_targets.builtin_targets = false;
    assert_eq!(verdict_of(&Spark::configured(&no_targets).decide(START), "evidence"), NoData);
}

/// Two agents watch both targets; then one says nothing any more.
fn half_silent(config: &Config) -> Spark {
    let mut spark = Spark::configured(config);
    spark.schedule(&["ui", "executor"]);
    let every = Schedule { interval_us: 5_000_000, offset_us: 0 };
    let list = target_list(TimeNs(START.0 - HOUR), (0, 1), &[("ui", every), ("executor", every)]);
    spark.record_of("berlin", TimeNs(START.0 - HOUR), Class::Obs, vec![list]);
    for n in 0..60 {
        let slot = TimeNs(START.0 - n * 5 * SECOND);
        spark.observe_both(slot, 1_000, Passed);
        if n >= 30 {
            let both = vec![observed("ui", slot, 1_000, Passed), observed("executor", slot, 1_000, Passed)];
            spark.record_of("berlin", slot, Class::Obs, both);
        }
    }
    spark
}

#[test]
fn half_the_agents_silent_never_passes() {
    // The other half speaks for the targets, but not for the observations that were due.
    let decided = half_silent(&completeness("90%", "99%")).decide(START);
    assert_eq!((verdict_of(&decided, "evidence"), decided.verdict), (Fail, Verdict::Fail), "{decided:#?}");
    // Named agents are waited for, each.
    let mut named = with("");
    named.agents = vec![AGENT.parse().unwrap(), "berlin".parse().unwrap()];
    let decided = half_silent(&named).decide(START);
    assert_eq!((verdict_of(&decided, "healthz.slo.staleness"), decided.verdict), (Fail, Verdict::Fail));
    let mut never = with("");
    never.agents = vec![AGENT.parse().unwrap(), "izmir".parse().unwrap()];
    let decided = half_silent(&never).decide(START);
    assert_eq!((verdict_of(&decided, "healthz.slo.staleness"), decided.verdict), (NoData, Verdict::NoData));
}

#[test]
fn figures_that_no_clock_or_division_could_give_never_pass() {
    // The longest latency there is, at every slot; and a target list that asks for an observation each 2^64 µs.
    let mut spark = Spark::configured(&completeness("90%", "99%"));
    let never = Schedule { interval_us: u64::MAX, offset_us: u64::MAX };
    let list = target_list(TimeNs(START.0 - HOUR), (0, 1), &[("ui", never), ("executor", never)]);
    spark.record(START, Class::Obs, vec![list]);
    spark.observe_both(START, u64::MAX, Passed);
    let decided = spark.decide(START);
    assert_eq!(verdict_of(&decided, "evidence"), NoData, "none of none is no share");
    assert_eq!(verdict_of(&decided, "healthz.slo.latencyP95"), Fail);
    assert_ne!(decided.verdict, Verdict::Pass);
    for text in ["NaN%", "nan", "inf%", "-1%", "1e9%", "%", ""] {
        let toml = format!(
            "{TARGETS}{DEV}[[profiles.dev.check]]\nname = \"e\"\ncompleteness = {{ window = \"5m\", min = \"{text}\" }}\n"
        );
        let error = Config::from_toml(&toml).unwrap_err();
        assert_eq!((error.line, error.column), (16, 39), "{error}");
    }
}

fn canary(at: TimeNs, mode: CanaryMode, verdict: Verdict) -> CanaryRan {
    let id = format!("canary-{}-{mode:?}", at.0).as_str().into();
    let (comparison, build) = (None, "test".to_owned());
    CanaryRan { id, at_ns: at, mode, verdict, checks: Vec::new(), by: "test".to_owned(), comparison, build }
}

#[test]
fn the_latest_canary_of_its_kind_counts_while_it_is_young_enough() {
    let asks = "[[profiles.dev.check]]\nname = \"canary\"\ncanary = { mode = \"real\", max_age = \"10m\" }\n";
    let before = |minutes| TimeNs(START.0 - minutes * MINUTE);
    let of = |canaries: Vec<CanaryRan>| {
        let mut spark = Spark::healthy_as(&with(asks));
        canaries.into_iter().for_each(|canary| spark.record(START, Class::Ctl, vec![canary.into()]));
        let decided = spark.decide(START);
        (verdict_of(&decided, "canary"), decided.verdict)
    };
    assert_eq!(of(Vec::new()), (NoData, Verdict::NoData));
    assert_eq!(of(vec![canary(before(10), CanaryMode::Real, Verdict::Pass)]), (Pass, Verdict::Pass));
    let too_old = TimeNs(before(10).0 - 1_000);
    assert_eq!(of(vec![canary(too_old, CanaryMode::Real, Verdict::Pass)]), (NoData, Verdict::NoData));
    assert_eq!(of(vec![canary(before(1), CanaryMode::Mock, Verdict::Pass)]), (NoData, Verdict::NoData));
    let later = TimeNs(START.0 + SECOND);
    assert_eq!(of(vec![canary(later, CanaryMode::Real, Verdict::Pass)]), (NoData, Verdict::NoData));
    for (verdict, says) in [(Verdict::Warn, Warn), (Verdict::Fail, Fail), (Verdict::NoData, NoData)] {
        let two =
            vec![canary(before(2), CanaryMode::Real, verdict), canary(before(5), CanaryMode::Real, Verdict::Pass)];
        assert_eq!(of(two), (says, verdict));
    }
}

#[test]
fn of_comparisons_those_of_the_target_count() {
    let asks = "[[profiles.dev.check]]\nname = \"canary\"\n\
                canary = { mode = \"compare\", target = \"ui\", max_age = \"10m\" }\n";
    let side = |target: &str| CanarySide {
        target: support::name(target),
        from_ns: START,
        to_ns: START,
        excluded: Vec::new(),
        observed: 0,
        failed: 0,
        missed: 0,
    };
    let compared = |candidate: &str, verdict, secs: u64| {
        let comparison = CanaryComparison {
            baseline: side("executor"),
            candidate: side(candidate),
            deployment: None,
            positions: Vec::new(),
            settings: String::new(),
            semantics: 1,
        };
        let comparison = Some(Box::new(comparison));
        CanaryRan { comparison, ..canary(TimeNs(START.0 - secs * SECOND), CanaryMode::Compare, verdict) }
    };
    let mut spark = Spark::healthy_as(&with(asks));
    spark.record(START, Class::Ctl, vec![compared("executor", Verdict::Pass, 5).into()]);
    assert_eq!(verdict_of(&spark.decide(START), "canary"), NoData, "it judged another target");
    spark.record(START, Class::Ctl, vec![compared("ui", Verdict::Fail, 9).into()]);
    assert_eq!(verdict_of(&spark.decide(START), "canary"), Fail, "although one of another target is newer");
}

const SCORED: &str = r#"score_min = "60%"
[[profiles.dev.check]]
name = "a"
weight = 3
completeness = { window = "5m", min = "90%" }
[[profiles.dev.check]]
name = "b"
weight = 2
completeness = { window = "5m", min = "100%" }
[[profiles.dev.check]]
name = "c"
weight = 5
canary = { mode = "real", max_age = "1h" }
"#;

#[test]
fn a_score_judges_checks_with_weights_and_hides_nothing_missing() {
    // One of 58 lacks at each target: a holds, b does not, c has no canary.
    let mut spark = with_gaps(&with(SCORED), 20);
    let decided = spark.decide(START);
    assert_eq!([verdict_of(&decided, "a"), verdict_of(&decided, "b"), verdict_of(&decided, "c")], [Pass, Warn, NoData]);
    let score = check(&decided, "score");
    assert_eq!((score.verdict, score.observed.as_deref(), score.samples), (Pass, Some("60"), 2), "{score:?}");
    assert_eq!(decided.verdict, Verdict::NoData, "the score does not stand for what nobody knows");
    spark.record(START, Class::Ctl, vec![canary(START, CanaryMode::Real, Verdict::Fail).into()]);
    let decided = spark.decide(START);
    assert_eq!((verdict_of(&decided, "c"), check(&decided, "score").observed.as_deref()), (Warn, Some("30")));
    assert_eq!(decided.verdict, Verdict::Fail);
    spark.record(START, Class::Ctl, vec![canary(TimeNs(START.0 + 1), CanaryMode::Real, Verdict::Pass).into()]);
    let decided = spark.decide(TimeNs(START.0 + 1));
    assert_eq!((check(&decided, "score").observed.as_deref(), decided.verdict), (Some("80"), Verdict::Warn));
}

#[test]
fn a_score_of_nothing_is_no_data() {
    let spark = Spark::configured(&with(SCORED));
    assert_eq!(verdict_of(&spark.decide(START), "score"), NoData);
}

#[test]
fn a_waiver_lifts_missing_data_until_it_expires() {
    let one = |until| {
        let targets = TARGETS.replace("role = \"ui\"\n", "");
        let config = Config::from_toml(&format!("{targets}{DEV}{}", waiver("ui.up", until))).unwrap();
        Spark::healthy_as(&config).decide(START)
    };
    let waived = one(TimeNs(START.0 + 1));
    let ui = check(&waived, "ui.up");
    assert_eq!((ui.verdict, ui.waived, waived.verdict), (NoData, true, Verdict::Pass));
    assert!(ui.reason.contains("waived until") && ui.reason.contains("no pages yet, ops"), "{}", ui.reason);
    let applied: Vec<_> = waived.waivers.iter().map(|waiver| (waiver.check.as_str(), waiver.until_ns)).collect();
    assert_eq!(applied, [("ui.up", TimeNs(START.0 + 1))]);

    let expired = one(START);
    let ui = check(&expired, "ui.up");
    assert_eq!((ui.waived, expired.verdict, expired.waivers.len()), (false, Verdict::NoData, 0));
    assert!(ui.reason.contains("the waiver expired at 2023-11-14T22:13:20Z"), "{}", ui.reason);
}

#[test]
fn a_waiver_lifts_no_failure_and_no_withheld_decision() {
    let late = TimeNs(START.0 + 365 * support::DAY);
    let mut spark = Spark::healthy_as(&with(&waiver("ui.up", late)));
    let withheld = gate::withhold(spark.decide(START), "reading the log");
    assert_eq!((withheld.verdict, withheld.waivers.len()), (Verdict::NoData, 0));
    assert!(withheld.checks.iter().all(|check| check.verdict == NoData && !check.waived && check.observed.is_none()));
    assert_ne!(withheld.id, spark.decide(START).id);
    spark.observe("ui", TimeNs(START.0 + 5 * SECOND), 1_000, spark_schemas::event::Outcome::Fail);
    let decided = spark.decide(TimeNs(START.0 + 5 * SECOND));
    assert_eq!((verdict_of(&decided, "ui.up"), check(&decided, "ui.up").waived), (Fail, false));
    assert_eq!((decided.verdict, decided.waivers.len()), (Verdict::Fail, 0));
}

#[test]
fn a_policy_that_this_build_can_not_read_is_no_data() {
    let mut spark = Spark::healthy();
    let body = r#"{"from_the_future":true}"#.to_owned();
    let digest = spark_core::hex(&<sha2::Sha256 as sha2::Digest>::digest(&body));
    let newer = ConfigApplied { at_ns: START, digest: digest.as_str().into(), part: 0, parts: 1, body };
    spark.record(START, Class::Ctl, vec![newer.into()]);
    let decided = spark.decide(START);
    assert_eq!(decided.verdict, Verdict::NoData);
    assert!(decided.checks.iter().all(|check| check.verdict == NoData && check.reason.contains(&digest)));
    spark.apply(&with("# one that it can read\n"));
    assert_eq!(spark.decide(START).verdict, Verdict::Pass);
}

#[test]
fn a_past_instant_is_judged_as_far_as_it_is_known() {
    let mut spark = Spark::healthy();
    for n in 1..=120 {
        let slot = TimeNs(START.0 + n * 5 * SECOND);
        let both = vec![observed("ui", slot, 900_000, Passed), observed("executor", slot, 900_000, Passed)];
        spark.record(slot, Class::Obs, both);
    }
    let decided = spark.decide(START);
    let verdicts: Vec<_> = decided.checks.iter().map(|check| check.verdict).collect();
    assert_eq!(verdicts, [NoData, NoData, NoData, Pass, Pass, NoData], "{decided:#?}");
    assert_eq!(decided.verdict, Verdict::NoData);
    assert!(check(&decided, "healthz.slo.staleness").reason.contains("only its state now is kept"), "{decided:#?}");
}

#[test]
fn a_changed_figure_of_the_policy_shows_in_the_decision() {
    let strict = Config::from_toml(&format!("{TARGETS}{}", DEV.replace("150ms", "149ms"))).unwrap();
    let (before, after) = (Spark::healthy().decide(START), Spark::healthy_as(&strict).decide(START));
    let fields: Vec<String> = differences(&before, &after).into_iter().map(|difference| difference.field).collect();
    assert!(fields.contains(&"checks[healthz.slo.latencyP95].threshold".to_owned()), "{fields:?}");
    assert!(fields.contains(&"policy_digest".to_owned()), "{fields:?}");
}

#[test]
fn the_figures_warn_before_they_fail_where_a_profile_says_from_when() {
    let limits = "warn_latency_p95 = \"100ms\"\nwarn_error_rate = \"2%\"\nwarn_staleness = \"10s\"\n";
    let config = with(limits);
    assert!(!with("").canonical_json().contains("warn_"), "old configurations keep their digest");
    // Latency, failures of 120 observations, and how long after the last one it is decided.
    for (latency_us, failures, later_s, wanted) in [
        (1_000, 0, 0, [Pass, Pass, Pass]),
        (110_000, 0, 0, [Warn, Pass, Pass]),
        (160_000, 0, 0, [Fail, Pass, Pass]),
        (1_000, 4, 0, [Pass, Warn, Pass]),
        (1_000, 12, 0, [Pass, Fail, Pass]),
        (1_000, 0, 25, [Pass, Pass, Warn]),
        (1_000, 0, 45, [Pass, Pass, Fail]),
    ] {
        let mut spark = Spark::configured(&config);
        spark.schedule(&["ui", "executor"]);
        for n in 0..60 {
            let outcome = if (1..=failures / 2).contains(&n) { Outcome::Fail } else { Outcome::Ok };
            spark.observe_both(TimeNs(START.0 - n * 5 * SECOND), latency_us, outcome);
        }
        let decided = spark.decide(TimeNs(START.0 + later_s * SECOND));
        let figures = ["latencyP95", "errorRate", "staleness"];
        let verdicts = figures.map(|figure| verdict_of(&decided, &format!("healthz.slo.{figure}")));
        assert_eq!(verdicts, wanted, "{latency_us} µs, {failures} failures, {later_s} s later: {decided:#?}");
        if wanted.contains(&Warn) {
            assert_eq!(decided.verdict, Verdict::Warn);
        }
    }
}
