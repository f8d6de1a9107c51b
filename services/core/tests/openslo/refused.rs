//! What documents say that is no OpenSLO, or that Spark can't keep.

use spark_core::config::{Config, SloWindow};
use spark_core::openslo::Source;

use crate::{
    CONDITION, NOTIFICATION_TARGET, POLICY, SLO, TARGETS, THRESHOLD, assert_change_refused, assert_refused,
    assert_text_refused, documents, objective_of, objectives_of,
};

#[test]
fn other_metric_sources_are_refused_where_they_are_named() {
    let message = |what: &str, kind: &str| {
        format!("{what} {kind:?}: Spark reads no metrics but its own observations (type: Spark)")
    };
    let prometheus = message("metricSource's type", "Prometheus");
    assert_change_refused("type: Spark", "type: Prometheus", "Prometheus", &prometheus);
    assert_text_refused(
        &THRESHOLD.replace("{ type: Spark,", "{ type: Datadog,").replace("metricSourceRef: own", "type: Spark"),
        "Datadog",
        &message("the data source's type", "Datadog"),
    );
    let details = "connectionDetails: Spark reads its own log: write {}, or leave it out";
    assert_refused(
        "apiVersion: openslo/v1\nkind: DataSource\nmetadata: { name: a }\nspec:\n  type: Spark\n  connectionDetails: [a]\n",
        (6, 3),
        details,
    );
    let none = "metricSource needs type: Spark, or a metricSourceRef to a DataSource of that type";
    assert_change_refused("            type: Spark\n", "", "spec: { metric: good", none);
    let missing = "metricSourceRef: no DataSource \"x\" in these documents";
    assert_change_refused(
        "            type: Spark\n",
        "            metricSourceRef: x\n",
        "x\n            spec",
        missing,
    );
}

#[test]
fn metrics_stand_where_they_mean_something() {
    assert_change_refused("metric: good", "metric: bad", "bad, targets", "metric must be good here, not \"bad\"");
    assert_change_refused(
        "metric: total",
        "metric: good",
        "good, targets: [checkout] }\n  time",
        "metric must be total here, not \"good\"",
    );
    let total = "total counts every observation: latencyMax belongs to good";
    assert_change_refused("metric: total,", "metric: total, latencyMax: 1s,", "{ metric: total", total);
    let same = "total and good must name the same targets";
    assert_change_refused("total, targets: [checkout]", "total, targets: [basket]", "{ metric: total", same);
    let unknown = "unknown key \"query\" in Spark's metricSource; there are: metric, targets, latencyMax";
    assert_change_refused("{ metric: good,", "{ metric: good, query: up,", "query", unknown);
    let limit = "a latency limit is more than 0s and at most 1d";
    assert_change_refused("{ metric: good,", "{ metric: good, latencyMax: 0s,", "0s", limit);
    let duration = "latencyMax must be a duration such as 300ms or 2s";
    assert_change_refused("{ metric: good,", "{ metric: good, latencyMax: fast,", "fast", duration);
    let counter = "counter: Spark counts observations, so it is true, or left out";
    assert_change_refused("counter: true", "counter: false", "false", counter);
    let raw = "raw: Spark counts observations and reads no ratios made elsewhere: write good or bad, and total";
    assert_change_refused("counter: true", "raw: { metricSource: {} }", "raw", raw);
    let both = "ratioMetric has either good or bad, not both";
    assert_change_refused("        good:\n", "        bad: {}\n        good:\n", "counter", both);
    let either = "the SLI's spec needs ratioMetric or thresholdMetric";
    assert_refused(
        "apiVersion: openslo/v1\nkind: SLI\nmetadata: { name: a }\nspec: { description: empty }\n",
        (4, 7),
        either,
    );
}

#[test]
fn targets_are_known_and_named_once() {
    assert_change_refused("[checkout]", "[chekout]", "chekout", "no target \"chekout\"; there are: checkout, basket");
}

#[test]
fn windows_are_those_that_spark_keeps() {
    let window = |text: &str| SLO.replace("- duration: 4w\n      isRolling: true\n", text);
    let none = "duration \"2w\": Spark has no such window; there are 5m, 30m, 1h, 2h, 6h, 1d, 3d, 7d, 28d, 30d";
    assert_change_refused("4w", "2w", "2w", none);
    let month = "duration \"1M\": Spark has no such window; there are 5m, 30m, 1h, 2h, 6h, 1d, 3d, 7d, 28d, 30d";
    assert_change_refused("4w", "1M", "1M", month);
    for (bad, shown) in [("4 w", "\"4 w\""), ("w", "\"w\""), ("4s", "\"4s\""), ("-4w", "\"-4w\""), ("4ü", "\"4ü\"")] {
        let message = format!(
            "duration {shown} is not a duration: write a whole number and one of m, h, d, w, M, Q, Y, such as 5m or 4w"
        );
        assert_text_refused(&SLO.replace("duration: 4w", &format!("duration: {bad}")), &format!("{bad}\n"), &message);
    }
    assert!(objectives_of(&SLO.replace("4w", "99999999999999999999w")).is_err());
    assert!(objectives_of(&SLO.replace("4w", "9999999999999999w")).is_err());
    let calendar = |duration: &str, start: &str, zone: &str| {
        window(&format!("- duration: {duration}\n      calendar: {{ startTime: {start}, timeZone: {zone} }}\n"))
    };
    for (duration, start) in
        [("1d", "2026-01-02 00:00:00"), ("1w", "2026-01-05 00:00:00"), ("1M", "2026-01-01 00:00:00")]
    {
        assert!(matches!(objective_of(&calendar(duration, start, "UTC")).window, SloWindow::Calendar(_)));
    }
    let units = "Spark's calendar windows are a day, a week or a month: 1d, 1w or 1M";
    for duration in ["1Q", "1Y", "2M", "7d"] {
        assert_text_refused(&calendar(duration, "2026-01-01 00:00:00", "UTC"), duration, units);
    }
    let minute = "duration 1m is a minute: a calendar month is 1M";
    assert_text_refused(&calendar("1m", "2026-01-01 00:00:00", "UTC"), "1m", minute);
    let noon = "startTime \"2026-01-01 12:00:00\": Spark's months begin on the 1st at midnight (00:00:00)";
    assert_text_refused(&calendar("1M", "2026-01-01 12:00:00", "UTC"), "2026", noon);
    let thursday = "startTime \"2026-01-01 00:00:00\": Spark's weeks begin on Monday at midnight (00:00:00)";
    assert_text_refused(&calendar("1w", "2026-01-01 00:00:00", "UTC"), "2026", thursday);
    for start in ["2026-01-01", "2026-02-30 00:00:00", "2026-01-01T00:00:00Z", "later"] {
        let form = "startTime must be a date and time such as 2026-01-01 00:00:00";
        assert_text_refused(&calendar("1M", &format!("'{start}'"), "UTC"), &format!("'{start}"), form);
    }
    let zone = "no time zone \"Mars/Olympus\"; write an IANA name such as \"Europe/Istanbul\" or \"UTC\"";
    assert_text_refused(&calendar("1M", "2026-01-01 00:00:00", "Mars/Olympus"), "Mars", zone);
    let missing = "timeWindow needs isRolling: true, or a calendar with startTime and timeZone";
    assert_change_refused("isRolling: true", "isRolling: false", "duration", missing);
    assert_change_refused("isRolling: true", "isRolling: yes", "yes", "isRolling must be true or false");
    let two = "timeWindow must have exactly one item, not 2";
    assert_change_refused("isRolling: true\n", "isRolling: true\n    - {}\n", "- duration", two);
    assert_text_refused(
        &SLO.replace("  timeWindow:\n    - duration: 4w\n      isRolling: true\n", ""),
        "service: shop",
        "timeWindow is missing in the SLO's spec",
    );
}

#[test]
fn methods_and_objectives() {
    let ratio = "budgetingMethod RatioTimeslices: Spark counts bad events or bad slices, and averages no ratios: write \
                 Occurrences or Timeslices";
    assert_change_refused("Occurrences", "RatioTimeslices", "RatioTimeslices", ratio);
    let method = "budgetingMethod \"Events\": there are Occurrences and Timeslices";
    assert_change_refused("Occurrences", "Events", "Events", method);
    let slices = "timeSliceTarget is missing in an objective";
    assert_change_refused("Occurrences", "Timeslices", "target: 0.999", slices);
    let not_here = "timeSliceWindow: it is for budgetingMethod Timeslices";
    assert_change_refused("0.999", "0.999\n      timeSliceWindow: 1m", "timeSliceWindow", not_here);
    let op = "op: it is for a thresholdMetric; a ratio is compared with target";
    assert_change_refused("0.999", "0.999\n      op: gt", "op:", op);
    let composite = "compositeWeight: composite SLOs are not read: write one SLO for each indicator";
    assert_change_refused("0.999", "0.999\n      compositeWeight: 2", "compositeWeight", composite);
    let number = "target must be a number: digits without quotes, sign or exponent, at most 6 of them after the point";
    for bad in [".nan", ".inf", "-0.5", "'0.99'", "9e-1", "0.9999999", "99999999999999999999999", "half", "[]", "0x1"] {
        assert_change_refused("target: 0.999", &format!("target: {bad}"), &format!("{bad}\n"), number);
    }
    let budget = "an objective is more than 0% and less than 100%, so that there is a budget";
    for bad in ["0", "1", "1.0", "99.9"] {
        assert_change_refused("target: 0.999", &format!("target: {bad}"), &format!("target: ^{bad}\n"), budget);
    }
    let both = "an objective has either target or targetPercent, not both";
    assert_change_refused("target: 0.999", "target: 0.999\n      targetPercent: 99.9", "target: 0.999", both);
    assert_change_refused("    - target: 0.999\n", "    []\n", "[]", "objectives must have at least one item");
    let twice = "two objectives would have the name \"checkout-a\"";
    assert_change_refused(
        "- target: 0.999",
        "- { displayName: A, target: 0.9 }\n    - { displayName: a, target: 0.8 }",
        "a, target: 0.8",
        twice,
    );
    let long = "x".repeat(60);
    let text = SLO.replace("- target: 0.999", &format!("- {{ displayName: {long}, target: 0.9 }}\n    - target: 0.8"));
    assert!(objectives_of(&text).unwrap_err().contains("a name has at most 64 characters"), "{text}");
    for (from, to, at, message) in [
        ("op: lte", "op: gt", "gt", "op: a promise of latency has an upper bound: write lte or lt"),
        ("op: lte", "op: le", "le,", "op \"le\": there are lte, gte, lt, gt"),
        (
            "value: 300.5",
            "value: 0",
            "0, target",
            "value (in milliseconds): a latency limit is more than 0s and at most 1d",
        ),
        ("value: 300.5, ", "", "{ displayName", "value is missing in an objective"),
        (
            "timeSliceWindow: 5 ",
            "timeSliceWindow: 7 ",
            "7 }",
            "a slice is a whole number of minutes that divides a day, such as \"1m\", \"5m\" or \"1h\"",
        ),
        ("timeSliceWindow: 5 ", "timeSliceWindow: 99999999999999999999 ", "9999", "timeSliceWindow is too long"),
        (
            "timeSliceTarget: 0.95",
            "timeSliceTarget: 0",
            "0, timeSliceWindow",
            "the objective of a slice is more than 0% and at most 100%",
        ),
    ] {
        assert_text_refused(&THRESHOLD.replace(from, to), at, message);
    }
}

#[test]
fn alerts_that_spark_can_not_keep_are_refused() {
    for (from, to, at, message) in [
        ("burnrate", "budget", "budget", "the only kind of condition is burnrate"),
        ("op: gt", "op: gte", "gte", "op: an alert holds when the budget burns faster than threshold: write gt"),
        ("op: gt", "op: above", "above", "op \"above\": there are lte, gte, lt, gt"),
        ("14.4", "0", "0\n", "a burn rate is more than 0 and at most 1000000"),
        (
            "14.4",
            "1e3",
            "1e3",
            "threshold must be a number: digits without quotes, sign or exponent, at most 3 of them after the point",
        ),
        ("1h", "5m", "5m\n    alert", "lookbackWindow must be longer than 5m, so that a shorter one can end the alert"),
        ("After: 5m", "After: 2h", "2h", "an alert that must hold for 2h is later than its long window (1h)"),
        ("After: 5m", "After: 1M", "1M", "alertAfter must have a fixed length: minutes, hours, days or weeks"),
        (
            "severity: page",
            "severity: wake me up",
            "wake",
            "severity: a name is made of letters, digits, '-' and '_', not ' '",
        ),
        ("severity: page", "severity: 1", "severity: ^1", "severity must be a text; \"1\" is none: put it in quotes"),
    ] {
        assert!(CONDITION.contains(from), "{from}");
        assert_text_refused(&CONDITION.replace(from, to), at, message);
    }
}

#[test]
fn policies_that_spark_can_not_keep_are_refused() {
    for (from, to, at, message) in [
        (
            "Breaching: true",
            "Breaching: false",
            "false",
            "alertWhenBreaching must be true: a policy that alerts of nothing is none",
        ),
        (
            "Resolved: true",
            "Resolved: false",
            "false",
            "alertWhenResolved: an alert's end is always said: write true, or leave it out",
        ),
        (
            "alertWhenResolved: true",
            "alertWhenNoData: true",
            "true\n  conditions",
            "alertWhenNoData: an alert needs data; missing data shows in completeness and fails the gate",
        ),
        ("fast-burn\n", "slow-burn\n", "slow-burn", "conditionRef: no AlertCondition \"slow-burn\" in these documents"),
        ("- conditionRef: fast-burn", "[]", "[]", "conditions must have exactly one item, not 0"),
        (
            "fast-burn\n",
            "fast-burn\n      extra: 1\n",
            "extra",
            "unknown key \"extra\" in a reference; there are: conditionRef",
        ),
    ] {
        assert!(POLICY.contains(from), "{from}");
        assert_text_refused(&documents(&[&POLICY.replace(from, to), CONDITION, NOTIFICATION_TARGET]), at, message);
    }
    let email = "target \"email\": Spark tells nobody by itself; alerts are events in its log and messages on \
                 spark.alert.<slo>: write log";
    assert_text_refused(&NOTIFICATION_TARGET.replace("target: log", "target: email"), "email", email);
    let slo = format!("{SLO}  alertPolicies: [{{ alertPolicyRef: page-us }}, {{ alertPolicyRef: page-us }}]\n");
    let alike = "two policies of the SLO alert on the same window; a window has one";
    assert_text_refused(
        &documents(&[&slo, POLICY, CONDITION, NOTIFICATION_TARGET]),
        "{ alertPolicyRef: page-us }]",
        alike,
    );
}

#[test]
fn documents_say_what_they_are() {
    let version = "apiVersion \"openslo/v1alpha\": Spark reads openslo/v1";
    assert_change_refused("openslo/v1", "openslo/v1alpha", "openslo", version);
    let kinds = "kind \"Objective\": there are DataSource, Service, AlertNotificationTarget, AlertCondition, SLI, \
                 AlertPolicy, SLO";
    assert_change_refused("kind: SLO", "kind: Objective", "Objective", kinds);
    assert_change_refused("kind: SLO\n", "", "apiVersion", "kind is missing in a document");
    assert_change_refused(
        "kind: SLO",
        "kind: SLO\nstatus: {}",
        "status",
        "unknown key \"status\" in a document; there are: apiVersion, kind, metadata, spec",
    );
    assert_change_refused("  name: checkout\n", "", "displayName", "name is missing in metadata");
    assert_change_refused("name: checkout\n", "name:\n", "name:", "name is missing in metadata");
    assert_change_refused(
        "name: checkout\n",
        "name: 2026\n",
        "2026",
        "name must be a text; \"2026\" is none: put it in quotes",
    );
    let character = "name: a name is made of letters, digits, '-' and '_', not '/'";
    assert_change_refused("name: checkout\n", "name: a/b\n", "a/b", character);
    let labels = "the value of \"a\" must be a text";
    assert_change_refused("  name: checkout\n", "  name: checkout\n  labels: { a: { b: c } }\n", "{ b: c", labels);
    let spec = "the SLO's spec must be a mapping of keys to values";
    assert_refused("apiVersion: openslo/v1\nkind: SLO\nmetadata: { name: a }\nspec: all good\n", (4, 7), spec);
    assert_refused("apiVersion: openslo/v1\nkind: SLO\nmetadata: { name: a }\n", (1, 1), "the SLO has no spec");
    assert_refused("all good\n", (1, 1), "a document must be a mapping of keys to values");
    let twice = "SLO \"checkout\" is there twice, first in slo.yaml, line 4";
    assert_refused(&documents(&[SLO, SLO]), (32, 9), twice);
    let thrice = objectives_of(&documents(&[SLO, SLO, SLO])).unwrap_err();
    assert!(thrice.lines().count() == 2 && thrice.lines().all(|line| line.ends_with(twice)), "{thrice}");
    let mut config = Config::from_toml(&format!(
        "{TARGETS}[[slo]]\nname = \"checkout\"\nsli = \"availability\"\nobjective = \"99%\"\nwindow = \"28d\"\n"
    ))
    .unwrap();
    let errors = config.add_openslo(&[Source { file: "a", text: SLO }]).unwrap_err();
    assert_eq!(errors[0].to_string(), "a: line 4, column 9: objective \"checkout\" is there twice: names must differ");
    let suffixed =
        SLO.replace("- target: 0.999", "- { displayName: a, target: 0.9 }\n    - { displayName: b, target: 0.8 }");
    let same = suffixed.clone() + "---\n" + &SLO.replace("name: checkout\n", "name: checkout-b\n");
    assert!(objectives_of(&same).unwrap_err().ends_with("objective \"checkout-b\" is there twice: names must differ"));
    let long = format!("  service: shop\n  description: {}\n", "x".repeat(1_051));
    assert_change_refused("  service: shop\n", &long, "xxx", "a description has at most 1050 characters");
    let shown = objectives_of(&SLO.replace("kind: SLO", &format!("kind: {}", "ü".repeat(100_000)))).unwrap_err();
    assert!(shown.len() < 400, "a message is no longer than a message should be");
}
