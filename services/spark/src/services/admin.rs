//! The admin endpoint of probe and aggregator: metrics and health, on a port of their own.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What an admin endpoint shows.
pub struct Admin {
    /// The metrics in Prometheus's text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the service works, and details.
    pub health: Box<dyn Fn() -> (bool, Value) + Send + Sync>,
}

/// Serves `/metrics` and `/healthz` until `shutdown`.
pub async fn serve(listener: TcpListener, admin: Admin, shutdown: CancellationToken) -> std::io::Result<()> {
    let admin = Arc::new(admin);
    let metrics = {
        let admin = Arc::clone(&admin);
        move || async move {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (admin.metrics)()).into_response()
        }
    };
    let health = move || async move {
        let (works, details) = (admin.health)();
        let (status, word) = if works { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "DOWN") };
        (status, Json(json!({ "status": word, "details": details })))
    };
    let app = Router::new().route("/metrics", get(metrics)).route("/healthz", get(health));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
