//! Pages and health over a thousand targets with a week behind them (a day when quick).
//!
//! Times are a client's, so they include the way through the loopback. Health and dashboard share an answer that took long
//! among those who ask within a moment: what it takes to make one stands beside.

use std::time::Duration;

use anyhow::Result;
use spark_core::config::Config;

use super::Options;
use super::measure::quantile;
use super::service::{Service, TARGETS};
use super::table::{Figure, ms};

const GONE: &str =
    "an answer that is made anew looks at each series in turn, and takes away what left its windows since";

/// Health and dashboard.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let (days, asks) = options.pick((7, 1_000), (1, 100));
    let service = Service::start(days, Config::default())?;
    let healthz = quantile(&mut service.ask("/api/healthz", asks)?, 950_000);
    let dashboard = quantile(&mut service.ask("/dashboard", asks / 10)?, 950_000);
    // An answer for a profile that is named is never shared.
    let anew = |page: &str, asks| service.ask(&format!("{page}?profile=dev"), asks);
    let healthz_anew = quantile(&mut anew("/api/healthz", asks / 10)?, 950_000);
    let dashboard_anew = quantile(&mut anew("/dashboard", asks / 10)?, 950_000);
    Ok(vec![
        Figure::new(format!("GET /api/healthz over {TARGETS} targets, p95"), ms(healthz), "1 ms")
            .reached(healthz <= Duration::from_millis(1), GONE),
        Figure::aside("  made anew for each request, p95", ms(healthz_anew)),
        Figure::new(format!("GET /dashboard with {TARGETS} targets, p95"), ms(dashboard), "14 ms")
            .reached(dashboard <= Duration::from_millis(14), GONE),
        Figure::aside("  made anew for each request, p95", ms(dashboard_anew)),
    ])
}
