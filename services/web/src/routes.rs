//! Every path and what answers it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tokio_util::sync::CancellationToken;

use crate::api::problem::{Problem, wrong_method};
use crate::api::{
    canary, config, deployments, gate, health, log, maintenances, metrics, reports, slos, smoke, targets, windows,
};
use crate::app::{App, Server};
use crate::{assets, evidence, guard, live, pages};

/// Every page and API path of the service; its event streams end with the connection.
pub fn router(app: Arc<App>) -> Router {
    router_until(app, CancellationToken::new())
}

/// The same; its event streams end when `shutdown` is cancelled.
pub(crate) fn router_until(app: Arc<App>, shutdown: CancellationToken) -> Router {
    let server = Server::new(app, shutdown);
    Router::new()
        .route("/", get(pages::home))
        .route("/dashboard", get(pages::dashboard))
        .route("/targets/{name}", get(pages::target))
        .route("/portfolio", get(pages::portfolio))
        .route("/strategies", get(pages::strategies))
        .route("/settings", get(pages::settings))
        .route("/assets/{file}", get(assets::get))
        .route("/api/healthz", get(health::get))
        .route("/api/tools/status", get(gate::preview).post(gate::decide_now))
        .route("/api/tools/canary", get(canary::recent).post(canary::run))
        .route("/api/tools/canary/{id}", get(canary::one))
        .route("/api/tools/canary/{id}/verify", get(canary::verify))
        .route("/api/tools/gate-webhook", post(gate::webhook))
        .route("/api/tools/risk-report", get(reports::get))
        .route("/api/tools/smoke", get(smoke::get))
        .route("/api/tools/metrics", get(metrics::get))
        .route("/api/v1/targets", get(targets::list))
        .route("/api/v1/targets/{name}", get(targets::one))
        .route("/api/v1/slos", get(slos::list))
        .route("/api/v1/slos/{name}", get(slos::one))
        .route("/api/v1/log", get(log::get))
        .route("/api/v1/windows", get(windows::get))
        .route("/api/v1/maintenances", get(maintenances::list).post(maintenances::add))
        .route("/api/v1/maintenances/{id}", delete(maintenances::cancel))
        .route("/api/v1/deployments", get(deployments::list).post(deployments::mark))
        .route("/api/v1/config", get(config::get))
        .route("/api/v1/events", get(live::get))
        .route("/api/tools/evidence", get(evidence::bundle))
        .route("/evidence/{*path}", get(evidence::get))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(guard::BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&server), guard::every_answer))
        .with_state(server)
}

async fn nothing_here(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    let problem = Problem::unknown_path(uri.path());
    match uri.path().starts_with("/api/") || uri.path() == "/api" {
        true => problem.into_response(),
        false => pages::error(&server, &problem),
    }
}
