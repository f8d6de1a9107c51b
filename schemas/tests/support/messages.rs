//! Derived messages with every field.

use spark_schemas::derived::{AlertMessage, GateMessage, HealthMessage, LatencyQuantiles, TargetState, WindowMessage};
use spark_schemas::event::{AlertState, Verdict};

use super::name;

pub fn window() -> WindowMessage {
    WindowMessage {
        target: "checkout".to_owned(),
        window: "5m".to_owned(),
        from: "2026-01-01T00:00:10Z".to_owned(),
        to: "2026-01-01T00:05:00Z".to_owned(),
        count: 58,
        failed: 1,
        missed: 1,
        expected: 59,
        error_rate_ppm: Some(17_242),
        completeness_ppm: Some(983_050),
        staleness_ms: Some(0),
        latency_us: Some(LatencyQuantiles { p50: 20_095, p90: 30_207, p95: 31_999, p99: 80_383, max: 80_383 }),
    }
}

pub fn health() -> HealthMessage {
    HealthMessage {
        target: name("checkout"),
        state: TargetState::Up,
        at: "2026-01-01T00:05:00Z".to_owned(),
        reason: "the latest check passed".to_owned(),
    }
}

pub fn alert() -> AlertMessage {
    AlertMessage {
        id: "a2".into(),
        slo: name("checkout-availability"),
        state: AlertState::Firing,
        severity: Some(name("page")),
        long: "1h".to_owned(),
        short: "5m".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        reason: "burn rate 15 in 1h and 20 in 5m: both above 14.4".to_owned(),
    }
}

pub fn gate() -> GateMessage {
    GateMessage {
        id: "0123456789abcdef".to_owned(),
        verdict: Verdict::Pass,
        profile: name("prod"),
        at: "2026-01-01T00:05:00Z".to_owned(),
    }
}
