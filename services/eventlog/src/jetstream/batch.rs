//! Atomic batches (NATS ADR-50): frames that the stream takes together, or none of them.

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::Context;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;

use super::publish::{self, AppendFault};
use super::seal;
use crate::{AppendError, Appended, Outgoing};

/// Fewer frames than this are not worth a batch.
pub(super) const FRAMES_MIN: usize = 8;
/// The server takes no more in one batch.
const FRAMES_MAX: usize = 1_000;
/// The server keeps a batch aside until it is whole.
const BYTES_MAX: usize = 8 << 20;

/// Cuts `frames` into runs that each fit a batch.
pub(super) fn split(frames: &[Outgoing]) -> impl Iterator<Item = &[Outgoing]> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |frame: &&Outgoing| {
            bytes += frame.payload.len();
            bytes <= BYTES_MAX
        };
        // One frame always goes, however large: the server will say what it thinks of it.
        let count = rest.iter().take(FRAMES_MAX).take_while(fits).count().max(1).min(rest.len());
        let (run, after) = rest.split_at(count);
        rest = after;
        (!run.is_empty()).then_some(run)
    })
}

/// Publishes `frames` as one batch and waits for its acknowledgement.
///
/// `None` when the server does not take them like this: one is a duplicate or too large, there are too many batches
/// under way, or there is no room for all. Published one by one, each frame then gets an answer of its own.
pub(super) async fn publish(context: &Context, frames: &[Outgoing]) -> Result<Option<PublishAck>, AppendError> {
    let Some((last, before)) = frames.split_last() else { return Ok(None) };
    let client = context.client();
    let inbox = client.new_inbox();
    let id = inbox.rsplit('.').next().unwrap_or(&inbox);
    for (frame, number) in before.iter().zip(1..) {
        let headers = headers(frame, id, number);
        client
            .publish_with_headers(frame.subject.to_string(), headers, frame.payload.clone())
            .await
            .map_err(|error| AppendError::Refused(AppendFault::NotSent(error).into()))?;
    }
    let mut headers = headers(last, id, frames.len());
    headers.insert("Nats-Batch-Commit", "1");
    let commit = PublishMessage::build().headers(headers).payload(last.payload.clone());
    let sent = context.send_publish(last.subject.to_string(), commit).await.map_err(publish::classify)?;
    match sent.await {
        Ok(ack) => Ok(Some(ack)),
        Err(error) => match publish::answer_in(&error) {
            Some(answer) => {
                tracing::debug!(%answer, frames = frames.len(), "the batch is not taken, its frames go one by one");
                Ok(None)
            }
            None => Err(publish::classify(error)),
        },
    }
}

fn headers(frame: &Outgoing, batch: &str, number: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, seal::sealed(&frame.msg_id));
    headers.insert("Nats-Batch-Id", batch);
    headers.insert("Nats-Batch-Sequence", number.to_string());
    headers
}

/// Where the frames of an acknowledged batch are: the acknowledgement names the last, and nothing comes in between.
pub(super) fn positions(ack: &PublishAck, count: usize) -> impl Iterator<Item = Appended> + use<> {
    let last = ack.sequence;
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    (last.saturating_sub(count) + 1..=last).map(|seq| Appended { seq, duplicate: false })
}

#[cfg(test)]
mod tests {
    use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};

    use super::*;

    fn frames(lengths: &[usize]) -> Vec<Outgoing> {
        let subject = EventSubject { partition: 0, agent: Name::new("a").unwrap(), class: Class::Obs };
        let frame = |(length, seq): (&usize, u64)| Outgoing {
            subject: subject.clone(),
            msg_id: MsgId { boot: Boot([0; 16]), seq },
            payload: vec![0; *length].into(),
        };
        lengths.iter().zip(0..).map(frame).collect()
    }

    fn runs(lengths: &[usize]) -> Vec<usize> {
        split(&frames(lengths)).map(<[Outgoing]>::len).collect()
    }

    #[test]
    fn runs_fit_the_servers_limits_and_lose_no_frame() {
        assert_eq!(runs(&[]), [0; 0]);
        assert_eq!(runs(&[1]), [1]);
        assert_eq!(runs(&[1; 1_000]), [1_000]);
        assert_eq!(runs(&[1; 2_001]), [1_000, 1_000, 1]);
        assert_eq!(runs(&[64_000; 300]), [131, 131, 38]);
        assert_eq!(runs(&[BYTES_MAX + 1, 1, BYTES_MAX]), [1, 1, 1]);
    }

    #[test]
    fn positions_end_at_the_acknowledged_one() {
        let ack = PublishAck { sequence: 12, ..PublishAck::default() };
        let seqs: Vec<u64> = positions(&ack, 3).map(|appended| appended.seq).collect();
        assert_eq!(seqs, [10, 11, 12]);
    }
}
