//! The way through JetStream, on a server that syncs before it acknowledges: frames in, and frames out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{BatchConfig, Config};
use futures::StreamExt as _;
use spark_aggregator::Projection;
use spark_aggregator::follow::Follow;
use spark_eventlog::jetstream::{Client, ConnectOptions, InitOptions, JetStreamLog, connect, init};
use spark_eventlog::{EventLog, Outgoing, clock};
use spark_schemas::TimeNs;
use spark_tests::{NatsServer, World};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::load::{self, Load};
use super::measure::{median, per_second};
use super::table::{Figure, amount};
use super::{Options, block_on};

/// Frames that are handed to the log at once.
const AT_ONCE: usize = 1_000;
const TARGETS: u64 = 200;
const PULL: usize = 5_000;
const SHARED: &str = "not profiled alone yet: the server, who publishes, the fold and the store share two cores";

/// Observations published in full frames, acknowledged, folded and stored.
pub fn ingest(options: &Options) -> Result<Vec<Figure>> {
    let (observations, rounds) = options.pick((1_000_000, 3), (200_000, 1));
    let (mut whole, mut unstored, mut alone, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let published = block_on(in_a_fresh_log(observations, 100, async |log, frames, _dir| {
            let begun = Instant::now();
            publish(&log, frames).await?;
            Ok(begun.elapsed())
        }))?;
        let (folded, ingested) = block_on(in_a_fresh_log(observations, 100, async |log, frames, dir| {
            let last = frames.len() as u64;
            let begun = Instant::now();
            let published = publish(&log, frames);
            let ((), folded) = tokio::try_join!(published, fold_and_store(Arc::clone(&log), dir, last))?;
            Ok((folded.duration_since(begun), begun.elapsed()))
        }))?;
        unstored.push(per_second(observations, folded));
        whole.push(per_second(observations, ingested));
        alone.push(per_second(observations, published));
        ratios.push(published.as_secs_f64() / ingested.as_secs_f64());
    }
    let rate = median(whole);
    let limit = format!("publishing alone, {} observations/s", amount(median(alone)));
    let what = "published in frames of 100, acknowledged, folded, stored";
    let row = Figure::new(what, format!("{} observations/s", amount(rate)), "400 k");
    Ok(vec![
        row.beside(limit, median(ratios)).reached(rate >= 400e3, SHARED),
        Figure::aside("  before the last checkpoint", format!("{} observations/s", amount(median(unstored)))),
    ])
}

/// Frames of one event, folded and stored, beside a consumer that throws its messages away.
pub fn single(options: &Options) -> Result<Vec<Figure>> {
    let (frames, rounds) = options.pick((300_000, 3), (60_000, 1));
    let (mut folding, mut unstored, mut throwing, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let world = World::new();
    let server = NatsServer::start(&world);
    block_on(async {
        let log = fresh_log(&server).await?;
        publish(&log, outgoing(frames, 1)?).await?;
        for round in 0..rounds {
            let thrown = throw_away(&server, frames).await?;
            let begun = Instant::now();
            let store = world.path(&format!("store-{round}"));
            let last = log.bounds().await?.last_seq;
            let folded = fold_and_store(Arc::clone(&log), &store, last).await?;
            unstored.push(per_second(frames, folded.duration_since(begun)));
            let folded = begun.elapsed();
            folding.push(per_second(frames, folded));
            throwing.push(per_second(frames, thrown));
            ratios.push(thrown.as_secs_f64() / folded.as_secs_f64());
        }
        Ok(())
    })?;
    let limit = format!("a consumer that throws {} a second away", amount(median(throwing)));
    let ratio = median(ratios);
    let row = Figure::new("frames of one event, folded and stored", format!("{}/s", amount(median(folding))), "80 %");
    Ok(vec![
        row.beside(limit, ratio).reached(ratio >= 0.8, SHARED),
        Figure::aside("  before the last checkpoint", format!("{}/s", amount(median(unstored)))),
    ])
}

/// A server of its own, an empty log in it, and frames that wait to be published.
async fn in_a_fresh_log<T>(
    observations: u64,
    per_frame: usize,
    work: impl AsyncFnOnce(Arc<JetStreamLog>, Vec<Outgoing>, &Path) -> Result<T>,
) -> Result<T> {
    let world = World::new();
    let server = NatsServer::start(&world);
    let log = fresh_log(&server).await?;
    work(log, outgoing(observations, per_frame)?, &world.path("store")).await
}

pub async fn fresh_log(server: &NatsServer) -> Result<Arc<JetStreamLog>> {
    let client: Client = connect(ConnectOptions {
        servers: vec![server.url()],
        credentials: None,
        name: "spark-bench".to_owned(),
        inbox_prefix: None,
        ca_file: None,
    })
    .await?;
    init(&client, &InitOptions::default()).await?;
    Ok(Arc::new(JetStreamLog::open(&client, 0).await?))
}

fn outgoing(observations: u64, per_frame: usize) -> Result<Vec<Outgoing>> {
    let mut load = Load::new(1, TARGETS as usize, 5_000);
    let subject = load.subject();
    let to = clock::wall_now();
    let from = TimeNs(to.0 - observations.div_ceil(TARGETS) * 5 * TimeNs::SECOND);
    let frames = load.frames(from, to, per_frame);
    frames.map(|frame| load::outgoing(&frame, &subject)).collect()
}

/// Publishes everything, and returns when everything is acknowledged.
async fn publish(log: &Arc<JetStreamLog>, mut frames: Vec<Outgoing>) -> Result<()> {
    while !frames.is_empty() {
        let rest = frames.split_off(frames.len().min(AT_ONCE));
        log.append(std::mem::replace(&mut frames, rest)).await?;
    }
    Ok(())
}

/// Follows the log into a store up to `last`, with the checkpoint that makes it durable; says when all was folded.
async fn fold_and_store(log: Arc<JetStreamLog>, dir: &Path, last: u64) -> Result<Instant> {
    let incarnation = log.bounds().await?.incarnation;
    let projection = Projection::open(dir, 0, &incarnation)?;
    let mut positions = projection.changes();
    let stop = CancellationToken::new();
    let follow = Follow { projection, log, recorder: None, dead_letters: None, clock: clock::system() };
    let following = follow.run(stop.clone());
    let reached = async {
        let reached = positions.wait_for(|position| *position >= last).await.map(|_position| Instant::now());
        stop.cancel();
        reached.context("the fold ended early")
    };
    let (followed, reached) = tokio::join!(following, reached);
    followed?;
    reached
}

/// How long it takes until every message has arrived at a consumer that looks at none, with the same pulls.
async fn throw_away(server: &NatsServer, messages: u64) -> Result<Duration> {
    let client = async_nats::connect(server.url()).await?;
    let context = async_nats::jetstream::new(client.clone());
    let config = Config { ack_policy: AckPolicy::None, memory_storage: true, ..Config::default() };
    let consumer = context.create_consumer_on_stream(config, "EVENTS").await?;
    let mut arriving = client.subscribe("thrown.away").await?;
    let begun = Instant::now();
    for taken in 0..usize::try_from(messages)? {
        if taken % PULL == 0 {
            let pull = BatchConfig { batch: PULL, ..BatchConfig::default() };
            consumer.request_batch(pull, "thrown.away".into()).await?;
        }
        arriving.next().await.context("the subscription ended")?;
    }
    Ok(begun.elapsed())
}
