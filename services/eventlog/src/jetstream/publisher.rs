//! Messages beside the log: windows, health, decisions, checkpoints. At most once, and never in the way.

use std::time::Duration;

use async_nats::header::{HeaderMap, HeaderValue};
use bytes::Bytes;

use super::connect::{Client, NotConnected};

/// How long a message may wait for room in the connection's queue.
const PATIENCE: Duration = Duration::from_millis(250);

/// Why a message was not published. It is gone; the next one says more anyway.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or it does not keep up.
    #[error("the message was not sent")]
    Unavailable(#[from] NotConnected),
    /// The message is too large for the server, or its subject is none.
    #[error("the message can't be sent")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Publishes on the log's connection, without the log.
#[derive(Debug, Clone)]
pub struct Publisher {
    client: Client,
}

impl Publisher {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Publishes `payload` on `subject` to who listens now. Does not wait for a lost connection.
    pub async fn publish(&self, subject: String, payload: Bytes) -> Result<(), PublishError> {
        self.in_time(self.client.nats().publish(subject, payload)).await
    }

    /// As [`Publisher::publish`], with headers: names and values of one line each.
    pub async fn publish_with_headers(
        &self,
        subject: String,
        headers: Vec<(&'static str, String)>,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = value.parse::<HeaderValue>().map_err(|error| PublishError::Invalid(error.into()))?;
            map.insert(name, value);
        }
        self.in_time(self.client.nats().publish_with_headers(subject, map, payload)).await
    }

    async fn in_time<E: std::error::Error + Send + Sync + 'static>(
        &self,
        publishing: impl Future<Output = Result<(), E>>,
    ) -> Result<(), PublishError> {
        if !self.client.is_connected() {
            return Err(self.client.not_connected().into());
        }
        match tokio::time::timeout(PATIENCE, publishing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(PublishError::Invalid(error.into())),
            Err(_no_room) => Err(self.client.not_connected().into()),
        }
    }
}
