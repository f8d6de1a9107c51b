//! A policy of the gate that could not be kept is refused with the place, what is wrong and what is allowed.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use spark_core::config::{Config, ConfigError};

const DEV: &str = "[profiles.dev]\nlatency_p95 = \"150ms\"\nerror_rate = \"5%\"\nstaleness = \"30s\"\n";

fn assert_refused(text: &str, (line, column): (usize, usize), message: &str) {
    let error = Config::from_toml(text).err();
    assert_eq!(error, Some(ConfigError { line, column, message: message.to_owned() }), "in\n{text}");
}

const SLO: &str = "[[slo]]\nname = \"shop\"\nsli = \"availability\"\nobjective = \"99%\"\nwindow = \"30d\"\n";

/// One more check of profile `dev`; its name is the file's eleventh line, what it asks the twelfth.
fn assert_check_refused(asks: &str, place: (usize, usize), message: &str) {
    let check = format!("{SLO}{DEV}[[profiles.dev.check]]\nname = \"more\"\n{asks}\n");
    assert_refused(&check, place, message);
}

#[test]
fn checks_that_ask_for_nothing_or_of_nobody_are_refused() {
    let one_of = "a check has exactly one of objective, budget, burn_rate, canary and completeness";
    assert_check_refused("", (11, 8), one_of);
    let two = "canary = { mode = \"real\", max_age = \"1h\" }\ncompleteness = { window = \"1h\", min = \"99%\" }";
    assert_check_refused(two, (11, 8), one_of);
    let unknown = "unknown field `latency`, expected one of `name`, `weight`, `objective`, `budget`, `burn_rate`, `canary`, \
                   `completeness`";
    assert_check_refused("latency = { window = \"1h\" }", (12, 1), unknown);
    let nobody = "no objective \"shopp\"; there are: shop";
    assert_check_refused("objective = { slo = \"shopp\" }", (12, 21), nobody);
    assert_check_refused("budget = { slo = \"shopp\", min = \"1%\" }", (12, 18), nobody);
    assert_check_refused("burn_rate = { slo = \"shopp\", window = \"1h\", below = \"6\" }", (12, 21), nobody);
    assert_check_refused("budget = { slo = \"shop\" }", (12, 10), "missing field `min`");
    let window = "no window \"90m\"; there are 5m, 30m, 1h, 2h, 6h, 1d, 3d, 7d, 28d, 30d";
    assert_check_refused("completeness = { window = \"90m\", min = \"1%\" }", (12, 27), window);
    let mode = "unknown variant `dry`, expected one of `mock`, `real`, `compare`";
    assert_check_refused("canary = { mode = \"dry\", max_age = \"1h\" }", (12, 19), mode);
}

#[test]
fn thresholds_that_contradict_each_other_are_refused() {
    let warn = |min: &str| format!("warn must be above min ({min})");
    assert_check_refused("budget = { slo = \"shop\", min = \"9%\", warn = \"9%\" }", (12, 45), &warn("9%"));
    assert_check_refused("completeness = { window = \"1h\", min = \"9%\", warn = \"8%\" }", (12, 52), &warn("9%"));
    let objective = "warn must be above the objective (99%)";
    assert_check_refused("objective = { slo = \"shop\", warn = \"99%\" }", (12, 36), objective);
    let burn = |rest: &str| format!("burn_rate = {{ slo = \"shop\", window = \"1h\", {rest} }}");
    assert_check_refused(&burn("below = \"0\""), (12, 52), "below must be more than 0");
    assert_check_refused(&burn("below = \"6\", warn = \"6\""), (12, 64), "warn must be below 6");
    let window = "burn rates are kept over 5m, 30m, 1h, 2h, 6h, 1d, 3d and over the windows of alerts";
    assert_check_refused(&burn("below = \"6\"").replace("1h", "7d"), (12, 38), window);
    let target = |mode: &str| format!("canary = {{ mode = \"{mode}\", target = \"shop\", max_age = \"1h\" }}");
    assert_check_refused(&target("real"), (12, 36), "target is for canaries of mode \"compare\"");
    assert_check_refused(&target("compare"), (12, 39), "no target \"shop\"; there are: none");
    assert_check_refused("canary = { mode = \"real\", max_age = \"0s\" }", (12, 37), "max_age must be more than 0s");
}

#[test]
fn names_and_weights_that_nothing_can_tell_apart_are_refused() {
    let complete = "completeness = { window = \"1h\", min = \"9%\" }";
    let twice = format!("{complete}\n[[profiles.dev.check]]\nname = \"more\"\n{complete}");
    assert_check_refused(&twice, (14, 8), "a check can't be called \"more\": names must differ");
    let score = format!("{DEV}[[profiles.dev.check]]\nname = \"score\"\n{complete}\n");
    let message = "a check can't be called \"score\": that is what all weights together are called";
    assert_refused(&score, (6, 8), message);
    let weight = format!("{complete}\nweight = 3");
    assert_check_refused(&weight, (13, 10), "a weight counts only in a profile with score_min");
    assert_check_refused(&format!("{complete}\nweight = 0"), (13, 10), "weight must be at least 1");
    assert_refused(&format!("{DEV}score_min = \"50%\"\n"), (5, 13), "score_min needs checks with a weight");
    assert_refused(&format!("{DEV}score_min = \"0%\"\n"), (5, 13), "score_min must be more than 0%");
}

#[test]
fn waivers_of_nothing_for_ever_or_without_a_reason_are_refused() {
    let waiver = |check: &str, until: &str, reason: &str| {
        format!(
            "{DEV}[[profiles.dev.waiver]]\ncheck = \"{check}\"\nuntil = {until}\nreason = \"{reason}\"\nby = \"ops\"\n"
        )
    };
    let until = "\"2027-01-31T18:00:00+03:00\"";
    Config::from_toml(&waiver("ui.up", until, "no pages yet")).unwrap();
    let known = "there are: ui.up, executor.up, healthz.status, healthz.slo.latencyP95, healthz.slo.errorRate, \
                 healthz.slo.staleness";
    assert_refused(&waiver("ui", until, "x"), (6, 9), &format!("no check \"ui\"; {known}"));
    let never = "\"never\" is no instant; write RFC 3339 such as \"2026-11-23T20:00:00Z\"";
    assert_refused(&waiver("ui.up", "\"never\"", "x"), (7, 9), never);
    assert_refused(&waiver("ui.up", until, " "), (8, 10), "reason must say something");
    let twice = waiver("ui.up", until, "x") + &waiver("ui.up", until, "y").replace(DEV, "");
    assert_refused(&twice, (11, 9), "check \"ui.up\" is waived twice");
    let endless = waiver("ui.up", until, "x").replace(&format!("until = {until}\n"), "");
    assert_refused(&endless, (5, 1), "missing field `until`");
}
