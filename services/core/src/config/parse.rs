//! From TOML text to a configuration that keeps every rule; errors name line and column, what is wrong and what would do.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde_json::Value;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;
use url::Host;

use super::gate::{Documents, Place};
use super::target::{is_default_body_bytes_max, is_default_method};
use super::{CheckKind, Config, DnsQuestion, HeaderCondition, JsonCondition, Target};
use crate::units::DurationUs;

const INTERVAL_MIN: DurationUs = DurationUs::from_ms(100);
const INTERVAL_MAX: DurationUs = DurationUs::from_secs(86_400);
const REDIRECTS_MAX: u32 = 10;
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Each dot is one more table in a table, of which the parser bounds only those in brackets: they took all of the stack.
const KEY_DOTS_MAX: usize = 8;
/// The configuration is recorded as JSON, whose readers give up at 128 levels.
const EQUALS_LEVELS_MAX: usize = 32;

/// A configuration that can't be used: where and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    fn at(text: &str, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let before = &text[..text.floor_char_boundary(span.map_or(0, |span| span.start))];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

/// A rule that is broken, and the key that breaks it.
pub(crate) struct Broken {
    pub path: Vec<Step>,
    pub message: String,
}

pub(crate) enum Step {
    Key(&'static str),
    Named(String),
    Index(usize),
}

impl From<Place> for Step {
    fn from(place: Place) -> Self {
        match place {
            Place::Key(key) => Self::Key(key),
            Place::Index(n) => Self::Index(n),
        }
    }
}

impl Config {
    /// Reads a `spark.toml`. Profiles that it does not mention keep their defaults.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        if let Some(dot) = deep_key(text) {
            return Err(ConfigError::at(text, Some(dot), format!("a key has at most {KEY_DOTS_MAX} dots")));
        }
        let mut config: Self = toml::from_str(text)
            .map_err(|error: toml::de::Error| ConfigError::at(text, error.span(), in_plain_words(error.message())))?;
        for (name, profile) in Self::default().profiles {
            config.profiles.entry(name).or_insert(profile);
        }
        let documents = if config.openslo.is_empty() { Documents::Read } else { Documents::ToCome };
        config.keeps_rules(text, documents).map(|()| config)
    }

    /// Whether a configuration that `text` and the documents it names make together keeps every rule.
    pub fn check_in(&self, text: &str) -> Result<(), ConfigError> {
        self.keeps_rules(text, Documents::Read)
    }

    fn keeps_rules(&self, text: &str, documents: Documents) -> Result<(), ConfigError> {
        match self.first_broken_rule(documents) {
            None => Ok(()),
            Some(broken) => Err(ConfigError::at(text, span_of(text, &broken.path), broken.message)),
        }
    }

    /// Whether a configuration that was put together keeps every rule; what is wrong when it does not.
    pub fn check(&self) -> Result<(), String> {
        self.first_broken_rule(Documents::Read).map_or(Ok(()), |broken| Err(broken.message))
    }

    fn first_broken_rule(&self, documents: Documents) -> Option<Broken> {
        let mut names = BTreeSet::new();
        for (n, target) in self.targets.iter().enumerate() {
            let at = |key| vec![Step::Key("target"), Step::Index(n), Step::Key(key)];
            if !names.insert(&target.name) {
                let message = format!("target {:?} is there twice: names must differ", target.name.as_str());
                return Some(Broken { path: at("name"), message });
            }
            if let Some((key, message)) = target.broken_rule() {
                return Some(Broken { path: at(key), message });
            }
            if let Some((key, place, message)) = target.broken_entry() {
                return Some(Broken { path: at(key).into_iter().chain([Step::Index(place)]).collect(), message });
            }
        }
        if let Some((place, message)) = first_twice(&self.agents) {
            return Some(Broken { path: vec![Step::Key("agents"), Step::Index(place)], message });
        }
        if !self.profiles.contains_key(&self.profile) {
            let known: Vec<&str> = self.profiles.keys().map(|name| name.as_str()).collect();
            let message = format!("no profile {:?}; there are: {}", self.profile.as_str(), known.join(", "));
            return Some(Broken { path: vec![Step::Key("profile")], message });
        }
        for (name, profile) in &self.profiles {
            let at = |key| vec![Step::Key("profiles"), Step::Named(name.to_string()), Step::Key(key)];
            if let Some(n) = profile.targets.iter().position(|target| self.target(target).is_none()) {
                let message = self.no_target(&profile.targets[n]);
                return Some(Broken { path: at("targets").into_iter().chain([Step::Index(n)]).collect(), message });
            }
            if let Some((n, message)) = first_twice(&profile.targets) {
                return Some(Broken { path: at("targets").into_iter().chain([Step::Index(n)]).collect(), message });
            }
            // A figure must be below its limit, and nothing is below 0.
            let limits = [
                ("latency_p95", profile.latency_p95.0, "0s"),
                ("error_rate", profile.error_rate.0, "0%"),
                ("staleness", profile.staleness.0, "0s"),
            ];
            if let Some((key, _, zero)) = limits.into_iter().find(|(_, limit, _)| *limit == 0) {
                return Some(Broken { path: at(key), message: format!("{key} must be more than {zero}") });
            }
            if let Some((key, message)) = profile.broken_warning() {
                return Some(Broken { path: at(key), message });
            }
            if let Some((places, message)) = profile.broken_gate_rule(self, documents) {
                let profile = [Step::Key("profiles"), Step::Named(name.to_string())];
                let path = profile.into_iter().chain(places.into_iter().map(Step::from)).collect();
                return Some(Broken { path, message });
            }
        }
        if let Some(broken) = self.broken_rule_of_objectives() {
            return Some(broken);
        }
        if let Some(broken) = self.broken_rule_of_maintenances().or_else(|| self.broken_rule_of_service_hours()) {
            return Some(broken);
        }
        if let Some((key, message)) = self.canary.broken_rule() {
            return Some(Broken { path: vec![Step::Key("canary"), Step::Key(key)], message });
        }
        self.probe
            .broken_rule()
            .map(|(key, message)| Broken { path: vec![Step::Key("probe"), Step::Key(key)], message })
    }
}

impl super::Probe {
    fn broken_rule(&self) -> Option<(&'static str, String)> {
        if self.concurrency == 0 {
            return Some(("concurrency", "concurrency must be at least 1".to_owned()));
        }
        if self.outbox_bytes_max < 1024 * 1024 {
            return Some(("outbox_bytes_max", "outbox_bytes_max must be at least 1048576 (1 MiB)".to_owned()));
        }
        if self.linger > DurationUs::from_secs(10) {
            return Some(("linger", "linger must be at most 10s".to_owned()));
        }
        None
    }
}

impl super::Profile {
    /// A warning comes before its limit is reached.
    fn broken_warning(&self) -> Option<(&'static str, String)> {
        let warnings = [
            ("warn_latency_p95", self.warn_latency_p95.map(|warn| warn.0), self.latency_p95.0, "latency_p95"),
            ("warn_error_rate", self.warn_error_rate.map(|warn| warn.0), self.error_rate.0, "error_rate"),
            ("warn_staleness", self.warn_staleness.map(|warn| warn.0), self.staleness.0, "staleness"),
        ];
        let is_broken = |warn: Option<u64>, limit| warn.is_some_and(|warn| warn == 0 || warn >= limit);
        let (key, _, _, limit) = warnings.into_iter().find(|(_, warn, limit, _)| is_broken(*warn, *limit))?;
        Some((key, format!("{key} must be more than 0 and less than {limit}")))
    }
}

impl Target {
    /// The first rule the target breaks by itself: the key and what is wrong with it.
    fn broken_rule(&self) -> Option<(&'static str, String)> {
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
    fn broken_entry(&self) -> Option<(&'static str, usize, String)> {
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

pub(super) fn first_twice<T: PartialEq + fmt::Display>(list: &[T]) -> Option<(usize, String)> {
    let (place, one) = list.iter().enumerate().find(|(place, one)| list[..*place].contains(one))?;
    Some((place, format!("\"{one}\" is there twice")))
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

/// The first dot that is one too many in its key.
fn deep_key(text: &str) -> Option<Range<usize>> {
    let mut dots = 0;
    let dot = Source::new(text).lex().find(|token| {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            // A part of a key, or the space around it.
            TokenKind::Atom | TokenKind::Whitespace | TokenKind::BasicString | TokenKind::LiteralString => {}
            _ => dots = 0,
        }
        dots > KEY_DOTS_MAX
    })?;
    Some(dot.span().start()..dot.span().end())
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

/// The parser speaks of the program's types; people write TOML.
fn in_plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 12] = [
        ("map, expected a sequence", "a single table, expected a list of tables: write [[…]] in double brackets"),
        ("expected a sequence", "expected a list in brackets"),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected a boolean", "expected true or false"),
        ("expected a string", "expected a text in quotes"),
        (": map,", ": a table,"),
        (": sequence,", ": a list,"),
        (": integer `", ": the number `"),
        (": floating point `", ": the number `"),
        (": string \"", ": the text \""),
    ];
    let message = message.trim().to_owned();
    let message = WORDS.into_iter().fold(message, |message, (theirs, plain)| message.replace(theirs, plain));
    match message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: ")) {
        Some(found_and_expected) => format!("this is {found_and_expected}"),
        None => message,
    }
}

/// Where in `text` the value at `path` stands, or the closest thing to it that is there.
fn span_of(text: &str, path: &[Step]) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let mut span = None;
    let mut value: Option<&DeValue<'_>> = None;
    for (depth, step) in path.iter().enumerate() {
        let next = match (step, value) {
            (Step::Key(key), None) if depth == 0 => table.get_ref().get(*key),
            (Step::Key(key), Some(DeValue::Table(table))) => table.get(*key),
            (Step::Named(key), Some(DeValue::Table(table))) => table.get(key.as_str()),
            (Step::Index(n), Some(DeValue::Array(array))) => array.get(*n),
            _ => None,
        };
        let Some(next) = next else { break };
        span = Some(next.span());
        value = Some(next.get_ref());
    }
    span
}
