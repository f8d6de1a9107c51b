//! What requests with a body have in common: one way to read it, and who asks.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::Problem;

/// Who asks, when nobody says.
pub(super) const ANONYMOUS: &str = "api";
/// How long it may be who asks.
pub(super) const BY_BYTES_MAX: usize = 200;

/// The object that a body is in JSON; `what` says of what.
pub(super) fn object(body: &[u8], what: &str) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(body).map_err(|error| not_understood(what, &error))
}

/// The fields of an object; each has one meaning, and one that is not known is an error.
///
/// By way of an object, because serde would also take an array for the fields in their order.
pub(super) fn fields<T: DeserializeOwned>(object: Map<String, Value>, what: &str) -> Result<T, Problem> {
    serde_json::from_value(Value::Object(object)).map_err(|error| not_understood(what, &error))
}

/// The fields of a body in JSON.
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>, what: &str) -> Result<T, Problem> {
    fields(object(&body?, what)?, what)
}

/// The same where nothing needs to be said.
pub(super) fn read_or_default<T: DeserializeOwned + Default>(
    body: Result<Bytes, BytesRejection>,
    what: &str,
) -> Result<T, Problem> {
    let body = body?;
    if body.is_empty() { Ok(T::default()) } else { fields(object(&body, what)?, what) }
}

/// Who asks.
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

fn not_understood(what: &str, error: &serde_json::Error) -> Problem {
    Problem::bad_request(format!("The body is not {what} in JSON: {error}."))
}
