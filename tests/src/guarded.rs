//! NATS servers as `nats/` ships them: the same files, with ports and folders of the test's own, and keys made by
//! `spark nats keys`; and Spark's services beside them, each with its own key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::http::Client;
use crate::process::{Finished, Process, run};
use crate::tools::{nats_server, repository, spark};
use crate::wait::{self, LONG};
use crate::world::{World, free_port};

/// A certificate for `localhost`: the authority's, its own and its key, in PEM files.
#[derive(Debug)]
pub struct TlsFiles {
    /// Who signed it.
    pub ca: PathBuf,
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// One server, or three that are a cluster.
#[derive(Debug)]
pub struct Guarded {
    /// The servers.
    pub servers: Vec<GuardedServer>,
    dir: PathBuf,
}

/// One of them.
#[derive(Debug)]
pub struct GuardedServer {
    /// What it is called, such as `n1`.
    pub name: String,
    /// The server.
    pub process: Process,
    /// Its monitoring pages.
    pub monitor: Client,
    config: PathBuf,
    store: PathBuf,
    logs: PathBuf,
    port: u16,
}

impl Guarded {
    /// `nats/secure.conf`; with `tls`, its commented block too.
    pub fn single(world: &World, agents: &[&str], tls: Option<&TlsFiles>) -> Self {
        let dir = shipped(world, |name, text| match (name, tls) {
            ("secure.conf", Some(files)) => with_tls(text, files),
            _ => text.to_owned(),
        });
        let (port, monitor) = (free_port(), free_port());
        renumber(&dir.join("nats-server.conf"), &[("4222", port), ("8222", monitor)]);
        make_keys(&dir, agents);
        let store = world.path("nats-store/nats");
        let server = GuardedServer::new(world, "spark", dir.join("secure.conf"), store, port, monitor);
        server.until_ready();
        Self { servers: vec![server], dir }
    }

    /// The three of `nats/cluster`.
    pub fn cluster(world: &World, agents: &[&str]) -> Self {
        let dir = shipped(world, |_, text| text.to_owned());
        make_keys(&dir, agents);
        let ports = distinct_ports(9);
        let names: Vec<String> = (1..=3).flat_map(|n| [42, 82, 62].map(|start| format!("{start}2{n}"))).collect();
        let numbers: Vec<(&str, u16)> = names.iter().map(String::as_str).zip(ports.iter().copied()).collect();
        let server = |n: usize| {
            let config = dir.join(format!("cluster/n{n}.conf"));
            renumber(&config, &numbers);
            let store = world.path(&format!("nats-store/nats-n{n}"));
            GuardedServer::new(world, &format!("n{n}"), config, store, ports[3 * (n - 1)], ports[3 * (n - 1) + 1])
        };
        let servers: Vec<GuardedServer> = (1..=3).map(server).collect();
        servers.iter().for_each(GuardedServer::until_ready);
        Self { servers, dir }
    }

    /// All addresses, as `--nats` takes them.
    pub fn urls(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(GuardedServer::url).collect();
        urls.join(",")
    }

    /// The seed of a user, such as `probe-ist-1`.
    pub fn key(&self, user: &str) -> PathBuf {
        self.keys().join(format!("{user}.nk"))
    }

    /// The folder with the keys.
    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// Makes keys for more agents, and tells the servers: twice, as `spark nats keys` says.
    pub fn add_agents(&self, agents: &[&str]) {
        make_keys(&self.dir, agents);
        for _ in 0..2 {
            self.servers.iter().for_each(GuardedServer::reload);
        }
    }

    /// Makes the streams, as the admin.
    pub fn init(&self, replicas: usize) {
        // A new cluster has no leader yet for a moment.
        wait::until("the streams are made", LONG, || {
            let done = self.spark(&["nats", "init", "--replicas", &replicas.to_string()], "admin");
            wait::that(done.code == 0, || done.stderr)
        });
    }

    /// Runs a command of Spark that asks NATS, as `user`.
    pub fn spark(&self, arguments: &[&str], user: &str) -> Finished {
        let mut command = spark();
        command.args(arguments).args(["--nats", &self.urls()]).arg("--nkey").arg(self.key(user));
        run(command)
    }
}

impl GuardedServer {
    fn new(world: &World, name: &str, config: PathBuf, store: PathBuf, port: u16, monitor: u16) -> Self {
        let monitor = Client::new(&format!("http://127.0.0.1:{monitor}"));
        let (name, logs) = (name.to_owned(), world.logs());
        let process = launch(&config, &name, &logs);
        Self { name, process, monitor, config, store, logs, port }
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again after its end, with the store as it is.
    pub fn start_again(&mut self) {
        self.process = launch(&self.config, &self.name, &self.logs);
        self.until_ready();
    }

    /// Makes it read its configuration again.
    pub fn reload(&self) {
        let loaded = || self.monitor.try_json("/varz").map(|varz| varz["config_load_time"].clone());
        let before = wait::until("the NATS server answers", LONG, loaded);
        self.process.signal("HUP");
        wait::until("the NATS server has read its configuration again", LONG, || {
            let now = loaded()?;
            wait::that(now != before, || now.to_string())
        });
    }

    /// Takes its disk away, between its end and its next start.
    ///
    /// # Panics
    /// When it can't be taken.
    pub fn wipe(&self) {
        fs::remove_dir_all(&self.store).expect("the server had a store");
    }

    /// Waits until it has caught up with all that it is to hold.
    pub fn until_ready(&self) {
        wait::until(&format!("NATS server {} is ready", self.name), LONG, || {
            let health = self.monitor.get("/healthz")?;
            wait::that(health.status == 200, || health.text)
        });
    }
}

/// Spark's services, each with its key.
#[derive(Debug)]
pub struct GuardedServices {
    /// The agent `ist-1`.
    pub probe: Process,
    /// The aggregator.
    pub aggregator: Process,
    /// The web service.
    pub web: Process,
    /// The web service's API.
    pub api: Client,
    /// The aggregator's metrics and health.
    pub aggregator_admin: Client,
    /// The probe's metrics and health.
    pub probe_admin: Client,
    /// Where each has its data.
    pub dir: PathBuf,
}

impl GuardedServices {
    /// Starts them with `servers` as their `--nats`; the streams must be there.
    pub fn start(world: &World, nats: &Guarded, config: Option<&str>) -> Self {
        let (dir, ports) = (world.path("services"), distinct_ports(3));
        let addr = |n: usize| format!("127.0.0.1:{}", ports[n]);
        let client = |n: usize| Client::new(&format!("http://{}", addr(n)));
        let config = config.map(|text| world.file("spark.toml", text));
        let service = |name: &str, user: &str| {
            let mut command = spark();
            command.args([name, "--nats", &nats.urls()]).arg("--nkey").arg(nats.key(user));
            command.arg("--data").arg(dir.join(name));
            if name == "web" {
                command.args(["--listen", &addr(0)]);
                return command;
            }
            command.args(["--url", &format!("http://{}", addr(0)), "--executor-url", &world.executor.url("/health")]);
            if let Some(config) = &config {
                command.arg("--config").arg(config);
            }
            command
        };
        let start = |mut command: Command, more: &[&str], name: &str| {
            command.args(more);
            Process::start(command, name, &world.logs())
        };
        let aggregator = start(service("aggregator", "aggregator"), &["--admin", &addr(1)], "aggregator");
        let web = start(service("web", "web"), &[], "web");
        let api = client(0);
        wait::until("the web service is up", LONG, || api.try_json("/api/healthz"));
        // The probe comes last: it watches the pages, and would truly say that they are not there yet.
        let probe = start(service("probe", "probe-ist-1"), &["--agent", "ist-1", "--admin", &addr(2)], "probe");
        let (aggregator_admin, probe_admin) = (client(1), client(2));
        for (what, admin) in [("the aggregator", &aggregator_admin), ("the probe", &probe_admin)] {
            wait::until(&format!("{what} is up"), LONG, || admin.try_json("/healthz"));
        }
        Self { probe, aggregator, web, api, aggregator_admin, probe_admin, dir }
    }
}

/// A copy of `nats/` in the test's world, each file changed by `edit`; stores are in the world, too.
fn shipped(world: &World, edit: impl Fn(&str, &str) -> String) -> PathBuf {
    let (from, to) = (repository().join("nats"), world.path("nats"));
    for folder in ["", "cluster"] {
        fs::create_dir_all(to.join(folder)).expect("a folder for the configuration");
        for entry in fs::read_dir(from.join(folder)).expect("nats/ is in the repository").flatten() {
            let name = entry.file_name().into_string().expect("plain names");
            if name.ends_with(".conf") {
                let text = fs::read_to_string(entry.path()).expect("a configuration");
                let text = text.replace("/var/lib/spark", &world.path("nats-store").display().to_string());
                fs::write(to.join(folder).join(&name), edit(&name, &text)).expect("write a configuration");
            }
        }
    }
    to
}

/// Uncomments the block, as the file says, with this certificate.
fn with_tls(text: &str, files: &TlsFiles) -> String {
    let (before, block) = text.split_at(text.find("# tls {").expect("secure.conf shows a tls block"));
    let block = block.replace("# ", "").replace("#", "");
    let block = block.replace("/etc/spark/nats.crt", &files.cert.display().to_string());
    format!("{before}{}", block.replace("/etc/spark/nats.key", &files.key.display().to_string()))
}

fn renumber(config: &Path, ports: &[(&str, u16)]) {
    let mut text = fs::read_to_string(config).expect("a configuration");
    for (shipped, port) in ports {
        text = text.replace(&format!(":{shipped}"), &format!(":{port}"));
    }
    fs::write(config, text).expect("write a configuration");
}

fn make_keys(dir: &Path, agents: &[&str]) {
    let mut command = spark();
    command.args(["nats", "keys", "--dir"]).arg(dir.join("keys"));
    for agent in agents {
        command.args(["--agent", agent]);
    }
    let made = run(command);
    assert_eq!(made.code, 0, "{made:?}");
}

fn launch(config: &Path, name: &str, logs: &Path) -> Process {
    let mut command = nats_server();
    command.arg("--config").arg(config);
    Process::start(command, &format!("nats-{name}"), logs)
}

fn distinct_ports(count: usize) -> Vec<u16> {
    let mut ports = Vec::new();
    while ports.len() < count {
        let port = free_port();
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}
