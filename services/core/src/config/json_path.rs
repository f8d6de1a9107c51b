//! Paths into JSON values. They are read only when their shape says that a query looks at each value a few times at most:
//! the body is a server's, and may be long.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use serde_json_path::{JsonPath as ParsedPath, NodeList};

use crate::units::as_text;

/// Longer or deeper paths are refused unparsed: the parser takes time and stack for every level.
const CHARS_MAX: usize = 500;
const LEVELS_MAX: usize = 8;
/// Each `..` looks at every node below: two of them at every pair.
const DESCENTS_MAX: usize = 1;
/// A `$` in a filter looks at the whole body again, for every value that is filtered.
const ROOTS_MAX: usize = 1;
/// Lists of selectors, such as `[0,0]`, multiply from bracket to bracket.
const CHOICES_MAX: usize = 32;

/// A path into a JSON value (RFC 9535, JSONPath).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    parsed: ParsedPath,
}

impl JsonPath {
    /// The values that it leads to, in order; one may be there more than once.
    pub(super) fn query<'a>(&self, body: &'a Value) -> NodeList<'a> {
        self.parsed.query(body)
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, JsonPathError> {
        let levels = text.bytes().filter(|b| b"([!".contains(b)).count();
        let descents = text.matches("..").count();
        let signs = without_quoted(text);
        let roots = signs.matches('$').count();
        if text.chars().count() > CHARS_MAX
            || levels > LEVELS_MAX
            || descents > DESCENTS_MAX
            || roots > ROOTS_MAX
            || choices(&signs) > CHOICES_MAX
        {
            return Err(JsonPathError(format!(
                "at most {CHARS_MAX} characters, {LEVELS_MAX} brackets, {DESCENTS_MAX} `..`, \
                 {ROOTS_MAX} `$`, and lists of selectors for {CHOICES_MAX} ways in all"
            )));
        }
        match ParsedPath::parse(text) {
            Ok(parsed) => Ok(Self { text: text.to_owned(), parsed }),
            Err(error) => Err(JsonPathError(format!("at character {}: {}", error.position() + 1, error.message()))),
        }
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A path without the texts in quotes, which may hold any sign.
fn without_quoted(path: &str) -> String {
    let mut quote = None;
    let mut is_escaped = false;
    path.chars()
        .filter(|c| match quote {
            None => {
                quote = Some(*c).filter(|c| matches!(c, '"' | '\''));
                quote.is_none()
            }
            Some(end) => {
                if *c == end && !is_escaped {
                    quote = None;
                }
                is_escaped = *c == '\\' && !is_escaped;
                false
            }
        })
        .collect()
}

/// In how many ways at most a path's lists of selectors lead to one value.
fn choices(signs: &str) -> usize {
    let mut open = Vec::new();
    let mut choices = 1_usize;
    for sign in signs.chars() {
        match sign {
            '[' | '(' => open.push((sign, 1)),
            ',' => {
                if let Some((_, ways)) = open.last_mut() {
                    *ways += 1;
                }
            }
            ']' | ')' => {
                if let Some(('[', ways)) = open.pop() {
                    choices = choices.saturating_mul(ways);
                }
            }
            _ => {}
        }
    }
    choices
}

as_text!(JsonPath: "a JSON path in quotes, such as \"$.status\"");

/// The text is no JSON path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON path of RFC 9535 ({0}): write one such as \"$.status\" or \"$.items[0].name\"")]
pub struct JsonPathError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_not_make_its_parser_work_for_long() {
        let deep = format!("$[?{}@.a{}]", "(".repeat(7), ")".repeat(7));
        assert!(deep.parse::<JsonPath>().is_ok());
        for text in [format!("$[?{}@.a", "(".repeat(200)), "[".repeat(400), format!("$.{}", "a".repeat(500))] {
            assert!(text.parse::<JsonPath>().is_err());
        }
        assert!("$..price".parse::<JsonPath>().is_ok());
        for text in ["$..*..*", "$..a..b"] {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_looks_at_each_value_a_few_times_at_most() {
        let many = ["$[?$[?@ == 1]]", "$[?count($..a) > 1]", "$[?@.a == $.a]", "$[0,0,0][0,0,0][0,0,0][0,0,0]"];
        for text in many.map(str::to_owned).into_iter().chain([format!("$[{}]", vec!["*"; 33].join(","))]) {
            let error = text.parse::<JsonPath>().unwrap_err().to_string();
            assert!(error.contains("1 `$`, and lists of selectors for 32 ways"), "{error}");
        }
        for text in ["$['$', \"$,'$\\\"$\"]", "$[?@.a == '$']", "$.a['b','c'][0,1,2,3,4]", "$[?@[0,1]]['$,\\'$,']"] {
            assert!(text.parse::<JsonPath>().is_ok(), "{text}");
        }
    }
}
