//! Conditions on an answer: texts, patterns and JSON paths, compiled when the configuration is read, and judged here.
//!
//! A judgement is a pure function of what came: it gives the first sentence of what does not hold.

use std::fmt;
use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::json_path::JsonPath;
use crate::units::as_text;

/// What one compiled pattern may take, and its matching may cache, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
const PATTERN_CACHE_BYTES_MAX: usize = 256 * 1024;
/// How much of a value a sentence repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// A regular expression (the syntax of the `regex` crate: linear time, no look-around) over bytes of UTF-8.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let mut builder = RegexBuilder::new(text);
        let built = builder.size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_CACHE_BYTES_MAX).build();
        built.map(Self).map_err(|error| PatternError(last_line(&error.to_string())))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Pattern {
    /// Whether it is found anywhere in `text`.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// The text is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a regular expression ({0}): write one such as \"^ok\", in the syntax of Rust's regex crate")]
pub struct PatternError(String);

/// The parser draws the place over several lines and ends with what is wrong.
fn last_line(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

as_text!(Pattern: "a regular expression in quotes, such as \"^ok\"");

/// What a response header must be. Everything given must hold of one of the header's values; nothing given: it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderCondition {
    /// The header's name, in any case.
    pub name: String,
    /// The whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// A text in the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A pattern in the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Pattern>,
}

impl HeaderCondition {
    /// What does not hold of `values`, all values under this name.
    pub fn broken<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
        let mut first = None;
        for value in values {
            if self.is_met(value) {
                return None;
            }
            first.get_or_insert(value);
        }
        Some(match first {
            None => format!("there is no header {}", self.name),
            Some(value) => {
                let is = shown(&String::from_utf8_lossy(value));
                format!("header {} is {is}, expected that it {}", self.name, self.wanted())
            }
        })
    }

    /// Whether no value could ever meet it.
    pub(super) fn contradicts_itself(&self) -> bool {
        self.equals.as_ref().is_some_and(|wanted| !self.is_met(wanted.as_bytes()))
    }

    fn is_met(&self, value: &[u8]) -> bool {
        self.equals.as_ref().is_none_or(|wanted| value == wanted.as_bytes())
            && self.contains.as_ref().is_none_or(|wanted| contains(value, wanted.as_bytes()))
            && self.matches.as_ref().is_none_or(|pattern| pattern.is_in(value))
    }

    fn wanted(&self) -> String {
        let equals = self.equals.as_ref().map(|text| format!("equals {text:?}"));
        let contains = self.contains.as_ref().map(|text| format!("contains {text:?}"));
        let matches = self.matches.as_ref().map(|pattern| format!("matches {:?}", pattern.as_str()));
        let all: Vec<String> = [equals, contains, matches].into_iter().flatten().collect();
        if all.is_empty() { "is there".to_owned() } else { all.join(" and ") }
    }
}

impl fmt::Display for HeaderCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header {} {}", self.name, self.wanted())
    }
}

/// Whether `text` has `wanted` in it.
pub fn contains(text: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(text, wanted).is_some()
}

/// What a JSON body must say at a path. The path must lead to at least one value, and everything given must hold of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonCondition {
    /// Where to look.
    pub path: JsonPath,
    /// The value: text, number, true or false, list or table. Numbers are compared as numbers: 1 is 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// The largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
}

impl JsonCondition {
    /// What does not hold of `body`.
    pub fn broken(&self, body: &Value) -> Option<String> {
        let path = &self.path;
        let found = self.path.query(body);
        if found.is_empty() {
            return Some(format!("nothing is at {path}"));
        }
        let bad = found.iter().find(|value| !self.is_met(value))?;
        Some(format!("{path} is {}, expected that it {}", shown(&bad.to_string()), self.wanted()))
    }

    /// Whether no value could ever meet it.
    pub(super) fn contradicts_itself(&self) -> bool {
        let is_empty = match (&self.min, &self.max) {
            (Some(min), Some(max)) => compare(&Value::Number(min.clone()), max) == Some(std::cmp::Ordering::Greater),
            _ => false,
        };
        is_empty || self.equals.as_ref().is_some_and(|wanted| !self.is_met(wanted))
    }

    fn is_met(&self, value: &Value) -> bool {
        use std::cmp::Ordering::{Greater, Less};
        let is_bounded = |bound: Option<&Number>, wrong| {
            bound.is_none_or(|bound| compare(value, bound).is_some_and(|order| order != wrong))
        };
        self.equals.as_ref().is_none_or(|wanted| is_same(value, wanted))
            && is_bounded(self.min.as_ref(), Less)
            && is_bounded(self.max.as_ref(), Greater)
    }

    fn wanted(&self) -> String {
        let equals = self.equals.as_ref().map(|value| format!("equals {value}"));
        let min = self.min.as_ref().map(|bound| format!("is at least {bound}"));
        let max = self.max.as_ref().map(|bound| format!("is at most {bound}"));
        let all: Vec<String> = [equals, min, max].into_iter().flatten().collect();
        if all.is_empty() { "is there".to_owned() } else { all.join(" and ") }
    }
}

impl fmt::Display for JsonCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.wanted())
    }
}

fn compare(value: &Value, bound: &Number) -> Option<std::cmp::Ordering> {
    let Value::Number(number) = value else { return None };
    match (number.as_i128(), bound.as_i128()) {
        (Some(number), Some(bound)) => Some(number.cmp(&bound)),
        _ => number.as_f64()?.partial_cmp(&bound.as_f64()?),
    }
}

fn is_same(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Number(_), Value::Number(wanted)) => compare(value, wanted) == Some(std::cmp::Ordering::Equal),
        (Value::Array(values), Value::Array(wanted)) => {
            values.len() == wanted.len() && values.iter().zip(wanted).all(|(value, wanted)| is_same(value, wanted))
        }
        (Value::Object(values), Value::Object(wanted)) => {
            let is_same_at = |(key, wanted)| values.get(key).is_some_and(|value| is_same(value, wanted));
            values.len() == wanted.len() && wanted.iter().all(is_same_at)
        }
        _ => value == wanted,
    }
}

/// At most the first characters, in one line, with nothing in it that a terminal would obey.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    let quoted = format!("{short:?}");
    // A text of JSON and an entity tag bring their own quotes and backslashes, but not all that needs one.
    match short.starts_with('"') {
        true => quoted[1..quoted.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\"),
        false => quoted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json_condition(path: &str, wanted: Value) -> JsonCondition {
        let mut condition = json!({ "path": path });
        condition.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
        serde_json::from_value(condition).unwrap()
    }

    #[test]
    fn json_is_compared_by_value() {
        let body =
            json!({"status": "UP", "n": 3, "share": 0.5, "parts": [{"ok": true}, {"ok": true}], "big": u64::MAX});
        for (path, wanted) in [
            ("$.status", json!({})),
            ("$.status", json!({"equals": "UP"})),
            ("$.n", json!({"equals": 3.0, "min": 3, "max": 3.5})),
            ("$.share", json!({"min": 0.25, "max": 1})),
            ("$.parts[*].ok", json!({"equals": true})),
            ("$.parts", json!({"equals": [{"ok": true}, {"ok": true}]})),
            ("$.big", json!({"min": u64::MAX, "equals": u64::MAX})),
            ("$[?@ == 'UP']", json!({})),
        ] {
            assert_eq!(json_condition(path, wanted.clone()).broken(&body), None, "{path} {wanted}");
        }
        for (path, wanted, sentence) in [
            ("$.missing", json!({}), "nothing is at $.missing"),
            ("$.status", json!({"equals": "DOWN"}), "$.status is \"UP\", expected that it equals \"DOWN\""),
            ("$.n", json!({"min": 4}), "$.n is \"3\", expected that it is at least 4"),
            ("$.status", json!({"max": 4}), "$.status is \"UP\", expected that it is at most 4"),
            ("$.big", json!({"max": u64::MAX - 1}), "is at most 18446744073709551614"),
            ("$.parts[*].ok", json!({"equals": 1}), "$.parts[*].ok is \"true\", expected that it equals 1"),
        ] {
            let broken = json_condition(path, wanted.clone()).broken(&body).unwrap();
            assert!(broken.contains(sentence), "{path} {wanted}: {broken}");
        }
    }

    #[test]
    fn one_of_a_headers_values_must_meet_the_whole_condition() {
        let condition = |wanted: Value| serde_json::from_value::<HeaderCondition>(wanted).unwrap();
        let broken =
            |condition: &HeaderCondition, values: &[&str]| condition.broken(values.iter().map(|v| v.as_bytes()));
        let json = condition(json!({"name": "content-type", "contains": "json", "matches": "^application/"}));
        assert_eq!(broken(&json, &["text/plain", "application/json"]), None);
        let sentence =
            "header content-type is \"text/json\", expected that it contains \"json\" and matches \"^application/\"";
        assert_eq!(broken(&json, &["text/json", "application/xml"]).unwrap(), sentence);
        assert_eq!(broken(&json, &[]).unwrap(), "there is no header content-type");
        assert_eq!(broken(&condition(json!({"name": "a", "equals": "b"})), &["b"]), None);
        assert!(broken(&condition(json!({"name": "a", "equals": "b"})), &["B"]).is_some());
        assert_eq!(broken(&condition(json!({"name": "a"})), &[""]), None);
    }

    #[test]
    fn a_sentence_is_one_line_whatever_was_sent() {
        let body = json!({"s": "a\"b\\ \n\u{85}\u{9b}2J\u{2028}\u{7f}ü"});
        let broken = json_condition("$.s", json!({"equals": 1})).broken(&body).unwrap();
        let shown = r#"$.s is "a\"b\\ \n\u{85}\u{9b}2J\u{2028}\u{7f}ü", expected"#;
        assert!(broken.starts_with(shown), "{broken}");
        let etag = serde_json::from_value::<HeaderCondition>(json!({"name": "etag", "equals": "x"})).unwrap();
        let broken = |value: &str| etag.broken([value.as_bytes()].into_iter()).unwrap();
        assert!(broken("\"a\u{9b}\tü\"").starts_with(r#"header etag is "a\u{9b}\tü", expected"#));
        assert!(broken("\u{85}").starts_with(r#"header etag is "\u{85}", expected"#));
    }
}
