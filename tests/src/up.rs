//! `spark up`: started, asked, killed, started again.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::http::Client;
use crate::process::{Finished, Process, run};
use crate::tools::spark;
use crate::wait::{self, LONG};
use crate::world::{World, free_port};

/// How `spark up` is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its data directory.
    pub data: PathBuf,
    /// Where it listens; the same at each start.
    pub listen: String,
    /// Its configuration file.
    pub config: Option<PathBuf>,
    /// The executor that it watches.
    pub executor_url: String,
    /// What else is said to it.
    pub more: Vec<String>,
    /// Where it logs to.
    pub logs: PathBuf,
}

impl Setup {
    /// On a free port, with its data in the test's world.
    pub fn new(world: &World) -> Self {
        Self {
            data: world.path("data"),
            listen: format!("127.0.0.1:{}", free_port()),
            config: None,
            executor_url: world.executor.url("/health"),
            more: Vec::new(),
            logs: world.logs(),
        }
    }

    /// The same with a configuration.
    pub fn with_config(world: &World, text: &str) -> Self {
        Self { config: Some(world.file("spark.toml", text)), ..Self::new(world) }
    }

    /// The command as it is started.
    pub fn command(&self) -> Command {
        let mut command = spark();
        command
            .args(["up", "--listen", &self.listen, "--executor-url", &self.executor_url])
            .arg("--data")
            .arg(&self.data);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.args(&self.more);
        command
    }

    /// Starts it, and does not wait for anything.
    pub fn spawn(&self) -> Process {
        Process::start(self.command(), "spark-up", &self.logs)
    }

    /// Starts it, and waits until it says where it is.
    pub fn start(&self) -> Up {
        let mut process = self.spawn();
        let url = process.printed("Spark is up: ");
        Up { process, api: Client::new(&url) }
    }
}

/// A running `spark up`.
#[derive(Debug)]
pub struct Up {
    /// The process.
    pub process: Process,
    /// Its API.
    pub api: Client,
}

impl Up {
    /// Runs a command that asks this Spark, such as `gate`.
    pub fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = spark();
        command.args(arguments).args(["--url", self.api.base()]);
        run(command)
    }

    /// Waits until `spark gate` would have figures for every check, and gives the preview.
    pub fn until_judged(&self) -> Value {
        until_judged(&self.api)
    }
}

/// Waits until no check of the gate lacks data, and gives the preview.
///
/// # Panics
/// When one still lacks data at the deadline.
pub fn until_judged(api: &Client) -> Value {
    wait::until("the gate has figures for every check", LONG, || {
        let preview = api.try_json("/api/tools/status")?;
        let checks = preview["checks"].as_array().ok_or("no checks")?;
        wait::that(checks.iter().all(|check| check["verdict"] != "no_data"), || preview.to_string())?;
        Ok(preview)
    })
}
