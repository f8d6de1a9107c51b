//! A stand-in for the trading executor, so that a first start has something to watch on port 4001.

use std::process::ExitCode;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Where the built-in target looks for the executor.
const EXECUTOR_ADDR: &str = "127.0.0.1:4001";

use crate::cli::StandInArgs;
use crate::edge;
use crate::output::say;

/// Runs `spark stand-in`, for the compose stack, where it is a service of its own.
pub fn run(args: &StandInArgs) -> anyhow::Result<ExitCode> {
    edge::block_on(async {
        let listener = edge::bind(args.listen, "--listen").await?;
        say!("A stand-in for the executor, not a real one: http://{}", listener.local_addr()?)?;
        tokio::select! {
            served = serve(listener, CancellationToken::new()) => served?,
            () = edge::asked_to_stop() => {}
        }
        Ok(ExitCode::SUCCESS)
    })?
}

/// Takes the executor's port if it is free. An executor that somebody names needs nobody to stand in for it.
pub async fn bind_unless(named_executor: Option<&Url>) -> Option<TcpListener> {
    match named_executor {
        Some(_) => None,
        None => TcpListener::bind(EXECUTOR_ADDR).await.ok(),
    }
}

/// Answers like a healthy executor, and says that it is none.
pub async fn serve(listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let healthy = || async { Json(json!({ "status": "ok", "stand_in": true })) };
    let app = Router::new().route("/", get(healthy)).route("/health", get(healthy));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
