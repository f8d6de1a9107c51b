//! From TOML text to a configuration that keeps every rule; errors name line and column, what is wrong and what would do.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::Config;
use super::gate::Documents;
use crate::units::DurationUs;

/// Each dot is one more table in a table, of which the parser bounds only those in brackets: they took all of the stack.
const KEY_DOTS_MAX: usize = 8;

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
            if let Some(Broken { path, message }) = profile.broken_gate_rule(self, documents) {
                let profile = [Step::Key("profiles"), Step::Named(name.to_string())];
                return Some(Broken { path: profile.into_iter().chain(path).collect(), message });
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
        if let Some((key, message)) = self.report.broken_rule() {
            return Some(Broken { path: vec![Step::Key("report"), Step::Key(key)], message });
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

pub(super) fn first_twice<T: PartialEq + fmt::Display>(list: &[T]) -> Option<(usize, String)> {
    let (place, one) = list.iter().enumerate().find(|(place, one)| list[..*place].contains(one))?;
    Some((place, format!("\"{one}\" is there twice")))
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
