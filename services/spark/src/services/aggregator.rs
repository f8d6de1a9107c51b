//! `spark aggregator`: folds the log in NATS, records it into the archive, publishes what it derives.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use spark_aggregator::duties::Duties;
use spark_aggregator::follow::Follow;
use spark_aggregator::{Phase, Projection};
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_eventlog::jetstream::JetStreamLog;
use spark_eventlog::{EventLog, clock};

use super::admin::{self, Admin};
use super::nats::{self, NatsPublisher};
use super::policy::PolicyKeeper;
use super::prepare_data;
use super::running::{Running, Stage};
use super::up::{open_projection, writer};
use super::web::render;
use crate::cli::AggregatorArgs;
use crate::configuration::{self, Overrides};
use crate::edge;

/// The name under which the aggregator declares.
const CONTROL_AGENT: &str = "aggregator";

/// Runs `spark aggregator`.
pub fn aggregator(args: AggregatorArgs) -> anyhow::Result<ExitCode> {
    let overrides = Overrides::new(&args.common, args.url.clone())?;
    configuration::load(args.common.config.as_deref(), &overrides)?;
    edge::install_logging(args.common.log_format)?;
    edge::block_on(run(args, overrides))?
}

async fn run(args: AggregatorArgs, overrides: Overrides) -> anyhow::Result<ExitCode> {
    let config = configuration::load(args.common.config.as_deref(), &overrides)?;
    let clock = clock::system();
    prepare_data(&args.common.data)?;
    let metrics = edge::install_metrics(&edge::build_info()?)?;
    let listener = edge::bind(args.admin, "--admin").await?;
    let client = nats::connect(&args.nats, CONTROL_AGENT, CONTROL_AGENT).await?;
    let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::open(&client, 0).await?);
    let bounds = log.bounds().await?;
    let archive = open_archive(&args, &bounds.incarnation).await?;
    let projection = open_projection(args.common.data.join("store"), bounds).await?;

    let folding = Stage::default();
    let mut running = Running::default();
    let follow = Follow {
        projection: projection.clone(),
        log: Arc::clone(&log),
        recorder: Some(archive),
        clock: Arc::clone(&clock),
    };
    running.start(&folding, "fold", |stop| async move { Ok(follow.run(stop).await?) });

    let control = writer(&log, CONTROL_AGENT)?;
    let duties = |publisher| Duties {
        projection: projection.clone(),
        writer: Arc::clone(&control),
        publisher,
        clock: Arc::clone(&clock),
    };
    let chores = duties(Some(Arc::new(NatsPublisher(client.publisher())) as _));
    running.start(&folding, "duties", |stop| async move {
        chores.run(stop).await;
        Ok(())
    });
    let keeper = PolicyKeeper {
        duties: Some(duties(None)),
        probe: None,
        file: args.common.config.clone().map(|file| (file, overrides)),
    };
    running.start(&folding, "configuration", |stop| keeper.run(config, stop));

    let admin = Admin { metrics: render(&projection, &metrics), health: health(&projection) };
    println!("Spark's aggregator: metrics and health on http://{}", listener.local_addr()?);
    running.start(&folding, "admin", |stop| async move { Ok(admin::serve(listener, admin, stop).await?) });
    running.start(&folding, "metrics", |stop| edge::metrics_upkeep(metrics, stop));

    running.until_asked_to_stop().await;
    running.stop(&folding).await;
    client.close().await;
    running.into_result().await.map(|()| ExitCode::SUCCESS)
}

/// One archive for each incarnation of the stream: a stream made anew gets a new one, the old one stays as it is.
async fn open_archive(args: &AggregatorArgs, incarnation: &str) -> anyhow::Result<Archive> {
    let dir = args.common.data.join("archive").join(directory_name(incarnation));
    let options = ArchiveOptions { incarnation: Some(incarnation.to_owned()), ..ArchiveOptions::default() };
    let opened = tokio::task::spawn_blocking(move || Archive::open(dir, options)).await?;
    // What is cut here was never acknowledged to anybody: the stream still has it, and it is recorded again.
    let (archive, _torn_tail) = opened.context("open the archive")?;
    Ok(archive)
}

/// The incarnation as a file name that every file system takes.
fn directory_name(incarnation: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "@-_.".contains(c) { c } else { '_' };
    incarnation.chars().map(safe).collect()
}

fn health(projection: &Projection) -> Box<dyn Fn() -> (bool, serde_json::Value) + Send + Sync> {
    let projection = projection.clone();
    Box::new(move || {
        let status = projection.status();
        let works = matches!(status.phase, Phase::Live | Phase::Replaying { .. });
        (works, json!(status))
    })
}
