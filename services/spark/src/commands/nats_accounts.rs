//! The accounts of a NATS server in which each program may do what it must, and nothing else.
//!
//! The streams are in an account that nobody is in. Every program is alone in an account of its own and reaches the
//! streams only through the subjects that its account imports. Permissions alone would not do: inside one account the
//! server sends its answers wherever the asker says, and so whoever may ask could have them stored as another's frame
//! (seen on 2.15.1). An answer to an account that imports nothing else can't come back in.

use std::fmt::Write as _;

use spark_schemas::{Name, subject};

use crate::services::inbox_prefix;

/// A program that has a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// Makes the streams.
    Admin,
    /// Reads everything.
    Auditor,
    /// The web service.
    Web,
    /// Every aggregator: each declares in the partitions that it owns.
    Aggregator,
    /// A probe agent.
    Probe(Name),
}

/// JetStream's API as far as anybody here may ask it, without `$JS.API.`.
const INFO: &str = "STREAM.INFO.*";
const MAKE: [&str; 3] = ["STREAM.CREATE.*", "STREAM.UPDATE.*", INFO];
const READ: [&str; 5] = [INFO, "STREAM.MSG.GET.*", "DIRECT.GET.*", "CONSUMER.CREATE.*", "CONSUMER.MSG.NEXT.*.*"];
/// One question, many answers.
const STREAMING: [&str; 2] = ["DIRECT.GET.*", "CONSUMER.MSG.NEXT.*.*"];

const LOG_ACCOUNT: &str = "SPARK-LOG";
const HEAD: &str = "\
# Made by `spark nats keys`, which writes it anew each time. Included by a server's configuration; it has no secrets.
";

impl User {
    /// The key file's name without its ending.
    pub fn stem(&self) -> String {
        match self {
            Self::Admin => "admin".to_owned(),
            Self::Auditor => "auditor".to_owned(),
            Self::Web => "web".to_owned(),
            Self::Aggregator => "aggregator".to_owned(),
            Self::Probe(agent) => format!("probe-{agent}"),
        }
    }

    /// Whose key file this is.
    pub fn from_stem(stem: &str) -> Option<Self> {
        match stem {
            "admin" => Some(Self::Admin),
            "auditor" => Some(Self::Auditor),
            "web" => Some(Self::Web),
            "aggregator" => Some(Self::Aggregator),
            _ => stem.strip_prefix("probe-").and_then(|agent| Name::new(agent).ok()).map(Self::Probe),
        }
    }

    fn account(&self) -> String {
        format!("SPARK-{}", self.stem())
    }

    /// What its connection may listen to.
    fn inbox(&self) -> String {
        let user = match self {
            Self::Probe(agent) => agent.to_string(),
            other => other.stem(),
        };
        format!("{}.>", inbox_prefix(&user))
    }

    fn api(&self) -> &'static [&'static str] {
        match self {
            Self::Admin => &MAKE,
            Self::Auditor | Self::Web | Self::Aggregator => &READ,
            Self::Probe(_) => &[INFO],
        }
    }

    fn frames(&self) -> Option<String> {
        match self {
            Self::Admin | Self::Auditor => None,
            Self::Web => Some("spark.evt.0.web.ctl".to_owned()),
            Self::Aggregator => Some("spark.evt.*.aggregator.ctl".to_owned()),
            // Which partition is the agent's follows from its name; another would take nothing that is not its own.
            Self::Probe(agent) => Some(format!("spark.evt.*.{agent}.obs")),
        }
    }
}

/// The `accounts` block for these users and their public keys.
pub fn accounts(users: &[(User, String)]) -> String {
    let mut text = format!("{HEAD}\naccounts {{\n");
    log_account(&mut text);
    for (user, key) in users {
        account(&mut text, user, key);
    }
    text.push_str("}\n");
    text
}

fn log_account(text: &mut String) {
    line(text, 1, "# The streams. Nobody is in here.");
    line(text, 1, &format!("{LOG_ACCOUNT} {{"));
    line(text, 2, "jetstream: enabled");
    line(text, 2, "exports: [");
    for frames in ["spark.evt.*.*.obs", "spark.evt.*.*.ctl"] {
        line(text, 3, &format!("{{ service: \"{frames}\" }}"));
    }
    for request in READ {
        let streaming = if STREAMING.contains(&request) { ", response_type: stream" } else { "" };
        line(text, 3, &format!("{{ service: \"$JS.API.{request}\"{streaming} }}"));
    }
    for request in MAKE.into_iter().filter(|request| *request != INFO) {
        line(text, 3, &format!("{{ service: \"$JS.API.{request}\", accounts: [\"{}\"] }}", User::Admin.account()));
    }
    line(text, 2, "]");
    line(text, 1, "}");
}

fn account(text: &mut String, user: &User, key: &str) {
    let mut publish: Vec<String> = user.api().iter().map(|request| local(request)).collect();
    publish.extend(user.frames());
    let mut subscribe = vec![user.inbox()];
    line(text, 1, &format!("\"{}\" {{", user.account()));

    // `$JS.API` always means an account's own JetStream, and this one has none: what the program asks there goes on
    // under another name, and that is imported.
    line(text, 2, "mappings: {");
    for request in user.api() {
        line(text, 3, &format!("\"$JS.API.{request}\": \"{}\"", numbered(&local(request))));
    }
    line(text, 2, "}");

    line(text, 2, "imports: [");
    let import = |subject: &str| format!("{{ account: \"{LOG_ACCOUNT}\", subject: \"{subject}\" }}");
    for request in user.api() {
        let (from, to) = (import(&format!("$JS.API.{request}")), local(request));
        line(text, 3, &format!("{{ service: {from}, to: \"{to}\" }}"));
    }
    if let Some(frames) = user.frames() {
        line(text, 3, &format!("{{ service: {} }}", import(&frames)));
    }
    if *user == User::Auditor {
        subscribe.extend(subject::DERIVED.map(str::to_owned));
        for subject in subject::DERIVED {
            let account = User::Aggregator.account();
            line(text, 3, &format!("{{ stream: {{ account: \"{account}\", subject: \"{subject}\" }} }}"));
        }
    }
    line(text, 2, "]");

    if *user == User::Aggregator {
        publish.extend(subject::DERIVED.map(str::to_owned));
        let exports: Vec<String> =
            subject::DERIVED.iter().map(|subject| format!("{{ stream: \"{subject}\" }}")).collect();
        line(text, 2, &format!("exports: [{}]", exports.join(", ")));
    }
    line(text, 2, "users: [{");
    line(text, 3, &format!("nkey: {key}"));
    line(text, 3, &format!("permissions: {{ publish: {publish:?}, subscribe: {subscribe:?} }}"));
    line(text, 2, "}]");
    line(text, 1, "}");
}

/// What a request to JetStream is called inside an account.
fn local(request: &str) -> String {
    format!("log.{request}")
}

/// Each `*` as the words of a mapping's source have it.
fn numbered(pattern: &str) -> String {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |text, (part, number)| format!("{text}{{{{wildcard({number})}}}}{part}"))
}

fn line(text: &mut String, depth: usize, content: &str) {
    let _infallible = writeln!(text, "{:1$}{content}", "", depth * 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_key_files_name_says_whose_it_is() {
        let users = [
            User::Admin,
            User::Auditor,
            User::Web,
            User::Aggregator,
            User::Probe(name("ist-1")),
            User::Probe(name("web")),
        ];
        for user in users {
            assert_eq!(User::from_stem(&user.stem()), Some(user));
        }
        for stem in ["", "probe", "probe-", "probe-a.b", "someone", "aggregator-2"] {
            assert_eq!(User::from_stem(stem), None, "{stem}");
        }
    }

    #[test]
    fn a_request_goes_on_with_each_of_its_words() {
        assert_eq!(numbered("log.CONSUMER.MSG.NEXT.*.*"), "log.CONSUMER.MSG.NEXT.{{wildcard(1)}}.{{wildcard(2)}}");
        assert_eq!(numbered("log.STREAM.INFO.*"), "log.STREAM.INFO.{{wildcard(1)}}");
    }
}
