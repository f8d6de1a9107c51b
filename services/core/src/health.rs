//! Spark's own health: `UP`, `DEGRADED` or `DOWN`, and why.
//!
//! A target's failure never makes Spark `DOWN`, so probing oneself can't latch.

use crate::units::decimal;
use crate::view::Slo;

/// A part of Spark, and how it is.
pub use spark_schemas::event::{ComponentState as Component, ComponentStatus as Status};

/// Spark's health at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How Spark is.
    pub status: Status,
    /// Some figure has no data to judge by.
    pub no_data: bool,
    /// Why it is not `UP`, a sentence each.
    pub reasons: Vec<String>,
}

/// Judges the components and the profile's figures.
pub fn judge(components: &[Component], slo: &Slo<'_>) -> Health {
    let mut reasons: Vec<String> = components
        .iter()
        .filter(|component| component.status != Status::Up)
        .map(|component| format!("{}: {}", component.name, component.detail))
        .collect();
    let worst = components.iter().map(|component| component.status).max().unwrap_or(Status::Up);

    let profile = &slo.profile;
    let mut no_data = false;
    let mut hold = |name: &str, observed: Option<u64>, limit: u64, show: &dyn Fn(u64) -> String| match observed {
        None => {
            no_data = true;
            reasons.push(format!("{name}: no data"));
        }
        Some(observed) if observed >= limit => {
            reasons.push(format!("{name} is {}, not below {}", show(observed), show(limit)));
        }
        Some(_) => {}
    };
    hold("p95 latency", slo.figures.latency_p95_us(), profile.latency_p95.0, &|us| format!("{} ms", decimal(us, 3)));
    hold("error rate", slo.figures.error_rate_ppm(), profile.error_rate.0, &|ppm| format!("{} %", decimal(ppm, 4)));
    hold("staleness", slo.staleness_us, profile.staleness.0, &|us| format!("{} s", decimal(us / 1_000, 3)));

    let status = if reasons.is_empty() { Status::Up } else { worst.max(Status::Degraded) };
    Health { status, no_data, reasons }
}
