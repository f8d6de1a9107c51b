//! Reading a `spark.toml`.

use std::collections::BTreeSet;

use serde_json::Value;
use spark_core::config::{CheckKind, Config, ConfigError, DnsQuestion};
use spark_core::units::DurationUs;
use spark_schemas::TimeNs;

/// Some hours before clocks are put forward in Berlin.
const AT: TimeNs = TimeNs(1_774_700_000 * TimeNs::SECOND);

/// A text is a configuration that keeps the rules and is recorded as it is, or an error at a place in the text.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = Config::from_toml(text);
    match &read {
        Ok(config) => {
            keeps_the_rules(config);
            is_recorded_as_it_is(config);
        }
        Err(error) => is_in(text, error),
    }
    // A byte order mark is only one at the very beginning.
    if !text.starts_with('\u{feff}') {
        let moved = read.map_err(|error| ConfigError { line: error.line + 1, ..error });
        assert_eq!(Config::from_toml(&format!("# A comment.\n{text}")), moved, "a comment before it changes nothing");
    }
}

/// Where the error points, there is a character, or the end of a line.
fn is_in(text: &str, error: &ConfigError) {
    let line = text.split('\n').nth(error.line.checked_sub(1).expect("lines count from 1"));
    let line = line.unwrap_or_else(|| panic!("no such line: {error}"));
    assert!((1..=line.chars().count() + 1).contains(&error.column), "no such column: {error}");
    assert!(!error.message.trim().is_empty());
}

fn is_recorded_as_it_is(config: &Config) {
    let recorded = config.canonical_json();
    let again = Config::from_canonical_json(&recorded).expect("what was recorded is read");
    // Which documents its objectives come from is not recorded.
    assert_eq!(again, Config { openslo: Vec::new(), ..config.clone() }, "{recorded}");
    assert_eq!(again.canonical_json(), recorded);
    assert_eq!(again.digest(), config.digest());
    assert!(!config.openslo.is_empty() || again.check().is_ok(), "what was recorded keeps the rules");
}

/// The rules that the rest of Spark relies on, in other words than where they are checked.
fn keeps_the_rules(config: &Config) {
    let names: BTreeSet<_> = config.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names.len(), config.targets.len());
    assert!(config.profiles.contains_key(&config.profile));
    for profile in config.profiles.values() {
        assert!(profile.targets.iter().all(|target| names.contains(target.as_str())));
        assert!(config.selection(profile).count() <= config.targets.len());
        assert!(profile.latency_p95.0 > 0 && profile.error_rate.0 > 0 && profile.staleness.0 > 0);
        let checks: BTreeSet<_> = profile.check_names().collect();
        assert_eq!(checks.len(), profile.check_names().count());
        assert!(profile.checks.iter().all(|check| check.asks().is_some()));
    }
    let objectives: BTreeSet<_> = config.objectives.iter().map(|objective| objective.name.as_str()).collect();
    assert_eq!(objectives.len(), config.objectives.len());
    for objective in &config.objectives {
        assert!(objective.targets.iter().all(|target| names.contains(target.as_str())));
        assert!(objective.objective.0 < 1_000_000, "there is a budget");
        assert!(objective.explained(config).iter().all(|sentence| !sentence.is_empty()));
        let pairs: BTreeSet<_> = objective.alerts.iter().map(|alert| (alert.long, alert.short)).collect();
        assert_eq!(pairs.len(), objective.alerts.len(), "an alert is known by its windows");
    }
    for hours in &config.service_hours {
        assert!(hours.targets.iter().all(|target| names.contains(target.as_str())));
        // They begin again, and not before, whatever clocks do.
        let begins = spark_core::service_hours::outside_until(std::slice::from_ref(hours), "a", AT);
        assert!(!hours.covers("a") || begins.is_none_or(|at| AT < at), "{}", hours.in_words());
    }
    for target in &config.targets {
        let kind = CheckKind::from_scheme(target.url.scheme()).expect("a scheme that names a check");
        assert!((DurationUs::from_ms(100)..=DurationUs::from_secs(86_400)).contains(&target.interval));
        assert!(target.timeout().0 > 0 && target.timeout() <= target.interval);
        assert!(target.latency_max.is_none_or(|limit| limit.0 > 0 && limit <= target.timeout()));
        assert!(target.url.username().is_empty() && target.url.password().is_none());
        assert!(kind == CheckKind::Dns || target.url.host_str().is_some_and(|host| !host.is_empty()));
        assert!(kind != CheckKind::Dns || DnsQuestion::from_url(&target.url).is_ok());
        assert!(target.expect_status.0.iter().all(|range| 100 <= range.first && range.first <= range.last));
        assert!(kind.is_http() || (target.expect_headers.is_empty() && target.expect_json.is_empty()));
        assert!(target.conditions().iter().all(|condition| !condition.is_empty()));
        assert_eq!(config.target(&target.name), Some(target));
        assert!(target.expect_json.iter().filter_map(|condition| condition.equals.as_ref()).all(is_json));
        let _schedule = target.schedule();
    }
}

/// TOML's dates and its `nan` are nothing that an answer in JSON could equal.
fn is_json(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => list.iter().all(is_json),
        Value::Object(table) => table.iter().all(|(key, value)| !key.starts_with("$__toml") && is_json(value)),
        _ => true,
    }
}
