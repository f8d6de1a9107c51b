//! `spark aggregator`: folds the log in NATS, records it into the archive, publishes what it derives.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use spark_aggregator::dead::dead_letters;
use spark_aggregator::duties::{Duties, Publish};
use spark_aggregator::follow::Follow;
use spark_aggregator::recorder::Recorder;
use spark_aggregator::{Phase, Projection};
use spark_eventlog::jetstream::JetStreamLog;
use spark_eventlog::{EventLog, clock};

use super::admin::{self, Admin};
use super::nats::{self, NatsPublisher};
use super::policy::PolicyKeeper;
use super::prepare_data;
use super::running::{Running, Stage};
use super::up::{open_stream_projection, writer};
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
    let client = nats::connect(&args.nats, CONTROL_AGENT).await?;
    let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::new(&client, 0));
    let recorder = open_recorder(args.common.data.join("archive")).await?;
    let projection = open_stream_projection(args.common.data.join("store")).await?;

    let folding = Stage::default();
    let mut running = Running::default();
    let nats = client.clone();
    running.start(&folding, "NATS", |stop| nats::until_let_in(nats, stop));
    let (dead_letters, office) = dead_letters();
    let publisher: Arc<dyn Publish> = Arc::new(NatsPublisher(client.publisher()));
    let post = Arc::clone(&publisher);
    running.start(&folding, "dead letters", |stop| async move {
        office.run(post, stop).await;
        Ok(())
    });
    let follow = Follow {
        projection: projection.clone(),
        log: Arc::clone(&log),
        recorder: Some(recorder),
        dead_letters: Some(dead_letters),
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
    let chores = duties(Some(publisher));
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

/// Finds what was recorded before.
async fn open_recorder(dir: PathBuf) -> anyhow::Result<Recorder> {
    let opened = tokio::task::spawn_blocking(move || Recorder::open(dir, 0)).await?;
    opened.context("open the archive")
}

fn health(projection: &Projection) -> Box<dyn Fn() -> (bool, serde_json::Value) + Send + Sync> {
    let projection = projection.clone();
    Box::new(move || {
        let status = projection.status();
        let works = matches!(status.phase, Phase::Live | Phase::Replaying { .. });
        (works, json!(status))
    })
}
