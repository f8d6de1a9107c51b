//! Connecting to NATS, and `spark nats init`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use spark_aggregator::duties::Publish;
use spark_aggregator::follow::describe;
use spark_eventlog::jetstream::{
    self, Client, ConnectOptions, Credentials, InitOptions, JetStreamLog, OpenError, Outcome, Publisher,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::{NatsArgs, NatsInitArgs};
use crate::edge;

/// How long to wait before looking for the stream again.
const LOOK_AGAIN_FIRST: Duration = Duration::from_millis(100);
const LOOK_AGAIN_LAST: Duration = Duration::from_secs(2);

/// Who asks, and whom.
fn options(args: &NatsArgs, name: &str) -> ConnectOptions {
    let credentials = match (&args.nkey, &args.creds) {
        (Some(seed), _) => Some(Credentials::NkeySeed(seed.clone())),
        (None, Some(creds)) => Some(Credentials::Creds(creds.clone())),
        (None, None) => None,
    };
    ConnectOptions { servers: args.servers.clone(), credentials, name: format!("spark {name}"), inbox_prefix: None }
}

/// Connects the service `name`, now or when a server is there.
pub async fn connect(args: &NatsArgs, name: &str) -> anyhow::Result<Client> {
    Ok(jetstream::connect_when_there(options(args, name)).await?)
}

/// Waits for the first server; one that does not let the service in, or is too old, ends it: waiting mends neither.
pub async fn until_let_in(client: Client, stop: CancellationToken) -> anyhow::Result<()> {
    if let Some(established) = stop.run_until_cancelled(client.established()).await {
        established?;
        stop.cancelled().await;
    }
    Ok(())
}

/// As [`until_let_in`], and then waits for the stream of `log`; one in which acknowledged frames are not safe ends the
/// service, too. `waiting` says what it waits for; empty when everything was there. For a service that only writes:
/// those that read hear all this from the fold.
pub async fn until_safe(
    client: Client,
    log: JetStreamLog,
    waiting: watch::Sender<String>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let safe = async {
        client.established().await?;
        let mut pause = LOOK_AGAIN_FIRST;
        while let Err(error) = log.check().await {
            if let OpenError::Unsafe { .. } = error {
                return Err(error.into());
            }
            let text = describe(&error);
            if *waiting.borrow() != text {
                tracing::warn!(error = text, "waiting for the log");
                waiting.send_replace(text);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN_LAST);
        }
        waiting.send_replace(String::new());
        anyhow::Ok(())
    };
    if let Some(safe) = stop.run_until_cancelled(safe).await {
        safe?;
        stop.cancelled().await;
    }
    Ok(())
}

/// Derived messages over NATS.
pub struct NatsPublisher(pub Publisher);

#[async_trait]
impl Publish for NatsPublisher {
    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.publish(subject, payload).await?)
    }

    async fn publish_with_headers(
        &self,
        subject: String,
        headers: Vec<(&'static str, String)>,
        payload: Bytes,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.publish_with_headers(subject, headers, payload).await?)
    }
}

/// Runs `spark nats init`.
pub fn nats_init(args: NatsInitArgs) -> anyhow::Result<ExitCode> {
    edge::block_on(async {
        let client = jetstream::connect(options(&args.nats, "nats init")).await?;
        let NatsInitArgs { partitions, replicas, max_bytes, update, .. } = args;
        let options = InitOptions { partitions, replicas, max_bytes, update };
        let streams = jetstream::init(&client, &options).await.context("make the streams")?;
        for stream in streams {
            match stream.outcome {
                Outcome::Created => println!("stream {}: created", stream.stream),
                Outcome::Unchanged => println!("stream {}: is there", stream.stream),
                Outcome::Updated(changes) => println!("stream {}: changed ({changes})", stream.stream),
            }
        }
        client.close().await;
        Ok(ExitCode::SUCCESS)
    })?
}
