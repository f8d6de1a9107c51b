//! JetStream does what every event log must do.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod log_suite;
mod support;

use std::sync::Arc;

use spark_eventlog::EventLog;
use support::Server;

async fn fresh_log() -> (Arc<dyn EventLog>, Server) {
    let server = Server::start().await;
    let (_client, log) = server.log_with_stream().await;
    (Arc::new(log), server)
}

log_suite::suite!(fresh_log);
