//! Three NATS servers as `nats/cluster` ships them, with the streams on all of them and a key for each program, while
//! many targets are probed: servers are killed, emptied, restarted and stopped. What was acknowledged is counted exactly
//! once, and every slot of every target is observed or missed.
//!
//! SPARK_CLUSTER_CYCLES says how often.

use std::collections::BTreeSet;
use std::env;

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Guarded, GuardedServices, World, account_of_archive, run, script, target_toml};

const INTERVALS_MS: [u64; 4] = [200, 300, 500, 1_000];
const TARGETS: usize = 20;
/// How long after its last slot a target may still have been probed when everything was stopped.
const LAST_SLOT_NS_MAX: u64 = 5_000_000_000;
/// How long publishing must wait while two of three servers are stopped.
const MINORITY_NS: u64 = 4_000_000_000;

#[test]
fn a_cluster_loses_no_acknowledged_frame() {
    let world = World::new();
    let mut nats = Guarded::cluster(&world, &["ist-1"]);
    nats.init(3);
    let services = GuardedServices::start(&world, &nats, Some(&configuration(&world)));
    let mut load = Load { services, acked: 0 };
    load.goes_on("at the start");

    let cycles = env::var("SPARK_CLUSTER_CYCLES").map_or(1, |text| text.parse().expect("a number of cycles"));
    for _ in 0..cycles {
        let leader = leader(&nats);
        nats.servers[leader].process.kill();
        load.goes_on("without the leader of the stream");
        nats.servers[leader].start_again();
        until_whole(&nats);

        let follower = (self::leader(&nats) + 1) % 3;
        nats.servers[follower].process.kill();
        nats.servers[follower].wipe();
        load.goes_on("without a follower");
        nats.servers[follower].start_again();
        until_whole(&nats);

        for n in 0..3 {
            assert!(nats.servers[n].process.terminate().success());
            nats.servers[n].start_again();
            until_whole(&nats);
            load.goes_on("in a rolling restart");
        }
        minority(&nats, &mut load);
        until_whole(&nats);
    }
    load.goes_on("at the end");
    let services = load.services;
    judge(&world, &nats, services, cycles);
}

/// Two of three stand still: nobody can acknowledge anything, so nothing may count as acknowledged.
fn minority(nats: &Guarded, load: &mut Load) {
    let stopped = [leader(nats), (leader(nats) + 1) % 3];
    stopped.iter().for_each(|n| nats.servers[*n].process.signal("STOP"));
    // What was acknowledged before may still be on its way.
    let mut acked = load.metric("spark_outbox_acked_total");
    let mut still_since = wait::wall_ns();
    wait::until("publishing waits", LONG, || {
        let now = load.metric("spark_outbox_acked_total");
        if now != acked {
            (acked, still_since) = (now, wait::wall_ns());
        }
        wait::that(wait::wall_ns() - still_since > MINORITY_NS, || format!("{now} frames are acknowledged"))
    });
    let waiting = load.metric("spark_outbox_frames");
    assert!(waiting > 0, "observations wait in the outbox meanwhile");
    stopped.iter().for_each(|n| nats.servers[*n].process.signal("CONT"));
    stopped.iter().for_each(|n| nats.servers[*n].until_ready());
    load.goes_on("after a minority was alone");
}

/// The services under load.
struct Load {
    services: GuardedServices,
    acked: u64,
}

impl Load {
    fn metric(&self, name: &str) -> u64 {
        let text = self.services.probe_admin.get("/metrics").expect("the probe answers").text;
        let figures = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
        figures.filter_map(|figure| figure.parse::<f64>().ok()).sum::<f64>() as u64
    }

    /// Frames are acknowledged and observations shown that were not before.
    fn goes_on(&mut self, when: &str) {
        for (what, ended) in [
            ("probe", self.services.probe.ended()),
            ("aggregator", self.services.aggregator.ended()),
            ("web", self.services.web.ended()),
        ] {
            assert!(ended.is_none(), "{what} ended {when}: {ended:?}");
        }
        self.acked = self.metric("spark_outbox_acked_total").max(self.acked);
        let acked = self.acked;
        wait::until(&format!("frames are acknowledged {when}"), LONG, || {
            let now = self.metric("spark_outbox_acked_total");
            wait::that(now > acked + 10, || format!("{now}, and {acked} before"))
        });
        let observations = || observations(&self.services.api);
        let before = wait::until("the web service answers", LONG, observations);
        wait::until(&format!("observations are shown {when}"), LONG, || {
            let now = observations()?;
            wait::that(now > before, || format!("{now}, and {before} before"))
        });
    }
}

fn observations(api: &Client) -> Result<u64, String> {
    api.try_json("/api/v1/log")?["observations"].as_u64().ok_or_else(|| "no sum".to_owned())
}

/// The stream as each server sees it, if it does.
fn views(nats: &Guarded) -> Vec<Result<Value, String>> {
    let stream = |server: &spark_tests::GuardedServer| {
        let jsz = server.monitor.try_json("/jsz?accounts=true&streams=true")?;
        let accounts = jsz["account_details"].as_array().ok_or("no accounts")?;
        let streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
        streams.clone().find(|stream| stream["name"] == "EVENTS").cloned().ok_or_else(|| format!("no stream in {jsz}"))
    };
    nats.servers.iter().map(stream).collect()
}

fn leader(nats: &Guarded) -> usize {
    wait::until("the stream has a leader", LONG, || {
        let views = views(nats);
        let names: BTreeSet<String> =
            views.iter().flatten().filter_map(|view| view["cluster"]["leader"].as_str().map(str::to_owned)).collect();
        let leader = nats.servers.iter().position(|server| names.len() == 1 && names.contains(&server.name));
        leader.ok_or_else(|| format!("{views:?}"))
    })
}

/// Waits until all three have the whole stream, so that any one may go.
fn until_whole(nats: &Guarded) {
    nats.servers.iter().for_each(spark_tests::GuardedServer::until_ready);
    wait::until("all three have the whole stream", LONG, || {
        let leader = &views(nats)[leader(nats)].clone()?["cluster"];
        let replicas = leader["replicas"].as_array().ok_or_else(|| format!("{leader}"))?;
        let current = replicas.iter().filter(|replica| replica["current"] == true).count();
        wait::that(current == 2, || format!("{leader}"))
    });
}

fn configuration(world: &World) -> String {
    let target = |n: usize| {
        let interval = INTERVALS_MS[n % INTERVALS_MS.len()];
        target_toml(&format!("t{n}"), &world.executor.url(&format!("/t{n}")), &format!("{interval}ms"))
    };
    format!("builtin_targets = false\n\n{}", (0..TARGETS).map(target).collect::<String>())
}

fn judge(world: &World, nats: &Guarded, mut services: GuardedServices, cycles: u64) {
    wait::until("the outbox is empty", LONG, || {
        let text = services.probe_admin.get("/metrics")?.text;
        let waiting = text.lines().find_map(|line| line.strip_prefix("spark_outbox_frames ")).unwrap_or("none");
        // Probing goes on: a frame or two are always on their way.
        wait::that(waiting.parse::<f64>().is_ok_and(|waiting| waiting < 5.0), || waiting.to_owned())
    });
    assert!(services.probe.terminate().success());
    let stopped_ns = wait::wall_ns();

    let mut command = script("account.py");
    command.args(["stream", &nats.urls()]).env("NATS_NKEY", nats.key("auditor"));
    let stream = run(command);
    assert_eq!(stream.code, 0, "{}", stream.stderr);
    let stream: Value = serde_json::from_str(&stream.stdout).expect("the account is JSON");
    let end = stream["last_seq"].as_u64();
    let none = Value::from(Vec::<u64>::new());
    let targets = stream["targets"].as_object().expect("targets");
    assert_eq!(targets.len(), TARGETS);
    for (target, told) in targets {
        for flaw in ["twice", "holes", "astray"] {
            assert_eq!(told[flaw], none, "{target}: slots {flaw}");
        }
        let last = told["last_slot_ns"].as_u64().expect("a slot");
        assert!(last + LAST_SLOT_NS_MAX > stopped_ns, "{target}: the end of its schedule is missing: {told}");
    }
    let sum = |key: &str| stream[key].as_u64().expect("a sum");
    let slots: u64 = targets.values().filter_map(|told| told["slots"].as_u64()).sum();
    assert_eq!(slots, sum("observations") + sum("missed"), "every slot is one of the two");
    assert_eq!(sum("gaps"), 0);
    let requests: u64 = (0..TARGETS).map(|n| world.executor.hits(&format!("/t{n}"))).sum();
    assert!(sum("observations") <= requests, "{} observations of {requests} requests", stream["observations"]);

    // The web service and the aggregator's copy have the same.
    let log = wait::until("web has folded the whole stream", LONG, || {
        let log = services.api.try_json("/api/v1/log")?;
        wait::that(log["partitions"][0]["seq"].as_u64() >= end, || log.to_string())?;
        Ok(log)
    });
    for what in ["observations", "missed"] {
        assert_eq!(log[what], stream[what], "{what}: shown {log}");
    }
    assert_eq!((&log["rejected"], &log["gaps"]), (&0.into(), &0.into()), "{log}");
    wait::until("the archive has the whole stream", LONG, || {
        let health = services.aggregator_admin.try_json("/healthz")?;
        wait::that(health["details"]["position"].as_u64() >= end, || health.to_string())
    });
    assert!(services.aggregator.terminate().success());
    let archives: Vec<_> = services.dir.join("aggregator/archive").read_dir().expect("archives").flatten().collect();
    assert_eq!(archives.len(), 1, "the stream was never made anew: {archives:?}");
    let archive = account_of_archive(&archives[0].path(), end);
    for what in ["frames", "observations", "missed", "duplicates", "agents", "targets"] {
        assert_eq!(archive[what], stream[what], "{what}");
    }
    assert!(services.web.terminate().success());
    eprintln!(
        "{cycles} of each: leader killed, follower emptied, rolling restart, minority; {requests} requests came; {} \
         observed + {} missed = {slots} slots of {TARGETS} targets; {} frames, {} of them twice in the stream and \
         counted once, {} gaps",
        stream["observations"], stream["missed"], stream["frames"], stream["duplicates"], stream["gaps"],
    );
}
