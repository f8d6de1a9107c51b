//! One ephemeral pull consumer and the messages it sends, until the first thing that is not in order.
//!
//! Nothing is repaired here: a feed that lost its way says so and is thrown away, and the reader makes another one.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::api::{self, ApiError};
use super::connect::Client;
use super::delivery::Delivery;
use crate::Recorded;

/// How many messages a pull asks for.
const PULL_MESSAGES: usize = 5_000;
/// How many messages are handed on together at most.
const BATCH_MESSAGES: usize = 5_000;
/// While the server has more to send, it is not worth waking the caller for fewer messages than this…
const BATCH_WORTH_WHILE: usize = 500;
/// … unless this much time passes. At the end of the stream nothing waits.
const LINGER: Duration = Duration::from_millis(1);
/// A pull ends early after this much, so that large frames don't pile up in memory.
const PULL_BYTES: usize = 8 << 20;
const PULL_EXPIRES: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Two heartbeats that did not come.
const SILENCE_MAX: Duration = Duration::from_secs(11);
/// What the server says at the end of a pull that has a limit of bytes: there is no room for the next message, or all
/// messages were sent.
const PULL_DONE: [&str; 2] = ["Message Size Exceeds MaxBytes", "Batch Completed"];
/// The server forgets a consumer that nobody has pulled from for this long.
const CONSUMER_IDLE_MAX: Duration = Duration::from_secs(60);

/// Why a feed gave no more messages.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the connection was lost")]
    Connection,
    #[error("nothing was heard from the server, not even a heartbeat")]
    Silent,
    #[error("the subscription ended")]
    Ended,
    #[error("the server ended the delivery: {0}")]
    Status(String),
    #[error("message {expected} of the consumer did not arrive, {got} came instead")]
    Hole { expected: u64, got: u64 },
    #[error("the server calls a message {0:?}, which is not understood")]
    Unreadable(String),
    #[error("the request for messages was not sent")]
    Pull(#[source] async_nats::PublishError),
}

/// Why there is no feed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error("the consumer was not made")]
    Consumer(#[source] ApiError),
    #[error("the subscription for messages was not made")]
    Subscribe(#[source] async_nats::SubscribeError),
}

/// The part of the server's answer that is needed.
#[derive(Deserialize)]
struct ConsumerMade {
    name: String,
}

pub(super) struct Feed {
    client: async_nats::Client,
    losses: watch::Receiver<u64>,
    subscriber: Subscriber,
    inbox: String,
    pull_subject: String,
    pull_request: bytes::Bytes,
    /// The last message of the consumer that arrived.
    consumer_seq: u64,
    /// How many messages the server may still send without being asked again.
    owed: usize,
    /// Whether the stream had more to send when it sent the last message.
    more_behind: bool,
    silent_at: Instant,
}

impl Feed {
    /// Makes a consumer that starts at `from`; the server quietly takes the next that is there when it is gone.
    pub(super) async fn open(client: &Client, context: &Context, stream: &str, from: u64) -> Result<Self, FeedError> {
        let losses = client.losses();
        let client = client.nats().clone();
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(inbox.clone()).await.map_err(FeedError::Subscribe)?;
        let request = json!({
            "stream_name": stream,
            "config": {
                "description": "a reader of Spark's event log",
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": from,
                "ack_policy": "none",
                "replay_policy": "instant",
                "inactive_threshold": nanoseconds(CONSUMER_IDLE_MAX),
                "num_replicas": 1,
                "mem_storage": true,
            },
        });
        let made: ConsumerMade =
            api::ask(context, format!("CONSUMER.CREATE.{stream}"), &request).await.map_err(FeedError::Consumer)?;
        let pull = json!({
            "batch": PULL_MESSAGES,
            "max_bytes": PULL_BYTES,
            "expires": nanoseconds(PULL_EXPIRES),
            "idle_heartbeat": nanoseconds(HEARTBEAT),
        });
        Ok(Self {
            client,
            losses,
            subscriber,
            inbox,
            pull_subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", made.name),
            pull_request: pull.to_string().into(),
            consumer_seq: 0,
            owed: 0,
            more_behind: false,
            silent_at: Instant::now() + SILENCE_MAX,
        })
    }

    /// Waits until something has arrived, and takes it into `batch`: up to [`BATCH_MESSAGES`], none before `next`.
    /// What is in `batch` when this is cancelled belongs to the next call's.
    pub(super) async fn fill(&mut self, next: &mut u64, batch: &mut Vec<Recorded>) -> Result<(), Lost> {
        self.pull().await?;
        let may_linger = batch.is_empty();
        if batch.is_empty() {
            let first = tokio::select! {
                biased;
                message = self.subscriber.next() => message.ok_or(Lost::Ended)?,
                // With the connection went the request for messages, and who knows which of them.
                _ = self.losses.changed() => return Err(Lost::Connection),
                () = tokio::time::sleep_until(self.silent_at) => return Err(Lost::Silent),
            };
            self.silent_at = Instant::now() + SILENCE_MAX;
            self.take(first, next, batch)?;
        }
        self.take_arrived(next, batch)?;
        if may_linger && self.more_behind && (1..BATCH_WORTH_WHILE).contains(&batch.len()) {
            tokio::time::sleep(LINGER).await;
            self.take_arrived(next, batch)?;
        }
        // The server fetches the next messages while the caller works on these. If there is no room for the request
        // now, the next call sends it.
        match unconstrained(self.pull()).now_or_never() {
            Some(Err(lost)) => Err(lost),
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn take_arrived(&mut self, next: &mut u64, batch: &mut Vec<Recorded>) -> Result<(), Lost> {
        // Unconstrained: the runtime's budget for one poll would cut this after a hundred messages or so.
        while batch.len() < BATCH_MESSAGES
            && let Some(Some(message)) = unconstrained(self.subscriber.next()).now_or_never()
        {
            self.take(message, next, batch)?;
        }
        Ok(())
    }

    /// Asks for more when less than half a pull is still to come.
    async fn pull(&mut self) -> Result<(), Lost> {
        if self.owed >= PULL_MESSAGES / 2 {
            return Ok(());
        }
        self.client
            .publish_with_reply(self.pull_subject.clone(), self.inbox.clone(), self.pull_request.clone())
            .await
            .map_err(Lost::Pull)?;
        self.owed += PULL_MESSAGES;
        self.silent_at = Instant::now() + SILENCE_MAX;
        Ok(())
    }

    fn take(&mut self, message: Message, next: &mut u64, batch: &mut Vec<Recorded>) -> Result<(), Lost> {
        // A stored message may carry a status line of its own: only the reply subject is the server's word.
        let delivered = message.reply.as_deref().filter(|reply| reply.starts_with(Delivery::PREFIX));
        match delivered {
            None => self.status(&message),
            Some(reply) => {
                let delivery = Delivery::parse(reply).ok_or_else(|| Lost::Unreadable(reply.to_owned()))?;
                let expected = self.consumer_seq + 1;
                if delivery.consumer_seq != expected {
                    return Err(Lost::Hole { expected, got: delivery.consumer_seq });
                }
                self.consumer_seq = expected;
                self.more_behind = delivery.pending > 0;
                self.owed = self.owed.saturating_sub(1);
                if delivery.stream_seq >= *next {
                    *next = delivery.stream_seq + 1;
                    batch.push(recorded(&delivery, message));
                }
                Ok(())
            }
        }
    }

    fn status(&mut self, message: &Message) -> Result<(), Lost> {
        let description = message.description.as_deref().unwrap_or_default();
        match message.status {
            Some(StatusCode::IDLE_HEARTBEAT) => Ok(()),
            Some(StatusCode::TIMEOUT) => self.pull_ended(message.headers.as_ref()),
            Some(StatusCode::REQUEST_TERMINATED) if PULL_DONE.contains(&description) => {
                self.pull_ended(message.headers.as_ref())
            }
            Some(status) => Err(Lost::Status(format!("{status} {description}"))),
            None => Err(Lost::Unreadable(message.subject.to_string())),
        }
    }

    /// The server says how many of a pull's messages it will not send any more.
    fn pull_ended(&mut self, headers: Option<&HeaderMap>) -> Result<(), Lost> {
        let pending = headers
            .and_then(|headers| headers.get("Nats-Pending-Messages"))
            .and_then(|pending| pending.as_str().parse::<usize>().ok())
            .ok_or_else(|| Lost::Status("a request ended, and it is not said how".to_owned()))?;
        self.owed = self.owed.saturating_sub(pending);
        Ok(())
    }
}

fn recorded(delivery: &Delivery, message: Message) -> Recorded {
    let msg_id = message.headers.as_ref().and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID));
    Recorded {
        seq: delivery.stream_seq,
        received_ns: delivery.received_ns,
        msg_id: msg_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        subject: message.subject.as_str().to_owned(),
        payload: message.payload,
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
