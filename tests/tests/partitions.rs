//! Two partitions and two aggregators beside one of each: the same input gives the same figures, to the digit.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic in a test is its report; figures are its record")]

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use spark_eventlog::jetstream::{self, ConnectOptions, JetStreamLog, partition_of};
use spark_eventlog::{EventLog as _, Outgoing};
use spark_schemas::event::{FailReason, Missed, MissedWhy, Observed, Outcome, Phases, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, MsgId, Name, TimeNs};
use spark_tests::wait::{self, LONG};
use spark_tests::{
    Client, Finished, NatsServer, Process, Random, World, account_of_archive, free_port, run, spark, target_toml,
};

const SECOND: u64 = 1_000_000_000;
/// By their names, two of them are at home in each of two partitions.
const AGENTS: [&str; 4] = ["ist-1", "fra-2", "ist-2", "fra-1"];
const HOMES: [u16; 4] = [1, 1, 0, 0];
const TARGETS: [&str; 3] = ["shop", "feed", "executor"];
const WINDOWS: [&str; 10] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "7d", "28d", "30d"];
const INTERVAL_S: u64 = 5;
const NO_FRAME: &[u8] = b"no frame";

/// A NATS server, a web service, and aggregators that own so many partitions between them.
struct Side {
    world: World,
    nats: NatsServer,
    config: PathBuf,
    owners: Vec<&'static str>,
    aggregators: Vec<Process>,
    admins: Vec<Client>,
    ports: Vec<u16>,
    _web: Process,
    api: Client,
}

impl Side {
    /// Starts everything; an aggregator for each of `owners`, which says what it owns.
    fn start(partitions: u16, owners: &[&'static str], config: &str) -> Self {
        let world = World::new();
        let nats = NatsServer::start(&world);
        let mut init = spark();
        init.args(["nats", "init", "--partitions", &partitions.to_string(), "--nats", &nats.url()]);
        let init = run(init);
        assert_eq!(init.code, 0, "{init:?}");
        let web_port = free_port();
        let mut web = spark();
        web.args(["web", "--nats", &nats.url(), "--listen", &format!("127.0.0.1:{web_port}")]);
        // An executor that answers on its own: the services must not start a stand-in for it.
        web.args(["--executor-url", &world.executor.url("/health")]).arg("--data").arg(world.path("web"));
        let web = Process::start(web, "web", &world.logs());
        let api = Client::new(&format!("http://127.0.0.1:{web_port}"));
        let config = world.file("spark.toml", config);
        let owners = owners.to_vec();
        let (aggregators, admins, ports) = (vec![], vec![], vec![]);
        let mut side = Self { world, nats, config, owners, aggregators, admins, ports, _web: web, api };
        // One after the other, so that none is given another's port before that one has taken it.
        for n in 0..side.owners.len() {
            side.ports.push(free_port());
            side.admins.push(Client::new(&format!("http://127.0.0.1:{}", side.ports[n])));
            let started = side.aggregator(n);
            side.aggregators.push(started);
            wait::until("the aggregator is up", LONG, || side.admins[n].try_json("/healthz").map(drop));
        }
        wait::until("a configuration is in force", LONG, || side.api.try_json("/api/v1/config").map(drop));
        side
    }

    fn aggregator(&self, n: usize) -> Process {
        let mut command = spark();
        command.args(["aggregator", "--nats", &self.nats.url(), "--partitions", self.owners[n]]);
        command.args(["--admin", &format!("127.0.0.1:{}", self.ports[n])]);
        command.args(["--executor-url", &self.world.executor.url("/health"), "--url", self.api.base()]);
        command.arg("--config").arg(&self.config).arg("--data").arg(self.world.path(&format!("aggregator-{n}")));
        Process::start(command, &format!("aggregator-{n}"), &self.world.logs())
    }

    fn probe(&self, agent: &str) -> Process {
        let mut command = self.probe_command(agent);
        command.args(["--admin", &format!("127.0.0.1:{}", free_port())]);
        Process::start(command, agent, &self.world.logs())
    }

    fn probe_command(&self, agent: &str) -> Command {
        let mut command = spark();
        command.args(["probe", "--agent", agent, "--nats", &self.nats.url(), "--url", self.api.base()]);
        command.args(["--executor-url", &self.world.executor.url("/health")]);
        command.arg("--config").arg(&self.config).arg("--data").arg(self.world.path(agent));
        command
    }

    fn log(&self) -> Value {
        self.api.json("/api/v1/log")
    }

    fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = spark();
        command.args(arguments).args(["--url", self.api.base()]);
        run(command)
    }

    /// How many frames of each partition's stream there are.
    fn frames(&self) -> [u64; 2] {
        let partition = |log: &Value, n: usize| log["partitions"][n]["seq"].as_u64().unwrap();
        let log = self.log();
        [partition(&log, 0), partition(&log, 1)]
    }

    /// Waits until an aggregator has folded `seq` frames of its one partition.
    fn until_folded(&self, n: usize, seq: u64) {
        wait::until("the aggregator is up to date", LONG, || {
            let health = self.admins[n].try_json("/healthz")?;
            wait::that(health["details"]["position"].as_u64() >= Some(seq), || health.to_string())
        });
    }

    /// The archive of a partition, of which there was one incarnation.
    fn archive(&self, aggregator: usize, stream: &str) -> PathBuf {
        let dir = self.world.path(&format!("aggregator-{aggregator}/archive"));
        let found = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let of_stream = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{stream}@"));
        let archives: Vec<PathBuf> = found.filter(of_stream).collect();
        assert_eq!(archives.len(), 1, "{archives:?}");
        archives[0].clone()
    }
}

fn configuration() -> String {
    let agents: Vec<String> = AGENTS.iter().map(|agent| format!("{agent:?}")).collect();
    let target = |name: &str| target_toml(name, &format!("http://127.0.0.1:9/{name}"), &format!("{INTERVAL_S}s"));
    let roles = ["role = \"ui\"\n\n", "\n", "role = \"executor\"\n\n"];
    let targets = TARGETS.iter().zip(roles).map(|(name, role)| target(name).trim_end().to_owned() + "\n" + role);
    let profile = "[profiles.dev]\nlatency_p95 = \"150ms\"\nerror_rate = \"5%\"\nstaleness = \"120s\"\n";
    format!(
        "builtin_targets = false\nagents = [{}]\n{}{OBJECTIVES}{}{profile}",
        agents.join(", "),
        targets.collect::<Vec<_>>().concat(),
        service_hours()
    )
}

/// Events and slices, rolling and calendar; a slice's events are in both partitions.
const OBJECTIVES: &str = r#"
[[slo]]
name = "events"
sli = "availability"
objective = "95%"
window = "30d"

[[slo]]
name = "fast"
targets = ["shop", "feed"]
sli = { latency = "100ms" }
objective = "50%"
window = { calendar = "week", time_zone = "Asia/Kathmandu" }

[[slo]]
name = "slices"
sli = "availability"
objective = "50%"
window = "28d"
budgeting = { timeslices = { slice = "1m", objective = "97%" } }
"#;

/// Those of `feed` began some minutes ago, in the midst of what is observed.
fn service_hours() -> String {
    let clock = |ago_s: i64| {
        let minutes = (wait::wall_ns() / SECOND).checked_add_signed(-ago_s).unwrap() / 60 % (24 * 60);
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    format!(
        "[[service_hours]]\nname = \"some\"\ntargets = [\"feed\"]\nfrom = \"{}\"\nto = \"{}\"\n\
         days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n",
        clock(240),
        clock(-7_200)
    )
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// What the agents say: the same for every log.
struct Script {
    random: Random,
    next_seq: [u64; AGENTS.len()],
    /// The instant up to which they have spoken.
    said_to_s: u64,
}

impl Script {
    fn new() -> Self {
        let random = Random::from_environment("two partitions beside one");
        Self { random, next_seq: [0; AGENTS.len()], said_to_s: wait::wall_ns() / SECOND - 400 }
    }

    fn frame(&mut self, agent: usize, events: Vec<Event>) -> (Name, MsgId, Vec<u8>) {
        let boot = Boot([agent as u8 + 1; 16]);
        let seq = self.next_seq[agent];
        self.next_seq[agent] += 1;
        let agent = name(AGENTS[agent]);
        let frame = Frame { v: FRAME_VERSION, agent: agent.clone(), boot, seq, clock: Clock::default(), events };
        (agent, frame.msg_id(), frame.encode().unwrap())
    }

    /// Each agent's list of targets, which holds since before its first observation.
    fn lists(&mut self) -> Vec<(Name, MsgId, Vec<u8>)> {
        let from_ns = TimeNs(self.said_to_s * SECOND);
        let schedule =
            |target: &&str| TargetSchedule { target: name(target), interval_us: INTERVAL_S * 1_000_000, offset_us: 0 };
        let list = |script: &mut Self, agent| {
            let targets = TARGETS.iter().map(schedule).collect();
            script.frame(agent, vec![Targets { from_ns, part: 0, parts: 1, targets }.into()])
        };
        (0..AGENTS.len()).map(|agent| list(self, agent)).collect()
    }

    /// Observations up to `to_s`, a frame for each slot and agent; some slots missed, and of each agent some frames never
    /// sent and some that are none.
    fn observations(&mut self, to_s: u64) -> Vec<(Name, MsgId, Vec<u8>)> {
        let mut frames = Vec::new();
        let first = self.said_to_s.div_ceil(INTERVAL_S) * INTERVAL_S;
        for slot_s in (first..to_s).step_by(INTERVAL_S as usize) {
            for agent in 0..AGENTS.len() {
                let slot = TimeNs(slot_s * SECOND);
                let events = TARGETS.iter().map(|target| self.observation(target, slot)).collect();
                let (agent, id, payload) = self.frame(agent, events);
                match id.seq % 23 {
                    5 => {} // Never sent: a hole in the agent's numbers.
                    9 => frames.push((agent, id, NO_FRAME.to_vec())),
                    _ => frames.push((agent, id, payload)),
                }
            }
        }
        self.said_to_s = to_s;
        frames
    }

    fn observation(&mut self, target: &str, slot: TimeNs) -> Event {
        if self.random.below(20) == 0 {
            let interval_us = INTERVAL_S * 1_000_000;
            let (target, why) = (name(target), MissedWhy::NotRunning);
            return Missed { target, first_slot_ns: slot, interval_us, slots: 1, why }.into();
        }
        let failed = self.random.below(30) == 0;
        let latency_us = 800 + self.random.below(180_000);
        Observed {
            target: name(target),
            slot_ns: slot,
            started_ns: slot,
            latency_us,
            outcome: if failed { Outcome::Fail } else { Outcome::Ok },
            reason: failed.then_some(FailReason::Status),
            detail: failed.then(|| "status 503".into()),
            status: Some(if failed { 503 } else { 200 }),
            phases: Phases::default(),
            certificate_expires_ns: None,
        }
        .into()
    }
}

/// Publishes the frames to a log of so many partitions, each to its agent's own.
fn publish(side: &Side, partitions: u16, frames: &[(Name, MsgId, Vec<u8>)]) {
    let partitions = NonZeroU16::new(partitions).unwrap();
    let (servers, name) = (vec![side.nats.url()], "the test".to_owned());
    let options = ConnectOptions { servers, credentials: None, name, inbox_prefix: None, ca_file: None };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = jetstream::connect(options).await.unwrap();
        for partition in 0..partitions.get() {
            let log = JetStreamLog::open(&client, partition).await.unwrap();
            let of_partition = frames.iter().filter(|(agent, ..)| partition_of(agent, partitions) == partition);
            let outgoing = of_partition.map(|(agent, msg_id, payload)| Outgoing {
                subject: EventSubject { partition, agent: agent.clone(), class: Class::Obs },
                msg_id: *msg_id,
                payload: payload.clone().into(),
            });
            log.append(outgoing.collect()).await.unwrap();
        }
        client.close().await;
    });
}

/// What probes said, as a log was understood: everything but the services' own frames.
fn sums(log: &Value) -> Value {
    let probes = |run: &&Value| run["class"] == "obs";
    let runs: Vec<&Value> = log["agents"].as_array().unwrap().iter().filter(probes).collect();
    let frames: u64 = runs.iter().map(|run| run["next_seq"].as_u64().unwrap()).sum();
    let [observations, missed, duplicates, rejected, gaps] =
        ["observations", "missed", "duplicates", "rejected", "gaps"].map(|key| &log[key]);
    json!({
        "runs": runs, "frames": frames, "observations": observations, "missed": missed, "duplicates": duplicates,
        "rejected": rejected, "gaps": gaps
    })
}

/// Every figure that both show as of `at`.
fn figures(api: &Client, at: &str) -> Value {
    let mut all = serde_json::Map::new();
    for target in TARGETS.iter().chain(&["*"]) {
        for window in WINDOWS {
            let path = format!("/api/v1/windows?target={target}&window={window}&at={at}");
            all.insert(path.clone(), api.json(&path));
        }
    }
    let health = api.json(&format!("/api/healthz?at={at}"));
    let gate = api.json(&format!("/api/tools/status?at={at}"));
    all.insert("health".to_owned(), json!([health["slo"], health["status"], health["reasons"]]));
    all.insert("gate".to_owned(), json!([gate["verdict"], gate["checks"], gate["evidence"]["policyDigest"]]));
    for objective in api.json(&format!("/api/v1/slos?at={at}"))["slos"].as_array().unwrap() {
        // Since when events are counted, and when an alert was written, is each log's own.
        let alerts: Vec<&Value> = objective["alerts"].as_array().unwrap().iter().map(|one| &one["condition"]).collect();
        let figures = ["standing", "from", "to", "counts", "sli_ppm", "budget", "burn"].map(|key| &objective[key]);
        all.insert(format!("objective {}", objective["name"]), json!([figures, alerts]));
    }
    all.insert("targets".to_owned(), api.json(&format!("/api/v1/targets?at={at}"))["targets"].clone());
    all.into()
}

fn assert_equal_figures(one: &Side, two: &Side) {
    let at = run_rfc3339(wait::wall_ns());
    let (of_one, of_two) = (figures(&one.api, &at), figures(&two.api, &at));
    for (what, figures) in of_one.as_object().unwrap() {
        assert_eq!(figures, &of_two[what], "{what}");
    }
    assert!(
        of_one["gate"][1].as_array().unwrap().iter().all(|check| check["samples"].as_u64() > Some(0)),
        "{of_one:#}"
    );
    let count = of_one[&format!("/api/v1/windows?target=*&window=30d&at={at}")]["count"].clone();
    println!("{} answers equal as of {at}; {count} observations in 30d", of_one.as_object().unwrap().len());
}

fn run_rfc3339(ns: u64) -> String {
    let mut command = spark_tests::script("rfc3339.py");
    command.arg(ns.to_string());
    run(command).stdout.trim().to_owned()
}

/// The same is declared to both, some of it for what they have folded: each counts that anew from its own logs.
fn declare_maintenance(sides: [&Side; 2], id: &str, target: &str, ago_s: [u64; 2]) {
    let [from, to] = ago_s.map(|ago_s| run_rfc3339(wait::wall_ns() - ago_s * SECOND));
    for side in sides {
        let body = json!({"id": id, "targets": [target], "from": from, "to": to, "reason": "the test"});
        let answer = side.api.post("/api/v1/maintenances", &body).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

/// Waits until every objective has figures; gives how many of its events were left out.
fn until_counted(side: &Side) -> Vec<u64> {
    wait::until("every objective is counted", LONG, || {
        let listing = side.api.try_json("/api/v1/slos")?;
        let objectives = listing["slos"].as_array().ok_or("no objectives")?;
        let excluded = objectives.iter().map(|one| one["counts"]["excluded"].as_u64());
        excluded.collect::<Option<Vec<u64>>>().ok_or_else(|| listing.to_string())
    })
}

/// What was published so far.
#[derive(Default)]
struct Told {
    /// Slots that are observed or missed.
    slots: u64,
    /// Frames that are none.
    rejected: u64,
}

impl Told {
    fn add(&mut self, frames: &[(Name, MsgId, Vec<u8>)]) {
        let rejected = frames.iter().filter(|(_, _, payload)| payload == NO_FRAME).count();
        self.rejected += rejected as u64;
        self.slots += ((frames.len() - rejected) * TARGETS.len()) as u64;
    }

    /// Waits until `side` has folded all of it, and gives its sums.
    fn until_folded(&self, side: &Side) -> Value {
        wait::until("the web service has folded everything", LONG, || {
            let log = side.api.try_json("/api/v1/log")?;
            let number = |key: &str| log[key].as_u64().ok_or_else(|| format!("no {key} in {log}"));
            let (slots, rejected) = (number("observations")? + number("missed")?, number("rejected")?);
            wait::that((slots, rejected) == (self.slots, self.rejected), || {
                format!("{slots} of {} slots, {rejected} of {} rejected", self.slots, self.rejected)
            })?;
            Ok(sums(&log))
        })
    }
}

/// How many rejected frames an aggregator's archive of a partition says of.
fn reports(side: &Side, aggregator: usize, stream: &str) -> u64 {
    let account = account_of_archive(&side.archive(aggregator, stream), None);
    account["kinds"]["rejected"].as_u64().unwrap_or(0)
}

/// Waits until each of so many rejected frames is reported, and none twice.
fn until_reported(two: &Side, rejected: u64) {
    wait::until("every rejected frame is reported", LONG, || {
        let reported = reports(two, 0, "EVENTS") + reports(two, 1, "EVENTS-1");
        wait::that(reported == rejected, || format!("{reported} of {rejected}"))
    });
}

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
