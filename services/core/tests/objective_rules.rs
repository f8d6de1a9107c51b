//! Objectives in `spark.toml`: a good one reads as written, a bad one is refused with the place and what is allowed.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use spark_core::config::{
    Budgeting, BurnAlert, BurnRate, CalendarUnit, CalendarWindow, Config, ConfigError, Sli, SloWindow, Timeslices,
};
use spark_core::units::{DurationUs, RatioPpm};
use spark_core::window::Window;

const TARGET: &str = "[[target]]\nname = \"checkout\"\nurl = \"https://shop.example/health\"\n";
const SLO: &str = "[[slo]]\nname = \"a\"\nsli = \"availability\"\nobjective = \"99.9%\"\nwindow = \"28d\"\n";

fn error_of(text: &str) -> ConfigError {
    match Config::from_toml(text) {
        Ok(_) => panic!("this is taken for good:\n{text}"),
        Err(error) => error,
    }
}

/// A text that is refused where its caret stands, which is taken out before.
#[track_caller]
fn assert_refused(text: &str, message: &str) {
    let (before, after) = text.split_once('^').unwrap();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
    let text = format!("{before}{after}");
    assert_eq!(error_of(&text), ConfigError { line, column, message: message.to_owned() }, "in\n{text}");
}

/// A line more about an objective that is good.
#[track_caller]
fn assert_line_refused(line: &str, message: &str) {
    assert_refused(&format!("{SLO}{line}\n"), message);
}

/// The objective with one line changed.
#[track_caller]
fn assert_change_refused(line: &str, message: &str) {
    let key = line.split(' ').next().unwrap();
    let change = |old: &str| if old.starts_with(&format!("{key} ")) { format!("{line}\n") } else { format!("{old}\n") };
    assert_refused(&SLO.lines().map(change).collect::<String>(), message);
}

#[test]
fn the_shortest_objective_has_googles_four_alerts() {
    let config = Config::from_toml(SLO).unwrap();
    let objective = config.objective("a").unwrap();
    assert_eq!(objective.sli, Sli::Availability);
    assert_eq!(objective.objective, RatioPpm(999_000));
    assert_eq!(objective.window, SloWindow::Rolling(Window::D28));
    assert_eq!(objective.budgeting, Budgeting::Occurrences);
    assert_eq!(objective.alerts, BurnAlert::defaults());
    assert!(objective.targets.is_empty());
}

#[test]
fn everything_that_an_objective_can_say_is_read_and_survives_being_recorded() {
    let text = format!(
        "{TARGET}[[slo]]\nname = \"checkout-fast\"\ndescription = \"Paying is quick\"\nservice = \"shop\"\n\
         targets = [\"checkout\"]\nsli = {{ latency = \"300ms\" }}\nobjective = \"99%\"\n\
         window = {{ calendar = \"month\", time_zone = \"Asia/Kathmandu\" }}\n\
         budgeting = {{ timeslices = {{ slice = \"5m\", objective = \"95%\" }} }}\n\
         [[slo.alerts]]\nseverity = \"page\"\nlong = \"1h\"\nshort = \"5m\"\nburn_rate = \"14.4\"\nevents_min = 100\n\
         for = \"2m\"\n"
    );
    let config = Config::from_toml(&text).unwrap();
    let objective = &config.objectives[0];
    assert_eq!(objective.sli, Sli::Latency(DurationUs::from_ms(300)));
    let time_zone = "Asia/Kathmandu".to_owned();
    assert_eq!(objective.window, SloWindow::Calendar(CalendarWindow { calendar: CalendarUnit::Month, time_zone }));
    let slices = Timeslices { slice: DurationUs::from_secs(300), objective: RatioPpm(950_000) };
    assert_eq!(objective.budgeting, Budgeting::Timeslices(slices));
    let alert = &objective.alerts[0];
    assert_eq!((alert.burn_rate, alert.events_min, alert.hold), (BurnRate(14_400), 100, DurationUs::from_secs(120)));
    let recorded = config.canonical_json();
    assert_eq!(Config::from_canonical_json(&recorded).unwrap(), config);
    assert_ne!(config.digest(), Config::from_toml(TARGET).unwrap().digest(), "the digest covers objectives");
}

#[test]
fn a_calendar_window_is_in_utc_unless_it_says_otherwise() {
    let config = Config::from_toml(&SLO.replace("\"28d\"", "{ calendar = \"week\" }")).unwrap();
    let time_zone = "UTC".to_owned();
    assert_eq!(
        config.objectives[0].window,
        SloWindow::Calendar(CalendarWindow { calendar: CalendarUnit::Week, time_zone })
    );
}

#[test]
fn unknown_and_missing_keys_are_refused_with_those_there_are() {
    let keys = "`name`, `description`, `service`, `targets`, `sli`, `objective`, `window`, `budgeting`, `alerts`";
    assert_line_refused("^targts = []", &format!("unknown field `targts`, expected one of {keys}"));
    assert_refused("^[[slo]]\nname = \"a\"\n", "missing field `sli`");
    let sli = "unknown variant `uptime`, expected `availability` or `latency`";
    assert_change_refused("sli = ^\"uptime\"", sli);
    let zone = "unknown field `tz`, expected `calendar` or `time_zone`";
    assert_change_refused("window = { calendar = \"day\", ^tz = \"UTC\" }", zone);
    assert_change_refused("window = ^{ time_zone = \"UTC\" }", "missing field `calendar`");
    let year = "unknown variant `year`, expected one of `day`, `week`, `month`";
    assert_change_refused("window = { calendar = ^\"year\" }", year);
    assert_line_refused("budgeting = { timeslices = ^{ slice = \"5m\" } }", "missing field `objective`");
    let alert = "unknown field `burn`, expected one of `severity`, `long`, `short`, `burn_rate`, `events_min`, `for`";
    assert_line_refused("alerts = [{ severity = \"page\", ^burn = 1 }]", alert);
}

#[test]
fn what_is_no_window_is_refused_with_words_that_teach() {
    let windows = "no window \"14d\"; there are 5m, 30m, 1h, 2h, 6h, 1d, 3d, 7d, 28d, 30d";
    assert_change_refused("window = ^\"14d\"", windows);
    let teach = "this is the number `28`, expected a window such as \"28d\" or { calendar = \"month\", time_zone = \
                 \"Europe/Istanbul\" }";
    assert_change_refused("window = ^28", teach);
}

#[test]
fn an_objective_leaves_a_budget() {
    let message = "an objective is more than 0% and less than 100%, so that there is a budget";
    assert_change_refused("objective = ^\"100%\"", message);
    assert_change_refused("objective = ^\"0%\"", message);
    let percentage = "\"100.5%\" is not a percentage: write a number from 0 to 100, at most four decimals, and %, such \
                      as \"2%\"";
    assert_change_refused("objective = ^\"100.5%\"", percentage);
    let nan = "this is the number `NaN`, expected a percentage in quotes, such as \"2%\"";
    assert_change_refused("objective = ^nan", nan);
}

#[test]
fn a_latency_limit_can_be_kept() {
    let message = "a latency limit is more than 0s and at most 1d";
    assert_change_refused("sli = { latency = ^\"0s\" }", message);
    assert_change_refused("sli = { latency = ^\"2d\" }", message);
}

#[test]
fn time_zones_are_those_of_the_bundled_database_as_it_spells_them() {
    let window = |zone: &str| format!("window = {{ calendar = \"month\", time_zone = ^\"{zone}\" }}");
    let none = "no time zone \"Europe/Konstantinopel\"; write an IANA name such as \"Europe/Istanbul\" or \"UTC\"";
    assert_change_refused(&window("Europe/Konstantinopel"), none);
    let spelled = "no time zone \"europe/istanbul\"; did you mean \"Europe/Istanbul\"?";
    assert_change_refused(&window("europe/istanbul"), spelled);
    for zone in ["", "../../etc/passwd", "Etc/Unknown", "+03:00"] {
        let none = format!("no time zone {zone:?}; write an IANA name such as \"Europe/Istanbul\" or \"UTC\"");
        assert_change_refused(&window(zone), &none);
    }
    for zone in ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Istanbul"] {
        Config::from_toml(&SLO.replace("window = \"28d\"", &window(zone).replace('^', ""))).unwrap();
    }
}

#[test]
fn slices_divide_a_day_and_fit_into_the_window() {
    let slices = |slice: &str, objective: &str| {
        format!("budgeting = {{ timeslices = {{ slice = {slice}, objective = {objective} }} }}")
    };
    let minutes = "a slice is a whole number of minutes that divides a day, such as \"1m\", \"5m\" or \"1h\"";
    for slice in ["^\"0s\"", "^\"30s\"", "^\"90s\"", "^\"7m\"", "^\"2d\""] {
        assert_line_refused(&slices(slice, "\"95%\""), minutes);
    }
    let objective = "the objective of a slice is more than 0% and at most 100%";
    assert_line_refused(&slices("\"5m\"", "^\"0%\""), objective);
    Config::from_toml(&format!("{SLO}{}\n", slices("\"1d\"", "\"100%\""))).unwrap();
    let text = format!("{}{}\n", SLO.replace("28d", "1h"), slices("^\"2h\"", "\"95%\""));
    assert_refused(&text, "a slice of 2h is longer than the window of 1h");
}

#[test]
fn alerts_can_fire_and_be_told_apart() {
    let alert = |rest: &str| format!("alerts = [{{ severity = \"page\", long = \"1h\", {rest} }}]");
    let short = "the short window (1h) must be shorter than the long one (1h)";
    assert_line_refused(&alert("short = ^\"1h\", burn_rate = \"1\""), short);
    let rate = "a burn rate is more than 0 and at most 1000000";
    assert_line_refused(&alert("short = \"5m\", burn_rate = ^\"0\""), rate);
    assert_line_refused(&alert("short = \"5m\", burn_rate = ^\"1000000.001\""), rate);
    let text = "this is the number `14.4`, expected a burn rate in quotes, such as \"14.4\"";
    assert_line_refused(&alert("short = \"5m\", burn_rate = ^14.4"), text);
    let late = "an alert that must hold for 2h is later than its long window (1h)";
    assert_line_refused(&alert("short = \"5m\", burn_rate = \"1\", for = ^\"2h\""), late);
    let one = |page: &str, long: &str, short: &str| {
        format!("{{ severity = \"{page}\", long = {long}, short = {short}, burn_rate = \"14.4\" }}")
    };
    let two = |other: String| format!("alerts = [{}, {other}]", one("page", "\"1h\"", "\"5m\""));
    let alike = "another alert of this objective is a page over 1h and 5m, too; each such pair has one";
    assert_line_refused(&two(one("page", "^\"1h\"", "\"5m\"")), alike);
    for (severity, long, short) in [("page", "1h", "30m"), ("page", "6h", "5m"), ("ticket", "1h", "5m")] {
        let text = format!("{TARGET}{SLO}{}\n", two(one(severity, &format!("{long:?}"), &format!("{short:?}"))));
        assert_eq!(Config::from_toml(&text).unwrap().objectives[0].alerts.len(), 2);
    }
}

#[test]
fn names_differ_and_targets_exist() {
    let twice = "objective \"a\" is there twice: names must differ";
    assert_refused(&format!("{SLO}{}", SLO.replace("\"a\"", "^\"a\"")), twice);
    let text = format!("{TARGET}{SLO}targets = [\"checkout\", ^\"basket\"]\n");
    assert_refused(&text, "no target \"basket\"; there are: checkout");
    let text = format!("{TARGET}{SLO}targets = [\"checkout\", ^\"checkout\"]\n");
    assert_refused(&text, "target \"checkout\" is named twice");
}

#[test]
fn documents_are_named_one_by_one() {
    let config = Config::from_toml("openslo = [\"slo/checkout.yaml\"]\n").unwrap();
    assert_eq!(config.openslo, ["slo/checkout.yaml"]);
    assert_eq!(config.digest(), Config::default().digest(), "only what they promise is part of the policy");
    assert_refused("openslo = [\"a.yaml\", ^\"\"]\n", "openslo must name files");
    assert_refused("openslo = [^\"slo/*.yaml\"]\n", "openslo names each file; patterns are not read");
    assert_refused("openslo = [\"a.yaml\", ^\"a.yaml\"]\n", "the file is named twice");
    let many: Vec<String> = (0..64).map(|n| format!("'{n}'")).collect();
    assert_refused(&format!("openslo = [{}, ^'more']\n", many.join(",")), "openslo names at most 64 files");
    let one = "this is the text \"a.yaml\", expected a list in brackets";
    assert_refused("openslo = ^\"a.yaml\"\n", one);
}
