//! Canaries against the running program: the built-in target, the configured endpoints, and comparisons made from the log.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::time::Duration;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Behaviour, Client, Finished, Services, Setup, Site, World, run, spark, target_toml};

/// Answers after so many milliseconds.
fn after_ms(ms: u64) -> Behaviour {
    Behaviour { delay: Duration::from_millis(ms), ..Behaviour::default() }
}

/// Three targets, probed ten times a second: two that take 20 ms, and one that takes 60 ms.
fn config(site: &Site) -> String {
    let target = |name: &str| {
        site.set(&format!("/{name}"), after_ms(if name == "slow" { 60 } else { 20 }));
        target_toml(name, &site.url(&format!("/{name}")), "100ms")
    };
    let targets: String = ["stable", "twin", "slow"].map(target).concat();
    format!("{targets}[canary]\nsamples_min = 40\n")
}

fn until_observed(api: &Client, target: &str, count: u64) {
    wait::until("enough observations", LONG, || {
        let window = api.try_json(&format!("/api/v1/windows?target={target}&window=5m"))?;
        wait::that(window["count"].as_u64() >= Some(count), || window.to_string())
    });
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn now_rfc3339(api: &Client) -> String {
    // The running program's own clock.
    api.json("/api/tools/status")["at"].as_str().unwrap().to_owned()
}

/// Compares in every way, with `ask` running a command of the same Spark.
fn assert_compares(site: &Site, api: &Client, ask: &dyn Fn(&[&str]) -> Finished) -> String {
    let compare = |arguments: &[&str]| ask(&[&["canary", "compare"], arguments].concat());
    until_observed(api, "slow", 60);
    let slower = compare(&["--baseline", "stable", "--candidate", "slow", "--window", "5m"]);
    assert_eq!(slower.code, 1, "{slower:?}");
    assert!(slower.stdout.contains("fail     canary.latency"), "{slower:?}");
    assert!(slower.stdout.contains("slower, at or beyond 20%"), "{slower:?}");
    let faster = compare(&["--baseline", "slow", "--candidate", "stable", "--window", "5m"]);
    assert_eq!(faster.code, 0, "{faster:?}");
    assert!(faster.stdout.contains("faster, and by more than chance"), "{faster:?}");
    // A busy machine may shift one of them a little; never by the fifth that fails.
    let same = compare(&["--baseline", "stable", "--candidate", "twin", "--window", "5m", "--format", "json"]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(json(&same)["comparison"]["candidate"]["observed"].as_u64() >= Some(40), "{same:?}");

    let changed = now_rfc3339(api);
    let early = compare(&["--target", "twin", "--at", &changed]);
    assert_eq!(early.code, 2, "nothing can be said of a change just made: {early:?}");
    assert!(early.stdout.contains("no_data"), "{early:?}");
    site.set("/twin", after_ms(60));
    let worse = wait::until("enough observations after the change", LONG, || {
        let compared = compare(&["--target", "twin", "--at", &changed, "--before", "1m", "--format", "json"]);
        wait::that(compared.code != 2, || format!("{compared:?}"))?;
        Ok(compared)
    });
    assert_eq!(worse.code, 1, "{worse:?}");
    let run = json(&worse);
    assert_eq!(run["checks"][1]["verdict"], "fail", "{run}");
    run["id"].as_str().unwrap().to_owned()
}

#[test]
fn canaries_on_one_machine_see_what_is_slower_and_can_be_made_again() {
    let world = World::new();
    let site = Site::open();
    let setup = Setup::with_config(&world, &config(&site));
    let mut up = setup.start();
    up.until_judged();

    let mock = up.ask(&["canary", "--mode", "mock"]);
    assert_eq!(mock.code, 0, "{mock:?}");
    assert!(mock.stdout.contains("canary (mock): pass, 3/3 checks passed"), "{mock:?}");
    let real = up.ask(&["canary", "--mode", "real", "--runs", "2", "--target", "stable", "--target", "slow"]);
    assert_eq!(real.code, 0, "{real:?}");
    assert!(real.stdout.contains("4/4 checks passed"), "{real:?}");
    let all = json(&up.ask(&["canary", "--mode", "real", "--format", "json"]));
    assert_eq!(all["checks"].as_array().unwrap().len(), 2 * (7 + 3), "two for each target: {all}");

    let id = assert_compares(&site, &up.api, &|arguments| up.ask(arguments));
    let runs = up.api.json("/api/tools/canary");
    assert!(runs["runs"].as_array().unwrap().iter().any(|run| run["id"] == id.as_str()), "{runs}");
    assert!(up.process.terminate().success());
    let up = setup.start();
    up.until_judged();
    let verified = up.ask(&["verify", "canary", &id]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.stdout.contains("made again from the log, and the same: fail"), "{verified:?}");

    site.set_status("/stable", 503);
    let sick = up.ask(&["canary", "--mode", "real", "--target", "stable"]);
    assert_eq!(sick.code, 1, "{sick:?}");
    assert!(sick.stdout.contains("status 503, expected 200-299"), "{sick:?}");
}

#[test]
fn canaries_over_nats_read_their_samples_from_the_streams() {
    let world = World::new();
    let site = Site::open();
    let services = Services::start(&world, Some(&config(&site)));
    services.until_judged();
    let id = assert_compares(&site, &services.api, &|arguments| services.ask(arguments));
    wait::until("the comparison can be made again", LONG, || {
        let verified = services.ask(&["verify", "canary", &id]);
        wait::that(verified.code == 0, || format!("{verified:?}"))
    });
    assert_eq!(services.ask(&["canary", "--mode", "mock"]).code, 0);
    assert_eq!(services.ask(&["canary", "--mode", "real", "--target", "slow"]).code, 0);
}

#[test]
fn what_a_canary_can_not_do_has_its_exit_code() {
    let world = World::new();
    let up = Setup::new(&world).start();
    up.until_judged();
    let compare = |arguments: &[&str]| up.ask(&[&["canary", "compare"], arguments].concat());
    for usage in [
        up.ask(&["canary"]),
        up.ask(&["canary", "--mode", "dry"]),
        up.ask(&["canary", "--mode", "mock", "--runs", "3"]),
        up.ask(&["canary", "--mode", "real", "--runs", "0"]),
        up.ask(&["canary", "--mode", "real", "--target", "nobody"]),
        up.ask(&["canary", "--mode", "real", "--target", "no body"]),
        compare(&[]),
        compare(&["--baseline", "ui-home"]),
        compare(&["--baseline", "ui-home", "--candidate", "nobody"]),
        compare(&["--baseline", "ui-home", "--candidate", "ui-home"]),
        compare(&["--baseline", "ui-home", "--candidate", "executor", "--window", "5"]),
        compare(&["--target", "executor"]),
        compare(&["--target", "executor", "--at", "yesterday"]),
        compare(&["--target", "executor", "--at", "2999-01-01T00:00:00Z"]),
        compare(&["--target", "executor", "--deployment", "executor"]),
        compare(&["--target", "executor", "--deployment", "a", "--at", "2026-01-01T00:00:00Z"]),
        compare(&["--target", "executor", "--baseline", "ui-home", "--candidate", "executor"]),
        up.ask(&["verify", "canary", "0123456789"]),
        up.ask(&["verify", "canary", "../status"]),
    ] {
        assert_eq!(usage.code, 64, "{usage:?}");
        assert!(!usage.stderr.is_empty(), "it says why: {usage:?}");
    }
    let few = compare(&["--baseline", "ui-home", "--candidate", "executor"]);
    assert_eq!(few.code, 2, "a few seconds are no sample: {few:?}");
    assert!(few.stdout.contains("at least 100 of each are needed"), "{few:?}");
    let mut nobody = spark();
    nobody.args(["canary", "--mode", "mock", "--url", "http://127.0.0.1:1"]);
    assert_eq!(run(nobody).code, 2);
}
