//! The page and the Markdown: all that report.json holds, nothing that it does not, and safe whatever was said.

use serde_json::Value;
use spark_core::report::Report;
use spark_schemas::event::Note;

use crate::said::eventful;
use crate::world::{World, at};

const DAY_MINUTES: u64 = 24 * 60;

/// Other values that a field of JSON could have.
fn others(value: &Value) -> Vec<Value> {
    let Value::String(text) = value else {
        return match value {
            Value::Bool(is) => vec![Value::Bool(!is)],
            Value::Number(number) => vec![Value::from(number.as_u64().unwrap() + 1)],
            _ => Vec::new(),
        };
    };
    let number = text.parse::<i64>().map(|number| (number + 1).to_string());
    let words = [
        "2026-11-19",
        "2026-11-20T03:03:03Z",
        "LOW",
        "HIGH",
        "demo",
        "judged",
        "pass",
        "fail",
        "no_data",
        "firing",
        "pending",
        "obs",
        "ctl",
        "mock",
        "real",
        "timeout",
        "dns",
        "late",
        "not_running",
        "maintenance",
        "schedule",
    ];
    let candidates = number.into_iter().chain(words.map(str::to_owned)).chain([format!("{text}x")]);
    candidates.filter(|other| other != text).map(Value::String).collect()
}

fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().enumerate().for_each(|(n, one)| leaves(one, &format!("{path}/{n}"), found)),
        Value::Object(map) => map.iter().for_each(|(key, one)| leaves(one, &format!("{path}/{key}"), found)),
        Value::Null => {}
        _ => found.push(path.to_owned()),
    }
}

fn with_amendments() -> Report {
    let mut world = eventful();
    world.heartbeat(at(DAY_MINUTES + 6));
    world.minute_received(700, at(DAY_MINUTES + 7), |_| spark_schemas::event::Outcome::Fail);
    world.reports().pop().unwrap()
}

#[test]
fn every_value_of_the_json_is_on_the_page() {
    for report in [eventful().first_day(), with_amendments()] {
        let json: Value = serde_json::from_slice(&report.to_json().unwrap()).unwrap();
        let page = report.to_html();
        let mut paths = Vec::new();
        leaves(&json, "", &mut paths);
        assert!(paths.len() > 200, "{}", paths.len());
        for path in paths {
            let mut changed = json.clone();
            let place = changed.pointer_mut(&path).unwrap();
            let before = place.clone();
            let other = others(&before).into_iter().find_map(|other| {
                *json_at(&mut changed, &path) = other;
                serde_json::from_value::<Report>(changed.clone()).ok()
            });
            let other = other.unwrap_or_else(|| panic!("no other value for {path}: {before}"));
            assert_ne!(other.to_html(), page, "{path}, {before}, is not on the page");
        }
    }
}

fn json_at<'a>(json: &'a mut Value, path: &str) -> &'a mut Value {
    json.pointer_mut(path).unwrap()
}

#[test]
fn the_page_needs_nothing_else() {
    let page = eventful().first_day().to_html();
    for foreign in ["<script", "src=", "href=", "@import", "url(", "http://", "https://"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains(&format!("<style>{}</style>", Report::STYLE)), "the style is what a policy can name");
}

#[test]
fn what_people_said_is_text_and_nothing_else() {
    let mut world = World::new();
    let text = "<img src=x onerror=alert(1)> | [x](javascript:y) `z`\n# head".to_owned();
    world.control(at(10), Note { at_ns: at(10), text: text.clone(), by: "</style><b>".to_owned() });
    let mut deployed = crate::said::deployment(11, "v1");
    deployed.version = text;
    world.control(at(11), deployed);
    let report = world.first_day();
    let page = report.to_html();
    assert!(!page.contains("<img") && !page.contains("</style><b>"), "escaped");
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    let markdown = report.to_markdown();
    assert!(!markdown.contains("<img") && !markdown.contains("\n# head"), "{markdown}");
    let row = markdown.lines().find(|line| line.starts_with("| 00:11")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
}

#[test]
fn markdown_and_text_say_what_decides() {
    let report = eventful().first_day();
    let (markdown, text) = (report.to_markdown(), report.to_text());
    for reason in &report.risk.reasons {
        assert!(text.contains(reason.as_str()), "{reason}");
    }
    assert!(markdown.starts_with("# Daily risk report, 2026-11-20: HIGH\n"));
    assert!(text.starts_with("2026-11-20  risk HIGH\n"));
    assert!(markdown.contains(&report.log.to.root) && text.contains(&report.log.to.root));
}
