//! `GET /api/tools/metrics`: the metrics in Prometheus's text format.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::Server;

/// Renders what was counted so far.
pub(crate) async fn get(State(server): State<Arc<Server>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (server.metrics_render)())
}
