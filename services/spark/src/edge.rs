//! The edge: runtime, log subscriber, metrics recorder, signals, randomness and what this build is.

use std::future::Future;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sha2::{Digest as _, Sha256};
use spark_schemas::{Boot, metric};
use spark_web::BuildInfo;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;
use crate::exit::Unusable;

/// Bounds for everything measured in seconds, from a page's microseconds to a slow check.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs a service to its end on a runtime of its own.
pub fn block_on<F: Future>(service: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    Ok(runtime.block_on(service))
}

/// Sends logs to standard error.
pub fn install_logging(format: LogFormat) -> Result<(), Unusable> {
    let filter = match std::env::var("SPARK_LOG") {
        Ok(text) => {
            EnvFilter::try_new(&text).map_err(|error| Unusable::Setting(format!("SPARK_LOG={text}: {error}")))?
        }
        Err(_not_set) => EnvFilter::new("info,async_nats=warn,sled=warn"),
    };
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // It would say on standard error that standard error is closed, and panic over it.
    let builder = builder.log_internal_errors(false);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Installs the metrics recorder, and describes every metric.
pub fn install_metrics(build: &BuildInfo) -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .context("set the histograms' bounds")?
        .install_recorder()
        .context("install the metrics recorder")?;
    for (name, kind, help) in metric::ALL {
        let (name, help) = (*name, help.trim());
        match kind {
            metric::Kind::Counter => metrics::describe_counter!(name, help),
            metric::Kind::Gauge => metrics::describe_gauge!(name, help),
            metric::Kind::Histogram => metrics::describe_histogram!(name, help),
        }
    }
    metrics::gauge!(metric::BUILD_INFO, "version" => build.version.clone(), "build" => build.id.clone()).set(1.0);
    Ok(handle)
}

/// Keeps the recorder's memory flat until `shutdown`.
pub async fn metrics_upkeep(handle: PrometheusHandle, shutdown: CancellationToken) -> anyhow::Result<()> {
    while tokio::time::timeout(UPKEEP_EVERY, shutdown.cancelled()).await.is_err() {
        handle.run_upkeep();
    }
    Ok(())
}

/// Which build this is: the version, and the digest of the running program itself.
pub fn build_info() -> anyhow::Result<BuildInfo> {
    let program = std::env::current_exe().context("find the running program")?;
    let bytes = std::fs::read(&program).with_context(|| format!("read {}", program.display()))?;
    let id = spark_core::hex(&Sha256::digest(bytes)[..6]);
    Ok(BuildInfo { version: env!("CARGO_PKG_VERSION").to_owned(), id })
}

/// A new run's identity.
#[expect(clippy::expect_used, reason = "without randomness no run may start")]
pub fn new_boot() -> Boot {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    Boot(bytes)
}

/// Waits until somebody wants the program to end: Ctrl+C, or SIGTERM where there is one.
pub async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _no_signals_here = tokio::signal::ctrl_c().await;
}

/// Binds `addr`, or says what to do about it.
pub async fn bind(addr: SocketAddr, flag: &str) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(addr)
        .await
        .with_context(|| format!("can't listen on {addr}; is another Spark running? choose another with {flag}"))
}
