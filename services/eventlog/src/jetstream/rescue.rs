//! Reading a single message by another road, for those that a connection does not survive.
//!
//! The server stores headers as they come, but async-nats ends the connection over one that it can't parse, for
//! example a line without a colon. Whoever may publish one frame could stop every reader with it. JetStream's API gives
//! the same message as JSON. It is also how to look at one message without a consumer.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::RawMessage;
use async_nats::jetstream::{Context, ErrorCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use spark_schemas::subject;

use super::api::{self, ApiError};
use super::settings::subjects_of;
use crate::Recorded;

#[derive(Deserialize)]
struct Got {
    message: RawMessage,
}

/// The first message of `partition` from sequence number `from` on, if there is one yet.
pub(super) async fn message_from(context: &Context, partition: u16, from: u64) -> Result<Option<Recorded>, ApiError> {
    let request = format!("STREAM.MSG.GET.{}", subject::stream(partition));
    let question = json!({"seq": from, "next_by_subj": subjects_of(partition)});
    match api::ask::<_, Got>(context, request.clone(), &question).await {
        Ok(got) => recorded(got.message).map(Some).map_err(|source| ApiError::Failed { request, source }),
        Err(error) if error.is(ErrorCode::NO_MESSAGE_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

fn recorded(message: RawMessage) -> Result<Recorded, async_nats::Error> {
    let header = message.headers.clone().map(|header| decoded(&message, header)).transpose()?;
    Ok(Recorded {
        seq: message.sequence,
        received_ns: u64::try_from(message.time.unix_timestamp_nanos())?,
        subject: message.subject.clone(),
        msg_id: header.as_deref().and_then(msg_id).unwrap_or_default(),
        payload: decoded(&message, message.payload.clone())?,
    })
}

/// async-nats decodes the base64 of a payload, and looks into nothing but the headers.
fn decoded(message: &RawMessage, base64: String) -> Result<Bytes, async_nats::Error> {
    let bytes_only = RawMessage { payload: base64, headers: None, ..message.clone() };
    Ok(StreamMessage::try_from(bytes_only)?.payload)
}

/// The message id in a header block, if that line at least can be read.
fn msg_id(header: &[u8]) -> Option<String> {
    let values = header.split(|byte| *byte == b'\n').filter_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        name.eq_ignore_ascii_case("Nats-Msg-Id").then(|| value.trim().to_owned())
    });
    values.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_found_between_lines_that_are_none() {
        assert_eq!(msg_id(b"NATS/1.0\r\nx\r\n\xff: 1\r\nNats-Msg-Id:  ab-1 \r\n\r\n").as_deref(), Some("ab-1"));
        assert_eq!(msg_id(b"NATS/1.0\r\nNats-Msg-Id: \xff\r\n\r\n"), None);
        assert_eq!(msg_id(b""), None);
    }
}
