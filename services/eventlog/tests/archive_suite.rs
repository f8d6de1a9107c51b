//! The archive does what every event log must do.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod log_suite;

use std::sync::Arc;

use spark_eventlog::EventLog;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use tempfile::TempDir;

async fn fresh_log() -> (Arc<dyn EventLog>, TempDir) {
    let dir = TempDir::new().unwrap();
    let (archive, repair) = Archive::open(dir.path(), ArchiveOptions::default()).unwrap();
    assert_eq!(repair, None);
    (Arc::new(archive), dir)
}

log_suite::suite!(fresh_log);
