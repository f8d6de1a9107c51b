//! `spark web`: pages and API over a projection of its own, which follows the log in NATS.

use std::process::ExitCode;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use spark_aggregator::follow::Follow;
use spark_aggregator::{Projection, gauges};
use spark_eventlog::EventLog;
use spark_eventlog::clock;
use spark_eventlog::jetstream::JetStreamLog;
use spark_eventlog::writer::EventWriter;
use spark_schemas::TimeNs;
use spark_web::{App, BuildInfo, LogMode};
use tokio::net::TcpListener;

use super::nats;
use super::running::{Running, Stage};
use super::up::{open_stream_projection, writer};
use super::{prepare_data, refuse_to_expose};
use crate::cli::WebArgs;
use crate::{edge, stand_in};

/// The name under which the web service decides.
const CONTROL_AGENT: &str = "web";

/// Runs `spark web`.
pub fn web(args: WebArgs) -> anyhow::Result<ExitCode> {
    refuse_to_expose(args.listen, args.insecure)?;
    edge::install_logging(args.log_format)?;
    edge::block_on(run(args))?
}

async fn run(args: WebArgs) -> anyhow::Result<ExitCode> {
    let clock = clock::system();
    let started = clock();
    prepare_data(&args.data)?;
    let build = edge::build_info()?;
    let metrics = edge::install_metrics(&build)?;
    let listener = edge::bind(args.listen, "--listen").await?;
    let client = nats::connect(&args.nats, CONTROL_AGENT).await?;
    let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::new(&client, 0));
    let projection = open_stream_projection(args.data.join("web-store")).await?;

    let serving = Stage::default();
    let mut running = Running::default();
    let nats = client.clone();
    running.start(&serving, "NATS", |stop| nats::until_let_in(nats, stop));
    let follow = Follow {
        projection: projection.clone(),
        log: Arc::clone(&log),
        recorder: None,
        dead_letters: None,
        clock: Arc::clone(&clock),
    };
    running.start(&serving, "fold", |stop| async move { Ok(follow.run(stop).await?) });
    let control = writer(&log, CONTROL_AGENT)?;
    let stand_in = match args.listen.ip().is_loopback() {
        true => stand_in::bind_unless(args.executor_url.as_ref()).await,
        false => None,
    };
    let is_stand_in = stand_in.is_some();
    if let Some(listener) = stand_in {
        running.start(&serving, "stand-in executor", |stop| async move { Ok(stand_in::serve(listener, stop).await?) });
    }
    let app = app(&projection, LogMode::Jetstream, control, build, started, &listener, is_stand_in, &metrics)?;
    println!("Spark's pages: {}", crate::configuration::local_url(listener.local_addr()?)?);
    running.start(&serving, "web", |stop| async move { Ok(spark_web::serve(listener, app, stop).await?) });
    running.start(&serving, "metrics", |stop| edge::metrics_upkeep(metrics, stop));

    running.until_asked_to_stop().await;
    running.stop(&serving).await;
    client.close().await;
    running.into_result().await.map(|()| ExitCode::SUCCESS)
}

/// What the web service is given, in both modes.
#[expect(clippy::too_many_arguments, reason = "wiring: each is one field of App")]
pub(super) fn app(
    projection: &Projection,
    log_mode: LogMode,
    writer: Arc<EventWriter>,
    build: BuildInfo,
    started: TimeNs,
    listener: &TcpListener,
    stand_in: bool,
    metrics: &PrometheusHandle,
) -> anyhow::Result<Arc<App>> {
    Ok(Arc::new(App {
        projection: projection.clone(),
        log_mode,
        writer,
        clock: clock::system(),
        build,
        started,
        stand_in,
        self_base: listener.local_addr()?,
        metrics_render: render(projection, metrics),
    }))
}

/// Renders the metrics, with the pages' figures as of now.
pub(super) fn render(projection: &Projection, metrics: &PrometheusHandle) -> Box<dyn Fn() -> String + Send + Sync> {
    let (projection, metrics) = (projection.clone(), metrics.clone());
    Box::new(move || {
        projection.view(clock::wall_now(), |view| gauges::set(&view));
        metrics.render()
    })
}
