//! `asyncapi.yaml` names every subject and every schema that there is, and none that there is not.
//!
//! It is written from the tables here: `SPARK_WRITE_SCHEMAS=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use spark_schemas::{Class, EventSubject, Name, json_schema, subject};

/// A subject, and what is published there.
struct Channel {
    id: &'static str,
    address: &'static str,
    about: &'static str,
    /// Its message in `MESSAGES`; none where nothing is published yet.
    message: Option<&'static str>,
}

struct Message {
    id: &'static str,
    about: &'static str,
    content: &'static str,
    /// Its file in `json/`, without the ending.
    schema: Option<&'static str>,
}

const MSGPACK: &str = "application/msgpack";
const JSON: &str = "application/json";
/// What a `{word}` in an address stands for.
const PARAMETERS: [(&str, &str); 4] = [
    ("partition", "The partition's number, from 0; its stream is EVENTS, EVENTS-1, EVENTS-2 and so on."),
    ("agent", "Who publishes: 1 to 64 letters, digits, - and _."),
    ("target", "The target's name: 1 to 64 letters, digits, - and _."),
    ("slo", "The objective's name: 1 to 64 letters, digits, - and _."),
];

const CHANNELS: [Channel; 12] = [
    Channel {
        id: "observations",
        address: "spark.evt.{partition}.{agent}.obs",
        about: "The event log: what probes saw. Kept in JetStream; at least once, counted once by agent, boot and seq.",
        message: Some("frame"),
    },
    Channel {
        id: "declarations",
        address: "spark.evt.{partition}.{agent}.ctl",
        about: "The event log: what services declare and decide. In partition 0; as observations.",
        message: Some("frame"),
    },
    Channel {
        id: "window",
        address: "spark.window.{target}",
        about: "A target's figures over five minutes, every ten seconds. At most once.",
        message: Some("window"),
    },
    Channel {
        id: "windowJson",
        address: "spark.json.window.{target}",
        about: "The same in JSON.",
        message: Some("windowJson"),
    },
    Channel {
        id: "health",
        address: "spark.health.{target}",
        about: "A target's state, when it changes and once a minute. At most once.",
        message: Some("health"),
    },
    Channel {
        id: "healthJson",
        address: "spark.json.health.{target}",
        about: "The same in JSON.",
        message: Some("healthJson"),
    },
    Channel {
        id: "gate",
        address: "spark.gate",
        about: "Each decision of the gate. At most once.",
        message: Some("gate"),
    },
    Channel { id: "gateJson", address: "spark.json.gate", about: "The same in JSON.", message: Some("gateJson") },
    Channel {
        id: "dead",
        address: "spark.dead",
        about: "A copy of each message that was rejected, as it came. The log keeps it, too. At most once.",
        message: Some("dead"),
    },
    Channel {
        id: "alert",
        address: "spark.alert.{slo}",
        about: "Each change of an alert on a burn rate. At most once.",
        message: Some("alert"),
    },
    Channel {
        id: "alertJson",
        address: "spark.json.alert.{slo}",
        about: "The same in JSON.",
        message: Some("alertJson"),
    },
    Channel {
        id: "checkpoint",
        address: "spark.checkpoint",
        about: "Each signed checkpoint of a log, for witnesses to keep. At most once.",
        message: Some("checkpoint"),
    },
];

const MESSAGES: [Message; 11] = [
    Message {
        id: "frame",
        about: "Events of one run of one agent, at most 64,000 bytes.",
        content: MSGPACK,
        schema: Some("frame"),
    },
    Message { id: "window", about: "Counts, rates and latency quantiles.", content: MSGPACK, schema: Some("window") },
    Message { id: "windowJson", about: "Counts, rates and latency quantiles.", content: JSON, schema: Some("window") },
    Message { id: "health", about: "Up, down or unknown, and why.", content: MSGPACK, schema: Some("health") },
    Message { id: "healthJson", about: "Up, down or unknown, and why.", content: JSON, schema: Some("health") },
    Message { id: "gate", about: "The verdict, and the decision's id.", content: MSGPACK, schema: Some("gate") },
    Message { id: "gateJson", about: "The verdict, and the decision's id.", content: JSON, schema: Some("gate") },
    Message { id: "alert", about: "Pending, firing or resolved, and why.", content: MSGPACK, schema: Some("alert") },
    Message { id: "alertJson", about: "Pending, firing or resolved, and why.", content: JSON, schema: Some("alert") },
    Message {
        id: "dead",
        about: "Any bytes; headers say where they came from.",
        content: "application/octet-stream",
        schema: None,
    },
    Message {
        id: "checkpoint",
        about: "A signed note (C2SP tlog-checkpoint): the log's origin, its size and its root; a text, as it is kept.",
        content: "text/plain",
        schema: None,
    },
];

const HEAD: &str = "\
# Made by `SPARK_WRITE_SCHEMAS=1 cargo test -p spark-schemas --test asyncapi`, and tested against what is published.
# docs/subscribers.md is the guide to it.
asyncapi: 3.0.0
info:
  title: Spark
  version: 1.0.0
  description: >-
    What Spark publishes on NATS. Payloads are MessagePack maps with field names; on spark.json.… they are JSON.
    Times ending in _ns are nanoseconds since 1970 (UTC), durations in _us are microseconds, ratios in _ppm are parts
    per million. Unknown fields and unknown kinds of events must be passed over. In JSON Schema's terms a binary field
    of MessagePack is its hex digits.
  license:
    name: Apache-2.0 OR MIT
defaultContentType: application/msgpack
servers:
  local:
    host: 127.0.0.1:4222
    protocol: nats
    description: As nats/nats-server.conf has it.
";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("channels:\n");
    for Channel { id, address, about, message } in &CHANNELS {
        let _infallible = write!(text, "  {id}:\n    address: {address}\n    description: {about:?}\n");
        let words: Vec<_> = PARAMETERS.iter().filter(|(word, _)| address.contains(&format!("{{{word}}}"))).collect();
        if !words.is_empty() {
            text.push_str("    parameters:\n");
        }
        for (word, _) in words {
            let _infallible = write!(text, "      {word}:\n        $ref: '#/components/parameters/{word}'\n");
        }
        if let Some(message) = message {
            let _infallible =
                write!(text, "    messages:\n      {message}:\n        $ref: '#/components/messages/{message}'\n");
        }
    }
    text.push_str("operations:\n");
    for Channel { id, .. } in CHANNELS.iter().filter(|channel| channel.message.is_some()) {
        let _infallible = write!(text, "  {id}:\n    action: send\n    channel:\n      $ref: '#/channels/{id}'\n");
    }
    text.push_str("components:\n  parameters:\n");
    for (word, about) in PARAMETERS {
        let _infallible = write!(text, "    {word}:\n      description: {about:?}\n");
    }
    text.push_str("  messages:\n");
    for Message { id, about, content, schema } in &MESSAGES {
        let _infallible = write!(text, "    {id}:\n      contentType: {content}\n      summary: {about:?}\n");
        match schema {
            Some(schema) => {
                let _infallible = write!(text, "      payload:\n{}", reference(schema, 8));
            }
            None if *id == "dead" => text.push_str(DEAD_HEADERS),
            None => {}
        }
    }
    text.push_str("  # The fields of each kind of event in a frame.\n  schemas:\n");
    for (name, _) in json_schema::all().into_iter().filter(|(name, _)| name.starts_with("event")) {
        let _infallible = write!(text, "    {name}:\n{}", reference(name, 6));
    }
    text
}

const DEAD_HEADERS: &str = "      headers:
        type: object
        properties:
          Spark-Reason: {type: string, description: Why it was rejected.}
          Spark-Log: {type: string, description: The log that has it.}
          Spark-Seq: {type: string, description: Its sequence number there.}
          Spark-Received-Ns: {type: string, description: When the log took it.}
          Spark-Subject: {type: string, description: The subject it came on.}
          Spark-Msg-Id: {type: string, description: Its message id.}
";

fn reference(schema: &str, depth: usize) -> String {
    format!(
        "{0:1$}schemaFormat: application/schema+json;version=2020-12\n{0:1$}schema:\n{0:1$}  $ref: ./json/{schema}.schema.json\n",
        "", depth
    )
}

#[test]
fn the_committed_document_is_that_of_the_tables() {
    let path = folder().join("asyncapi.yaml");
    if std::env::var_os("SPARK_WRITE_SCHEMAS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, document(), "asyncapi.yaml is out of date: run this test with SPARK_WRITE_SCHEMAS=1");
}

#[test]
fn it_has_every_schema_and_every_kind_and_no_other() {
    let text = document();
    let files = text.lines().filter_map(|line| line.trim().strip_prefix("$ref: ./json/"));
    let referred: BTreeSet<&str> = files.map(|file| file.strip_suffix(".schema.json").unwrap()).collect();
    let all: BTreeSet<&str> = json_schema::all().into_iter().map(|(name, _)| name).collect();
    assert_eq!(referred, all);
    let referred: BTreeSet<&str> = CHANNELS.iter().filter_map(|channel| channel.message).collect();
    let defined: BTreeSet<&str> = MESSAGES.iter().map(|message| message.id).collect();
    assert_eq!(referred, defined);
}

/// The address as a subscriber writes it.
fn pattern(address: &str) -> String {
    let word = |token: &str| if token.starts_with('{') { "*".to_owned() } else { token.to_owned() };
    address.split('.').map(word).collect::<Vec<_>>().join(".")
}

#[test]
fn it_has_every_subject_and_no_other() {
    let documented: BTreeSet<String> = CHANNELS.iter().map(|channel| pattern(channel.address)).collect();
    let mut known: BTreeSet<String> =
        [Class::Obs, Class::Ctl].map(|class| format!("spark.evt.*.*.{class}")).into_iter().collect();
    for derived in subject::DERIVED {
        if derived == "spark.json.>" {
            continue;
        }
        known.insert(derived.to_owned());
        let channel = CHANNELS.iter().find(|channel| pattern(channel.address) == derived);
        // What is published for people has a sibling in JSON.
        let is_bare = [subject::DEAD_LETTER, subject::CHECKPOINT].contains(&derived);
        if !is_bare && channel.is_some_and(|channel| channel.message.is_some()) {
            known.insert(subject::json_sibling(derived));
        }
    }
    assert_eq!(documented, known);

    let name = Name::new("a").unwrap();
    let said = [
        EventSubject { partition: 3, agent: name.clone(), class: Class::Obs }.to_string(),
        EventSubject { partition: 0, agent: name.clone(), class: Class::Ctl }.to_string(),
        subject::window(&name),
        subject::health(&name),
        subject::alert(&name),
        subject::json_sibling(&subject::alert(&name)),
        subject::json_sibling(&subject::window(&name)),
        subject::json_sibling(&subject::health(&name)),
        subject::json_sibling(subject::GATE),
        subject::GATE.to_owned(),
        subject::CHECKPOINT.to_owned(),
        subject::DEAD_LETTER.to_owned(),
    ];
    for subject in said {
        let fits = |pattern: &String| {
            let (tokens, words): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), subject.split('.').collect());
            tokens.len() == words.len() && tokens.iter().zip(words).all(|(token, word)| *token == "*" || *token == word)
        };
        assert!(documented.iter().any(fits), "{subject}");
    }
}
