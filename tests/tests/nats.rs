//! Spark as three processes beside a NATS server; what they publish is read by software that is not Spark's.

use std::thread;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{
    Behaviour, Services, World, account_of_archive, account_of_stream, repository, run, script, target_toml,
};

const SECOND: u64 = 1_000_000_000;

#[test]
fn three_processes_probe_for_real_and_pass_the_gate() {
    let world = World::new();
    let mut services = Services::start(&world, None);
    services.until_judged();
    let health = services.api.json("/api/healthz");
    assert_eq!(health["status"], "UP", "{health}");
    assert!(world.executor.hits("/health") > 0, "the executor was really asked");
    let gate = services.ask(&["gate"]);
    assert_eq!(gate.code, 0, "{gate:?}");
    assert!(gate.stdout.contains("6/6 checks passed"), "{gate:?}");
    assert_eq!(services.ask(&["smoke"]).code, 0);
    assert_eq!(services.api.json("/api/v1/log")["mode"], "jetstream");
    for admin in [&services.probe_admin, &services.aggregator_admin] {
        assert!(admin.get("/metrics").unwrap().text.contains("spark_build_info{"), "{admin:?}");
    }

    assert!(services.probe.terminate().success());
    assert!(services.web.terminate().success());
    // The log goes on without readers: the aggregator keeps its copy of it.
    let stream = account_of_stream(&services.nats.url(), None);
    let last = stream["last_seq"].as_u64().unwrap();
    wait::until("the archive has what the stream has", LONG, || {
        let health = services.aggregator_admin.try_json("/healthz")?;
        wait::that(health["details"]["position"].as_u64() >= Some(last), || health.to_string())
    });
    assert!(services.aggregator.terminate().success());
    let archives: Vec<_> = services.archives().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(archives.len(), 1, "one for the one incarnation of the stream: {archives:?}");
    let archive = account_of_archive(&archives[0], Some(last));
    for sum in ["frames", "observations", "missed", "duplicates", "agents", "targets"] {
        assert_eq!(archive[sum], stream[sum], "{sum}");
    }
}

#[test]
fn others_can_read_the_frames_and_the_derived_messages_by_their_schemas() {
    let world = World::new();
    let services = Services::start(&world, None);
    services.until_judged();
    let url = services.nats.url();
    let schemas = repository().join("schemas");
    // Figures are published every ten seconds.
    let listener = thread::spawn(move || {
        let mut command = script("subscribe.py");
        command.arg(url).arg(schemas).arg("20");
        run(command)
    });
    let deadline = wait::now();
    while deadline.elapsed().as_secs() < 10 {
        assert_eq!(services.ask(&["gate"]).code, 0);
        thread::sleep(std::time::Duration::from_secs(2));
    }
    // Health is published when it changes.
    world.executor.set_status("/health", 500);
    let heard = listener.join().unwrap();
    assert_eq!(heard.code, 0, "{}", heard.stderr);
    let heard: Value = serde_json::from_str(&heard.stdout).unwrap();
    println!("{}", heard["seen"]);
    assert_eq!(heard["wrong"], Value::from(Vec::<u64>::new()), "{heard}");
    for schema in [
        "window",
        "health",
        "gate",
        "frame",
        "event.observed",
        "event.targets",
        "event.config_applied",
        "event.gate_decided",
    ] {
        assert!(heard["seen"][schema].as_u64() > Some(0), "no {schema} in {heard}");
    }
    for subject in [
        "spark.window.executor",
        "spark.json.window.executor",
        "spark.health.executor",
        "spark.gate",
        "spark.json.gate",
        "spark.checkpoint",
    ] {
        assert!(heard["subjects"].as_array().unwrap().contains(&subject.into()), "no {subject} in {heard}");
    }
}

#[test]
fn a_window_has_the_counts_that_its_raw_frames_have() {
    let world = World::new();
    let config = ["good", "bad"].map(|name| target_toml(name, &world.executor.url(&format!("/{name}")), "200ms"));
    world.executor.set("/bad", Behaviour { hang_up: true, ..Behaviour::default() });
    let services = Services::start(&world, Some(&config.concat()));
    wait::until("observations of two buckets", LONG, || {
        let window = services.api.try_json("/api/v1/windows?target=bad")?;
        wait::that(window["count"].as_u64() > Some(80), || window.to_string())
    });
    world.executor.set_status("/bad", 200);
    // A bucket that is over, and all of whose observations have come.
    let bucket_ends = wait::wall_ns() / (10 * SECOND) * (10 * SECOND);
    let at = rfc3339(bucket_ends - 1);
    wait::until("the bucket's last observations are folded", LONG, || {
        wait::that(wait::wall_ns() > bucket_ends + 3 * SECOND, || "not yet".to_owned())
    });
    for target in ["good", "bad"] {
        let mut command = script("account.py");
        command.args(["stream", &services.nats.url(), "--window", target, &(bucket_ends - 1).to_string()]);
        let raw = run(command);
        assert_eq!(raw.code, 0, "{}", raw.stderr);
        let raw: Value = serde_json::from_str(&raw.stdout).unwrap();
        let told = services.api.json(&format!("/api/v1/windows?target={target}&window=5m&at={at}"));
        assert_eq!((&told["count"], &told["failed"]), (&raw["count"], &raw["failed"]), "{target} at {at}: {told}");
        assert!(raw["count"].as_u64() > Some(30), "{raw}");
        println!("{target} at {at}: count {}, failed {}", told["count"], told["failed"]);
    }
    assert!(services.api.json("/api/v1/windows?target=bad")["failed"].as_u64() > Some(30));
}

/// An instant of this day in RFC 3339, by Python.
fn rfc3339(ns: u64) -> String {
    let mut command = script("rfc3339.py");
    command.arg(ns.to_string());
    run(command).stdout.trim().to_owned()
}
