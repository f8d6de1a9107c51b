//! OpenSLO v1 documents (<https://github.com/OpenSLO/OpenSLO>) as objectives over Spark's own observations.
//!
//! Everything a document says is either followed or refused, with file, line, column and the reason. What other metric
//! sources would have to answer is refused: Spark judges what it has observed itself. `docs/objectives.md` says what is
//! read. This module sees texts; opening files is done elsewhere.

mod alert;
mod fields;
mod known;
mod object;
mod sli;
mod slo;
mod time;
mod yaml;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use crate::config::objective_rules::twice;
use crate::config::{Config, ConfigError, Objective};
use known::Known;
use object::Object;
use slo::Promise;
use yaml::{Node, Value};

pub use yaml::BYTES_MAX;

/// A file's name, as messages are to have it, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name.
    pub file: &'a str,
    /// The text.
    pub text: &'a str,
}

/// A document that can't be used: where and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// The file's name.
    pub file: String,
    /// Where in it, and why.
    pub error: ConfigError,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.error)
    }
}

impl std::error::Error for DocumentError {}

/// A document, and what became of it.
#[derive(Debug)]
pub struct Document {
    /// The file's name.
    pub file: String,
    /// The line in which it begins.
    pub line: usize,
    /// What it calls itself; empty where it does not say.
    pub kind: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// The objectives that it makes (none, unless it is an SLO), or why it is refused.
    pub outcome: Result<Vec<Objective>, DocumentError>,
}

/// The kinds of documents, those first to which others refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    DataSource,
    Service,
    AlertNotificationTarget,
    AlertCondition,
    Sli,
    AlertPolicy,
    Slo,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::DataSource,
        Self::Service,
        Self::AlertNotificationTarget,
        Self::AlertCondition,
        Self::Sli,
        Self::AlertPolicy,
        Self::Slo,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::DataSource => "DataSource",
            Self::Service => "Service",
            Self::AlertNotificationTarget => "AlertNotificationTarget",
            Self::AlertCondition => "AlertCondition",
            Self::Sli => "SLI",
            Self::AlertPolicy => "AlertPolicy",
            Self::Slo => "SLO",
        }
    }
}

/// A place in one of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    source: usize,
    line: usize,
    column: usize,
}

/// What can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    at: Place,
    message: String,
}

impl Place {
    fn refused(self, message: impl Into<String>) -> Refused {
        Refused { at: self, message: message.into() }
    }
}

impl Refused {
    fn in_file(self, sources: &[Source<'_>]) -> DocumentError {
        let Place { source, line, column } = self.at;
        let file = sources.get(source).map_or("", |source| source.file).to_owned();
        DocumentError { file, error: ConfigError { line, column, message: self.message } }
    }
}

/// A text of somebody else in a message: in quotes, and no longer than a message should be.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Reads documents that may refer to each other, in whichever file they stand. Whether their targets exist is not
/// asked: [`Config::add_openslo`] does.
pub fn read(sources: &[Source<'_>]) -> Vec<Document> {
    outcomes(sources).into_iter().map(|found| found.into_document(sources)).collect()
}

impl Config {
    /// Adds the objectives of OpenSLO documents, all of them or none.
    pub fn add_openslo(&mut self, sources: &[Source<'_>]) -> Result<(), Vec<DocumentError>> {
        let mut errors = Vec::new();
        let mut objectives = Vec::new();
        for found in outcomes(sources) {
            match found.outcome.and_then(|promises| self.check_promises(promises)) {
                Ok(promised) => objectives.extend(promised),
                Err(refused) => errors.push(refused.in_file(sources)),
            }
        }
        if errors.is_empty() {
            self.objectives.extend(objectives);
            return Ok(());
        }
        Err(errors)
    }

    fn check_promises(&self, promises: Vec<Promise>) -> Result<Vec<Objective>, Refused> {
        for promise in &promises {
            if self.objective(&promise.objective.name).is_some() {
                return Err(promise.at.refused(twice(&promise.objective.name)));
            }
            if let Some(refused) = promise.targets.unknown(self) {
                return Err(refused);
            }
        }
        Ok(promises.into_iter().map(|promise| promise.objective).collect())
    }
}

/// A document, or a file in which none can be told apart.
struct Found {
    at: Place,
    kind: String,
    name: String,
    outcome: Result<Vec<Promise>, Refused>,
}

impl Found {
    fn into_document(self, sources: &[Source<'_>]) -> Document {
        let objectives = |promises: Vec<Promise>| promises.into_iter().map(|promise| promise.objective).collect();
        Document {
            file: sources.get(self.at.source).map_or("", |source| source.file).to_owned(),
            line: self.at.line,
            kind: self.kind,
            name: self.name,
            outcome: self.outcome.map(objectives).map_err(|refused| refused.in_file(sources)),
        }
    }
}

/// What becomes of each document, in the order in which they stand.
fn outcomes(sources: &[Source<'_>]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut nodes = Vec::new();
    for (source, Source { text, .. }) in sources.iter().enumerate() {
        match yaml::read(source, text) {
            Ok(documents) => nodes.extend(documents.into_iter().flat_map(items)),
            Err(refused) => {
                let at = Place { source, line: 1, column: 1 };
                found.push(Found { at, kind: String::new(), name: String::new(), outcome: Err(refused) });
            }
        }
    }
    let objects: Vec<Result<Object<'_>, Refused>> = nodes.iter().map(Object::read).collect();
    let outcomes = resolved(objects, sources);
    found.extend(nodes.iter().zip(outcomes).map(|(node, outcome)| {
        let (kind, name) = object::title_of(node);
        Found { at: node.at, kind, name, outcome }
    }));
    found.sort_by_key(|found| (found.at.source, found.at.line, found.at.column));
    found
}

/// A document may be a list of objects.
fn items(document: Node) -> Vec<Node> {
    match document.value {
        Value::List(items) => items,
        _ => vec![document],
    }
}

/// Reads each object once those are known that it may refer to.
fn resolved(objects: Vec<Result<Object<'_>, Refused>>, sources: &[Source<'_>]) -> Vec<Result<Vec<Promise>, Refused>> {
    let mut known = Known::new();
    let mut names = BTreeMap::new();
    let mut promised = BTreeMap::new();
    let objects: Vec<Result<Object<'_>, Refused>> =
        objects.into_iter().map(|object| object.and_then(|object| unless_twice(object, &mut names, sources))).collect();
    let mut outcomes: Vec<Result<Vec<Promise>, Refused>> =
        objects.iter().map(|object| object.as_ref().map(|_| Vec::new()).map_err(Clone::clone)).collect();
    for kind in Kind::ALL {
        for (object, outcome) in objects.iter().zip(&mut outcomes) {
            if let Ok(object) = object
                && object.kind == kind
            {
                *outcome = known.take(object).and_then(|promises| unless_promised(promises, &mut promised));
            }
        }
    }
    outcomes
}

fn unless_twice<'a>(
    object: Object<'a>,
    names: &mut BTreeMap<(Kind, String), Place>,
    sources: &[Source<'_>],
) -> Result<Object<'a>, Refused> {
    match names.entry((object.kind, object.name.to_string())) {
        Entry::Vacant(place) => {
            place.insert(object.name_at);
            Ok(object)
        }
        Entry::Occupied(first) => {
            let first = first.get();
            let (kind, file) = (object.kind.as_str(), sources.get(first.source).map_or("", |source| source.file));
            let first = format!("first in {file}, line {}", first.line);
            Err(object.name_at.refused(format!("{kind} {:?} is there twice, {first}", object.name.as_str())))
        }
    }
}

/// The suffix of an objective may make another SLO's name.
fn unless_promised(promises: Vec<Promise>, names: &mut BTreeMap<String, Place>) -> Result<Vec<Promise>, Refused> {
    for promise in &promises {
        if names.insert(promise.objective.name.to_string(), promise.at).is_some() {
            return Err(promise.at.refused(twice(&promise.objective.name)));
        }
    }
    Ok(promises)
}

impl Known {
    /// Reads an object and keeps what others may refer to.
    fn take(&mut self, object: &Object<'_>) -> Result<Vec<Promise>, Refused> {
        let name = object.name.as_str();
        match object.kind {
            Kind::Slo => return slo::promises(object, self),
            Kind::Service => object.check_service()?,
            Kind::DataSource => {
                let outcome = object.check_data_source();
                self.data_sources.keep(name, &outcome);
                outcome?;
            }
            Kind::AlertNotificationTarget => {
                let outcome = object.spec().and_then(alert::notification_target);
                self.notification_targets.keep(name, &outcome);
                outcome?;
            }
            Kind::AlertCondition => {
                let outcome = object.spec().and_then(alert::condition);
                self.conditions.keep(name, &outcome);
                outcome?;
            }
            Kind::Sli => {
                let outcome = object.spec().and_then(|spec| sli::indicator(spec, self));
                self.indicators.keep(name, &outcome);
                outcome?;
            }
            Kind::AlertPolicy => {
                let outcome = object.spec().and_then(|spec| alert::policy(spec, self));
                self.policies.keep(name, &outcome);
                outcome?;
            }
        }
        Ok(Vec::new())
    }
}
