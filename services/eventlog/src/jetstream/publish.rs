//! Appending: many frames as one batch that is there whole or not at all, few in a window, each acknowledged.
//!
//! A server that syncs every write syncs once for each message and four times for each batch (2.15.1, by strace), and
//! acknowledges after it.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{self, Context, ErrorCode};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::batch;
use super::connect::{ANSWER_TIMEOUT, Client};
use super::seal;
use crate::{AppendError, Appended, Outgoing};

/// How many frames may be on their way without an acknowledgement.
const WINDOW_FRAMES: usize = 256;

/// What happened to a frame that was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendFault {
    /// The stream's server did not answer, or is not there.
    #[error("no acknowledgement came")]
    NotAcknowledged(#[source] PublishError),
    /// The connection broke with frames on their way.
    #[error("the connection was lost before every frame was acknowledged")]
    ConnectionLost,
    /// The server answered with an error.
    #[error("the server answered with an error")]
    Answer(#[source] jetstream::Error),
    /// The server lets nobody but others publish there.
    #[error("this user may not publish on {subject}: check its permissions on the server")]
    NotPermitted {
        /// The frame's subject.
        subject: String,
    },
    /// The client did not take the frame.
    #[error("the frame was not sent")]
    NotSent(#[source] async_nats::PublishError),
    /// The frame belongs to another partition than this log.
    #[error("a frame for {subject} was given to the log of partition {partition}")]
    OtherPartition {
        /// The frame's subject.
        subject: String,
        /// This log's.
        partition: u16,
    },
    /// Another stream took the frame, so it is not in this log.
    #[error("stream {stream} answered instead of this log's")]
    OtherStream {
        /// The stream that answered.
        stream: String,
    },
}

/// Publishes `frames` in order and waits for every acknowledgement.
pub(super) async fn append(
    client: &Client,
    context: &Context,
    partition: u16,
    stream: &str,
    frames: Vec<Outgoing>,
) -> Result<Vec<Appended>, AppendError> {
    if let Some(stray) = frames.iter().find(|frame| frame.subject.partition != partition) {
        let subject = stray.subject.to_string();
        return Err(refused(AppendFault::OtherPartition { subject, partition }));
    }
    // A publish without a connection would only wait in a queue, and go out long after its caller gave up.
    client.connected(Instant::now() + ANSWER_TIMEOUT).await.map_err(|error| AppendError::Unavailable(error.into()))?;
    let mut losses = client.losses();
    let mut refusals = client.refusals();
    tokio::select! {
        appended = publish_all(context, stream, &frames) => appended,
        subject = refusal_of(&frames, &mut refusals) => Err(refused(AppendFault::NotPermitted { subject })),
        () = loss(&mut losses) => Err(AppendError::Unavailable(AppendFault::ConnectionLost.into())),
    }
}

async fn publish_all(context: &Context, stream: &str, frames: &[Outgoing]) -> Result<Vec<Appended>, AppendError> {
    let mut appended = Vec::with_capacity(frames.len());
    for frames in batch::split(frames) {
        let at_once = if frames.len() >= batch::FRAMES_MIN { batch::publish(context, frames).await? } else { None };
        match at_once {
            Some(ack) => appended.extend(batch::positions(&checked(ack, stream)?, frames.len())),
            None => publish_each(context, stream, frames, &mut appended).await?,
        }
    }
    Ok(appended)
}

async fn publish_each(
    context: &Context,
    stream: &str,
    frames: &[Outgoing],
    appended: &mut Vec<Appended>,
) -> Result<(), AppendError> {
    let mut window: VecDeque<PublishAckFuture> = VecDeque::with_capacity(WINDOW_FRAMES.min(frames.len()));
    for frame in frames {
        if window.len() == WINDOW_FRAMES
            && let Some(oldest) = window.pop_front()
        {
            appended.push(settled(oldest, stream).await?);
        }
        let message = PublishMessage::build().message_id(seal::sealed(&frame.msg_id)).payload(frame.payload.clone());
        let sent = context.send_publish(frame.subject.to_string(), message).await;
        window.push_back(sent.map_err(classify)?);
    }
    for oldest in window {
        appended.push(settled(oldest, stream).await?);
    }
    Ok(())
}

async fn settled(sent: PublishAckFuture, stream: &str) -> Result<Appended, AppendError> {
    let ack = checked(sent.await.map_err(classify)?, stream)?;
    Ok(Appended { seq: ack.sequence, duplicate: ack.duplicate })
}

/// What another stream took is not in this log.
fn checked(ack: PublishAck, stream: &str) -> Result<PublishAck, AppendError> {
    if ack.stream == stream { Ok(ack) } else { Err(refused(AppendFault::OtherStream { stream: ack.stream })) }
}

/// Comes back when the server says that it does not permit one of the frames' subjects; it never acknowledges those.
async fn refusal_of(frames: &[Outgoing], refusals: &mut broadcast::Receiver<Arc<str>>) -> String {
    loop {
        match refusals.recv().await {
            Ok(text) => {
                let quoted = |frame: &Outgoing| text.contains(&format!("\"{}\"", frame.subject));
                if let Some(frame) = frames.iter().find(|frame| quoted(frame)) {
                    return frame.subject.to_string();
                }
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn loss(losses: &mut watch::Receiver<u64>) {
    if losses.changed().await.is_err() {
        std::future::pending().await
    }
}

fn refused(fault: AppendFault) -> AppendError {
    AppendError::Refused(fault.into())
}

/// What the caller can do about it: try again, make room, or ask a person.
pub(super) fn classify(error: PublishError) -> AppendError {
    match (error.kind(), answer_in(&error).cloned()) {
        (_, Some(answer)) => classify_answer(answer),
        (PublishErrorKind::MaxPayloadExceeded, None) => refused(AppendFault::NotAcknowledged(error)),
        (_, None) => AppendError::Unavailable(AppendFault::NotAcknowledged(error).into()),
    }
}

/// The server's own words, if it said any.
pub(super) fn answer_in(error: &PublishError) -> Option<&jetstream::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

fn classify_answer(answer: jetstream::Error) -> AppendError {
    const NO_ROOM: [ErrorCode; 6] = [
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::MEMORY_RESOURCES_EXCEEDED,
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ErrorCode::STREAM_LIMITS,
        ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
    ];
    const TRY_AGAIN: [usize; 4] = [408, 409, 429, 503];
    let text = answer.to_string();
    // The store's own failures share one code: its limits, and whatever the disk says.
    let store_is_full = answer.error_code() == ErrorCode::STREAM_STORE_FAILED
        && (text.contains("maximum") || text.contains("no space left"));
    if store_is_full || NO_ROOM.contains(&answer.error_code()) {
        AppendError::Full(AppendFault::Answer(answer).into())
    } else if TRY_AGAIN.contains(&answer.code()) || answer.code() >= 500 {
        AppendError::Unavailable(AppendFault::Answer(answer).into())
    } else {
        refused(AppendFault::Answer(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: usize, err_code: u64, description: &str) -> jetstream::Error {
        serde_json::from_value(serde_json::json!({"code": code, "err_code": err_code, "description": description}))
            .unwrap()
    }

    #[test]
    fn each_answer_says_what_to_do() {
        let kind = |error: AppendError| match error {
            AppendError::Unavailable(_) => "again",
            AppendError::Full(_) => "full",
            AppendError::Refused(_) => "refused",
            AppendError::Closed => "closed",
        };
        for (code, err_code, description, expected) in [
            (503, 10077, "maximum bytes exceeded", "full"),
            (503, 10077, "maximum messages exceeded", "full"),
            (503, 10077, "write: no space left on device", "full"),
            (503, 10077, "input/output error", "again"),
            (503, 10023, "insufficient resources", "full"),
            (500, 10047, "insufficient storage resources available", "full"),
            (503, 10008, "JetStream system temporarily unavailable", "again"),
            (429, 10167, "too many requests", "again"),
            (409, 10158, "duplicate message id is in process", "again"),
            (400, 10054, "message size exceeds maximum allowed", "refused"),
            (400, 10109, "invalid operation on sealed stream", "refused"),
        ] {
            assert_eq!(kind(classify_answer(answer(code, err_code, description))), expected, "{description}");
        }
    }
}
