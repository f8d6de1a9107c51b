//! One partition's stream as an [`EventLog`].

use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{Context, ErrorCode};
use async_trait::async_trait;
use spark_schemas::{metric, subject};

use super::api::ApiError;
use super::connect::Client;
use super::publish;
use super::reader::Reader;
use super::settings::{self, Faults};
use super::stream;
use crate::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError};

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

/// One partition of the event log, on JetStream.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    client: Client,
    context: Context,
    partition: u16,
    stream: String,
    incarnation: String,
}

impl JetStreamLog {
    /// Opens the stream of `partition`; refuses one in which acknowledged frames are not safe.
    pub async fn open(client: &Client, partition: u16) -> Result<Self, OpenError> {
        let context = client.jetstream();
        let stream = subject::stream(partition);
        let info = match stream::info(&context, partition).await {
            Ok(info) => info,
            Err(error) if error.is(ErrorCode::STREAM_NOT_FOUND) => return Err(OpenError::Missing { stream }),
            Err(source) => return Err(OpenError::Api { stream, source }),
        };
        let faults = settings::faults(&info.config, partition);
        if !faults.0.is_empty() {
            return Err(OpenError::Unsafe { stream, faults });
        }
        Ok(Self { client: client.clone(), context, partition, stream, incarnation: bounds_of(&info).incarnation })
    }

    /// Which partition this is.
    pub fn partition(&self) -> u16 {
        self.partition
    }

    /// The incarnation that was opened; [`EventLog::bounds`] tells the one that is there now.
    pub fn incarnation(&self) -> &str {
        &self.incarnation
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
    /// was deleted and made anew: open it again, and hold the checkpoint against its bounds.
    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        let reader =
            Reader::open(self.client.clone(), self.context.clone(), self.partition, self.incarnation.clone(), from);
        Ok(Box::new(reader.await?))
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        let info = stream::info(&self.context, self.partition).await;
        info.map(|info| bounds_of(&info)).map_err(|error| ReadError::Unavailable(error.into()))
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
