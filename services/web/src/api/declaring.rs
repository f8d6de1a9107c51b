//! What declaring a maintenance and marking a deployment have in common: reading the request, and being on the log and
//! folded before the answer, so that whoever declares sees it in the next answer.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use spark_core::view::{DECLARING, parse_rfc3339, rfc3339};
use spark_schemas::{Event, Name, TimeNs, metric};

use super::gate::ANONYMOUS;
use super::problem::Problem;
use crate::app::Server;
use crate::standing::Standing;

const BY_BYTES_MAX: usize = 200;
const DAY_NS: u64 = 24 * 3_600 * TimeNs::SECOND;
/// What is declared for longer ago changes no figure any more.
const AGO_NS_MAX: u64 = 32 * DAY_NS;
/// What was written is folded within this, or is seen a little later.
const FOLDED_WITHIN: Duration = Duration::from_secs(2);

/// The fields of a body in JSON; each has one meaning, and one that is not known is an error.
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>, what: &str) -> Result<T, Problem> {
    // By way of an object: serde would also take an array for the fields in their order.
    serde_json::from_slice(&body?)
        .and_then(|object: Map<String, Value>| serde_json::from_value(Value::Object(object)))
        .map_err(|error| Problem::bad_request(format!("The body is not {what} in JSON: {error}.")))
}

/// Who declares.
pub(super) fn by(by: Option<String>) -> Result<String, Problem> {
    text("by", by.unwrap_or_else(|| ANONYMOUS.to_owned()), BY_BYTES_MAX)
}

/// A text for people: bounded, and on one line, because lists show it.
pub(super) fn text(key: &str, text: String, bytes_max: usize) -> Result<String, Problem> {
    if text.len() > bytes_max {
        return Err(Problem::bad_request(format!("\"{key}\" has at most {bytes_max} bytes, this has {}.", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("\"{key}\" is one line, without control characters.")));
    }
    Ok(text)
}

pub(super) fn name(key: &str, text: &str) -> Result<Name, Problem> {
    Name::new(text).map_err(|error| Problem::bad_request(format!("\"{key}\": {text:?} is no name: {error}.")))
}

/// An instant of a request: RFC 3339, or `now`.
pub(super) fn instant(key: &str, text: &str, now: TimeNs) -> Result<TimeNs, Problem> {
    if text == "now" {
        return Ok(now);
    }
    parse_rfc3339(text).ok_or_else(|| {
        Problem::bad_request(format!("\"{key}\" is \"now\" or RFC 3339 such as 2026-07-30T14:03:00Z, not {text:?}."))
    })
}

/// Refuses an instant that lies so far back that no figure looks there.
pub(super) fn not_long_ago(key: &str, at: TimeNs, now: TimeNs) -> Result<(), Problem> {
    let earliest = TimeNs(now.0.saturating_sub(AGO_NS_MAX));
    if at >= earliest {
        return Ok(());
    }
    let detail = format!(
        "\"{key}\" is {}, more than 32 days ago: no figure reaches back so far. The earliest is {}.",
        rfc3339(at),
        rfc3339(earliest)
    );
    Err(Problem::bad_request(detail))
}

/// Declarations are judged by those that are known. Where the log is not read to its end, a repeat could not be told.
pub(super) fn require_live(server: &Server) -> Result<(), Problem> {
    match server.standing() {
        Standing::Live | Standing::Stale(_) => Ok(()),
        standing => {
            let why = standing.sentence().unwrap_or_default();
            Err(Problem::log_unreachable(format!("Nothing can be declared now. {why}")))
        }
    }
}

/// Writes the event, counts it, and waits until it is folded; says its number in the log.
pub(super) async fn declare(server: &Server, event: Event, kind: &'static str) -> Result<u64, Problem> {
    let appended = server.writer.write(vec![event]).await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, kind, "a declaration was not recorded");
        let detail =
            format!("It was not recorded, or the log did not say so: {error}. Look at the list before you ask again.");
        Problem::log_unreachable(detail)
    })?;
    metrics::counter!(metric::DECLARATIONS, "kind" => kind).increment(1);
    if let Some(declaring) = server.projections.iter().find(|one| one.partition() == DECLARING) {
        declaring.folded(appended.seq, FOLDED_WITHIN).await;
    }
    Ok(appended.seq)
}
