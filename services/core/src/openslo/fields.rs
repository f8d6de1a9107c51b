//! Values of documents as what they are meant to be. A mapping that has a key nobody asks for is refused.

use spark_schemas::Name;

use super::yaml::{Key, Node, Value};
use super::{Place, Refused, shown};
use crate::units::parse_decimal;

/// OpenSLO's bound on descriptions, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1_050;

/// A mapping, with the only keys it may have.
pub(super) struct Fields<'a> {
    pub at: Place,
    what: &'static str,
    entries: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// `what` names the mapping in messages.
    pub fn of(node: &'a Node, what: &'static str, allowed: &[&str]) -> Result<Self, Refused> {
        let entries = node.mapping(what)?;
        match entries.iter().find(|(key, _)| !allowed.contains(&key.text.as_str())) {
            Some((key, _)) => {
                let allowed = allowed.join(", ");
                Err(key.at.refused(format!("unknown key {} in {what}; there are: {allowed}", shown(&key.text))))
            }
            None => Ok(Self { at: node.at, what, entries }),
        }
    }

    /// The value of a key that may be left out; one without a value is.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(there, _)| there.text == key).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    pub fn need(&self, key: &str) -> Result<&'a Node, Refused> {
        let place = || self.entries.iter().find(|(there, _)| there.text == key).map_or(self.at, |(there, _)| there.at);
        self.get(key).ok_or_else(|| place().refused(format!("{key} is missing in {}", self.what)))
    }

    /// A key that OpenSLO has and Spark can't follow: never passed over.
    pub fn refuse(&self, key: &str, why: &str) -> Result<(), Refused> {
        match self.entries.iter().find(|(there, node)| there.text == key && !node.is_null()) {
            Some((there, _)) => Err(there.at.refused(format!("{key}: {why}"))),
            None => Ok(()),
        }
    }

    /// A text for people, bounded as OpenSLO has it.
    pub fn description(&self) -> Result<Option<&'a str>, Refused> {
        let Some(node) = self.get("description") else { return Ok(None) };
        let text = node.text("description")?;
        if text.chars().count() > DESCRIPTION_CHARS_MAX {
            return Err(node.at.refused(format!("a description has at most {DESCRIPTION_CHARS_MAX} characters")));
        }
        Ok(Some(text))
    }

    pub fn optional_text(&self, key: &str) -> Result<Option<&'a str>, Refused> {
        self.get(key).map(|node| node.text(key)).transpose()
    }

    /// One key of two, and which.
    pub fn one_of(&self, keys: [&'static str; 2]) -> Result<(&'static str, &'a Node), Refused> {
        let [a, b] = keys;
        match (self.get(a), self.get(b)) {
            (Some(node), None) => Ok((a, node)),
            (None, Some(node)) => Ok((b, node)),
            (Some(_), Some(_)) => Err(self.at.refused(format!("{} has either {a} or {b}, not both", self.what))),
            (None, None) => Err(self.at.refused(format!("{} needs {a} or {b}", self.what))),
        }
    }
}

impl Node {
    /// Nothing, as YAML's core schema writes it.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true } if is_null(text))
    }

    pub fn mapping(&self, what: &str) -> Result<&[(Key, Self)], Refused> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(self.at.refused(format!("{what} must be a mapping of keys to values"))),
        }
    }

    pub fn list(&self, what: &str) -> Result<&[Self], Refused> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.at.refused(format!("{what} must be a list"))),
        }
    }

    /// The only item of a list.
    pub fn only_item(&self, what: &str) -> Result<&Self, Refused> {
        match self.list(what)? {
            [item] => Ok(item),
            items => Err(self.at.refused(format!("{what} must have exactly one item, not {}", items.len()))),
        }
    }

    pub fn text(&self, what: &str) -> Result<&str, Refused> {
        match &self.value {
            Value::Scalar { text, is_plain } if !is_plain || !is_other_than_text(text) => Ok(text),
            Value::Scalar { text, .. } => {
                Err(self.at.refused(format!("{what} must be a text; {} is none: put it in quotes", shown(text))))
            }
            _ => Err(self.at.refused(format!("{what} must be a text"))),
        }
    }

    pub fn name(&self, what: &str) -> Result<Name, Refused> {
        Name::new(self.text(what)?).map_err(|error| self.at.refused(format!("{what}: {error}")))
    }

    pub fn boolean(&self, what: &str) -> Result<bool, Refused> {
        match &self.value {
            Value::Scalar { text, is_plain: true } if matches!(text.as_str(), "true" | "True" | "TRUE") => Ok(true),
            Value::Scalar { text, is_plain: true } if matches!(text.as_str(), "false" | "False" | "FALSE") => Ok(false),
            _ => Err(self.at.refused(format!("{what} must be true or false"))),
        }
    }

    /// A number as a whole number of 10^-`places`. Read digit by digit: what is promised must not be rounded.
    pub fn decimal(&self, what: &str, places: usize) -> Result<u64, Refused> {
        let number = match &self.value {
            Value::Scalar { text, is_plain: true } => parse_decimal(text, places),
            _ => None,
        };
        number.ok_or_else(|| {
            let form = format!("digits without quotes, sign or exponent, at most {places} of them after the point");
            self.at.refused(format!("{what} must be a number: {form}"))
        })
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// What a plain scalar means in YAML's core schema, if not a text.
fn is_other_than_text(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.parse::<f64>().is_ok();
    let is_based = |prefix: &str, radix| {
        text.strip_prefix(prefix).is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)))
    };
    let is_word = is_null(text)
        || matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
        || matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    is_word || is_number || is_based("0x", 16) || is_based("0o", 8)
}
