//! Where the processes of a test run: on this machine as it is, or each in a network namespace of its own.

use std::process::Command;

/// An address, and the network namespace that has it.
#[derive(Debug, Clone)]
pub struct Host {
    /// The address to listen on.
    pub ip: String,
    /// The namespace's name; `None` for the machine's own.
    pub namespace: Option<String>,
}

/// Where each part of Spark runs.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// The agent.
    pub probe: Host,
    /// The aggregator.
    pub aggregator: Host,
    /// The web service.
    pub web: Host,
    /// The NATS server.
    pub nats: Host,
}

impl Host {
    /// The loopback of this machine.
    pub fn local() -> Self {
        Self { ip: "127.0.0.1".to_owned(), namespace: None }
    }

    /// `command`, to be run there. The process that is started becomes the command itself, so signals reach it.
    pub fn enter(&self, command: Command) -> Command {
        let Some(namespace) = &self.namespace else { return command };
        let mut there = Command::new("ip");
        there.args(["netns", "exec", namespace]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there
    }
}

impl Hosts {
    /// All on the loopback of this machine.
    pub fn local() -> Self {
        Self { probe: Host::local(), aggregator: Host::local(), web: Host::local(), nats: Host::local() }
    }
}
