//! Every process killed without warning (SIGKILL), again and again at random moments, while many targets are probed:
//! what was acknowledged is counted exactly once, and every slot of every target is observed or missed.
//!
//! SPARK_KILL_CYCLES says how often, SPARK_TEST_SEED replays the moments of an earlier run.

use std::env;
use std::thread;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Random, Services, Setup, World, account_of_archive, account_of_stream, target_toml};

const INTERVALS_MS: [u64; 4] = [200, 300, 500, 1_000];
const TARGETS: usize = 40;
/// How long after its last slot a target may still have been probed when everything was stopped.
const LAST_SLOT_NS_MAX: u64 = 5_000_000_000;

#[test]
fn spark_up_killed_at_random_moments_counts_everything_once() {
    let world = World::new();
    let setup = Setup::with_config(&world, &configuration(&world));
    let mut random = Random::from_environment("kill -9 of spark up");
    let mut seen = Seen::default();
    let api = Client::new(&format!("http://{}", setup.listen));
    for _ in 0..cycles() {
        let mut process = setup.spawn();
        thread::sleep(random.millis(50, 4_000));
        seen.look(&api);
        process.kill();
        thread::sleep(random.millis(0, 700));
    }

    let mut up = setup.start();
    until_probing(&up.api, &world);
    let log = seen.look(&up.api).expect("it answers");
    assert!(up.process.terminate().success());
    let stopped_ns = wait::wall_ns();
    let archive = setup.data.join("archive");
    assert_told(&log, &account_of_archive(&archive, position(&log)));
    let account = account_of_archive(&archive, None);
    seen.assert_kept_in(&account);
    assert_every_slot_once(&account, stopped_ns);
    print_sums("spark up", &world, &log, &account);
}

#[test]
fn services_and_nats_killed_in_turn_count_everything_once() {
    let world = World::new();
    let mut services = Services::start(&world, Some(&configuration(&world)));
    until_probing(&services.api, &world);
    let mut random = Random::from_environment("kill -9 of probe, aggregator, web and nats-server");
    let mut seen = Seen::default();
    for cycle in 0..cycles() * 4 {
        thread::sleep(random.millis(100, 1_500));
        seen.look(&services.api);
        let pause = random.millis(0, 600);
        match cycle % 4 {
            0 => {
                services.probe.kill();
                thread::sleep(pause);
                services.start_probe();
            }
            1 => {
                services.aggregator.kill();
                thread::sleep(pause);
                services.start_aggregator();
            }
            2 => {
                services.web.kill();
                thread::sleep(pause);
                services.start_web();
            }
            _ => {
                services.nats.kill();
                thread::sleep(pause);
                services.nats.start_again();
            }
        }
        restart_the_ended(&mut services);
    }
    services.until_up();
    wait::until("the outbox is empty", LONG, || {
        let metrics = services.probe_admin.get("/metrics")?.text;
        let waiting = metrics.lines().find(|line| line.starts_with("spark_outbox_frames ")).unwrap_or("none");
        // Probing goes on: a frame or two are always on their way.
        let left = waiting.rsplit(' ').next().and_then(|figure| figure.parse::<f64>().ok());
        wait::that(left.is_some_and(|left| left < 5.0), || waiting.to_owned())
    });
    until_probing(&services.api, &world);
    assert!(services.probe.terminate().success());
    let stopped_ns = wait::wall_ns();

    let stream = account_of_stream(&services.nats.url(), None);
    let end = stream["last_seq"].as_u64();
    let log = wait::until("web has folded the whole stream", LONG, || {
        let log = services.api.try_json("/api/v1/log")?;
        wait::that(position(&log) >= end, || log.to_string())?;
        Ok(log)
    });
    assert_told(&log, &account_of_stream(&services.nats.url(), position(&log)));
    seen.assert_kept_in(&stream);
    assert_every_slot_once(&stream, stopped_ns);
    print_sums("three services", &world, &log, &stream);

    wait::until("web and aggregator show the same", LONG, || {
        let observations = |client: &Client, path: &str| -> Result<Vec<String>, String> {
            let text = client.get(path)?.text;
            let is_sum = |line: &&str| line.starts_with("spark_slo_observations{");
            let mut lines: Vec<String> = text.lines().filter(is_sum).map(str::to_owned).collect();
            lines.sort();
            Ok(lines)
        };
        let web = observations(&services.api, "/api/tools/metrics")?;
        let aggregator = observations(&services.aggregator_admin, "/metrics")?;
        wait::that(!web.is_empty() && web == aggregator, || format!("{web:?}\n{aggregator:?}"))
    });
    assert!(services.aggregator.terminate().success());
    let archives: Vec<_> = services.archives().read_dir().expect("archives").flatten().collect();
    assert_eq!(archives.len(), 1, "the stream was never made anew: {archives:?}");
    assert_told(&log, &account_of_archive(&archives[0].path(), position(&log)));
}

fn cycles() -> u64 {
    env::var("SPARK_KILL_CYCLES").map_or(3, |text| text.parse().expect("SPARK_KILL_CYCLES is a number"))
}

/// Many fast targets, all on the world's site.
fn configuration(world: &World) -> String {
    let target = |n: usize| {
        let interval = INTERVALS_MS[n % INTERVALS_MS.len()];
        target_toml(&format!("t{n}"), &world.executor.url(&format!("/t{n}")), &format!("{interval}ms"))
    };
    format!("builtin_targets = false\n\n{}", (0..TARGETS).map(target).collect::<String>())
}

/// A service that lost its server for good must be started again by whoever started it; that is no loss.
fn restart_the_ended(services: &mut Services) {
    if services.probe.ended().is_some() {
        eprintln!("the probe had ended by itself: {}", services.probe.stderr().lines().last().unwrap_or_default());
        services.start_probe();
    }
    if services.aggregator.ended().is_some() {
        eprintln!("the aggregator had ended: {}", services.aggregator.stderr().lines().last().unwrap_or_default());
        services.start_aggregator();
    }
    if services.web.ended().is_some() {
        eprintln!("the web service had ended: {}", services.web.stderr().lines().last().unwrap_or_default());
        services.start_web();
    }
}

/// Waits until every target was observed a few times more.
fn until_probing(api: &Client, world: &World) {
    let hits = || (0..TARGETS).map(|n| world.executor.hits(&format!("/t{n}"))).collect::<Vec<_>>();
    let before = hits();
    wait::until("every target is probed", LONG, || {
        let after = hits();
        wait::that(before.iter().zip(&after).all(|(before, after)| *after > before + 2), || format!("{after:?}"))
    });
    let observations = || api.try_json("/api/v1/log").map(|log| log["observations"].as_u64());
    let then = wait::until("the log answers", LONG, observations);
    wait::until("observations are counted", LONG, || {
        let now = observations()?;
        wait::that(now > then, || format!("{now:?}"))
    });
}

fn position(log: &Value) -> Option<u64> {
    log["partitions"][0]["seq"].as_u64()
}

/// What the API ever showed or acknowledged: it may never be less again.
#[derive(Default)]
struct Seen {
    logs: Vec<Value>,
    decisions: u64,
}

impl Seen {
    /// Asks for a decision and for the sums; a Spark that is still starting, or down, has none to give.
    fn look(&mut self, api: &Client) -> Option<Value> {
        let decided = api.post("/api/tools/status", &Value::Object(serde_json::Map::new())).ok()?;
        self.decisions += u64::from(decided.status == 200 && decided.json()["evidence"]["recorded"] == true);
        let log = api.try_json("/api/v1/log").ok()?;
        self.logs.push(log.clone());
        Some(log)
    }

    fn assert_kept_in(&self, account: &Value) {
        let kept = account["kinds"]["gate_decided"].as_u64().unwrap_or_default();
        assert!(kept >= self.decisions, "{} decisions were acknowledged, {kept} are kept", self.decisions);
        for run in self.logs.iter().flat_map(|log| log["agents"].as_array().expect("agents")) {
            let kept = account["agents"].as_array().expect("agents").iter().find(|kept| kept["boot"] == run["boot"]);
            let kept = kept.unwrap_or_else(|| panic!("{run} was shown once and is gone"));
            for sum in ["observations", "next_seq"] {
                assert!(kept[sum].as_u64() >= run[sum].as_u64(), "{sum} of {run} was shown once, now {kept}");
            }
        }
    }
}

/// The API tells the sums that an independent reader finds in the raw frames.
fn assert_told(log: &Value, account: &Value) {
    for sum in ["frames", "observations", "missed", "duplicates", "gaps"] {
        assert_eq!(log[sum], account[sum], "{sum}: told {log}, recorded {account}");
    }
    assert_eq!((&log["rejected"], &log["gaps"]), (&0.into(), &0.into()), "{log}");
    let runs = |of: &Value| {
        let mut runs: Vec<String> = of["agents"].as_array().expect("agents").iter().map(Value::to_string).collect();
        runs.sort();
        runs
    };
    assert_eq!(runs(log), runs(account));
}

fn assert_every_slot_once(account: &Value, stopped_ns: u64) {
    let targets = account["targets"].as_object().expect("targets");
    assert_eq!(targets.len(), TARGETS);
    let none = Value::from(Vec::<u64>::new());
    for (target, told) in targets {
        for flaw in ["twice", "holes", "astray"] {
            assert_eq!(told[flaw], none, "{target}: slots {flaw}");
        }
        let last = told["last_slot_ns"].as_u64().expect("a slot");
        assert!(last + LAST_SLOT_NS_MAX > stopped_ns, "{target}: the end of its schedule is missing: {told}");
    }
    let slots: u64 = targets.values().filter_map(|told| told["slots"].as_u64()).sum();
    let sum = |key: &str| account[key].as_u64().expect("a sum");
    assert_eq!(slots, sum("observations") + sum("missed"), "every slot is one of the two");
}

fn print_sums(what: &str, world: &World, log: &Value, account: &Value) {
    let requests: u64 = (0..TARGETS).map(|n| world.executor.hits(&format!("/t{n}"))).sum();
    let observed = account["observations"].as_u64().expect("a sum");
    assert!(observed <= requests, "{observed} observations of {requests} requests");
    eprintln!(
        "{what}, {} kills each: {} requests came; {observed} observed + {} missed = every slot of {TARGETS} targets; \
         {} frames of {} runs, {} duplicates, {} gaps, {} rejected; shown: {} observations at position {}",
        cycles(),
        requests,
        account["missed"],
        account["frames"],
        account["agents"].as_array().map_or(0, Vec::len),
        account["duplicates"],
        log["gaps"],
        log["rejected"],
        log["observations"],
        log["partitions"][0]["seq"],
    );
}
