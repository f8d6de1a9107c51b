//! Two partitions and two aggregators beside one of each: the same input gives the same figures, to the digit.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic in a test is its report; figures are its record")]

mod figures;
mod script;
mod side;

use std::num::NonZeroU16;

use figures::{Told, assert_equal_figures, declare_maintenance, until_counted};
use script::{AGENTS, HOMES, Script, configuration, name};
use serde_json::{Value, json};
use side::{Side, publish, reports, until_reported};
use spark_eventlog::jetstream::partition_of;
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Process, World, account_of_archive, free_port, run, spark, target_toml};

#[test]
fn two_partitions_and_two_aggregators_give_the_figures_of_one() {
    assert_eq!(AGENTS.map(|agent| partition_of(&name(agent), NonZeroU16::new(2).unwrap())), HOMES);
    let config = configuration();
    let one = Side::start(1, &["0"], &config);
    let mut two = Side::start(2, &["0", "1"], &config);
    let mut script = Script::new();

    let lists = script.lists();
    let first = script.observations(script.said_to_s + 330);
    let mut told = Told::default();
    told.add(&first);
    for (side, partitions) in [(&one, 1), (&two, 2)] {
        publish(side, partitions, &lists);
        publish(side, partitions, &first);
        publish(side, partitions, &first[..40]); // Again, as after a lost acknowledgement.
    }
    let sums_of_one = told.until_folded(&one);
    assert_eq!(told.until_folded(&two), sums_of_one);
    assert!(sums_of_one["rejected"].as_u64() > Some(0) && sums_of_one["gaps"].as_u64() > Some(0), "{sums_of_one}");
    let outside_hours = until_counted(&one);
    assert_eq!(until_counted(&two), outside_hours);
    assert!(outside_hours.iter().all(|excluded| *excluded > 0), "{outside_hours:?}");
    assert_equal_figures(&one, &two);
    declare_maintenance([&one, &two], "disks", "shop", [200, 100]);
    let left_out = until_counted(&one);
    assert_eq!(until_counted(&two), left_out);
    assert!(left_out.iter().zip(&outside_hours).all(|(after, before)| after > before), "{left_out:?}");
    assert_equal_figures(&one, &two);
    println!("{sums_of_one}");

    // Both logs are really there, and a decision names a position of each.
    let log = two.log();
    let positions: Vec<u64> =
        log["partitions"].as_array().unwrap().iter().map(|part| part["seq"].as_u64().unwrap()).collect();
    assert!(positions.len() == 2 && positions.iter().all(|seq| *seq > 100), "{log}");
    let decided = two.api.post("/api/tools/status", &json!({"by": "the test"})).unwrap().json();
    let named = decided["evidence"]["positions"].as_array().unwrap();
    assert_eq!([&named[0]["partition"], &named[1]["partition"]], [0, 1], "{decided}");
    assert_eq!(decided["evidence"]["recorded"], true, "{decided}");
    assert!([0, 1].contains(&two.ask(&["gate"]).code));
    assert_eq!(two.ask(&["smoke"]).code, 0);
    for path in ["/", "/dashboard", "/targets/shop", "/settings"] {
        assert_eq!(two.api.get(path).unwrap().status, 200, "{path}");
    }
    // Figures over everything come from whoever follows everything.
    let metrics = |admin: &Client| admin.get("/metrics").unwrap().text;
    assert!(metrics(&two.admins[0]).contains("spark_slo_observations{target=\"shop\",window=\"5m\"}"));
    assert!(!metrics(&two.admins[1]).contains("spark_slo_observations{"));
    assert!(metrics(&two.admins[1]).contains("spark_fold_series{partition=\"1\"} 6"), "{}", metrics(&two.admins[1]));

    // Each rejected frame is reported once, in its own partition's log.
    until_reported(&two, told.rejected);
    assert!(reports(&two, 0, "EVENTS") > 0 && reports(&two, 1, "EVENTS-1") > 0);

    // One aggregator gone: nothing that is shown depends on it.
    two.aggregators[1].kill();
    let second = script.observations(script.said_to_s + 60);
    told.add(&second);
    publish(&one, 1, &second);
    publish(&two, 2, &second);
    let sums_of_one = told.until_folded(&one);
    assert_eq!(told.until_folded(&two), sums_of_one);
    assert_equal_figures(&one, &two);

    // And back: its archive has what it missed.
    two.aggregators[1] = two.aggregator(1);
    let last = two.log()["partitions"][1]["seq"].as_u64().unwrap();
    two.until_folded(1, last);
    until_reported(&two, told.rejected);
    let observed = |n, stream| account_of_archive(&two.archive(n, stream), None)["observations"].as_u64().unwrap();
    assert_eq!(observed(0, "EVENTS") + observed(1, "EVENTS-1"), two.log()["observations"].as_u64().unwrap());
    assert_equal_figures(&one, &two);
}

#[test]
fn probes_find_their_partition_and_one_that_was_told_wrongly_says_so() {
    let world = World::new();
    let agents = "agents = [\"ist-1\", \"ist-2\"]\nbuiltin_targets = false\n\n";
    let config = agents.to_owned() + &target_toml("shop", &world.executor.url("/shop"), "200ms");
    let side = Side::start(2, &["0,1"], &config);
    let mut probes = ["ist-1", "ist-2"].map(|agent| side.probe(agent));
    wait::until("both agents are seen", LONG, || {
        let window = side.api.try_json("/api/v1/windows?target=shop")?;
        wait::that(window["count"].as_u64() > Some(30) && !window["staleness_ms"].is_null(), || window.to_string())
    });
    for (agent, wrong) in [("ist-1", "3"), ("ist-2", "1")] {
        let mut command = side.probe_command(agent);
        command.args(["--partitions", wrong, "--admin", "127.0.0.1:0"]);
        let told_wrongly = run(command);
        assert_eq!(told_wrongly.code, 64);
        assert!(told_wrongly.stderr.contains("the streams say 2"), "{told_wrongly:?}");
    }
    probes.iter_mut().for_each(|probe| assert!(probe.terminate().success()));

    // An aggregator can own both; a partition that there is not can be nobody's.
    let observations = side.log()["observations"].as_u64().unwrap();
    let account = |stream: &str| account_of_archive(&side.archive(0, stream), None);
    wait::until("the archives have it all", LONG, || {
        let kept = ["EVENTS", "EVENTS-1"].map(|stream| account(stream)["observations"].as_u64().unwrap_or(0));
        wait::that(kept[0] + kept[1] >= observations && kept.iter().all(|kept| *kept > 0), || format!("{kept:?}"))
    });
    for (stream, agent) in [("EVENTS", "ist-2"), ("EVENTS-1", "ist-1")] {
        let account = account(stream);
        let probes = |run: &&Value| run["class"] == "obs";
        let runs: Vec<&Value> = account["agents"].as_array().unwrap().iter().filter(probes).collect();
        assert!(!runs.is_empty() && runs.iter().all(|run| run["agent"] == agent), "{stream}: {runs:?}");
    }
    let mut command = spark();
    command.args(["aggregator", "--nats", &side.nats.url(), "--partitions", "2", "--admin", "127.0.0.1:0"]);
    command.arg("--data").arg(side.world.path("nobody"));
    let nobody = run(command);
    assert_ne!(nobody.code, 0);
    assert!(nobody.stderr.contains("there is no partition 2: the log has 2"), "{nobody:?}");
}

#[test]
fn a_probe_that_was_told_wrongly_while_nats_was_away_sends_nothing() {
    let world = World::new();
    let config = "builtin_targets = false\n\n".to_owned() + &target_toml("shop", &world.executor.url("/shop"), "200ms");
    let mut side = Side::start(2, &["0,1"], &config);
    let is_of_probe = |run: &Value| run["class"] == "obs";
    side.nats.kill();

    // At home in partition 1; told of a single one it would publish to partition 0.
    assert_eq!(partition_of(&name("ist-1"), NonZeroU16::new(2).unwrap()), 1);
    let mut command = side.probe_command("ist-1");
    command.args(["--partitions", "1", "--admin", &format!("127.0.0.1:{}", free_port())]);
    let mut probe = Process::start(command, "told-wrongly", &side.world.logs());
    wait::until("it observes into its outbox", LONG, || {
        let hits = world.executor.hits("/shop");
        wait::that(hits > 5, || format!("{hits} checks"))
    });
    assert_eq!(probe.ended(), None, "{}", probe.stderr());
    side.nats.start_again();
    let status = probe.wait();
    assert_eq!(status.code(), Some(64), "{}", probe.stderr());
    for word in ["started for a log of 1 partitions, the streams say 2", "--partitions 2"] {
        assert!(probe.stderr().contains(word), "no {word:?} in {}", probe.stderr());
    }

    // Started rightly it says what is in the way, instead of keeping for ever what no stream takes.
    let mut command = side.probe_command("ist-1");
    command.args(["--admin", &format!("127.0.0.1:{}", free_port())]);
    let mut again = Process::start(command, "told-rightly", &side.world.logs());
    assert_eq!(again.wait().code(), Some(1), "{}", again.stderr());
    for word in ["wait for partition 0, and this probe publishes to partition 1", "move the directory away"] {
        assert!(again.stderr().contains(word), "no {word:?} in {}", again.stderr());
    }

    // What comes after it in both streams is folded, and nothing of it is among that.
    let before = wait::until("the web service is back", LONG, || {
        side.api.try_json("/api/v1/log")?;
        Ok(side.frames())
    });
    wait::until("both streams go on", LONG, || {
        let now = side.frames();
        wait::that(now.iter().zip(before).all(|(now, before)| *now > before), || format!("{now:?} after {before:?}"))
    });
    let agents = side.log()["agents"].clone();
    assert!(!agents.as_array().unwrap().iter().any(is_of_probe), "{agents}");
}

#[test]
fn an_aggregator_of_one_partition_does_not_mind_how_many_others_there_are() {
    let mut side = Side::start(3, &["0,1,2"], "builtin_targets = false\n");
    side.nats.kill();
    let start = |owned: &str| {
        let mut command = spark();
        let port = free_port();
        command.args(["aggregator", "--nats", &side.nats.url(), "--partitions", owned]);
        command.args(["--admin", &format!("127.0.0.1:{port}")]);
        command.arg("--data").arg(side.world.path(&format!("late-{owned}")));
        let process = Process::start(command, &format!("late-{owned}"), &side.world.logs());
        (process, Client::new(&format!("http://127.0.0.1:{port}")))
    };
    // As far as it knows, the log has two partitions.
    let (mut one, admin) = start("1");
    // Of three there is none numbered 3.
    let (mut none, _) = start("3");
    for process in [&one, &none] {
        wait::until("it waits", LONG, || {
            wait::that(process.stderr().contains("waiting for a NATS server"), || process.stderr())
        });
    }
    side.nats.start_again();
    let status = none.wait();
    assert_eq!(status.code(), Some(64), "{}", none.stderr());
    assert!(none.stderr().contains("there is no partition 3: the log has 3"), "{}", none.stderr());
    wait::until("it follows", LONG, || admin.try_json("/healthz").map(drop));
    assert_eq!(one.ended(), None, "{}", one.stderr());
}
