//! Decisions of the gate made again: each follows from the log, a changed log or policy shows, and another policy flips
//! those that a case made by hand says it flips.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spark_core::config::Config;
use spark_eventlog::Recorded;
use spark_eventlog::archive::{Archive, ArchiveOptions, View};
use spark_schemas::{Event, EventSubject, Frame};
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Finished, Services, Setup, World, run, spark, target_toml};

const PROFILE: &str = r#"
[[slo]]
name = "shop"
sli = "availability"
objective = "50%"
window = "1h"

[profiles.dev]
latency_p95 = "5s"
error_rate = "20%"
staleness = "30s"
targets = ["shop"]

[[profiles.dev.check]]
name = "shop-met"
objective = { slo = "shop" }

[[profiles.dev.check]]
name = "shop-burns"
burn_rate = { slo = "shop", window = "5m", below = "2" }

[[profiles.dev.check]]
name = "evidence"
completeness = { window = "5m", min = "10%" }
"#;

fn config(world: &World) -> String {
    let target = |name, role| {
        let url = world.executor.url(&format!("/{name}"));
        format!("{}role = \"{role}\"\n", target_toml(name, &url, "200ms").trim_end().to_owned() + "\n")
    };
    format!("builtin_targets = false\n{}{}{PROFILE}", target("shop", "ui"), target("health", "executor"))
}

fn decide(api: &Client) -> Value {
    api.post("/api/tools/status", &json!({"by": "the test"})).expect("an answer").json()
}

fn id(decision: &Value) -> &str {
    decision["id"].as_str().expect("an identity")
}

fn verify(data: &Path, id: &str) -> Finished {
    let mut command = spark();
    command.args(["verify", "gate", id, "--data"]).arg(data);
    run(command)
}

fn replay(data: &Path, policy: &Path, more: &[&str]) -> Finished {
    let mut command = spark();
    command.args(["gate", "replay", "--policy"]).arg(policy).arg("--data").arg(data).args(more);
    run(command)
}

/// Waits until a preview says so.
fn until(api: &Client, what: &str, is_so: impl Fn(&Value) -> bool) {
    wait::until(what, LONG, || {
        let preview = api.try_json("/api/tools/status")?;
        wait::that(is_so(&preview), || preview.to_string())
    });
}

fn check<'a>(decision: &'a Value, id: &str) -> &'a Value {
    let mut checks = decision["checks"].as_array().expect("checks").iter();
    checks.find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id} in {decision}"))
}

/// A passing decision, one that fails because the shop is down, and one that fails by its error rate alone.
fn three_decisions(world: &World, setup: &Setup) -> [Value; 3] {
    let mut up = setup.start();
    up.until_judged();
    let good = decide(&up.api);
    world.executor.set_status("/shop", 500);
    let rate = |preview: &Value| check(preview, "healthz.slo.errorRate")["observed"].as_f64().unwrap_or_default();
    until(&up.api, "more than a third of the checks failed", |preview| rate(preview) > 34.0);
    let down = decide(&up.api);
    world.executor.set_status("/shop", 200);
    until(&up.api, "the shop is up", |preview| check(preview, "ui.up")["verdict"] == "pass");
    let tarnished = decide(&up.api);
    for decision in [&good, &down, &tarnished] {
        let verified = verify(&setup.data, id(decision));
        assert_eq!(verified.code, 0, "while the service runs: {verified:?}\n{decision}");
    }
    up.process.terminate();
    [good, down, tarnished]
}

#[test]
fn decisions_follow_from_the_log_and_flip_under_another_policy_as_by_hand() {
    let world = World::new();
    let setup = Setup::with_config(&world, &config(&world));
    let [good, down, tarnished] = three_decisions(&world, &setup);
    assert_eq!([&good["verdict"], &down["verdict"], &tarnished["verdict"]], ["pass", "fail", "fail"]);
    for decision in [&good, &down, &tarnished] {
        let verified = verify(&setup.data, id(decision));
        assert_eq!(verified.code, 0, "{verified:?}");
        assert!(verified.stdout.ends_with("same: the decision follows from the log, bit for bit\n"), "{verified:?}");
    }
    assert_unverifiable(&setup.data, "0123456789abcdef0123456789abcdef", "no decision \"0123456789abcdef");
    assert_unverifiable(&world.path("nowhere"), id(&good), "there is no log in");

    // All errors are allowed: what failed by its rate alone passes, what is down stays down.
    let lenient = config(&world).replace("error_rate = \"20%\"", "error_rate = \"100%\"");
    let lenient = world.file("lenient.toml", &lenient.replace("below = \"2\"", "below = \"3\""));
    let replayed = replay(&setup.data, &lenient, &["--format", "json"]);
    let outcome: Value = serde_json::from_str(&replayed.stdout).expect("JSON");
    let flips = outcome["flips"].as_array().expect("flips");
    assert_eq!((outcome["judged"].as_u64(), flips.len(), replayed.code), (Some(3), 1, 0), "{outcome:#}");
    assert_eq!(outcome["skipped"], json!([]));
    let flip = &flips[0];
    assert_eq!((&flip["id"], &flip["before"], &flip["after"]), (&tarnished["id"], &json!("fail"), &json!("pass")));
    let changed: Vec<&str> =
        flip["checks"].as_array().expect("checks").iter().filter_map(|check| check["id"].as_str()).collect();
    assert_eq!(changed, ["healthz.status", "healthz.slo.errorRate"], "{flip:#}");
    let mut policy: Vec<&str> =
        outcome["policy"].as_array().expect("policy").iter().filter_map(|one| one["field"].as_str()).collect();
    policy.sort_unstable();
    assert_eq!(policy, ["profiles.dev.check[shop-burns].burn_rate.below", "profiles.dev.error_rate"]);

    // An objective that nobody had then is counted from the log; nothing is as fast as asked.
    let strict = config(&world).replace("latency_p95 = \"5s\"", "latency_p95 = \"1us\"");
    let slow = strict.replace(
        "[profiles.dev]",
        "[[slo]]\nname = \"fast\"\nsli = { latency = \"1us\" }\nobjective = \"90%\"\nwindow = \"6h\"\n\n[profiles.dev]",
    );
    let slow = slow + "[[profiles.dev.check]]\nname = \"fast-enough\"\nobjective = { slo = \"fast\" }\n";
    let replayed = replay(&setup.data, &world.file("strict.toml", &slow), &[]);
    assert!(replayed.stdout.contains(&format!("flips     {} at ", id(&good))), "{replayed:?}");
    assert!(replayed.stdout.contains("fast-enough: not asked → fail, observed 0 %"), "{replayed:?}");
    assert!(replayed.stdout.ends_with("1 of 3 decisions flip; 0 could not be made again\n"), "{replayed:?}");

    // A target that nobody watched can't be judged; nor is there anything since a moment ago.
    let other = config(&world).replace("\"shop\"", "\"store\"");
    let replayed = replay(&setup.data, &world.file("other.toml", &other), &[]);
    assert_eq!(replayed.code, 2, "{replayed:?}");
    assert!(
        replayed.stdout.contains("the new policy does not fit what was watched then: no target \"store\""),
        "{replayed:?}"
    );
    assert_eq!(replay(&setup.data, &lenient, &["--since", "1us"]).code, 2);
    assert_eq!(replay(&setup.data, &world.file("wrong.toml", "profile = 5\n"), &[]).code, 64);
    assert_eq!(replay(&setup.data, &lenient, &["--since", "lately"]).code, 64);

    a_forged_policy_shows(&world, &setup.data, &good);
    a_damaged_archive_is_no_proof(&world, &setup.data, id(&good));
}

fn assert_unverifiable(data: &Path, id: &str, why: &str) {
    let verified = verify(data, id);
    assert_eq!(verified.code, 2, "{verified:?}");
    assert!(verified.stdout.contains(why), "{verified:?}");
}

/// A log in which somebody changed one figure of the policy, with everything else as it was and every hash right.
fn a_forged_policy_shows(world: &World, data: &Path, decision: &Value) {
    let forged = world.path("forged");
    forge(&data.join("archive"), &forged.join("archive"), |config| config.replace("\"5s\"", "\"4s\""));
    let verified = verify(&forged, id(decision));
    assert_eq!(verified.code, 1, "{verified:?}");
    let figure = "checks[healthz.slo.latencyP95].threshold: recorded \"5000\", rebuilt \"4000\"";
    assert!(verified.stdout.contains(figure), "{verified:?}");
    assert!(verified.stdout.contains("policy_digest: recorded "), "{verified:?}");
}

fn forge(from: &Path, to: &Path, change: impl Fn(&str) -> String) {
    let view = View::open(from).expect("the archive");
    let options = ArchiveOptions { incarnation: Some(view.incarnation().to_owned()), ..ArchiveOptions::default() };
    let frames: Vec<Recorded> = view
        .leaves(1)
        .expect("leaves")
        .map(|leaf| {
            let mut frame = Recorded::from_leaf(&leaf.expect("a leaf")).expect("a frame");
            let subject: EventSubject = frame.subject.parse().expect("a subject");
            let mut decoded = Frame::decode(&frame.payload, &subject).expect("a frame");
            for event in &mut decoded.events {
                let Event::ConfigApplied(applied) = event else { continue };
                let changed = Config::from_canonical_json(&change(&applied.body)).expect("a configuration");
                (applied.digest, applied.body) = (changed.digest().into(), changed.canonical_json());
                frame.payload = Frame::encode(&decoded).expect("a frame").into();
                break;
            }
            frame
        })
        .collect();
    let (archive, _) = Archive::open(to, options).expect("a new archive");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        archive.record(frames).await.expect("recorded");
        archive.sync().await.expect("synced");
    });
}

fn a_damaged_archive_is_no_proof(world: &World, data: &Path, id: &str) {
    let copy = world.path("damaged");
    for file in files_below(&data.join("archive")) {
        let to = copy.join("archive").join(file.strip_prefix(data.join("archive")).expect("below it"));
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(&file, &to).expect("copied");
    }
    assert_eq!(verify(&copy, id).code, 0, "a copy will do");
    let largest = files_below(&copy).into_iter().max_by_key(|file| fs::metadata(file).map_or(0, |file| file.len()));
    let largest = largest.expect("a file");
    let mut bytes = fs::read(&largest).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).expect("written");
    let verified = verify(&copy, id);
    assert_eq!(verified.code, 2, "{verified:?}");
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What was observed before somebody asked for it is counted, for the decision and when it is made again.
#[test]
fn a_decision_by_an_objective_that_was_declared_late_follows_from_the_log() {
    let world = World::new();
    let late = config(&world);
    let (targets, _) = late.split_once(PROFILE).expect("targets, then the profile");
    let setup = Setup::with_config(&world, targets);
    let up = setup.start();
    up.until_judged();
    world.file("spark.toml", &late);
    let met = |preview: &Value| {
        preview["checks"]
            .as_array()
            .is_some_and(|checks| checks.iter().any(|one| one["id"] == "shop-met" && one["verdict"] == "pass"))
    };
    until(&up.api, "the objective is counted", met);
    let decision = decide(&up.api);
    assert_eq!(check(&decision, "shop-met")["verdict"], "pass", "{decision}");
    let verified = verify(&setup.data, id(&decision));
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn every_decision_over_demo_traffic_follows_from_the_log() {
    let world = World::new();
    let mut setup = Setup::new(&world);
    setup.more = vec!["--demo".to_owned()];
    let up = setup.start();
    up.until_judged();
    let decisions: Vec<Value> = (0..20).map(|_| decide(&up.api)).collect();
    for decision in &decisions {
        let verified = verify(&setup.data, id(decision));
        assert_eq!(verified.code, 0, "{verified:?}\n{decision}");
    }
}

#[test]
fn decisions_behind_nats_follow_from_the_aggregators_copy() {
    let world = World::new();
    let services = Services::start(&world, Some(&config(&world)));
    services.until_judged();
    let data = services.archives().parent().expect("the data directory").to_owned();
    for _ in 0..3 {
        let decision = decide(&services.api);
        // The recorder's copy becomes durable within a second.
        wait::until("the copy has the decision", LONG, || {
            let verified = verify(&data, id(&decision));
            wait::that(verified.code == 0, || format!("{verified:?}"))
        });
    }
    let replayed = replay(&data, &world.file("same.toml", &config(&world)), &[]);
    assert!(replayed.stdout.ends_with("0 of 3 decisions flip; 0 could not be made again\n"), "{replayed:?}");
}
