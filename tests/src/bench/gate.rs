//! Gate decisions over a thousand series with thirty days behind them.
//!
//! Before each question every series gets an observation, so that nothing of the decision before can be used again. Times
//! are a client's, so they include the way through the loopback.

use std::time::Duration;

use anyhow::Result;
use spark_core::config::Config;

use super::Options;
use super::measure::quantile;
use super::service::{Service, TARGETS};
use super::table::{Figure, ms};

const DAYS: u64 = 30;
/// Two profiles: the six checks, and those with what else a team asks of its objectives.
const POLICY: &str = r#"
    builtin_targets = false
    [profiles.six]
    latency_p95 = "150ms"
    error_rate = "5%"
    staleness = "30s"
    [profiles.ten]
    latency_p95 = "150ms"
    error_rate = "5%"
    staleness = "30s"
    check = [
        { name = "met", objective = { slo = "month" } },
        { name = "budget", budget = { slo = "month", min = "10%" } },
        { name = "burn", burn_rate = { slo = "month", window = "1h", below = "6" } },
        { name = "evidence", completeness = { window = "1h", min = "95%" } },
    ]
    [[slo]]
    name = "month"
    sli = "availability"
    objective = "99.5%"
    window = "30d"
"#;
const WHY: &str = "each series is looked at in turn: its last five minutes are put together, what was due is counted, and what changed \
                   is hashed";

/// Decisions of both profiles.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let asks = options.pick(200, 40);
    let service = Service::start(DAYS, Config::from_toml(POLICY)?)?;
    let p95 = |profile: &str| -> Result<Duration> {
        Ok(quantile(&mut service.ask(&format!("/api/tools/status?profile={profile}"), asks)?, 950_000))
    };
    let quiet = p95("six")?;
    service.observe_all_between_asks();
    let (six, ten) = (p95("six")?, p95("ten")?);
    let what = format!("gate decision over {TARGETS} series of {DAYS} d, all changed since the last one, p95");
    Ok(vec![
        Figure::new(what, ms(six), "20 ms").reached(six <= Duration::from_millis(20), WHY),
        Figure::new("  with an objective, its budget, a burn rate and completeness, p95", ms(ten), "20 ms")
            .reached(ten <= Duration::from_millis(20), WHY),
        Figure::aside("  the six while 67 observations a second come in, p95", ms(quiet)),
    ])
}
