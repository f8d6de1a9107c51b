//! What the end-to-end tests share: real processes, each test in a world of its own.
//!
//! A [`World`] is a private directory with an executor to watch. Everything else is started in it: Spark on one machine
//! ([`Up`]), Spark's three services beside a NATS server ([`Services`]), a browser. Ports are free ones, conditions are
//! waited for with a deadline, and whatever a test started ends with it; when the test fails its logs are shown.
//!
//! What Spark wrote is read back by scripts in Python that share no code with it (`tests/python`).

mod archive;
pub mod browser;
mod guarded;
mod hosts;
mod http;
mod nats;
mod process;
mod python;
mod random;
mod services;
mod site;
pub mod soak;
mod tools;
mod up;
pub mod wait;
mod world;

pub use archive::events_of_archive;
pub use guarded::{Guarded, GuardedServer, GuardedServices, TlsFiles};
pub use hosts::{Host, Hosts};
pub use http::{Answer, Client};
pub use nats::NatsServer;
pub use process::{Finished, Process, run};
pub use python::{account_of_archive, account_of_stream, script};
pub use random::Random;
pub use services::{Plan, Services};
pub use site::{Behaviour, Site};
pub use tools::{blackbox_exporter, prometheus, promtool, python, repository, spark};
pub use up::{Setup, Up, until_judged};
pub use world::{World, free_port, target_toml};
