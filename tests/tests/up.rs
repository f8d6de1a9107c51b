//! `spark up` on one machine, from the first start to a restart, and the commands that ask it.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Behaviour, Client, Setup, World, account_of_archive, run, script, spark};

/// The six checks, in their order.
const CHECKS: [&str; 6] = [
    "ui.up",
    "executor.up",
    "healthz.status",
    "healthz.slo.latencyP95",
    "healthz.slo.errorRate",
    "healthz.slo.staleness",
];

#[test]
fn a_fresh_start_answers_probes_for_real_and_passes_its_gate() {
    let world = World::new();
    let mut setup = Setup::new(&world);
    let api = Client::new(&format!("http://{}", setup.listen));
    let began = wait::now();
    let process = setup.spawn();
    let answer = wait::until("healthz answers", LONG, || api.get("/api/healthz"));
    println!("the first healthz answer came {:?} after the start", began.elapsed());
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(process);

    // Again on whatever port is free; it says which.
    setup.listen = "127.0.0.1:0".to_owned();
    let up = setup.start();
    up.until_judged();
    println!("every figure was there {:?} after the start", began.elapsed());

    let health = up.api.json("/api/healthz");
    for figure in ["latencyP95", "errorRate", "staleness"] {
        assert!(health["slo"][figure].is_number(), "{figure}: {health}");
    }
    assert_eq!(health["status"], "UP", "{health}");
    assert!(health["slo"]["latencyP95"].as_f64() > Some(0.0), "{health}");
    assert!(world.executor.hits("/health") > 0, "the executor was really asked");

    let text = up.ask(&["gate"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.stdout.contains("gate: pass, 6/6 checks passed, profile dev"), "{text:?}");

    let json = up.ask(&["gate", "--format", "json"]);
    assert_eq!(json.code, 0, "{json:?}");
    let decision: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(decision["verdict"], "pass");
    let ids: Vec<&str> =
        decision["checks"].as_array().unwrap().iter().filter_map(|check| check["id"].as_str()).collect();
    assert_eq!(ids, CHECKS);
    for key in ["id", "profile", "at", "evidence"] {
        assert!(!decision[key].is_null(), "{key}: {decision}");
    }

    let smoke = up.ask(&["smoke"]);
    assert_eq!(smoke.code, 0, "{smoke:?}");
    assert!(smoke.stdout.contains("smoke: 6/6"), "{smoke:?}");
    let smoke: Value = serde_json::from_str(&up.ask(&["smoke", "--format", "json"]).stdout).unwrap();
    assert_eq!((&smoke["passed"], &smoke["total"]), (&6.into(), &6.into()));
}

#[test]
fn a_restart_goes_on_with_the_same_counts_and_says_what_was_missed() {
    let world = World::new();
    let setup = Setup::new(&world);
    let mut up = setup.start();
    up.until_judged();
    let before = up.api.json("/api/v1/log");
    assert_sums_agree(&before);
    assert!(up.process.terminate().success(), "SIGTERM ends Spark with exit code 0");
    let kept = account_of_archive(&setup.data.join("archive"), None);
    assert!(kept["observations"].as_u64() >= before["observations"].as_u64(), "{kept} {before}");

    // Long enough that the slots of five seconds can't all be caught up.
    std::thread::sleep(Duration::from_secs(11));
    let mut up = setup.start();
    let after = wait::until("the restart has told what was missed", LONG, || {
        let log = up.api.try_json("/api/v1/log")?;
        let told = log["missed"].as_u64() > kept["missed"].as_u64() && log["observations"] != kept["observations"];
        wait::that(told, || log.to_string())?;
        Ok(log)
    });
    assert_sums_agree(&after);
    assert_eq!((&after["gaps"], &after["rejected"]), (&0.into(), &0.into()), "{after}");
    for run in kept["agents"].as_array().unwrap() {
        let same = |found: &&Value| found["boot"] == run["boot"];
        let found = after["agents"].as_array().unwrap().iter().find(same).unwrap_or_else(|| panic!("{run} in {after}"));
        assert_eq!(found["observations"], run["observations"], "nothing was lost of {run}");
        assert_eq!(found["next_seq"], run["next_seq"], "nothing was lost of {run}");
    }
    assert!(up.process.terminate().success());
    let account = account_of_archive(&setup.data.join("archive"), after["partitions"][0]["seq"].as_u64());
    for sum in ["frames", "observations", "missed", "duplicates"] {
        assert_eq!(account[sum], after[sum], "{sum}");
    }
    // The pages moved to no other port, so the schedule is one from the first start to the last.
    for (target, told) in account["targets"].as_object().unwrap() {
        for flaw in ["twice", "holes", "astray"] {
            assert_eq!(told[flaw], Value::from(Vec::<u64>::new()), "{target}: {flaw}");
        }
    }
    println!("kept {}, after the restart {}, missed {}", kept["observations"], after["observations"], after["missed"]);
}

#[test]
fn the_gate_says_by_its_exit_code_whether_it_is_safe() {
    let world = World::new();
    let up = Setup::new(&world).start();
    let nothing_yet = up.ask(&["gate"]);
    assert_eq!(nothing_yet.code, 2, "no data is no pass: {nothing_yet:?}");
    up.until_judged();

    let decisions = || -> u64 {
        let log = up.api.json("/api/v1/log");
        let of_control = |run: &&Value| run["class"] == "ctl";
        log["agents"].as_array().unwrap().iter().filter(of_control).filter_map(|run| run["next_seq"].as_u64()).sum()
    };
    // A heartbeat may fall between two looks; three decisions would not hide behind one.
    let (mut dry, mut tries) = (u64::MAX, 0);
    while dry > 0 && tries < 3 {
        let before = decisions();
        assert_eq!(up.ask(&["gate", "--dry-run"]).code, 0);
        dry = decisions() - before;
        tries += 1;
    }
    assert_eq!(dry, 0, "--dry-run writes no event");
    let before = decisions();
    assert_eq!(up.ask(&["gate"]).code, 0);
    wait::until("the decision is in the log", LONG, || wait::that(decisions() > before, || "not yet".to_owned()));

    assert_eq!(up.ask(&["gate", "--profile", "no-such"]).code, 64);
    assert_eq!(up.ask(&["gate", "--no-such-flag"]).code, 64);

    world.executor.set_status("/health", 503);
    wait::until("the executor is seen to fail", LONG, || {
        let target = up.api.try_json("/api/v1/targets/executor")?;
        wait::that(target["state"] == "down", || target.to_string())
    });
    let failed = up.ask(&["gate"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stdout.contains("executor.up") && failed.stdout.contains("503"), "{failed:?}");

    world.executor.set("/health", Behaviour { hang_up: true, ..Behaviour::default() });
    let url = up.api.base().to_owned();
    drop(up);
    let mut gate = spark();
    gate.args(["gate", "--url", &url]);
    let unreachable = run(gate);
    assert_eq!(unreachable.code, 2, "{unreachable:?}");
    assert!(unreachable.stderr.contains("no answer from"), "{unreachable:?}");
    let mut smoke = spark();
    smoke.args(["smoke", "--url", &url]);
    assert_eq!(run(smoke).code, 2);
}

#[test]
fn metrics_are_prometheus_text_and_name_every_target() {
    let world = World::new();
    let up = Setup::new(&world).start();
    up.until_judged();
    let text = up.api.get("/api/tools/metrics").unwrap().text;
    let mut series = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} has no value"));
        assert!(value.parse::<f64>().is_ok(), "{line:?}");
        assert!(name.starts_with("spark_"), "{line:?}");
        series += 1;
    }
    println!("{series} series");
    for needed in ["spark_build_info{", "spark_target_up{target=\"executor\"} 1", "spark_slo_latency_seconds{"] {
        assert!(text.contains(needed), "{needed}");
    }
    // A figure that the API gives too.
    let window = up.api.json("/api/v1/windows?target=executor&window=1h");
    assert!(window["count"].as_u64() > Some(0), "{window}");
}

#[test]
fn a_demo_shows_targets_that_count_for_nothing() {
    let world = World::new();
    let mut setup = Setup::new(&world);
    setup.more = vec!["--demo".to_owned()];
    let up = setup.start();
    up.until_judged();
    let targets = up.api.json("/api/v1/targets");
    let demo = targets["targets"].as_array().unwrap().iter().filter(|target| target["demo"] == true).count();
    assert_eq!(demo, 3, "{targets}");
    assert!(up.api.json("/api/v1/windows")["count"].as_u64() > Some(0));
    assert_eq!(up.ask(&["gate", "--dry-run"]).code, 0, "whatever the demo's script does now");
}

#[test]
fn the_scripts_of_the_tests_refuse_a_damaged_archive() {
    let world = World::new();
    let setup = Setup::new(&world);
    let mut up = setup.start();
    up.until_judged();
    assert!(up.process.terminate().success());
    let archive = setup.data.join("archive");
    let segment = fs::read_dir(archive.join("wal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let mut command = script("account.py");
    command.arg("archive").arg(&archive);
    assert_ne!(run(command).code, 0);

    // Spark itself does not serve figures from it either.
    let mut process = setup.spawn();
    assert!(!process.wait().success());
    assert!(process.stderr().contains(segment.to_str().unwrap()), "it names the file: {}", process.stderr());
}

/// The whole and its parts, as the API tells them.
fn assert_sums_agree(log: &Value) {
    let runs = log["agents"].as_array().expect("agents");
    let sum = |key: &str| -> u64 { runs.iter().filter_map(|run| run[key].as_u64()).sum() };
    assert_eq!(log["observations"], sum("observations"), "{log}");
    assert_eq!(log["frames"], sum("next_seq"), "every frame is some run's: {log}");
    assert_eq!(log["gaps"], 0, "{log}");
}

#[test]
fn a_damaged_store_is_set_aside_and_rebuilt_with_the_same_counts() {
    let world = World::new();
    let setup = Setup::new(&world);
    let mut up = setup.start();
    up.until_judged();
    assert!(up.process.terminate().success());
    let kept = account_of_archive(&setup.data.join("archive"), None);
    let store = setup.data.join("store");
    let mut damaged = 0;
    for file in files_below(&store) {
        let mut bytes = fs::read(&file).expect("a file of the store");
        bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
        damaged += bytes.len().div_ceil(97);
        fs::write(&file, bytes).expect("damage a file of the store");
    }
    assert!(damaged > 0);

    let mut up = setup.start();
    up.until_judged();
    let log = up.api.json("/api/v1/log");
    assert_sums_agree(&log);
    for run in kept["agents"].as_array().expect("agents") {
        let found = log["agents"].as_array().expect("agents").iter().find(|found| found["boot"] == run["boot"]);
        assert_eq!(found.map(|found| &found["observations"]), Some(&run["observations"]), "{run} in {log}");
    }
    let metrics = up.api.get("/api/tools/metrics").expect("metrics").text;
    assert!(metrics.lines().any(|line| line.starts_with("spark_store_rebuilds_total") && line.ends_with(" 1")));
    let names: Vec<_> = setup.data.read_dir().expect("the data directory").flatten().map(|e| e.file_name()).collect();
    assert!(names.iter().filter(|name| name.to_string_lossy().starts_with("store")).count() > 1, "aside: {names:?}");
    assert!(up.process.terminate().success());
}

fn files_below(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
