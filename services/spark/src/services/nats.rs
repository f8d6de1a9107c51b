//! Connecting to NATS, and `spark nats init`.

use std::error::Error;
use std::process::ExitCode;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use spark_aggregator::derived::Publish;
use spark_eventlog::jetstream::{self, Client, ConnectOptions, Credentials, InitOptions, Outcome, Publisher};

use crate::cli::{NatsArgs, NatsInitArgs};
use crate::edge;

/// Connects as `program`. Answers come on `_INBOX_<user>`, which nobody else may listen to where there are accounts.
pub async fn connect(args: &NatsArgs, program: &str, user: &str) -> anyhow::Result<Client> {
    let credentials = match (&args.nkey, &args.creds) {
        (Some(seed), _) => Some(Credentials::NkeySeed(seed.clone())),
        (None, Some(creds)) => Some(Credentials::Creds(creds.clone())),
        (None, None) => None,
    };
    let options = ConnectOptions {
        servers: args.servers.clone(),
        credentials,
        name: format!("spark {program}"),
        inbox_prefix: Some(format!("_INBOX_{user}")),
        ca_file: args.ca.clone(),
    };
    Ok(jetstream::connect(options).await?)
}

/// Derived messages over NATS.
pub struct NatsPublisher(pub Publisher);

#[async_trait]
impl Publish for NatsPublisher {
    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.publish(subject, payload).await?)
    }
}

/// Runs `spark nats init`.
pub fn nats_init(args: NatsInitArgs) -> anyhow::Result<ExitCode> {
    edge::block_on(async {
        let client = connect(&args.nats, "nats init", "admin").await?;
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
