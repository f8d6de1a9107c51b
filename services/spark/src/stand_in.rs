//! A stand-in for the trading executor, so that a first start has something to watch on port 4001.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Answers like a healthy executor, and says that it is none.
pub async fn serve(listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let healthy = || async { Json(json!({ "status": "ok", "stand_in": true })) };
    let app = Router::new().route("/", get(healthy)).route("/health", get(healthy));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
