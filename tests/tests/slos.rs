//! Objectives in a running Spark: alerts on burn rates fire and are resolved once, and a new objective sees its past.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::path::Path;

use serde_json::Value;
use spark_schemas::Event;
use spark_schemas::event::{Alert, AlertState};
use spark_tests::wait::{self, LONG};
use spark_tests::{Setup, Up, World, events_of_archive, target_toml};

/// Availability of the target `shop`, with an alert that fires on more than 80 % of failures.
fn objective(name: &str) -> String {
    format!(
        "[[slo]]\nname = \"{name}\"\ntargets = [\"shop\"]\nsli = \"availability\"\nobjective = \"90%\"\nwindow = \"7d\"\n\
         [[slo.alerts]]\nseverity = \"page\"\nlong = \"30m\"\nshort = \"5m\"\nburn_rate = \"8\"\nevents_min = 5\n"
    )
}

fn slo(up: &Up, name: &str) -> Result<Value, String> {
    up.api.try_json(&format!("/api/v1/slos/{name}"))
}

fn until_state(up: &Up, state: &str) -> Value {
    wait::until(&format!("the alert is {state}"), LONG, || {
        let slo = slo(up, "shop-is-up")?;
        wait::that(slo["alerts"][0]["state"] == state, || slo.to_string())?;
        Ok(slo)
    })
}

/// Waits some rounds in which the alert could change again, by figures that were kept.
fn until_counted_more(up: &Up, figure: &str) {
    let count = |slo: &Value| slo["counts"][figure].as_u64();
    let more = count(&slo(up, "shop-is-up").unwrap()).unwrap() + 30;
    wait::until("it goes on counting", LONG, || {
        let slo = slo(up, "shop-is-up")?;
        wait::that(count(&slo) > Some(more), || slo.to_string())
    });
}

/// Every change of an alert that the log has.
fn alerts(archive: &Path) -> Vec<Alert> {
    let of_alerts = |event| match event {
        Event::Alert(alert) => Some(alert),
        _ => None,
    };
    events_of_archive(archive).into_iter().filter_map(of_alerts).collect()
}

#[test]
fn an_alert_fires_once_and_is_resolved_once_whatever_is_killed() {
    let world = World::new();
    world.executor.set_status("/shop", 500);
    let config = target_toml("shop", &world.executor.url("/shop"), "100ms") + &objective("shop-is-up");
    let setup = Setup::with_config(&world, &config);
    let archive = setup.data.join("archive");

    let mut up = setup.start();
    let fired = until_state(&up, "firing");
    up.process.kill();
    assert!(fired["budget"]["left_ppm"].as_i64() < Some(0), "{fired}");

    let mut up = setup.start();
    let still = until_state(&up, "firing");
    assert_eq!(still["alerts"][0]["since"], fired["alerts"][0]["since"], "the same alert: {still}");
    until_counted_more(&up, "bad");
    assert_eq!(slo(&up, "shop-is-up").unwrap()["counts"]["good"], 0);
    world.executor.set_status("/shop", 200);
    until_state(&up, "resolved");
    up.process.kill();

    let mut up = setup.start();
    until_state(&up, "resolved");
    until_counted_more(&up, "good");
    assert!(up.process.terminate().success());

    let changes = alerts(&archive);
    let states: Vec<AlertState> = changes.iter().map(|alert| alert.state).collect();
    assert_eq!(states, [AlertState::Firing, AlertState::Resolved], "{changes:?}");
    assert_eq!(changes[1].previous, changes[0].id);
}

#[test]
fn a_new_objective_sees_its_past() {
    let world = World::new();
    world.executor.set_status("/shop", 500);
    let config = target_toml("shop", &world.executor.url("/shop"), "100ms") + &objective("known-from-the-start");
    let setup = Setup::with_config(&world, &config);
    let up = setup.start();
    let counted = |name: &'static str, bad: u64| {
        let up = &up;
        wait::until(&format!("{name} has {bad} bad events"), LONG, move || {
            let slo = slo(up, name)?;
            wait::that(slo["counts"]["bad"].as_u64() >= Some(bad), || slo.to_string())?;
            Ok(slo)
        })
    };
    counted("known-from-the-start", 30);
    world.file("spark.toml", &(config + &objective("known-late")));
    counted("known-late", 30);
    // Both at one instant: the listing is of one view.
    let listing = up.api.json("/api/v1/slos");
    let [first, late] = [&listing["slos"][0], &listing["slos"][1]];
    assert_eq!((&first["name"], &late["name"]), (&"known-from-the-start".into(), &"known-late".into()));
    for figure in ["counts", "budget", "burn", "from"] {
        assert_eq!(first[figure], late[figure], "{figure}: {listing}");
    }
    let page = up.api.get("/dashboard").unwrap().text;
    assert!(page.contains("known-late") && page.contains("Error budgets"), "the dashboard shows it");
}
