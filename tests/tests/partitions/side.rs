//! One side of the comparison: a log of so many partitions, with its services and its probes.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use spark_eventlog::jetstream::{self, ConnectOptions, JetStreamLog, partition_of};
use spark_eventlog::{EventLog as _, Outgoing};
use spark_schemas::{Class, EventSubject};
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Finished, NatsServer, Process, World, account_of_archive, free_port, run, spark};

use crate::script::Said;

/// A NATS server, a web service, and aggregators that own so many partitions between them.
pub struct Side {
    pub world: World,
    pub nats: NatsServer,
    pub config: PathBuf,
    pub owners: Vec<&'static str>,
    pub aggregators: Vec<Process>,
    pub admins: Vec<Client>,
    pub ports: Vec<u16>,
    _web: Process,
    pub api: Client,
}

impl Side {
    /// Starts everything; an aggregator for each of `owners`, which says what it owns.
    pub fn start(partitions: u16, owners: &[&'static str], config: &str) -> Self {
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

    pub fn aggregator(&self, n: usize) -> Process {
        let mut command = spark();
        command.args(["aggregator", "--nats", &self.nats.url(), "--partitions", self.owners[n]]);
        command.args(["--admin", &format!("127.0.0.1:{}", self.ports[n])]);
        command.args(["--executor-url", &self.world.executor.url("/health"), "--url", self.api.base()]);
        command.arg("--config").arg(&self.config).arg("--data").arg(self.world.path(&format!("aggregator-{n}")));
        Process::start(command, &format!("aggregator-{n}"), &self.world.logs())
    }

    pub fn probe(&self, agent: &str) -> Process {
        let mut command = self.probe_command(agent);
        command.args(["--admin", &format!("127.0.0.1:{}", free_port())]);
        Process::start(command, agent, &self.world.logs())
    }

    pub fn probe_command(&self, agent: &str) -> Command {
        let mut command = spark();
        command.args(["probe", "--agent", agent, "--nats", &self.nats.url(), "--url", self.api.base()]);
        command.args(["--executor-url", &self.world.executor.url("/health")]);
        command.arg("--config").arg(&self.config).arg("--data").arg(self.world.path(agent));
        command
    }

    pub fn log(&self) -> Value {
        self.api.json("/api/v1/log")
    }

    pub fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = spark();
        command.args(arguments).args(["--url", self.api.base()]);
        run(command)
    }

    /// How many frames of each partition's stream there are.
    pub fn frames(&self) -> [u64; 2] {
        let partition = |log: &Value, n: usize| log["partitions"][n]["seq"].as_u64().unwrap();
        let log = self.log();
        [partition(&log, 0), partition(&log, 1)]
    }

    /// Waits until an aggregator has folded `seq` frames of its one partition.
    pub fn until_folded(&self, n: usize, seq: u64) {
        wait::until("the aggregator is up to date", LONG, || {
            let health = self.admins[n].try_json("/healthz")?;
            wait::that(health["details"]["position"].as_u64() >= Some(seq), || health.to_string())
        });
    }

    /// The archive of a partition, of which there was one incarnation.
    pub fn archive(&self, aggregator: usize, stream: &str) -> PathBuf {
        let dir = self.world.path(&format!("aggregator-{aggregator}/archive"));
        let found = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let of_stream = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{stream}@"));
        let archives: Vec<PathBuf> = found.filter(of_stream).collect();
        assert_eq!(archives.len(), 1, "{archives:?}");
        archives[0].clone()
    }
}

/// Publishes the frames to a log of so many partitions, each to its agent's own.
pub fn publish(side: &Side, partitions: u16, frames: &[Said]) {
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

/// How many rejected frames an aggregator's archive of a partition says of.
pub fn reports(side: &Side, aggregator: usize, stream: &str) -> u64 {
    let account = account_of_archive(&side.archive(aggregator, stream), None);
    account["kinds"]["rejected"].as_u64().unwrap_or(0)
}

/// Waits until each of so many rejected frames is reported, and none twice.
pub fn until_reported(two: &Side, rejected: u64) {
    wait::until("every rejected frame is reported", LONG, || {
        let reported = reports(two, 0, "EVENTS") + reports(two, 1, "EVENTS-1");
        wait::that(reported == rejected, || format!("{reported} of {rejected}"))
    });
}
