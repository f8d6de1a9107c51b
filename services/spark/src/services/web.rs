//! `spark web`: pages and API over projections of its own, which follow every partition of the log in NATS.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use spark_aggregator::Projections;
use spark_aggregator::follow::Follow;
use spark_aggregator::gauges::Gauges;
use spark_core::view::DECLARING;
use spark_eventlog::jetstream::JetStreamLog;
use spark_eventlog::writer::EventWriter;
use spark_eventlog::{EventLog, clock};
use spark_probe::check::CheckContext;
use spark_schemas::TimeNs;
use spark_web::evidence::Evidence;
use spark_web::{App, BuildInfo, LogMode, SHARED_AT_MOST};
use tokio::net::TcpListener;

use super::evidence::Remote;
use super::nats::Follows;
use super::partitions::{self, Stores, open_stream_projection};
use super::running::{Running, Stage};
use super::up::writer;
use super::{nats, prepare_data, refuse_to_expose};
use crate::canary::CanaryProbing;
use crate::cli::WebArgs;
use crate::output::say;
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
    let client = nats::connect(&args.nats, CONTROL_AGENT, CONTROL_AGENT).await?;
    let refusals = client.refusals();
    let stores = Stores { data: &args.data, name: "web-store" };
    let partitions = partitions::known(&client, &stores, 1).await;

    let serving = Stage::default();
    let mut running = Running::default();
    let nats = client.clone();
    running.start(&serving, "NATS", move |stop| nats::until_let_in(nats, refusals, Follows::All(partitions), stop));
    let (mut projections, mut logs) = (Vec::new(), Vec::new());
    let mut control = None;
    for partition in 0..partitions.get() {
        let log: Arc<dyn EventLog> = Arc::new(JetStreamLog::new(&client, partition));
        let projection = open_stream_projection(&stores, partition).await?;
        projections.push(projection.clone());
        logs.push(Arc::clone(&log));
        if partition == DECLARING {
            control = Some(writer(&log, partition, CONTROL_AGENT)?);
        }
        let follow = Follow { projection, log, recorder: None, dead_letters: None, clock: Arc::clone(&clock) };
        running.start(&serving, "fold", |stop| async move { Ok(follow.run(stop).await?) });
    }
    let control = control.context("a log has a partition 0")?;
    let stand_in = match args.listen.ip().is_loopback() {
        true => stand_in::bind_unless(args.executor_url.as_ref()).await,
        false => None,
    };
    let is_stand_in = stand_in.is_some();
    if let Some(listener) = stand_in {
        running.start(&serving, "stand-in executor", |stop| async move { Ok(stand_in::serve(listener, stop).await?) });
    }
    let context = Arc::new(CheckContext::new(|name| std::env::var(name).ok()));
    let app = app(
        projections.into(),
        LogMode::Jetstream,
        logs,
        None,
        context,
        Arc::new(Remote(args.evidence_url.clone())),
        control,
        build,
        started,
        &listener,
        is_stand_in,
        &metrics,
    )?;
    say!("Spark's pages: {}", crate::configuration::local_url(listener.local_addr()?)?)?;
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
    projections: Projections,
    log_mode: LogMode,
    logs: Vec<Arc<dyn EventLog>>,
    archive: Option<PathBuf>,
    checks: Arc<CheckContext>,
    evidence: Arc<dyn Evidence>,
    writer: Arc<EventWriter>,
    build: BuildInfo,
    started: TimeNs,
    listener: &TcpListener,
    stand_in: bool,
    metrics: &PrometheusHandle,
) -> anyhow::Result<Arc<App>> {
    Ok(Arc::new(App {
        metrics_render: render(&projections, metrics),
        projections,
        log_mode,
        logs,
        archive,
        probing: Arc::new(CanaryProbing::new(checks)),
        evidence,
        writer,
        clock: clock::system(),
        build,
        started,
        stand_in,
        self_base: listener.local_addr()?,
        shared_at_most: SHARED_AT_MOST,
    }))
}

/// Renders the metrics, with the pages' figures as of now.
pub(super) fn render(projections: &Projections, metrics: &PrometheusHandle) -> Box<dyn Fn() -> String + Send + Sync> {
    let (gauges, metrics) = (Gauges::of(projections.clone()), metrics.clone());
    Box::new(move || {
        gauges.set(clock::wall_now());
        metrics.render()
    })
}
