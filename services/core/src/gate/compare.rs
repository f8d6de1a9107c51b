//! What differs between two values, such as a recorded decision and the one made again: field by field, by name.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::json;

/// The keys by which entries of a list are told apart; the first that an entry has counts.
const NAMES: [&str; 4] = ["id", "name", "check", "partition"];

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which, such as `checks[ui.up].verdict`.
    pub field: String,
    /// What the first has, as JSON; `None` when it lacks the field.
    pub before: Option<Value>,
    /// What the second has.
    pub after: Option<Value>,
}

/// Every field in which `after` differs from `before`, in their order.
pub fn differences<T: Serialize>(before: &T, after: &T) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(&json::tree(before)), Some(&json::tree(after)), &mut found);
    found
}

fn compare(field: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let below = |key: &str| if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") };
            let added = after.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(added) {
                compare(below(key), before.get(key), after.get(key), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if !before.is_empty() && !after.is_empty() => {
            let (before, after) = (labelled(before), labelled(after));
            let added = after.iter().filter(|(label, _)| find(label, &before).is_none());
            for (label, _) in before.iter().chain(added) {
                compare(format!("{field}[{label}]"), find(label, &before), find(label, &after), found);
            }
        }
        (before, after) => found.push(Difference { field, before: before.cloned(), after: after.cloned() }),
    }
}

fn find<'a>(label: &str, among: &[(String, &'a Value)]) -> Option<&'a Value> {
    among.iter().find(|(other, _)| other == label).map(|(_, entry)| *entry)
}

/// Each entry with its name, or where it has none with its place; all with their places where a name is there twice.
fn labelled(entries: &[Value]) -> Vec<(String, &Value)> {
    let named = |entry: &Value| {
        NAMES.into_iter().find_map(|key| match entry.get(key)? {
            Value::String(name) => Some(name.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let labels: Vec<String> =
        entries.iter().enumerate().map(|(n, entry)| named(entry).unwrap_or_else(|| n.to_string())).collect();
    let is_unique = labels.iter().collect::<BTreeSet<_>>().len() == labels.len();
    let label = |(n, label): (usize, String)| if is_unique { label } else { n.to_string() };
    labels.into_iter().enumerate().map(label).zip(entries).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_field_and_entry() {
        let before = json!({"verdict": "pass", "checks": [{"id": "a", "observed": 1}, {"id": "b"}], "list": [1, 2]});
        let after =
            json!({"verdict": "pass", "checks": [{"id": "b"}, {"id": "a", "observed": 2}], "list": [1], "new": 1});
        let found = differences(&before, &after);
        let texts: Vec<String> =
            found.iter().map(|one| format!("{} {:?} {:?}", one.field, one.before, one.after)).collect();
        assert_eq!(
            texts,
            [
                "checks[a].observed Some(Number(1)) Some(Number(2))",
                "list[1] Some(Number(2)) None",
                "new None Some(Number(1))"
            ]
        );
        assert_eq!(differences(&before, &before), []);
    }

    #[test]
    fn an_entry_hides_behind_none_of_its_name() {
        let before = json!({"checks": [{"id": "a", "verdict": "pass"}, {"id": "a", "verdict": "fail"}]});
        let after = json!({"checks": [{"id": "a", "verdict": "pass"}]});
        assert_ne!(differences(&before, &after), []);
        assert_ne!(differences(&after, &before), []);
    }
}
