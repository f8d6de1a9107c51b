//! The figures in Prometheus's text format, and no figure where there is none any more.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]
#![allow(dead_code, reason = "of the support, every test file takes what it needs")]

mod support;

use metrics_exporter_prometheus::PrometheusBuilder;
use spark_aggregator::Projection;
use spark_aggregator::duties::config_applied;
use spark_aggregator::gauges::Gauges;
use spark_core::config::Config;
use spark_schemas::{Class, TimeNs, metric};
use support::{OBJECTIVES, declaration, log, recorded};

#[test]
fn what_is_gone_from_the_configuration_or_can_not_be_trusted_has_no_value() {
    let log = log(11, 60);
    let projection = Projection::in_memory(0);
    projection.apply(&log);
    let now = TimeNs(log.last().unwrap().received_ns);
    let (gauges, recorder) = (Gauges::of(projection.clone().into()), PrometheusBuilder::new().build_recorder());
    let value = |name: &str, slo: &str| {
        metrics::with_local_recorder(&recorder, || gauges.set(now));
        let (text, start) = (recorder.handle().render(), format!("{name}{{slo=\"{slo}\"}} "));
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {start} in {text}")).parse::<f64>().unwrap()
    };
    assert!(value(metric::SLO_BUDGET_REMAINING, "fast").is_finite());
    assert!(value(metric::SLO_BUDGET_REMAINING, "up-by-minutes").is_finite());

    let only_fast = OBJECTIVES.split("[[slo]]").take(2).collect::<Vec<_>>().join("[[slo]]");
    let config = Config::from_toml(&only_fast).unwrap();
    let declared = declaration(1, config_applied(&config, now));
    projection.apply(&[recorded(log.len() as u64 + 1, now.0, Class::Ctl, &declared)]);
    assert!(value(metric::SLO_BUDGET_REMAINING, "up-by-minutes").is_nan(), "it is no objective any more");
    assert!(value(metric::SLO_BUDGET_REMAINING, "fast").is_finite());

    projection.give_up("a page can't be read");
    assert!(value(metric::SLO_BUDGET_REMAINING, "fast").is_nan());
}
