//! The rules of targets: the first that is broken, the key that breaks it, and what would do.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use url::Host;

use super::parse::first_twice;
use super::target::{is_default_body_bytes_max, is_default_method};
use super::{CheckKind, DnsQuestion, HeaderCondition, JsonCondition, Target};
use crate::units::DurationUs;

const INTERVAL_MIN: DurationUs = DurationUs::from_ms(100);
const INTERVAL_MAX: DurationUs = DurationUs::from_secs(86_400);
const REDIRECTS_MAX: u32 = 10;
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The configuration is recorded as JSON, whose readers give up at 128 levels.
const EQUALS_LEVELS_MAX: usize = 32;

impl Target {
    /// The first rule the target breaks by itself: the key and what is wrong with it.
    pub(super) fn broken_rule(&self) -> Option<(&'static str, String)> {
        let Some(kind) = CheckKind::from_scheme(self.url.scheme()) else {
            let known = CheckKind::SCHEMES.join(", ");
            return Some(("url", format!("no check for scheme {:?}; there are: {known}", self.url.scheme())));
        };
        if kind != CheckKind::Dns && self.url.host_str().is_none_or(str::is_empty) {
            return Some(("url", "the URL names no host".to_owned()));
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            let message = "no credentials in the URL: it is recorded; send a header whose value is \"env:NAME\"";
            return Some(("url", message.to_owned()));
        }
        if matches!(kind, CheckKind::Tcp | CheckKind::Tls) && self.url.port().is_none() {
            let scheme = self.url.scheme();
            return Some(("url", format!("a {scheme} target needs a port, such as {scheme}://db.example:5432")));
        }
        if kind == CheckKind::Dns
            && let Err(error) = DnsQuestion::from_url(&self.url)
        {
            return Some(("url", error.to_string()));
        }
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&self.interval) {
            return Some(("interval", format!("interval must be from {INTERVAL_MIN} to {INTERVAL_MAX}")));
        }
        if self.timeout().0 == 0 || self.timeout() > self.interval {
            let message = format!("timeout must be more than 0s and at most the interval ({})", self.interval);
            return Some(("timeout", message));
        }
        if self.latency_max.is_some_and(|limit| limit.0 == 0 || limit > self.timeout()) {
            let message = format!("latency_max must be more than 0s and at most the timeout ({})", self.timeout());
            return Some(("latency_max", message));
        }
        if self.expect_status.0.is_empty() {
            return Some(("expect_status", "expect_status must name at least one status".to_owned()));
        }
        self.broken_http_rule().or_else(|| self.unused_key(kind))
    }

    fn broken_http_rule(&self) -> Option<(&'static str, String)> {
        if !is_token(&self.method) || self.method != self.method.to_ascii_uppercase() {
            return Some(("method", format!("{:?} is not an HTTP method such as GET, HEAD or POST", self.method)));
        }
        let mut names = BTreeSet::new();
        for (name, value) in &self.headers {
            if !is_token(name) {
                return Some(("headers", format!("{name:?} is not an HTTP header name")));
            }
            if !names.insert(name.to_ascii_lowercase()) {
                return Some(("headers", format!("{name:?} is there twice: case makes no difference")));
            }
            if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
                return Some(("headers", format!("the value of {name:?} has a control character")));
            }
        }
        if self.redirects_max > REDIRECTS_MAX {
            return Some(("redirects_max", format!("redirects_max must be from 0 to {REDIRECTS_MAX}")));
        }
        if !(1..=BODY_BYTES_MAX).contains(&self.body_bytes_max) {
            let message = format!("body_bytes_max must be from 1 to {BODY_BYTES_MAX} (16 MiB)");
            return Some(("body_bytes_max", message));
        }
        if self.expect_body.as_ref().is_some_and(|text| text.len() as u64 > self.body_bytes_max) {
            let message = format!("expect_body is longer than body_bytes_max ({})", self.body_bytes_max);
            return Some(("expect_body", message));
        }
        if self.method == "HEAD" {
            let of_body = [
                ("expect_body", self.expect_body.is_some()),
                ("expect_body_matches", self.expect_body_matches.is_some()),
                ("expect_json", !self.expect_json.is_empty()),
            ];
            if let Some((key, _)) = of_body.into_iter().find(|(_, is_used)| *is_used) {
                return Some((key, format!("{key} can't hold: the answer to HEAD has no body")));
            }
        }
        if self.ca_file.as_deref() == Some("") {
            return Some(("ca_file", "ca_file must name a file".to_owned()));
        }
        if self.server_name.as_ref().is_some_and(|name| Host::parse(name).is_err()) {
            return Some(("server_name", "server_name must be a DNS name or an address".to_owned()));
        }
        None
    }

    /// The first entry of a list that is wrong: the key, the entry's place and what is wrong with it.
    pub(super) fn broken_entry(&self) -> Option<(&'static str, usize, String)> {
        let in_list = |key, found: Option<(usize, String)>| found.map(|(place, message)| (key, place, message));
        in_list("agents", first_twice(&self.agents))
            .or_else(|| in_list("expect_status", first_twice(&self.expect_status.0)))
            .or_else(|| in_list("expect_headers", first_broken(&self.expect_headers, broken_header)))
            .or_else(|| in_list("expect_json", first_broken(&self.expect_json, broken_json)))
            .or_else(|| in_list("expect_records", self.broken_record()))
    }

    fn broken_record(&self) -> Option<(usize, String)> {
        if self.expect_records.is_empty() {
            return None;
        }
        let record = DnsQuestion::from_url(&self.url).ok()?.record;
        let broken = |text: &String| record.accepts(text).err().map(|error| error.to_string());
        first_broken(&self.expect_records, broken)
    }

    /// A key that this kind of check would ignore.
    fn unused_key(&self, kind: CheckKind) -> Option<(&'static str, String)> {
        const HTTP: &str = "http and https";
        let (of_http, of_tls, of_dns) = (kind.is_http(), kind.is_tls(), kind == CheckKind::Dns);
        let uses = [
            ("method", !is_default_method(&self.method), of_http, HTTP),
            ("headers", !self.headers.is_empty(), of_http, HTTP),
            ("body", self.body.is_some(), of_http, HTTP),
            ("redirects_max", self.redirects_max > 0, of_http, HTTP),
            ("connection", !self.connection.is_default(), of_http, HTTP),
            ("expect_status", !self.expect_status.is_default(), of_http, HTTP),
            ("expect_headers", !self.expect_headers.is_empty(), of_http, HTTP),
            ("expect_body", self.expect_body.is_some(), of_http, HTTP),
            ("expect_body_matches", self.expect_body_matches.is_some(), of_http, HTTP),
            ("expect_json", !self.expect_json.is_empty(), of_http, HTTP),
            ("body_bytes_max", !is_default_body_bytes_max(&self.body_bytes_max), of_http, HTTP),
            ("expect_records", !self.expect_records.is_empty(), of_dns, "dns"),
            ("certificate_days_min", self.certificate_days_min.is_some(), of_tls, "https and tls"),
            ("ca_file", self.ca_file.is_some(), of_tls, "https and tls"),
            ("server_name", self.server_name.is_some(), of_tls, "https and tls"),
        ];
        let (key, _, _, schemes) = uses.into_iter().find(|(_, is_used, is_allowed, _)| *is_used && !*is_allowed)?;
        Some((key, format!("{key} is for {schemes} targets; this one is {}", self.url.scheme())))
    }
}

/// The first of `list` with which something is wrong, be it that it is there before.
fn first_broken<T: PartialEq + fmt::Display>(
    list: &[T],
    broken: impl Fn(&T) -> Option<String>,
) -> Option<(usize, String)> {
    let first = list.iter().enumerate().find_map(|(place, one)| Some((place, broken(one)?)));
    first.or_else(|| first_twice(list))
}

fn broken_header(condition: &HeaderCondition) -> Option<String> {
    match condition {
        condition if !is_token(&condition.name) => Some(format!("{:?} is not an HTTP header name", condition.name)),
        condition if condition.contradicts_itself() => Some(format!("no value can meet this: {condition}")),
        _ => None,
    }
}

fn broken_json(condition: &JsonCondition) -> Option<String> {
    let incomparable = condition.equals.as_ref().and_then(|value| not_comparable(value, EQUALS_LEVELS_MAX));
    match condition {
        condition if let Some(what) = incomparable => Some(format!("{} can't be compared with {what}", condition.path)),
        condition if condition.contradicts_itself() => Some(format!("no value can meet this: {condition}")),
        _ => None,
    }
}

/// What of a value no JSON says, or not so that it can be recorded.
fn not_comparable(value: &Value, levels_left: usize) -> Option<&'static str> {
    // How the parser hands over what JSON has no type for.
    const DATE: &str = "$__toml_private_datetime";
    let inner = |value| match levels_left.checked_sub(1) {
        Some(levels_left) => not_comparable(value, levels_left),
        None => Some("a value of more than 32 levels"),
    };
    match value {
        Value::Null => Some("what is no number"),
        Value::Object(table) if table.contains_key(DATE) => Some("a date: write it as a text in quotes"),
        Value::Object(table) => table.values().find_map(inner),
        Value::Array(list) => list.iter().find_map(inner),
        _ => None,
    }
}

/// What RFC 9110 lets methods and header names be made of.
fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}
