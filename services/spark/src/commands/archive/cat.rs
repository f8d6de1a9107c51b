//! `spark archive cat`: the log as lines of JSON, one for each frame.

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};
use spark_core::hex;
use spark_core::merkle::leaf_hash;
use spark_core::view::rfc3339;
use spark_eventlog::archive::View;
use spark_eventlog::clock;
use spark_schemas::{EventSubject, Frame, Leaf, TimeNs};

use super::archives;
use crate::cli::ArchiveCatArgs;
use crate::commands::progress::Progress;

/// Beyond it, readers of JSON round.
const EXACT_MAX: u64 = 1 << 53;

/// Runs `spark archive cat`.
pub fn cat(args: &ArchiveCatArgs) -> anyhow::Result<ExitCode> {
    let now = clock::wall_now();
    let since = args.since.map_or(TimeNs(0), |since| since.instant(now));
    let until = args.until.map_or(TimeNs(u64::MAX), |until| until.instant(now));
    let mut out = BufWriter::new(io::stdout().lock());
    for (name, dir) in archives(&args.archive.data, args.archive.log.as_deref())? {
        let view = View::open(&dir).with_context(|| format!("open {}", dir.display()))?;
        let mut progress = Progress::new("read", view.size());
        let mut leaves = view.leaves(1)?;
        loop {
            let position = leaves.next_index();
            let Some(bytes) = leaves.next().transpose()? else { break };
            progress.count();
            let leaf = Leaf::decode(&bytes)?;
            if leaf.received_ns < since.0 {
                continue;
            }
            if leaf.received_ns >= until.0 {
                break;
            }
            let Some(mut line) = frame(&leaf, args) else { continue };
            line["log"] = json!(name);
            line["position"] = json!(position);
            line["leaf"] = json!(hex(&leaf_hash(&bytes)));
            match writeln!(out, "{line}") {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                written => written?,
            }
        }
    }
    match out.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        flushed => flushed?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a leaf says; `None` when nothing of it was asked for.
fn frame(leaf: &Leaf<'_>, args: &ArchiveCatArgs) -> Option<Value> {
    let mut line = json!({
        "seq": leaf.seq,
        "received": rfc3339(TimeNs(leaf.received_ns)),
        "received_ns": leaf.received_ns.to_string(),
        "subject": leaf.subject,
        "msg_id": leaf.msg_id,
    });
    let is_filtered = args.agent.is_some() || !args.kinds.is_empty() || args.target.is_some();
    let decoded = match leaf.subject.parse::<EventSubject>() {
        Ok(subject) => Frame::decode(leaf.payload, &subject).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let frame = match decoded {
        Ok(frame) => frame,
        // A gap, or a message that was rejected: it is in the log, and has no events.
        Err(_) if is_filtered => return None,
        Err(error) => {
            line["error"] = json!(error);
            return Some(line);
        }
    };
    if args.agent.as_ref().is_some_and(|agent| *agent != frame.agent) {
        return None;
    }
    let events: Vec<Value> = frame
        .events
        .iter()
        .filter(|event| args.kinds.is_empty() || args.kinds.iter().any(|kind| kind == event.kind()))
        .filter_map(|event| serde_json::to_value(event).ok())
        .filter(|event| args.target.as_ref().is_none_or(|target| target_of(event) == Some(target.as_str())))
        .map(exact)
        .collect();
    if events.is_empty() && is_filtered {
        return None;
    }
    line["agent"] = json!(frame.agent);
    line["boot"] = json!(frame.boot.to_string());
    line["frame"] = json!(frame.seq);
    line["events"] = json!(events);
    Some(line)
}

/// The target that an event is about.
fn target_of(event: &Value) -> Option<&str> {
    event.as_object()?.values().next()?.get("target")?.as_str()
}

/// Numbers that readers would round, as strings.
fn exact(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > EXACT_MAX) => {
            Value::String(number.to_string())
        }
        Value::Array(values) => values.into_iter().map(exact).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, exact(value))).collect(),
        other => other,
    }
}
