//! Connecting to NATS, and `spark nats init`.

use std::error::Error;
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use spark_aggregator::derived::Publish;
use spark_aggregator::follow::describe;
use spark_core::view::DECLARING;
use spark_eventlog::jetstream::{
    self, Client, ConnectOptions, Credentials, InitOptions, JetStreamLog, OpenError, Outcome, Publisher,
};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::partitions::{owned, told_wrongly};
use crate::cli::{NatsArgs, NatsInitArgs};
use crate::edge;
use crate::exit::Unusable;
use crate::output::say;

/// How long to wait before looking for the stream again.
const LOOK_AGAIN_FIRST: Duration = Duration::from_millis(100);
const LOOK_AGAIN_LAST: Duration = Duration::from_secs(2);

/// What the answers to a user's questions come on begins with: where there are accounts nobody else may listen there.
pub fn inbox_prefix(user: &str) -> String {
    format!("_INBOX_{user}")
}

/// Who asks, and whom.
fn options(args: &NatsArgs, program: &str, user: &str) -> ConnectOptions {
    let credentials = match (&args.nkey, &args.creds) {
        (Some(seed), _) => Some(Credentials::NkeySeed(seed.clone())),
        (None, Some(creds)) => Some(Credentials::Creds(creds.clone())),
        (None, None) => None,
    };
    ConnectOptions {
        servers: args.servers.clone(),
        credentials,
        name: format!("spark {program}"),
        inbox_prefix: Some(inbox_prefix(user)),
        ca_file: args.ca.clone(),
    }
}

/// Connects the service `program` as `user`, now or when a server is there.
pub async fn connect(args: &NatsArgs, program: &str, user: &str) -> anyhow::Result<Client> {
    Ok(jetstream::connect_when_there(options(args, program, user)).await?)
}

/// What the server did not permit, since before anything was asked.
pub type Refusals = broadcast::Receiver<Arc<str>>;

/// What a service was started for when NATS could not be asked.
pub enum Follows {
    /// Every partition; there are so many.
    All(NonZeroU16),
    /// These, however many others there are.
    Only(Vec<u16>),
}

impl Follows {
    /// The partition whose stream is asked.
    fn first(&self) -> u16 {
        match self {
            Self::All(_) => DECLARING,
            Self::Only(partitions) => partitions.first().copied().unwrap_or(DECLARING),
        }
    }

    fn refuse_unless_of(&self, found: NonZeroU16) -> anyhow::Result<()> {
        match self {
            Self::All(partitions) => ensure!(
                found == *partitions,
                "the log has {found} partitions, and this service was started for {partitions} when NATS could not be \
                 asked: start it again"
            ),
            Self::Only(partitions) => drop(owned(partitions, found)?),
        }
        Ok(())
    }
}

/// Waits for the first server, and for the log; a server that does not let the service in, or is too old, ends it, and so
/// does a log that has not the partitions that the service follows: waiting mends neither.
pub async fn until_let_in(
    client: Client,
    mut refusals: Refusals,
    follows: Follows,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let let_in = async {
        client.established().await?;
        let found = loop {
            match jetstream::partitions(&client, follows.first()).await {
                Ok(found) => break found,
                Err(_the_fold_says_why) => refuse_when_refused(&mut refusals)?,
            }
            tokio::time::sleep(LOOK_AGAIN_LAST).await;
        };
        follows.refuse_unless_of(found)
    };
    if let Some(let_in) = stop.run_until_cancelled(let_in).await {
        let_in?;
        stop.cancelled().await;
    }
    Ok(())
}

/// As [`until_let_in`], and then waits for the stream of `log`; one in which acknowledged frames are not safe ends the
/// service, too. `waiting` says what it waits for; empty when everything was there. For a service that only writes:
/// those that read hear all this from the fold.
pub async fn until_safe(
    client: Client,
    mut refusals: Refusals,
    log: JetStreamLog,
    partitions: NonZeroU16,
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
            refuse_when_refused(&mut refusals)?;
            // A stream that is not there may be one that never will be.
            refuse_another_number(&client, DECLARING, partitions).await?;
            let text = describe(&error);
            if *waiting.borrow() != text {
                tracing::warn!(error = text, "waiting for the log");
                waiting.send_replace(text);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN_LAST);
        }
        refuse_another_number(&client, log.partition(), partitions).await?;
        waiting.send_replace(String::new());
        anyhow::Ok(())
    };
    if let Some(safe) = stop.run_until_cancelled(safe).await {
        safe?;
        stop.cancelled().await;
    }
    Ok(())
}

/// A program without answers because it may not ask will never have one.
fn refuse_when_refused(refusals: &mut Refusals) -> anyhow::Result<()> {
    match refusals.try_recv() {
        Ok(text) => bail!("NATS does not permit this program what it needs ({text}): is --nkey the key of another?"),
        Err(_nothing_was_refused) => Ok(()),
    }
}

async fn refuse_another_number(client: &Client, stream: u16, told: NonZeroU16) -> Result<(), Unusable> {
    match jetstream::partitions(client, stream).await {
        Ok(found) if found != told => Err(told_wrongly(told, found)),
        // Who may not ask, or gets no answer, is refused nothing.
        _ => Ok(()),
    }
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
        let client = jetstream::connect(options(&args.nats, "nats init", "admin")).await?;
        let NatsInitArgs { partitions, replicas, max_bytes, update, .. } = args;
        let options = InitOptions { partitions, replicas, max_bytes, update };
        let streams = jetstream::init(&client, &options).await.context("make the streams")?;
        for stream in streams {
            match stream.outcome {
                Outcome::Created => say!("stream {}: created", stream.stream)?,
                Outcome::Unchanged => say!("stream {}: is there", stream.stream)?,
                Outcome::Updated(changes) => say!("stream {}: changed ({changes})", stream.stream)?,
            }
        }
        client.close().await;
        Ok(ExitCode::SUCCESS)
    })?
}
