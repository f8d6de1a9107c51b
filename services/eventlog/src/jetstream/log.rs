//! One partition's stream as an [`EventLog`].

use std::time::Duration;

use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{Context, ErrorCode};
use async_trait::async_trait;
use spark_schemas::{metric, subject};
use tokio::time::Instant;

use super::api::ApiError;
use super::connect::{Client, NotConnected};
use super::publish;
use super::reader::Reader;
use super::settings::{self, Faults};
use super::{rescue, stream};
use crate::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError};

/// How long a question waits for a connection that was just lost. Short: who asks, asks again.
const CONNECTION_PATIENCE: Duration = Duration::from_millis(500);

/// Why a partition's stream can't serve as a log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such stream.
    #[error("there is no stream {stream}: run `spark nats init`")]
    Missing {
        /// The stream's name.
        stream: String,
    },
    /// Frames would not be safe in it.
    #[error("stream {stream} is not safe for evidence: {faults}")]
    Unsafe {
        /// The stream's name.
        stream: String,
        /// All of them.
        faults: Faults,
    },
    /// There is no server to ask.
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    /// The server did not say.
    #[error("can't look at stream {stream}")]
    Api {
        /// The stream's name.
        stream: String,
        /// Why not.
        #[source]
        source: ApiError,
    },
}

/// One partition of the event log, on JetStream. It is whatever stream has the partition's name: when that is deleted
/// and made anew, readers of the old one end, and new readers read the new one.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    client: Client,
    context: Context,
    partition: u16,
    stream: String,
}

impl JetStreamLog {
    /// The log of `partition`, which may not be there yet: appending and reading say so then.
    pub fn new(client: &Client, partition: u16) -> Self {
        let stream = subject::stream(partition);
        Self { client: client.clone(), context: client.jetstream(), partition, stream }
    }

    /// Opens the stream of `partition`, which is there; refuses one in which acknowledged frames are not safe.
    pub async fn open(client: &Client, partition: u16) -> Result<Self, OpenError> {
        let log = Self::new(client, partition);
        log.check().await?;
        Ok(log)
    }

    /// What the stream holds now, if it is there and acknowledged frames are safe in it.
    pub async fn check(&self) -> Result<Bounds, OpenError> {
        let info = self.info().await?;
        match settings::faults(&info.config, self.partition) {
            faults if faults.0.is_empty() => Ok(bounds_of(&info)),
            faults => Err(OpenError::Unsafe { stream: self.stream.clone(), faults }),
        }
    }

    pub(super) async fn info(&self) -> Result<Info, OpenError> {
        let stream = self.stream.clone();
        self.client.connected(Instant::now() + CONNECTION_PATIENCE).await?;
        stream::info(&self.context, self.partition).await.map_err(|source| {
            if source.is(ErrorCode::STREAM_NOT_FOUND) {
                OpenError::Missing { stream }
            } else {
                OpenError::Api { stream, source }
            }
        })
    }

    /// Which partition this is.
    pub fn partition(&self) -> u16 {
        self.partition
    }
}

#[async_trait]
impl EventLog for JetStreamLog {
    /// A frame that is refused or not acknowledged fails all of them; some may be in the log nevertheless.
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        let appended = publish::append(&self.client, &self.context, self.partition, &self.stream, frames).await?;
        let new = appended.iter().filter(|frame| !frame.duplicate).count();
        metrics::counter!(metric::LOG_APPENDED).increment(u64::try_from(new).unwrap_or(u64::MAX));
        Ok(appended)
    }

    /// The reader survives lost connections, servers and consumers. It ends with [`ReadError::Closed`] when the stream
    /// was deleted and made anew: read again then, and hold the checkpoint against the bounds.
    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        let info = self.info().await.map_err(|error| ReadError::Unavailable(error.into()))?;
        let incarnation = bounds_of(&info).incarnation;
        let reader = Reader::open(self.client.clone(), self.context.clone(), self.partition, incarnation, from);
        Ok(Box::new(reader.await?))
    }

    /// [`ReadError::Unsafe`] when acknowledged frames are not safe in the stream.
    async fn bounds(&self) -> Result<Bounds, ReadError> {
        self.check().await.map_err(|error| match error {
            OpenError::Unsafe { .. } => ReadError::Unsafe(error.into()),
            _ => ReadError::Unavailable(error.into()),
        })
    }

    /// By asking for the one message, which is cheaper than a consumer.
    async fn received_ns(&self, from: u64) -> Result<u64, ReadError> {
        let found = rescue::message_from(&self.context, self.partition, from).await;
        match found.map_err(|error| ReadError::Unavailable(error.into()))? {
            Some(message) => Ok(message.received_ns),
            None => Err(ReadError::Closed),
        }
    }
}

/// What a stream holds, in the log's terms.
pub(super) fn bounds_of(info: &Info) -> Bounds {
    let last_seq = info.state.last_sequence;
    Bounds {
        incarnation: format!("{}@{}", info.config.name, info.created.unix_timestamp_nanos()),
        first_seq: if info.state.messages == 0 { last_seq + 1 } else { info.state.first_sequence },
        last_seq,
    }
}
