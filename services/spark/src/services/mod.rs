//! The services: each is parse, build, bind, run, and drain in order.

mod admin;
mod aggregator;
mod daily;
mod evidence;
mod held;
mod nats;
mod partitions;
mod policy;
mod probe;
mod running;
mod sealing;
mod up;
mod web;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Unusable;

pub use aggregator::aggregator;
pub use nats::{inbox_prefix, nats_init};
pub use probe::probe;
pub use up::up;
pub use web::web;

/// Nobody has to log in yet, so pages stay on this machine unless that is what is wanted.
fn refuse_to_expose(listen: SocketAddr, insecure: bool) -> Result<(), Unusable> {
    if listen.ip().is_loopback() || insecure {
        return Ok(());
    }
    Err(Unusable::Setting(format!(
        "{listen} can be reached from other machines, and nobody has to log in: listen on 127.0.0.1, or say --insecure"
    )))
}

/// Makes the data directory, and finds out now whether it can be written.
fn prepare_data(dir: &Path) -> anyhow::Result<()> {
    let failed = || format!("the data directory {} can't be written; choose another with --data", dir.display());
    std::fs::create_dir_all(dir).with_context(failed)?;
    let trial = dir.join(".writable");
    std::fs::write(&trial, b"").with_context(failed)?;
    std::fs::remove_file(&trial).with_context(failed)
}
