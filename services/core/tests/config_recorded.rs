//! A good configuration survives being recorded, and its digest is of what it says.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use spark_core::config::{CheckKind, Config};

const GOOD: [&str; 4] = [
    "",
    "[[target]]\nname = \"checkout\"\nurl = \"https://shop.example/health\"\ninterval = \"5s\"\n",
    r#"
environment = "production"
profile = "prod"
agents = ["ankara", "berlin"]
builtin_targets = false

[[target]]
name = "checkout"
url = "https://shop.example/health?full=1"
interval = "1s"
timeout = "900ms"
role = "ui"
method = "POST"
headers = { Authorization = "env:TOKEN", X-Team = "ödeme" }
expect_status = [200, "201-204", 401]
body = "env:BODY"
redirects_max = 3
connection = "reuse"
expect_headers = [{ name = "Content-Type", contains = "json", matches = "^application/" }, { name = "ETag" }]
expect_body_matches = '"status":\s*"(UP|OK)"'
expect_json = [{ path = "$.n", min = 9.014274576114836e-30, max = 2.5 }, { path = "$['a']", equals = { b = [1, "ü", true, -0.5] } }]
body_bytes_max = 4096
server_name = "internal.example"
expect_body = "\"status\": \"UP\""
latency_max = "800ms"
certificate_days_min = 14
ca_file = "ca.pem"
agents = ["berlin"]

[[target]]
name = "db"
url = "tcp://[::1]:5432"
interval = "1d"
role = "executor"
demo = true

[[target]]
name = "names"
url = "dns://192.0.2.1/shop.example?type=MX"
expect_records = ["10 mail.shop.example"]

[[target]]
name = "mail"
url = "tls://mail.example:993"
certificate_days_min = 14
server_name = "imap.example"

[profiles.strict]
latency_p95 = "1us"
error_rate = "0.0001%"
staleness = "90s"
targets = ["checkout"]

[profiles.prod]
latency_p95 = "120ms"
error_rate = "100%"
staleness = "15s"
score_min = "66.6%"

[[profiles.prod.check]]
name = "checkout-met"
objective = { slo = "checkout", warn = "99.95%" }
weight = 2

[[profiles.prod.check]]
name = "checkout-budget"
budget = { slo = "checkout", min = "0%", warn = "25%" }

[[profiles.prod.check]]
name = "checkout-burn"
burn_rate = { slo = "checkout", window = "1h", below = "6", warn = "2.5" }

[[profiles.prod.check]]
name = "canary"
canary = { mode = "real", max_age = "1h" }

[[profiles.prod.check]]
name = "evidence"
completeness = { window = "1d", min = "99%", warn = "99.9%" }
weight = 1

[[profiles.prod.waiver]]
check = "executor.up"
until = "2027-01-31T18:00:00+03:00"
reason = "no executor here yet"
by = "ops"

[[slo]]
name = "checkout"
sli = { latency = "300ms" }
objective = "99.9%"
window = "28d"

[probe]
linger = "0s"
concurrency = 1
outbox_bytes_max = 1048576
"#,
    "[[target]]\nname = \"a\"\nurl = \"http://a.example\"\ninterval = \"100ms\"\n",
];

#[test]
fn what_is_recorded_is_the_same_configuration_with_the_same_digest() {
    for text in GOOD {
        let config = Config::from_toml(text).unwrap();
        let recorded = config.canonical_json();
        let read = Config::from_canonical_json(&recorded).unwrap();
        assert_eq!(read, config, "{recorded}");
        assert_eq!((read.canonical_json(), read.digest()), (recorded, config.digest()));
    }
}

#[test]
fn the_digest_is_of_what_the_configuration_says_and_not_of_how() {
    let one =
        Config::from_toml("profile = \"prod\"\n[[target]]\nname = \"a\"\nurl = \"http://a/\"\ninterval = \"1m\"\n")
            .unwrap();
    let same = "# the same\n[[target]]\ninterval = \"60s\"\nurl = 'HTTP://A'\nname = 'a'\nmethod = 'GET'\n";
    let same = Config::from_toml(&format!("profile = 'prod'\nbuiltin_targets = true\n{same}")).unwrap();
    assert_eq!((same.canonical_json(), same.digest()), (one.canonical_json(), one.digest()));
    let other = Config::from_toml("[[target]]\nname = \"a\"\nurl = \"http://a/\"\ninterval = \"1m\"\n").unwrap();
    assert_ne!(other.digest(), one.digest());
}

#[test]
fn a_short_configuration_has_the_defaults() {
    let config = Config::from_toml(GOOD[1]).unwrap();
    let target = config.target("checkout").unwrap();
    assert_eq!(target.timeout().to_string(), "5s");
    assert!(target.expect_status.contains(204) && !target.expect_status.contains(301));
    assert_eq!(CheckKind::from_scheme(target.url.scheme()), Some(CheckKind::Https));
    let names: Vec<&str> = config.profiles.keys().map(|name| name.as_str()).collect();
    assert_eq!((config.profile.as_str(), names), ("dev", vec!["dev", "prod"]));
    assert_eq!(Config::from_toml("").unwrap(), Config::default());
}
