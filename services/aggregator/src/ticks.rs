//! The pace of what is done again and again beside the fold: once a second, until it is told to stop.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two ticks.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Ticks until `shutdown`.
pub(crate) struct Ticks {
    interval: Interval,
    shutdown: CancellationToken,
}

impl Ticks {
    pub(crate) fn until(shutdown: CancellationToken) -> Self {
        let mut interval = interval(TICK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, shutdown }
    }

    /// Waits for the next one; `false` once there is none.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            _ = self.interval.tick() => true,
        }
    }
}
