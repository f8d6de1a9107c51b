//! Archives for tests, by a clock that stands still.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::path::Path;
use std::sync::Arc;

use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_schemas::TimeNs;

pub fn options() -> ArchiveOptions {
    ArchiveOptions { clock: Arc::new(|| TimeNs(1_700_000_000_000_000_000)), ..ArchiveOptions::default() }
}

pub fn open(dir: &Path) -> Archive {
    let (archive, repair) = Archive::open(dir, options()).unwrap();
    assert_eq!(repair, None);
    archive
}
