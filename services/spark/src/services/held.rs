//! A log that takes nothing until it is known to be the right one and safe: what a probe sees meanwhile stays in its
//! outbox, where nothing is lost.

use std::sync::Arc;

use async_trait::async_trait;
use spark_eventlog::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError};
use tokio::sync::watch;

/// The log, and what is still waited for; empty when nothing is.
pub struct Held {
    pub log: Arc<dyn EventLog>,
    pub waiting_for: watch::Receiver<String>,
}

#[async_trait]
impl EventLog for Held {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        let waiting_for = self.waiting_for.borrow().clone();
        match waiting_for.is_empty() {
            true => self.log.append(frames).await,
            false => Err(AppendError::Unavailable(waiting_for.into())),
        }
    }

    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        self.log.read(from).await
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        self.log.bounds().await
    }

    async fn received_ns(&self, from: u64) -> Result<u64, ReadError> {
        self.log.received_ns(from).await
    }
}
