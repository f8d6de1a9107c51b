//! The edge's clock: the one place that reads the wall time. Everything further in takes time as an argument.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use spark_schemas::TimeNs;

/// A source of wall time; tests bring their own.
pub type WallClock = Arc<dyn Fn() -> TimeNs + Send + Sync>;

/// The machine's wall time. Before 1970 it is the epoch; after 2554 it stands still.
#[expect(clippy::disallowed_methods, reason = "this is the edge where the clock is read")]
pub fn wall_now() -> TimeNs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeNs(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

/// The machine's wall time as a [`WallClock`].
pub fn system() -> WallClock {
    Arc::new(wall_now)
}
