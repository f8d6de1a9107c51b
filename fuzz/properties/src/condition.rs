//! The conditions on an HTTP answer: read from the configuration's texts, and judged of what a server says.

use serde_json::{Number, Value};
use spark_core::config::{HeaderCondition, JsonCondition, JsonPath, Pattern, StatusRange, StatusRanges, contains};

/// Six lines are conditions, the rest is the answer: statuses (`200,301-302`), a pattern, a text, a JSON path, a value
/// in JSON, the least and the largest number. Whatever they are, they are read or refused, and what was read is judged.
pub fn condition(bytes: &[u8]) {
    let mut lines = bytes.splitn(7, |byte| *byte == b'\n');
    let [status_line, pattern, wanted, path, value, bounds] =
        [(); 6].map(|()| lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default());
    let answer = lines.next().unwrap_or_default();

    statuses(status_line);
    let pattern = read_pattern(pattern);
    text(wanted, answer);
    header(wanted, pattern.as_ref(), answer);
    if let Some(path) = read_path(path) {
        let mut bounds = bounds.splitn(2, ' ').map(|bound| serde_json::from_str::<Number>(bound).ok());
        let condition = JsonCondition {
            path,
            equals: serde_json::from_str(value).ok(),
            min: bounds.next().flatten(),
            max: bounds.next().flatten(),
        };
        if let Ok(body) = serde_json::from_slice(answer) {
            json(&condition, &body);
        }
    }
}

fn statuses(line: &str) {
    let ranges = StatusRanges(line.split(',').filter_map(|text| text.parse().ok()).collect());
    for range in &ranges.0 {
        assert!(100 <= range.first && range.first <= range.last && range.last <= 599);
        assert_eq!(range.to_string().parse::<StatusRange>().as_ref(), Ok(range));
    }
    for status in [0, 99, 100, 200, 204, 299, 301, 404, 599, 600, u16::MAX] {
        let is_good = ranges.0.iter().any(|range| range.first <= status && status <= range.last);
        assert_eq!(ranges.contains(status), is_good, "{status} of {ranges}");
    }
}

fn read_pattern(text: &str) -> Option<Pattern> {
    match text.parse::<Pattern>() {
        Ok(pattern) => {
            assert_eq!((pattern.as_str(), pattern.to_string().as_str()), (text, text));
            Some(pattern)
        }
        Err(error) => {
            is_one_line(&error.to_string(), text);
            None
        }
    }
}

fn read_path(text: &str) -> Option<JsonPath> {
    match text.parse::<JsonPath>() {
        Ok(path) => {
            assert_eq!(path.to_string(), text);
            Some(path)
        }
        Err(error) => {
            is_one_line(&error.to_string(), text);
            None
        }
    }
}

fn text(wanted: &str, answer: &[u8]) {
    if let Ok(answer) = std::str::from_utf8(answer) {
        assert_eq!(contains(answer.as_bytes(), wanted.as_bytes()), answer.contains(wanted));
    }
}

/// The answer's lines are the values of one header.
fn header(wanted: &str, pattern: Option<&Pattern>, answer: &[u8]) {
    let there = HeaderCondition { name: "x".to_owned(), equals: None, contains: None, matches: None };
    let equals = HeaderCondition { equals: Some(wanted.to_owned()), ..there.clone() };
    let contains = HeaderCondition { contains: Some(wanted.to_owned()), ..there.clone() };
    let matches = HeaderCondition { matches: pattern.cloned(), ..there.clone() };
    let all = HeaderCondition { equals: equals.equals.clone(), contains: contains.contains.clone(), ..matches.clone() };

    let said = all.to_string();
    let values = || answer.split(|byte| *byte == b'\n');
    let is_met = |condition: &HeaderCondition| {
        assert!(condition.broken(std::iter::empty()).is_some(), "no header meets no condition");
        let broken = condition.broken(values());
        broken.iter().for_each(|sentence| is_one_line(sentence, &said));
        broken.is_none()
    };
    assert!(is_met(&there));
    assert_eq!(is_met(&equals), values().any(|value| value == wanted.as_bytes()));
    assert_eq!(is_met(&contains), values().any(|value| spark_core::config::contains(value, wanted.as_bytes())));
    assert_eq!(is_met(&matches), values().any(|value| pattern.is_none_or(|pattern| pattern.is_in(value))));
    assert!(!is_met(&all) || [equals, contains, matches].iter().all(is_met), "all of it means each of it");
}

fn json(condition: &JsonCondition, body: &Value) {
    let said = format!("{condition}");
    let is_met = |condition: &JsonCondition| {
        let broken = condition.broken(body);
        broken.iter().for_each(|sentence| is_one_line(sentence, &said));
        broken.is_none()
    };
    let there = JsonCondition { path: condition.path.clone(), equals: None, min: None, max: None };
    let each = [
        there.clone(),
        JsonCondition { equals: condition.equals.clone(), ..there.clone() },
        JsonCondition { min: condition.min.clone(), ..there.clone() },
        JsonCondition { max: condition.max.clone(), ..there },
    ];
    assert_eq!(is_met(condition), each.iter().all(is_met), "a condition holds when each of its parts does: {said}");

    let itself = JsonCondition { path: "$".parse().unwrap(), equals: Some(body.clone()), min: None, max: None };
    assert_eq!(itself.broken(body), None, "everything equals itself");
    if let Value::Number(number) = body {
        let bounded = JsonCondition { min: Some(number.clone()), max: Some(number.clone()), ..itself };
        assert_eq!(bounded.broken(body), None, "a number is within itself");
    }
}

/// Sentences go to terminals and logs: what a server sent can't break a line there, or say something to the terminal.
fn is_one_line(sentence: &str, configured: &str) {
    assert!(!sentence.is_empty());
    let breaks = |text: &str| text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    assert!(breaks(configured) || !breaks(sentence), "{sentence:?}");
    // What a server sent is cut short; a message of the parsers may quote what is configured more than once.
    let shown_at_most = 1_000 + 12 * configured.len();
    assert!(sentence.len() <= shown_at_most, "{} bytes: {sentence:?}", sentence.len());
}
