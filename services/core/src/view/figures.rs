//! One window's figures: counts, shares and quantiles, of one target or of several together.

use spark_schemas::TimeNs;
use spark_schemas::derived::{LatencyQuantiles, WindowMessage};

use super::rfc3339;
use crate::bucket::Tally;
use crate::window::Window;

/// One window's figures, of one target or of several together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The window.
    pub window: Window,
    /// The start of its first bucket.
    pub from: TimeNs,
    /// The instant it ends at.
    pub to: TimeNs,
    /// What happened in it.
    pub tally: Tally,
    /// Observations that were due in it.
    pub expected: u64,
    /// Of these, received: each series for itself, so that one series' latest observation, which is not due yet, does not
    /// stand for another's missing one.
    pub received: u64,
}

impl Figures {
    /// Up to an instant nothing is known.
    pub fn nothing(at: TimeNs) -> Self {
        Self::empty(Window::D1, at)
    }

    /// A window in which nothing happened.
    pub(super) fn empty(window: Window, at: TimeNs) -> Self {
        let from = window.first_bucket(at);
        Self { window, from, to: at, tally: Tally::default(), expected: 0, received: 0 }
    }

    /// Failed of all observations, in parts per million, rounded up so that a failure never reads as none.
    pub fn error_rate_ppm(&self) -> Option<u64> {
        ppm_rounded_up(self.tally.failed, self.tally.count())
    }

    /// Received of expected observations, in parts per million, rounded down, at most a million.
    pub fn completeness_ppm(&self) -> Option<u64> {
        let (received, expected) = (u128::from(self.received), u128::from(self.expected));
        (expected > 0).then(|| (received * 1_000_000 / expected) as u64)
    }

    /// The 95th percentile of latency in microseconds.
    pub fn latency_p95_us(&self) -> Option<u64> {
        self.tally.latencies.quantile_us(950_000)
    }

    /// The quantiles that are shown.
    pub fn quantiles(&self) -> Option<LatencyQuantiles> {
        let quantile = |ppm| self.tally.latencies.quantile_us(ppm);
        Some(LatencyQuantiles {
            p50: quantile(500_000)?,
            p90: quantile(900_000)?,
            p95: quantile(950_000)?,
            p99: quantile(990_000)?,
            max: self.tally.latencies.max_us()?,
        })
    }

    /// As subscribers and the API see it; `target` is `*` for the default selection over all.
    pub fn to_message(&self, target: &str, staleness_us: Option<u64>) -> WindowMessage {
        WindowMessage {
            target: target.to_owned(),
            window: self.window.to_string(),
            from: rfc3339(self.from),
            to: rfc3339(self.to),
            count: self.tally.count(),
            failed: self.tally.failed,
            missed: self.tally.missed,
            expected: self.expected,
            error_rate_ppm: self.error_rate_ppm(),
            completeness_ppm: self.completeness_ppm(),
            staleness_ms: staleness_us.map(|us| us.div_ceil(1_000)),
            latency_us: self.quantiles(),
        }
    }
}

fn ppm_rounded_up(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| (u128::from(part) * 1_000_000).div_ceil(u128::from(whole)) as u64)
}
