//! A NATS server of the test's own, which syncs before it acknowledges.

use std::path::{Path, PathBuf};

use crate::hosts::Host;
use crate::http::Client;
use crate::process::Process;
use crate::tools::nats_server;
use crate::wait::{self, LONG};
use crate::world::{World, free_port};

/// A NATS server with JetStream.
#[derive(Debug)]
pub struct NatsServer {
    /// The server.
    pub process: Process,
    /// Its monitoring pages.
    pub monitor: Client,
    config: PathBuf,
    logs: PathBuf,
    host: Host,
    port: u16,
}

impl NatsServer {
    /// Starts one with its store in the test's world.
    pub fn start(world: &World) -> Self {
        Self::start_with(world, "")
    }

    /// As [`NatsServer::start`], with more lines of configuration.
    pub fn start_with(world: &World, more: &str) -> Self {
        Self::start_on(world, Host::local(), more)
    }

    /// The same on another host.
    pub fn start_on(world: &World, host: Host, more: &str) -> Self {
        let (port, monitor) = (free_port(), free_port());
        let ip = &host.ip;
        let text = format!(
            "server_name: spark-test\nlisten: {ip}:{port}\nhttp: {ip}:{monitor}\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always }}\n\
             lame_duck_grace_period: 1s\nlame_duck_duration: 30s\n{more}",
            world.path("nats").display()
        );
        let (config, logs) = (world.file("nats.conf", &text), world.logs());
        let monitor = Client::new(&format!("http://{ip}:{monitor}"));
        let process = launch(&config, &logs, &host);
        let server = Self { process, monitor, config, logs, host, port };
        server.until_ready();
        server
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        format!("nats://{}:{}", self.host.ip, self.port)
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends it a signal by name, such as `USR2`, which puts it into lame duck mode.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Starts it again after its end, with the store as it is.
    pub fn start_again(&mut self) {
        self.process = launch(&self.config, &self.logs, &self.host);
        self.until_ready();
    }

    fn until_ready(&self) {
        wait::until("the NATS server is ready", LONG, || self.monitor.try_json("/healthz").map(drop));
    }
}

fn launch(config: &Path, logs: &Path, host: &Host) -> Process {
    let mut command = nats_server();
    command.arg("--config").arg(config);
    Process::start(host.enter(command), "nats-server", logs)
}
