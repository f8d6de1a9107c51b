//! The admin endpoint of probe and aggregator: metrics, health, and the aggregator's evidence, on a port of their own.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use spark_web::evidence::{Evidence, answer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What an admin endpoint shows.
pub struct Admin {
    /// The metrics in Prometheus's text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the service works, and details.
    pub health: Box<dyn Fn() -> (bool, Value) + Send + Sync>,
    /// The logs' checkpoints and tiles, where the service has any.
    pub evidence: Option<Arc<dyn Evidence>>,
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
    let evidence = admin.evidence.clone();
    let health = move || async move {
        let (works, details) = (admin.health)();
        let (status, word) = if works { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "DOWN") };
        (status, Json(json!({ "status": word, "details": details })))
    };
    let mut app = Router::new().route("/metrics", get(metrics)).route("/healthz", get(health));
    if let Some(evidence) = evidence {
        let document = async move |Path(path): Path<String>| answer(evidence.get(&path).await);
        app = app.route("/evidence/{*path}", get(document));
    }
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
