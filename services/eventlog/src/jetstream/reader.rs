//! Reading a stream from a position on, for ever, over as many consumers as it takes.
//!
//! The position is the reader's own: what was given is never given again, and every new consumer starts right after it.
//! async-nats' ordered consumer is not used, because it starts over from the first message of the stream when it has to
//! be made again before it delivered anything.

use std::time::Duration;

use async_nats::jetstream::{Context, ErrorCode};
use async_trait::async_trait;
use spark_schemas::subject;
use tokio::time::Instant;

use super::api::ApiError;
use super::backoff::{backoff, with_jitter};
use super::connect::Client;
use super::feed::{Feed, FeedError, Lost};
use super::log::bounds_of;
use super::{rescue, stream};
use crate::{Bounds, LogReader, ReadError, Recorded};

/// How long a call tries to get back to the messages before it says that the log does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this many lost connections without a message, the next message may be what loses them.
const SUSPICION: usize = 2;
const RETRY_DELAY_MAX: Duration = Duration::from_secs(2);

/// What is wrong with a stream that is being read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// The stream was deleted.
    #[error("there is no stream {stream}: it was deleted, or the server lost it")]
    Missing {
        /// The stream's name.
        stream: String,
    },
    /// The stream holds less than was read from it.
    #[error("frames up to {read} were read, but the stream now ends at {last_seq}: acknowledged frames were lost")]
    Regressed {
        /// The last that was read.
        read: u64,
        /// The last that is there.
        last_seq: u64,
    },
    /// A consumer could not be made or looked after.
    #[error("no consumer on stream {stream}")]
    Consumer {
        /// The stream's name.
        stream: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing went wrong that was told; there was just no time left.
    #[error("no answer in time")]
    Timeout,
}

pub(super) struct Reader {
    client: Client,
    context: Context,
    partition: u16,
    stream: String,
    incarnation: String,
    /// The next sequence number to give.
    next: u64,
    /// The last that was given; 0 before the first.
    given: u64,
    /// What arrived and was not given yet, because a call was cancelled.
    batch: Vec<Recorded>,
    feed: Option<Feed>,
    /// How many feeds in a row were lost without a message.
    failures: usize,
    /// How many connections in a row were lost without a message.
    connections_lost: usize,
}

impl Reader {
    /// Checks that `from` is there to be read.
    pub(super) async fn open(
        client: Client,
        context: Context,
        partition: u16,
        incarnation: String,
        from: u64,
    ) -> Result<Self, ReadError> {
        let stream = subject::stream(partition);
        let next = from.max(1);
        let mut reader = Self {
            client,
            context,
            partition,
            stream,
            incarnation,
            next,
            given: 0,
            batch: Vec::new(),
            feed: None,
            failures: 0,
            connections_lost: 0,
        };
        reader.feed = Some(reader.new_feed().await?);
        Ok(reader)
    }

    /// Makes a feed at the position; tries for as long as there is patience.
    async fn new_feed(&mut self) -> Result<Feed, ReadError> {
        let give_up = Instant::now() + PATIENCE;
        let mut last_fault = None;
        loop {
            let delay = with_jitter(backoff(self.failures, RETRY_DELAY_MAX));
            if tokio::time::timeout_at(give_up, tokio::time::sleep(delay)).await.is_err() {
                return Err(ReadError::Unavailable(last_fault.unwrap_or(ReadFault::Timeout).into()));
            }
            self.client.connected(give_up).await.map_err(|error| ReadError::Unavailable(error.into()))?;
            // Counts as a failure until a message comes, also when this is cancelled.
            self.failures += 1;
            match tokio::time::timeout_at(give_up, self.try_feed()).await {
                Ok(Ok(feed)) => return Ok(feed),
                Ok(Err(Attempt::Final(error))) => return Err(error),
                Ok(Err(Attempt::Again(fault))) => {
                    tracing::debug!(stream = self.stream, next = self.next, %fault, "no consumer yet");
                    last_fault = Some(fault);
                }
                Err(_elapsed) => {}
            }
        }
    }

    async fn try_feed(&self) -> Result<Feed, Attempt> {
        let feed = Feed::open(&self.client, &self.context, &self.stream, self.next).await;
        // After the consumer: what is checked is then the stream that the consumer reads.
        let info = stream::info(&self.context, self.partition).await.map_err(|error| self.again(error))?;
        self.check(&bounds_of(&info)).map_err(Attempt::Final)?;
        feed.map_err(|error| match error {
            FeedError::Consumer(error) => self.again(error),
            FeedError::Subscribe(error) => {
                Attempt::Again(ReadFault::Consumer { stream: self.stream.clone(), source: error.into() })
            }
        })
    }

    fn again(&self, error: ApiError) -> Attempt {
        let stream = self.stream.clone();
        Attempt::Again(if error.is(ErrorCode::STREAM_NOT_FOUND) {
            ReadFault::Missing { stream }
        } else {
            ReadFault::Consumer { stream, source: error.into() }
        })
    }

    /// The next message by the other road, if it is the message that costs the connections.
    async fn rescue(&self) -> Result<Option<Recorded>, ReadError> {
        let give_up = Instant::now() + PATIENCE;
        self.client.connected(give_up).await.map_err(|error| ReadError::Unavailable(error.into()))?;
        let found = rescue::message_from(&self.context, self.partition, self.next).await;
        // After it: what is checked is then the stream that the message is from.
        let info = stream::info(&self.context, self.partition).await;
        self.check(&bounds_of(&info.map_err(|error| ReadError::Unavailable(error.into()))?))?;
        match found {
            Ok(Some(message)) => {
                tracing::warn!(stream = self.stream, seq = message.seq, "message fetched alone after lost connections");
                Ok(Some(message))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::warn!(stream = self.stream, next = self.next, %error, "no message could be fetched alone");
                Ok(None)
            }
        }
    }

    fn give(&mut self) -> Vec<Recorded> {
        self.failures = 0;
        self.given = self.next - 1;
        std::mem::take(&mut self.batch)
    }

    fn check(&self, now: &Bounds) -> Result<(), ReadError> {
        if now.incarnation != self.incarnation {
            Err(ReadError::Closed)
        } else if now.last_seq < self.given {
            let fault = ReadFault::Regressed { read: self.given, last_seq: now.last_seq };
            Err(ReadError::Damaged(fault.into()))
        } else if now.first_seq > self.next {
            Err(ReadError::Gone { wanted: self.next, first_seq: now.first_seq })
        } else {
            Ok(())
        }
    }
}

/// Why there is no feed yet.
enum Attempt {
    Again(ReadFault),
    Final(ReadError),
}

#[async_trait]
impl LogReader for Reader {
    /// What has arrived, up to 5,000 frames. A hole in the sequence numbers is a hole in the stream. After
    /// [`ReadError::Unavailable`] another call goes on where this one stopped.
    async fn next_batch(&mut self) -> Result<Vec<Recorded>, ReadError> {
        loop {
            let Some(feed) = &mut self.feed else {
                self.feed = Some(self.new_feed().await?);
                continue;
            };
            if let Err(lost) = feed.fill(&mut self.next, &mut self.batch).await {
                self.connections_lost += usize::from(matches!(lost, Lost::Connection));
                tracing::warn!(stream = self.stream, next = self.next, %lost, "reading goes on with a new consumer");
                self.feed = None;
            }
            if !self.batch.is_empty() {
                self.connections_lost = 0;
                return Ok(self.give());
            }
            if self.connections_lost >= SUSPICION
                && let Some(message) = self.rescue().await?
            {
                // The next one is suspected sooner: where one was sent, there may be more.
                self.connections_lost = SUSPICION - 1;
                self.next = message.seq + 1;
                self.batch.push(message);
                return Ok(self.give());
            }
        }
    }
}
