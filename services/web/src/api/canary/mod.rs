//! `/api/tools/canary`: GET tells of recent runs, POST runs one and records it, `…/{id}/verify` makes one again.

mod body;
mod comparing;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use spark_core::canary::{Circumstances, mock_checks, ran, real_checks};
use spark_core::config::Target;
use spark_schemas::event::{CanaryMode, CanaryRan, CheckResult};
use spark_schemas::{Event, metric};

use self::body::Body;
use self::request::{Kind, RealRequest, Request};
use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;
use crate::standing::Standing;

/// A real canary looks at so many targets at most: its event is one frame.
const TARGETS_MAX: usize = 100;

/// The latest runs, newest first.
pub(crate) async fn recent(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Value>, Problem> {
    let params = Params::strict(&uri, &["at"])?;
    let now = server.now();
    let at = params.at(now)?.unwrap_or(now);
    let runs: Vec<CanaryRan> = server.view(at, |view| {
        let canaries = &view.declarations().canaries;
        canaries.iter().rev().filter(|run| run.at_ns <= at).cloned().collect()
    })?;
    let runs: Vec<Body> = runs.into_iter().map(Body::recorded).collect();
    Ok(Json(json!({ "runs": runs })))
}

/// One of the latest runs.
pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    uri: Uri,
    Path(id): Path<String>,
) -> Result<Json<Body>, Problem> {
    Params::strict(&uri, &[])?;
    find(&server, &id).map(Body::recorded).map(Json)
}

/// Makes a comparison again, from the log.
pub(crate) async fn verify(
    State(server): State<Arc<Server>>,
    uri: Uri,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Params::strict(&uri, &[])?;
    let recorded = find(&server, &id)?;
    let _turn = turn(&server)?;
    let again = comparing::again(&server, &recorded).await?;
    let is_reproduced = again == recorded;
    let (recorded, again) = (Body::recorded(recorded), Body::new(again, None));
    Ok(Json(json!({ "id": id, "reproduced": is_reproduced, "recorded": recorded, "again": again })))
}

/// Runs a canary, and answers once it is on the log. Without the log there is no verdict.
pub(crate) async fn run(
    State(server): State<Arc<Server>>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Body>, Problem> {
    Params::strict(&uri, &[])?;
    let Request { kind, by } = Request::read(&body?)?;
    let _turn = turn(&server)?;
    match server.standing() {
        Standing::Live => {}
        Standing::Stale(_) if !matches!(kind, Kind::Compare(_)) => {}
        standing => {
            let why = standing.sentence().unwrap_or_default();
            return Err(Problem::log_unreachable(format!("No verdict on what may be old. {why}")));
        }
    }
    let circumstances =
        || Circumstances { at: server.now(), by, build: format!("{} ({})", server.build.version, server.build.id) };
    let run = match kind {
        Kind::Mock => ran(CanaryMode::Mock, mock(&server).await?, None, circumstances()),
        Kind::Real(request) => ran(CanaryMode::Real, real(&server, request).await?, None, circumstances()),
        Kind::Compare(request) => comparing::compare(&server, request, circumstances()).await?,
    };
    match server.writer.write(vec![Event::CanaryRan(run.clone())]).await {
        Ok(appended) => {
            let (mode, verdict) = (run.mode.as_str(), run.verdict.as_str());
            metrics::counter!(metric::CANARY_RUNS, "mode" => mode, "verdict" => verdict).increment(1);
            Ok(Json(Body::new(run, Some(appended.seq))))
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a canary was not recorded");
            Err(Problem::log_unreachable(format!("The canary could not be recorded, so it has no verdict: {error}.")))
        }
    }
}

fn turn(server: &Server) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
    server.canary_turn.try_acquire().map_err(|_taken| {
        let detail = "Another canary is running; ask again when it has ended.".to_owned();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "One canary runs at a time", detail)
    })
}

fn find(server: &Server, id: &str) -> Result<CanaryRan, Problem> {
    let found = server.view(server.now(), |view| view.declarations().canaries.iter().find(|run| run.id == id).cloned());
    found?.ok_or_else(|| Problem::unknown_canary(id))
}

async fn mock(server: &Server) -> Result<Vec<CheckResult>, Problem> {
    let runs = server.probing.mock().await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "no mock canary");
        let detail = format!("There is nothing to judge: {error}.");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-mock", "The mock could not run", detail)
    })?;
    Ok(mock_checks(&runs))
}

async fn real(server: &Server, request: RealRequest) -> Result<Vec<CheckResult>, Problem> {
    let (targets, limit) = server.view(server.now(), |view| {
        let config = view.config();
        // Says so when there is no such profile.
        let slo = view.slo(request.profile.as_deref())?;
        let targets: Vec<Target> = match &request.targets {
            None => config.selection(&slo.profile).cloned().collect(),
            Some(named) => {
                let find = |name: &String| config.target(name).cloned().ok_or_else(|| Problem::unknown_target(name));
                named.iter().map(find).collect::<Result<_, Problem>>()?
            }
        };
        Ok::<_, Problem>((targets, slo.profile.latency_p95))
    })??;
    if targets.len() > TARGETS_MAX {
        let detail = format!("{} targets at once; name at most {TARGETS_MAX} in \"targets\".", targets.len());
        return Err(Problem::bad_request(detail));
    }
    let probed = server.probing.real(targets, request.runs).await;
    Ok(real_checks(&probed, limit))
}
