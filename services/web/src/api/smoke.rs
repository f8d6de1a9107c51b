//! `GET /api/tools/smoke`: asks the six endpoints over real HTTP, as a user would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

/// The five pages and the health endpoint.
const PATHS: [&str; 6] = ["/", "/dashboard", "/portfolio", "/strategies", "/settings", "/api/healthz"];
const TIMEOUT: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Serialize)]
pub(crate) struct Body {
    passed: usize,
    total: usize,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    path: &'static str,
    /// The HTTP status; null when there was no answer.
    status: Option<u16>,
    ok: bool,
    ms: f64,
    reason: String,
}

/// Why an endpoint did not answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the answer broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request can't be made: {0}")]
    Request(#[from] axum::http::Error),
    #[error("the body can't be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// Asks all six.
pub(crate) async fn get(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Body>, Problem> {
    Params::strict(&uri, &[])?;
    let address = reachable(server.self_base);
    let checks = join_all(PATHS.map(|path| check(address, path))).await;
    let passed = checks.iter().filter(|check| check.ok).count();
    Ok(Json(Body { passed, total: checks.len(), checks }))
}

/// A listener on every interface is asked on loopback.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

async fn check(address: SocketAddr, path: &'static str) -> Check {
    let began = Instant::now();
    let asked = timeout(TIMEOUT, ask(address, path)).await.unwrap_or(Err(AskError::Timeout));
    let ms = began.elapsed().as_micros() as f64 / 1_000.0;
    let (status, ok, reason) = match asked {
        Ok((status, 0)) => (Some(status.as_u16()), false, format!("{status} with an empty body")),
        Ok((status, bytes)) => (Some(status.as_u16()), status == StatusCode::OK, format!("{status}, {bytes} bytes")),
        Err(error) => (None, false, error.to_string()),
    };
    Check { path, status, ok, ms, reason }
}

async fn ask(address: SocketAddr, path: &str) -> Result<(StatusCode, usize), AskError> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await.map_err(AskError::Body)?;
        Ok::<_, AskError>((status, body.to_bytes().len()))
    };
    // The connection only moves while it is polled; it ends with the exchange.
    let (answer, _closed) = tokio::join!(exchange, connection);
    answer
}
