//! Checks that canaries run themselves, with the probe's own code: the configured endpoints, or a built-in target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use spark_aggregator::follow::describe;
use spark_core::canary::{MOCK_RUNS, MockRuns, ProbedTarget, Run};
use spark_core::config::Target;
use spark_eventlog::clock;
use spark_probe::check::{CheckContext, CheckOutcome, PreparedCheck};
use spark_schemas::Name;
use spark_schemas::event::Outcome;
use spark_web::{Probing, ProbingError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// All of a real canary's checks end within this, shortly before whoever asked stops waiting.
const REAL_MAX: Duration = Duration::from_secs(25);
/// How long the built-in target takes to answer: long beside what a busy machine adds.
const HEALTHY_DELAY: Duration = Duration::from_millis(5);
const SICK_DELAY: Duration = Duration::from_millis(25);
/// The sick variant fails each time that its count of requests divides by this.
const SICK_EACH: u64 = 5;

/// Runs checks for canaries.
pub struct CanaryProbing {
    context: Arc<CheckContext>,
}

impl CanaryProbing {
    /// With what the checks share.
    pub fn new(context: Arc<CheckContext>) -> Self {
        Self { context }
    }
}

#[async_trait]
impl Probing for CanaryProbing {
    async fn real(&self, targets: Vec<Target>, runs: u32) -> Vec<ProbedTarget> {
        let until = Instant::now() + REAL_MAX;
        let mut probed: Vec<ProbedTarget> = targets
            .iter()
            .map(|target| ProbedTarget { target: target.name.clone(), runs: Err("the check broke off".to_owned()) })
            .collect();
        let mut probing = JoinSet::new();
        for (n, target) in targets.into_iter().enumerate() {
            let context = Arc::clone(&self.context);
            probing.spawn(async move { (n, probe(&target, &context, runs, until).await) });
        }
        while let Some(ended) = probing.join_next().await {
            if let Ok((n, runs)) = ended {
                probed[n].runs = runs;
            }
        }
        probed
    }

    async fn mock(&self) -> Result<MockRuns, ProbingError> {
        let failed = |error: std::io::Error| ProbingError(error.into());
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let serving = axum::serve(listener, mock_target()).with_graceful_shutdown(stop.cancelled_owned());
        let mut server = JoinSet::new();
        server.spawn(async move { serving.await });

        let check = |variant: &str| {
            let name = Name::new(variant).map_err(|error| ProbingError(error.into()))?;
            let url = format!("http://{address}/{variant}").parse().map_err(|error| ProbingError(Box::new(error)))?;
            let target = Target::new(name, url);
            PreparedCheck::new(&target, &self.context).map_err(|error| ProbingError(error.into()))
        };
        let (baseline, healthy, sick) = (check("baseline")?, check("healthy")?, check("sick")?);
        let mut runs = MockRuns { baseline: Vec::new(), healthy: Vec::new(), sick: Vec::new() };
        for _ in 0..MOCK_RUNS {
            // Side by side, so that whatever else the machine does falls on all of them.
            let (a, b, c) = tokio::join!(once(&baseline), once(&healthy), once(&sick));
            runs.baseline.push(a);
            runs.healthy.push(b);
            runs.sick.push(c);
        }
        Ok(runs)
    }
}

async fn probe(target: &Target, context: &CheckContext, runs: u32, until: Instant) -> Result<Vec<Run>, String> {
    let check = PreparedCheck::new(target, context).map_err(|error| describe(&error))?;
    let mut done = Vec::new();
    while done.len() < runs as usize {
        match timeout_at(until, once(&check)).await {
            Ok(run) => done.push(run),
            Err(_elapsed) => {
                let seconds = REAL_MAX.as_secs();
                return Err(format!("{} of {runs} checks were done within {seconds} s", done.len()));
            }
        }
    }
    Ok(done)
}

async fn once(check: &PreparedCheck) -> Run {
    let CheckOutcome { latency_us, outcome, detail, .. } = check.run(clock::wall_now()).await;
    let failure = match outcome {
        Outcome::Ok => None,
        Outcome::Fail => Some(detail.map_or_else(|| "failed".to_owned(), String::from)),
    };
    Run { latency_us, failure }
}

/// The built-in target: what a canary sees of it is known.
fn mock_target() -> Router {
    let well = || async { tokio::time::sleep(HEALTHY_DELAY).await };
    let sick = |State(count): State<Arc<AtomicU64>>| async move {
        tokio::time::sleep(SICK_DELAY).await;
        match count.fetch_add(1, Ordering::Relaxed) % SICK_EACH {
            0 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        }
    };
    Router::new()
        .route("/baseline", get(well))
        .route("/healthy", get(well))
        .route("/sick", get(sick))
        .with_state(Arc::default())
}
