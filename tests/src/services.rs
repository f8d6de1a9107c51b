//! Spark as three processes beside a NATS server.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::hosts::{Host, Hosts};
use crate::http::Client;
use crate::nats::NatsServer;
use crate::process::{Finished, Process, run};
use crate::tools::spark;
use crate::up::until_judged;
use crate::wait::{self, LONG};
use crate::world::{World, free_port};

/// A NATS server, a probe, an aggregator and a web service.
#[derive(Debug)]
pub struct Services {
    /// The agent.
    pub probe: Process,
    /// The aggregator.
    pub aggregator: Process,
    /// The web service.
    pub web: Process,
    /// The server that has the log.
    pub nats: NatsServer,
    /// The web service's API.
    pub api: Client,
    /// The aggregator's metrics and health.
    pub aggregator_admin: Client,
    /// The probe's metrics and health.
    pub probe_admin: Client,
    places: Places,
}

/// How they are started.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The configuration; `None` for Spark's own.
    pub config: Option<&'a str>,
    /// Where each of them runs.
    pub hosts: Hosts,
    /// More lines for the NATS server's configuration.
    pub nats_more: &'a str,
    /// What the probe finds in its environment.
    pub probe_environment: Vec<(&'static str, String)>,
}

impl<'a> Plan<'a> {
    /// On this machine.
    pub fn local(config: Option<&'a str>) -> Self {
        Self { config, hosts: Hosts::local(), nats_more: "", probe_environment: Vec::new() }
    }
}

#[derive(Debug)]
struct Places {
    hosts: Hosts,
    probe_environment: Vec<(&'static str, String)>,
    dir: PathBuf,
    logs: PathBuf,
    config: Option<PathBuf>,
    executor_url: String,
    nats_url: String,
    web: u16,
    probe_admin: u16,
    aggregator_admin: u16,
}

impl Services {
    /// Starts all of them; the log's stream is made first.
    pub fn start(world: &World, config: Option<&str>) -> Self {
        Self::start_as(world, Plan::local(config))
    }

    /// Starts all of them as planned.
    pub fn start_as(world: &World, plan: Plan<'_>) -> Self {
        let Plan { config, hosts, nats_more, probe_environment } = plan;
        let nats = NatsServer::start_on(world, hosts.nats.clone(), nats_more);
        let init = run(nats_init(&nats.url()));
        assert_eq!(init.code, 0, "{init:?}");
        let places = Places {
            dir: world.path("services"),
            logs: world.logs(),
            config: config.map(|text| world.file("spark.toml", text)),
            executor_url: world.executor.url("/health"),
            nats_url: nats.url(),
            web: free_port(),
            probe_admin: free_port(),
            aggregator_admin: free_port(),
            hosts,
            probe_environment,
        };
        let client = |host: &Host, port| Client::new(&format!("http://{}:{port}", host.ip));
        // The probe comes last: it watches the pages, and would truly say that they are not there yet.
        let (aggregator, web, api) = (places.aggregator(), places.web(), client(&places.hosts.web, places.web));
        wait::until("the web service is up", LONG, || api.try_json("/api/healthz"));
        let services = Self {
            probe: places.probe(),
            aggregator,
            web,
            nats,
            api,
            aggregator_admin: client(&places.hosts.aggregator, places.aggregator_admin),
            probe_admin: client(&places.hosts.probe, places.probe_admin),
            places,
        };
        services.until_up();
        services
    }

    /// Where the aggregator keeps its copies of the log, one for each incarnation of the stream.
    pub fn archives(&self) -> PathBuf {
        self.places.dir.join("aggregator/archive")
    }

    /// Where the aggregator keeps its data.
    pub fn aggregator_data(&self) -> PathBuf {
        self.places.dir.join("aggregator")
    }

    /// Starts the probe again.
    pub fn start_probe(&mut self) {
        self.probe = self.places.probe();
    }

    /// Starts the aggregator again.
    pub fn start_aggregator(&mut self) {
        self.aggregator = self.places.aggregator();
    }

    /// Starts the web service again.
    pub fn start_web(&mut self) {
        self.web = self.places.web();
    }

    /// Makes the log's stream again, as an operator would.
    pub fn init_nats(&self) -> Finished {
        run(nats_init(&self.nats.url()))
    }

    /// Waits until every service answers.
    pub fn until_up(&self) {
        for (what, client, path) in [
            ("the web service", &self.api, "/api/healthz"),
            ("the aggregator", &self.aggregator_admin, "/healthz"),
            ("the probe", &self.probe_admin, "/healthz"),
        ] {
            wait::until(&format!("{what} is up"), LONG, || client.try_json(path).map(drop));
        }
    }

    /// Waits until no check of the gate lacks data, and gives the preview.
    pub fn until_judged(&self) -> Value {
        until_judged(&self.api)
    }

    /// Runs a command that asks the web service, such as `gate`.
    pub fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = spark();
        command.args(arguments).args(["--url", self.api.base()]);
        run(command)
    }
}

/// `spark nats init`
pub(crate) fn nats_init(nats_url: &str) -> Command {
    let mut command = spark();
    command.args(["nats", "init", "--nats", nats_url]);
    command
}

impl Places {
    fn service(&self, name: &str) -> Command {
        let mut command = spark();
        command.args([name, "--nats", &self.nats_url]).arg("--data").arg(self.dir.join(name));
        let web_url = format!("{}:{}", self.hosts.web.ip, self.web);
        if name == "web" {
            let aggregator = format!("http://{}:{}", self.hosts.aggregator.ip, self.aggregator_admin);
            command.args(["--listen", &web_url, "--evidence-url", &aggregator]);
            if self.hosts.web.namespace.is_some() {
                // Nobody but the test can reach it there.
                command.arg("--insecure");
            }
            return command;
        }
        command.args(["--url", &format!("http://{web_url}"), "--executor-url", &self.executor_url]);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }

    fn probe(&self) -> Process {
        let mut command = self.service("probe");
        command.args(["--admin", &format!("{}:{}", self.hosts.probe.ip, self.probe_admin)]);
        command.envs(self.probe_environment.iter().cloned());
        Process::start(self.hosts.probe.enter(command), "probe", &self.logs)
    }

    fn aggregator(&self) -> Process {
        let mut command = self.service("aggregator");
        command.args(["--admin", &format!("{}:{}", self.hosts.aggregator.ip, self.aggregator_admin)]);
        Process::start(self.hosts.aggregator.enter(command), "aggregator", &self.logs)
    }

    fn web(&self) -> Process {
        Process::start(self.hosts.web.enter(self.service("web")), "web", &self.logs)
    }
}
