//! Maintenances and deployments in a running Spark: what is declared, also afterwards, is what budgets and gate say.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use spark_schemas::Event;
use spark_schemas::event::{Maintenance, MaintenanceAction};
use spark_tests::wait::{self, LONG};
use spark_tests::{Behaviour, Finished, Setup, Up, World, events_of_archive, target_toml};

/// Nothing but what the tests break is to fail a gate, however busy the machine is.
const PATIENT: &str = "[profiles.dev]\nlatency_p95 = \"8s\"\nerror_rate = \"5%\"\nstaleness = \"30s\"\n";
const OBJECTIVE: &str = "[[slo]]\nname = \"shop-is-up\"\ntargets = [\"shop\"]\nsli = \"availability\"\n\
                         objective = \"90%\"\nwindow = \"7d\"\nalerts = []\n";

/// Waits until the objective's counts, all of them counted, are as `wanted` says.
fn until_counts(up: &Up, what: &str, wanted: impl Fn(u64, u64, u64) -> bool) -> Value {
    wait::until(what, LONG, || {
        let slo = up.api.try_json("/api/v1/slos/shop-is-up")?;
        let [good, bad, excluded] = ["good", "bad", "excluded"].map(|key| slo["counts"][key].as_u64());
        let holds = good.zip(bad).zip(excluded).is_some_and(|((good, bad), excluded)| wanted(good, bad, excluded));
        wait::that(slo["standing"] == "counted" && holds, || slo.to_string())?;
        Ok(slo)
    })
}

fn passes(finished: &Finished) -> &str {
    assert_eq!(finished.code, 0, "{finished:?}");
    &finished.stdout
}

fn errors_of(up: &Up) -> Value {
    let preview = up.api.json("/api/tools/status");
    preview["checks"].as_array().unwrap().iter().find(|check| check["id"] == "healthz.slo.errorRate").unwrap().clone()
}

/// What was declared, as the log has it.
fn declared(archive: &Path) -> Vec<Maintenance> {
    let of_maintenances = |event| match event {
        Event::Maintenance(maintenance) => Some(maintenance),
        _ => None,
    };
    events_of_archive(archive).into_iter().filter_map(of_maintenances).collect()
}

#[test]
fn an_outage_in_maintenance_spends_no_budget_and_fails_no_gate_until_it_is_called_off() {
    let world = World::new();
    world.executor.set_status("/shop", 200);
    let config = target_toml("shop", &world.executor.url("/shop"), "100ms") + OBJECTIVE + PATIENT;
    let setup = Setup::with_config(&world, &config);
    let archive = setup.data.join("archive");
    let mut up = setup.start();
    up.until_judged();
    until_counts(&up, "some good events", |good, _, _| good >= 10);

    let add = ["maintenance", "add", "--target", "shop", "--for", "1h", "--reason", "new disks", "--by", "ece"];
    let added = up.ask(&[&add[..], &["--id", "disks", "--format", "json"]].concat());
    let added: Value = serde_json::from_str(passes(&added)).unwrap();
    assert_eq!((&added["state"], &added["retroactive"]), (&"active".into(), &false.into()), "{added}");
    world.executor.set_status("/shop", 500);
    let during = until_counts(&up, "the outage is left out", |_, bad, excluded| bad == 0 && excluded >= 30);
    assert_eq!(during["budget"]["spent"], 0, "{during}");
    wait::until("the target is seen to be down", LONG, || {
        let shop = up.api.try_json("/api/v1/targets/shop")?;
        wait::that(shop["state"] == "down" && shop["maintenance"]["id"] == "disks", || shop.to_string())
    });
    let decided = up.ask(&["gate"]);
    assert!(passes(&decided).contains("left out, in maintenance: shop (disks)"), "{decided:?}");
    up.process.kill();

    let mut up = setup.start();
    up.until_judged();
    until_counts(&up, "it is still left out", |_, bad, excluded| bad == 0 && excluded >= 30);
    passes(&up.ask(&["gate", "--dry-run"]));
    let cancelled = up.ask(&["maintenance", "cancel", "disks", "--by", "can", "--reason", "not on this day"]);
    assert!(passes(&cancelled).contains("by can: not on this day"), "{cancelled:?}");
    until_counts(&up, "the outage counts again", |_, bad, excluded| bad >= 30 && excluded == 0);
    assert_eq!(up.ask(&["gate", "--dry-run"]).code, 1);
    assert_eq!(up.ask(&["maintenance", "cancel", "disks"]).code, 64, "it was called off");
    up.process.kill();

    let mut up = setup.start();
    up.until_judged();
    let began = added["from"].as_str().unwrap();
    let correction =
        ["maintenance", "add", "--target", "shop", "--from", began, "--for", "1h", "--reason", "it was so"];
    let correction = [&correction[..], &["--id", "correction"]].concat();
    let corrected = up.ask(&correction);
    assert!(passes(&corrected).contains("a correction: declared at"), "{corrected:?}");
    assert!(passes(&up.ask(&correction)).contains("nothing was written"), "sent again, it is the same");
    let after = until_counts(&up, "the budget is corrected", |_, bad, excluded| bad == 0 && excluded >= 30);
    assert_eq!(after["budget"]["spent"], 0, "{after}");
    assert_eq!(errors_of(&up)["verdict"], "pass");
    let listed = up.ask(&["maintenance", "list"]);
    let lines: Vec<&str> = passes(&listed).lines().collect();
    assert!(lines[0].starts_with("disks        cancelled"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("correction   active")), "{lines:?}");
    let page = up.api.get("/targets/shop").unwrap().text;
    assert!(page.contains("in maintenance<span") && page.contains("(a correction: declared at"), "the page shows it");

    passes(&up.ask(&["maintenance", "cancel", "correction"]));
    until_counts(&up, "and counts again", |_, bad, excluded| bad >= 30 && excluded == 0);
    for refused in [
        &["maintenance", "add", "--for", "1h", "--target", "shpo", "--reason", "x"][..],
        &["maintenance", "add", "--reason", "x"],
        &["maintenance", "add", "--for", "1h"],
        &["maintenance", "add", "--for", "1h", "--to", began, "--reason", "x"],
        &["maintenance", "cancel", "nobody"],
        &["deploy", "mark", "--service", "orders"],
    ] {
        assert_eq!(up.ask(refused).code, 64, "{refused:?}");
    }
    assert!(up.process.terminate().success());
    let said: Vec<_> = declared(&archive).into_iter().map(|one| (one.id.to_string(), one.action, one.by)).collect();
    let (add, cancel) = (MaintenanceAction::Add, MaintenanceAction::Cancel);
    let actions: Vec<_> = said.iter().map(|(id, action, _)| (id.as_str(), *action)).collect();
    assert_eq!(actions, [("disks", add), ("disks", cancel), ("correction", add), ("correction", cancel)], "{said:?}");
    assert_eq!((said[0].2.as_str(), said[1].2.as_str()), ("ece", "can"));
}

#[test]
fn a_deployment_that_was_marked_is_on_the_charts_and_can_be_judged() {
    let world = World::new();
    let after_ms = |ms| Behaviour { delay: Duration::from_millis(ms), ..Behaviour::default() };
    world.executor.set("/shop", after_ms(20));
    let config = target_toml("shop", &world.executor.url("/shop"), "100ms") + "[canary]\nsamples_min = 40\n";
    let setup = Setup::with_config(&world, &config);
    let mut up = setup.start();
    wait::until("enough observations", LONG, || {
        let window = up.api.try_json("/api/v1/windows?target=shop&window=5m")?;
        wait::that(window["count"].as_u64() >= Some(50), || window.to_string())
    });
    let marked = up.ask(&["deploy", "mark", "--service", "orders", "--version", "2.1", "--by", "ece"]);
    assert!(passes(&marked).contains("orders 2.1  (by ece)"), "{marked:?}");
    world.executor.set("/shop", after_ms(60));
    up.process.kill();

    let up = setup.start();
    up.until_judged();
    let listed = up.ask(&["deploy", "list"]);
    assert!(passes(&listed).contains("orders 2.1  (by ece)"), "{listed:?}");
    let compare = ["canary", "compare", "--target", "shop", "--deployment", "orders@2.1", "--format", "json"];
    let judged = wait::until("enough observations after the deployment", LONG, || {
        let compared = up.ask(&compare);
        // A slot that was missed while nothing ran takes part in completeness.
        wait::that(compared.code != 2, || format!("{compared:?}"))?;
        Ok(compared)
    });
    assert_eq!(judged.code, 1, "{judged:?}");
    let run: Value = serde_json::from_str(&judged.stdout).unwrap();
    assert_eq!(run["comparison"]["deployment"]["version"], "2.1", "{run}");
    for page in ["/dashboard", "/targets/shop"] {
        let text = up.api.get(page).unwrap().text;
        assert!(text.contains("<g class=\"deployment\"><title>orders 2.1 went out at"), "{page}");
    }
}
