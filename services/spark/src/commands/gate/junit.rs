//! A decision as JUnit's XML. There is no one standard: this fits the Ant schema (windyroad's `JUnit.xsd`) and Jenkins's
//! (`junit-10.xsd`), the strictest of those in use.
//!
//! A failed check is a failure, one without data an error, a waived one is skipped. A warning passes, and is a failure
//! where warnings are.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use spark_schemas::event::CheckVerdict;

use super::decision::{Check, Decision};

/// What a test case tells beside its name.
enum Told {
    Nothing,
    Failure(&'static str),
    Error(&'static str),
    Skipped,
}

/// One test case.
struct Case<'a> {
    name: &'a str,
    class: String,
    told: Told,
    message: String,
    detail: String,
}

struct Suite<'a> {
    timestamp: &'a str,
    host: &'a str,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case<'a>>,
    out: String,
}

/// The decision as a suite with a test case for each check.
pub(super) fn of(decision: &Decision, host: &str, strict: bool) -> anyhow::Result<String> {
    let class = format!("spark.gate.{}", decision.profile);
    let cases = decision.checks.iter().map(|check| Case {
        name: &check.id,
        class: class.clone(),
        told: told(check, strict),
        message: check.reason.clone(),
        detail: format!("observed {}, asked for {}", check.observed(), check.threshold()),
    });
    let warns = decision.checks.iter().filter(|check| check.verdict == CheckVerdict::Warn);
    let warns: Vec<String> = warns.map(|check| format!("warn {}: {}", check.id, check.reason)).collect();
    let evidence = &decision.evidence;
    let suite = Suite {
        // Its time has neither fraction nor zone; Spark's is UTC.
        timestamp: decision.at.get(..19).unwrap_or(EPOCH),
        host,
        properties: vec![
            ("decision", decision.id.clone()),
            ("verdict", decision.verdict().as_str().to_owned()),
            ("profile", decision.profile.clone()),
            ("policy", evidence.policy_digest.clone()),
            ("build", evidence.build.clone()),
            ("recorded", evidence.recorded.to_string()),
        ],
        cases: cases.collect(),
        out: warns.join("\n"),
    };
    suite.to_xml()
}

/// Where nobody decided: one case that could not be run.
pub(super) fn of_nothing(why: &str, host: &str) -> anyhow::Result<String> {
    let case = Case {
        name: "answer",
        class: "spark.gate".to_owned(),
        told: Told::Error("no_data"),
        message: why.to_owned(),
        detail: "Spark gave no decision".to_owned(),
    };
    Suite { timestamp: EPOCH, host, properties: Vec::new(), cases: vec![case], out: String::new() }.to_xml()
}

/// An instant where none is known: the schema asks for one.
const EPOCH: &str = "1970-01-01T00:00:00";

fn told(check: &Check, strict: bool) -> Told {
    match check.verdict {
        CheckVerdict::Pass => Told::Nothing,
        CheckVerdict::Warn if strict => Told::Failure("warn"),
        CheckVerdict::Warn => Told::Nothing,
        CheckVerdict::Fail => Told::Failure("fail"),
        CheckVerdict::NoData if check.is_waived() => Told::Skipped,
        CheckVerdict::NoData => Told::Error("no_data"),
    }
}

type Xml = Writer<Vec<u8>>;

impl Suite<'_> {
    fn to_xml(&self) -> anyhow::Result<String> {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuites").write_inner_content(|xml| self.write(xml))?;
        Ok(String::from_utf8(xml.into_inner())?)
    }

    fn write(&self, xml: &mut Xml) -> std::io::Result<()> {
        let count = |is: fn(&Told) -> bool| self.cases.iter().filter(|case| is(&case.told)).count().to_string();
        let attributes = [
            ("name", "spark gate".to_owned()),
            ("package", "spark".to_owned()),
            ("id", "0".to_owned()),
            ("timestamp", self.timestamp.to_owned()),
            ("hostname", printable(self.host)),
            ("tests", self.cases.len().to_string()),
            ("failures", count(|told| matches!(told, Told::Failure(_)))),
            ("errors", count(|told| matches!(told, Told::Error(_)))),
            ("skipped", count(|told| matches!(told, Told::Skipped))),
            ("time", "0".to_owned()),
        ];
        let suite = xml.create_element("testsuite").with_attributes(borrowed(&attributes));
        suite.write_inner_content(|xml| {
            xml.create_element("properties").write_inner_content(|xml| {
                for (name, value) in &self.properties {
                    let attributes = [("name", (*name).to_owned()), ("value", printable(value))];
                    xml.create_element("property").with_attributes(borrowed(&attributes)).write_empty()?;
                }
                Ok(())
            })?;
            self.cases.iter().try_for_each(|case| case.write(xml))?;
            xml.create_element("system-out").write_text_content(BytesText::new(&printable(&self.out)))?;
            xml.create_element("system-err").write_text_content(BytesText::new(""))?;
            Ok(())
        })?;
        Ok(())
    }
}

impl Case<'_> {
    fn write(&self, xml: &mut Xml) -> std::io::Result<()> {
        let attributes =
            [("name", printable(self.name)), ("classname", printable(&self.class)), ("time", "0".to_owned())];
        let case = xml.create_element("testcase").with_attributes(borrowed(&attributes));
        let (element, kind) = match self.told {
            Told::Nothing => {
                case.write_empty()?;
                return Ok(());
            }
            Told::Failure(kind) => ("failure", kind),
            Told::Error(kind) => ("error", kind),
            Told::Skipped => ("skipped", "waived"),
        };
        let attributes = [("type", kind.to_owned()), ("message", printable(&self.message))];
        case.write_inner_content(|xml| {
            let told = xml.create_element(element).with_attributes(borrowed(&attributes));
            told.write_text_content(BytesText::new(&printable(&self.detail)))?;
            Ok(())
        })?;
        Ok(())
    }
}

fn borrowed<'a>(attributes: &'a [(&'a str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    attributes.iter().map(|(name, value)| (*name, value.as_str()))
}

/// XML 1.0 has no way to write most control characters, not even escaped.
fn printable(text: &str) -> String {
    let is_char =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_char(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quick_xml::Reader;

    use super::super::decision::tests::decision;
    use super::*;

    /// What both schemas allow: an element's attributes, all of them required, and its children in their order.
    const ELEMENTS: [(&str, &[&str], &[&str]); 10] = [
        ("testsuites", &[], &["testsuite"]),
        (
            "testsuite",
            &["name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"],
            &["properties", "testcase", "system-out", "system-err"],
        ),
        ("properties", &[], &["property"]),
        ("property", &["name", "value"], &[]),
        ("testcase", &["name", "classname", "time"], &["failure", "error", "skipped"]),
        ("failure", &["type", "message"], &[]),
        ("error", &["type", "message"], &[]),
        ("skipped", &["type", "message"], &[]),
        ("system-out", &[], &[]),
        ("system-err", &[], &[]),
    ];

    /// Reads `xml`, holds it against [`ELEMENTS`], and gives how many there are of each element, and all attributes.
    fn read(xml: &str) -> (BTreeMap<String, usize>, Vec<(String, String)>) {
        let mut reader = Reader::from_str(xml);
        let (mut counts, mut attributes) = (BTreeMap::<String, usize>::new(), Vec::new());
        let mut open: Vec<(String, usize)> = Vec::new();
        loop {
            let event = reader.read_event().unwrap();
            let (start, is_empty) = match &event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(_) => {
                    open.pop().unwrap();
                    continue;
                }
                Event::Eof => break,
                Event::Text(text) => {
                    let blank = text.trim().is_empty();
                    let parent = open.last().map(|(name, _)| name.as_str()).unwrap_or_default();
                    let takes_text = ["failure", "error", "skipped", "system-out", "system-err"].contains(&parent);
                    assert!(blank || takes_text, "text in {parent}: {xml}");
                    continue;
                }
                _ => continue,
            };
            let name = start.name().as_ref().to_owned();
            let (_, wanted, _) = ELEMENTS.into_iter().find(|(known, ..)| *known == name).expect(&name);
            let there: Vec<(String, String)> = start
                .attributes()
                .map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    (key, attribute.value.to_string())
                })
                .collect();
            assert_eq!(there.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), wanted, "attributes of {name}");
            attributes.extend(there);
            match open.last_mut() {
                None => assert_eq!(name, "testsuites"),
                Some((parent, place)) => {
                    let (.., children) = ELEMENTS.into_iter().find(|(known, ..)| known == parent).unwrap();
                    let here = children.iter().position(|child| *child == name).expect(&name);
                    assert!(here >= *place, "{name} is out of its order in {parent}");
                    *place = here;
                }
            }
            *counts.entry(name.clone()).or_default() += 1;
            if !is_empty {
                open.push((name, 0));
            }
        }
        (counts, attributes)
    }

    fn of_checks(checks: &[(&str, &str)], waived: &str, strict: bool) -> String {
        let mut value = decision("fail", checks);
        for check in value["checks"].as_array_mut().unwrap() {
            let is_it = check["id"] == waived;
            check["waived"] = is_it.into();
        }
        of(&serde_json::from_value(value).unwrap(), "spark.example", strict).unwrap()
    }

    #[test]
    fn a_decision_is_a_suite_that_the_schemas_take() {
        let checks = [("a", "pass"), ("b", "warn"), ("c", "fail"), ("d", "no_data"), ("e", "no_data")];
        for (strict, failures) in [(false, 1), (true, 2)] {
            let xml = of_checks(&checks, "e", strict);
            let (counts, attributes) = read(&xml);
            let count = |name: &str| counts.get(name).copied().unwrap_or(0);
            assert_eq!(
                [count("testsuite"), count("testcase"), count("error"), count("skipped")],
                [1, 5, 1, 1],
                "{xml}"
            );
            assert_eq!(count("failure"), failures);
            let said = |key: &str| attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
            assert_eq!(said("tests"), Some("5"));
            assert_eq!(said("failures"), Some(failures.to_string().as_str()));
            assert_eq!([said("errors"), said("skipped")], [Some("1"), Some("1")]);
            assert_eq!(said("timestamp"), Some("2026-07-30T12:00:00"), "without fraction and zone");
            assert!(!xml.contains('\u{1}') && xml.contains("a &lt;reason&gt; of c | \u{fffd} @all"), "{xml}");
        }
    }

    #[test]
    fn no_answer_is_an_error_that_the_schemas_take() {
        let (counts, _) = read(&of_nothing("no answer from <nobody> \u{0}", "spark.example").unwrap());
        assert_eq!((counts["testcase"], counts["error"]), (1, 1));
    }
}
