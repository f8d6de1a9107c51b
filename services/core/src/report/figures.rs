//! Figures of the view as a report holds them.

use spark_schemas::TimeNs;
use spark_schemas::event::TimeSpan;

use super::model::{Figures, Latency};
use super::number::U64;
use crate::view;

/// What was observed in a stretch of time.
pub(super) fn figures(seen: &view::Figures) -> Figures {
    let latency = |quantiles: spark_schemas::derived::LatencyQuantiles| Latency {
        p50: U64(quantiles.p50),
        p95: U64(quantiles.p95),
        p99: U64(quantiles.p99),
        max: U64(quantiles.max),
    };
    Figures {
        observations: U64(seen.tally.count()),
        failed: U64(seen.tally.failed),
        missed: U64(seen.tally.missed),
        expected: U64(seen.expected),
        received: U64(seen.received),
        error_rate_ppm: seen.error_rate_ppm().map(U64),
        completeness_ppm: seen.completeness_ppm().map(U64),
        latency_us: seen.quantiles().map(latency),
    }
}

/// How long stretches of time are together, in seconds, rounded up.
pub(super) fn length_s(spans: &[TimeSpan]) -> U64 {
    let ns: u64 = spans.iter().map(|span| span.to_ns.0 - span.from_ns.0).sum();
    U64(ns.div_ceil(TimeNs::SECOND))
}
