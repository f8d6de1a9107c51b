//! What documents become.

use spark_core::config::{
    Budgeting, BurnAlert, BurnRate, CalendarUnit, CalendarWindow, Config, Sli, SloWindow, Timeslices,
};
use spark_core::openslo::{Source, read};
use spark_core::units::{DurationUs, RatioPpm};
use spark_core::window::Window;

use crate::{CONDITION, NOTIFICATION_TARGET, POLICY, SLO, TARGETS, THRESHOLD, documents, objective_of, objectives_of};

#[test]
fn a_ratio_of_good_observations_is_an_objective() {
    let objective = objective_of(SLO);
    assert_eq!(objective.name.as_str(), "checkout");
    assert_eq!(objective.description, "Paying works");
    assert_eq!(objective.service.as_deref(), Some("shop"));
    assert_eq!(objective.targets, ["checkout".parse().unwrap()]);
    assert_eq!(objective.sli, Sli::Availability);
    assert_eq!(objective.objective, RatioPpm(999_000));
    assert_eq!(objective.window, SloWindow::Rolling(Window::D28));
    assert_eq!(objective.budgeting, Budgeting::Occurrences);
    assert!(objective.alerts.is_empty(), "a document that names no alert has none");
}

#[test]
fn the_same_promise_in_toml_has_the_same_digest() {
    let short = "[[slo]]\nname = \"checkout\"\ndescription = \"Paying works\"\nservice = \"shop\"\n\
                 targets = [\"checkout\"]\nsli = \"availability\"\nobjective = \"99.9%\"\nwindow = \"28d\"\n\
                 alerts = []\n";
    let short = Config::from_toml(&format!("{TARGETS}{short}")).unwrap();
    let mut long = Config::from_toml(&format!("openslo = ['slo.yaml']\n{TARGETS}")).unwrap();
    let without = long.digest();
    long.add_openslo(&[Source { file: "slo.yaml", text: SLO }]).unwrap();
    assert_eq!(long.digest(), short.digest());
    assert_ne!(long.digest(), without);
    let recorded = Config::from_canonical_json(&long.canonical_json()).unwrap();
    assert_eq!(recorded.objectives, long.objectives);
}

#[test]
fn bad_of_total_and_a_latency_limit() {
    let bad = SLO.replace("good:\n", "bad:\n").replace("metric: good,", "metric: bad, latencyMax: 300ms,");
    assert_eq!(objective_of(&bad).sli, Sli::Latency(DurationUs::from_ms(300)));
    let everywhere = SLO.replace(", targets: [checkout]", "");
    assert!(objective_of(&everywhere).targets.is_empty());
}

#[test]
fn thresholds_calendars_slices_and_references() {
    let objectives = objectives_of(THRESHOLD).unwrap();
    let [first, second] = objectives.as_slice() else { panic!("{objectives:?}") };
    assert_eq!(first.name.as_str(), "checkout-latency-good-experience");
    assert_eq!(first.description, "Good experience!: Paying is quick");
    assert_eq!(second.name.as_str(), "checkout-latency-2");
    assert_eq!(second.description, "Paying is quick");
    assert_eq!(first.sli, Sli::Latency(DurationUs(300_500)));
    assert_eq!(second.sli, Sli::Latency(DurationUs(1_999_999)), "lt leaves out the value itself");
    assert_eq!((first.objective, second.objective), (RatioPpm(990_000), RatioPpm(999_500)));
    let slices =
        |secs, ppm| Budgeting::Timeslices(Timeslices { slice: DurationUs::from_secs(secs), objective: RatioPpm(ppm) });
    assert_eq!((first.budgeting, second.budgeting), (slices(300, 950_000), slices(3_600, 1_000_000)));
    let time_zone = "America/New_York".to_owned();
    assert_eq!(first.window, SloWindow::Calendar(CalendarWindow { calendar: CalendarUnit::Month, time_zone }));
    assert_eq!(first.targets.len(), 2);
}

#[test]
fn policies_are_burn_alerts_whose_short_window_is_a_twelfth() {
    let slo = format!("{SLO}  alertPolicies:\n    - alertPolicyRef: page-us\n");
    let all = documents(&[&slo, POLICY, CONDITION, NOTIFICATION_TARGET]);
    let alert = BurnAlert {
        hold: DurationUs::from_secs(300),
        ..BurnAlert::new("page".parse().unwrap(), Window::H1, Window::M5, BurnRate(14_400))
    };
    assert_eq!(objective_of(&all).alerts, std::slice::from_ref(&alert));

    let inline = "  alertPolicies:
    - kind: AlertPolicy
      metadata: { name: here }
      spec:
        alertWhenBreaching: true
        conditions:
          - kind: AlertCondition
            metadata: { name: there }
            spec: { severity: page, condition: { op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m } }
";
    assert_eq!(objective_of(&format!("{SLO}{inline}")).alerts, [alert]);
}

#[test]
fn documents_refer_across_files_and_errors_name_the_file() {
    let mut config = Config::from_toml(TARGETS).unwrap();
    let slo = format!("{SLO}  alertPolicies:\n    - alertPolicyRef: page-us\n");
    let shared = documents(&[POLICY, CONDITION, NOTIFICATION_TARGET]);
    let sources = [Source { file: "a.yaml", text: &slo }, Source { file: "b.yaml", text: &shared }];
    config.add_openslo(&sources).unwrap();
    assert_eq!(config.objectives[0].alerts.len(), 1);

    let shared = shared.replace("gt", "lt");
    let sources = [Source { file: "a.yaml", text: &slo }, Source { file: "b.yaml", text: &shared }];
    let errors: Vec<String> = read(&sources)
        .into_iter()
        .filter_map(|document| document.outcome.err())
        .map(|error| error.to_string())
        .collect();
    let expected = [
        "a.yaml: line 29, column 23: alertPolicyRef: AlertPolicy \"page-us\" is refused itself",
        "b.yaml: line 9, column 21: conditionRef: AlertCondition \"fast-burn\" is refused itself",
        "b.yaml: line 21, column 9: op: a budget that burns slowly is nothing to alert of: write gt",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_list_of_objects_is_read_as_its_objects() {
    let item = |text: &str| {
        let text: String = text.lines().map(|line| format!("  {line}\n")).collect();
        format!("- {}", text.trim_start())
    };
    assert_eq!(objectives_of(&(item(CONDITION) + &item(SLO))).unwrap().len(), 1);
}

#[test]
fn one_bad_document_adds_nothing() {
    let mut config = Config::from_toml(TARGETS).unwrap();
    let text = documents(&[SLO, "apiVersion: openslo/v1\nkind: SLO\n"]);
    assert!(config.add_openslo(&[Source { file: "slo.yaml", text: &text }]).is_err());
    assert_eq!(config, Config::from_toml(TARGETS).unwrap());
}

#[test]
fn the_guides_examples_are_good() {
    let guide = include_str!("../../../../docs/objectives.md");
    // What stands between two fences is every other part of it.
    let blocks: Vec<&str> =
        guide.split("```").skip(1).step_by(2).filter_map(|block| Some(block.split_once('\n')?.1)).collect();
    let block = |start: &str| blocks.iter().find(|block| block.starts_with(start)).unwrap();
    let alert = objective_of(block("apiVersion")).alerts.remove(0);
    assert_eq!(alert, BurnAlert::defaults()[0]);
    let short = Config::from_toml(&format!("{TARGETS}{}{}", block("[[slo]]"), block("[[slo.alerts]]"))).unwrap();
    assert_eq!(short.objectives[0].alerts, [alert]);
    assert_eq!(Config::from_toml(block("openslo")).unwrap().openslo.len(), 1);
}
