//! YAML text to a tree in which everything knows where it stands. Bounded in bytes, nodes and depth.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Place, Refused};

/// How long a file may be, in bytes.
pub const BYTES_MAX: usize = 1024 * 1024;
/// How many values a file may have, each alias counted as what it stands for.
const NODES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 32;

/// A value of a document.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub at: Place,
    pub value: Value,
    /// How many nodes it is made of, itself among them.
    size: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A text; plain ones, without quotes, may mean a number, a boolean or nothing.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub at: Place,
    pub text: String,
}

/// The documents of a file, without the empty ones.
pub(super) fn read(source: usize, text: &str) -> Result<Vec<Node>, Refused> {
    let mut builder = Builder { source, documents: Vec::new(), open: Vec::new(), anchors: BTreeMap::new(), nodes: 0 };
    if text.len() > BYTES_MAX {
        return Err(builder.start().refused(format!("the file has more than {BYTES_MAX} bytes")));
    }
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let (line, column) = (error.marker().line(), error.marker().col() + 1);
                return Err(Place { source, line, column }.refused(format!("not YAML: {}", error.info())));
            }
        }
    }
    if builder.documents.is_empty() {
        return Err(builder.start().refused("there is no document in it"));
    }
    Ok(builder.documents)
}

/// A list or mapping whose end is not read yet.
struct Open {
    at: Place,
    anchor: usize,
    value: Value,
    /// A mapping's key whose value comes next.
    key: Option<Key>,
}

struct Builder {
    source: usize,
    documents: Vec<Node>,
    open: Vec<Open>,
    /// By the parser's number, which starts at 1; 0 is no anchor.
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl Builder {
    fn start(&self) -> Place {
        Place { source: self.source, line: 1, column: 1 }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let at = Place { source: self.source, line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(at.refused("tags such as !!str are not read: write the value alone"))
            }
            Event::Scalar(text, style, anchor, None) => {
                let value = Value::Scalar { text: text.into_owned(), is_plain: style == ScalarStyle::Plain };
                self.complete(Node { at, value, size: 1 }, anchor)
            }
            Event::SequenceStart(anchor, None) => self.begin(at, anchor, Value::List(Vec::new())),
            Event::MappingStart(anchor, None) => self.begin(at, anchor, Value::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { at, anchor, value, .. }) => {
                    let size = 1 + match &value {
                        Value::Scalar { .. } => 0,
                        Value::List(items) => items.iter().map(|item| item.size).sum::<usize>(),
                        Value::Map(entries) => entries.iter().map(|(_, value)| value.size + 1).sum(),
                    };
                    self.complete(Node { at, value, size }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.count(node.size, at)?;
                    self.complete(node, 0)
                }
                None => Err(at.refused("the alias stands inside of what it stands for")),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Place, anchor: usize, value: Value) -> Result<(), Refused> {
        if self.open.len() == DEPTH_MAX {
            return Err(at.refused(format!("more than {DEPTH_MAX} lists and mappings inside each other")));
        }
        self.open.push(Open { at, anchor, value, key: None });
        Ok(())
    }

    /// A value is whole: it goes to the anchor that it has, and to where it stands.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Refused> {
        self.count(1, node.at)?;
        if anchor > 0 {
            self.count(node.size, node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        match (&mut parent.value, parent.key.take()) {
            (Value::Map(entries), Some(key)) => entries.push((key, node)),
            (Value::Map(entries), None) => parent.key = Some(key_of(node, entries)?),
            (Value::List(items), _) => items.push(node),
            (Value::Scalar { .. }, _) => {}
        }
        Ok(())
    }

    /// What aliases stand for counts each time, so that a few lines can't stand for gigabytes.
    fn count(&mut self, nodes: usize, at: Place) -> Result<(), Refused> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(at.refused(format!("the file has more than {NODES_MAX} values, with what aliases stand for")));
        }
        Ok(())
    }
}

fn key_of(node: Node, before: &[(Key, Node)]) -> Result<Key, Refused> {
    let Value::Scalar { text, is_plain } = node.value else {
        return Err(node.at.refused("a key is a word, not a list or mapping"));
    };
    if is_plain && text == "<<" {
        return Err(node.at.refused("merge keys (<<) are of YAML 1.1 and not read: write the keys out"));
    }
    match before.iter().find(|(key, _)| key.text == text) {
        Some((first, _)) => {
            let message = format!("the key {} is there twice, first in line {}", super::shown(&text), first.at.line);
            Err(node.at.refused(message))
        }
        None => Ok(Key { at: node.at, text }),
    }
}
