//! OpenSLO documents become objectives, or are refused with file, line, column and reason; nothing is passed over.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod read;
mod refused;
mod yaml;

use spark_core::config::{Config, Objective};
use spark_core::openslo::Source;

const TARGETS: &str = "[[target]]\nname = \"checkout\"\nurl = \"https://shop.example/\"\n\
                       [[target]]\nname = \"basket\"\nurl = \"https://shop.example/basket\"\n";

/// Availability of one target, in 27 lines.
const SLO: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
  displayName: Paying works
spec:
  service: shop
  indicator:
    metadata:
      name: checkout-good
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource:
            type: Spark
            spec: { metric: good, targets: [checkout] }
        total:
          metricSource:
            type: Spark
            spec: { metric: total, targets: [checkout] }
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
";

const CONDITION: &str = "\
apiVersion: openslo/v1
kind: AlertCondition
metadata:
  name: fast-burn
spec:
  severity: page
  condition:
    kind: burnrate
    op: gt
    threshold: 14.4
    lookbackWindow: 1h
    alertAfter: 5m
";

const POLICY: &str = "\
apiVersion: openslo/v1
kind: AlertPolicy
metadata:
  name: page-us
spec:
  alertWhenBreaching: true
  alertWhenResolved: true
  conditions:
    - conditionRef: fast-burn
  notificationTargets:
    - targetRef: the-log
";

const NOTIFICATION_TARGET: &str = "\
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: { name: the-log }
spec: { target: log }
";

fn objectives_of(text: &str) -> Result<Vec<Objective>, String> {
    let mut config = Config::from_toml(TARGETS).unwrap();
    let source = Source { file: "slo.yaml", text };
    match config.add_openslo(&[source]) {
        Ok(()) => Ok(config.objectives),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn objective_of(text: &str) -> Objective {
    let mut objectives = objectives_of(text).unwrap();
    assert_eq!(objectives.len(), 1, "in\n{text}");
    objectives.remove(0)
}

#[track_caller]
fn assert_refused(text: &str, (line, column): (usize, usize), message: &str) {
    let expected = format!("slo.yaml: line {line}, column {column}: {message}");
    assert_eq!(objectives_of(text).map(|_| ()), Err(expected), "in\n{text}");
}

/// The good SLO with one piece changed; what is wrong is looked for where `at` first stands in it.
#[track_caller]
fn assert_change_refused(from: &str, to: &str, at: &str, message: &str) {
    assert!(SLO.contains(from), "{from}");
    assert_text_refused(&SLO.replace(from, to), at, message);
}

#[track_caller]
fn assert_text_refused(text: &str, at: &str, message: &str) {
    // A caret says where in a longer piece.
    let (start, end) = at.split_once('^').unwrap_or(("", at));
    let before = &text[..text.find(&format!("{start}{end}")).unwrap() + start.len()];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    assert_refused(text, (line, column), message);
}

fn documents(all: &[&str]) -> String {
    all.join("---\n")
}

const THRESHOLD: &str = "\
apiVersion: openslo/v1
kind: SLI
metadata:
  name: checkout-latency
  labels: { team: [pay, shop], env: prod }
  annotations: { example.com/dashboard: somewhere }
spec:
  description: How long paying takes
  thresholdMetric:
    metricSource:
      metricSourceRef: own
      spec:
        metric: latencyMs
        targets: [checkout, basket]
---
apiVersion: openslo/v1
kind: DataSource
metadata: { name: own }
spec: { type: Spark, connectionDetails: {} }
---
apiVersion: openslo/v1
kind: Service
metadata: { name: shop }
spec:
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: checkout-latency }
spec:
  description: Paying is quick
  service: shop
  indicatorRef: checkout-latency
  timeWindow:
    - duration: 1M
      calendar: { startTime: 2026-01-01 00:00:00, timeZone: America/New_York }
  budgetingMethod: Timeslices
  objectives:
    - { displayName: Good experience!, op: lte, value: 300.5, target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5 }
    - { op: lt, value: 2000, targetPercent: 99.95, timeSliceTarget: 1, timeSliceWindow: 1h }
";
