//! `spark up --demo`: a service that misbehaves on a script, so that a newcomer sees an outage without having one.
//!
//! The script runs on the wall clock and repeats every ten minutes: calm, slow answers, errors, an outage, calm.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use spark_core::config::Target;
use spark_core::units::DurationUs;
use spark_eventlog::clock::WallClock;
use spark_eventlog::writer::EventWriter;
use spark_schemas::event::{Portfolio, Position, Strategy};
use spark_schemas::{Event, Name, NameError, TimeNs};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SCRIPT_S: u64 = 600;
const TRADING_EVERY: Duration = Duration::from_secs(10);

/// What the script says for an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Calm,
    Slow,
    Errors,
    Outage,
}

fn act_at(now: TimeNs) -> Act {
    match now.0 / TimeNs::SECOND % SCRIPT_S {
        0..180 => Act::Calm,
        180..270 => Act::Slow,
        270..360 => Act::Errors,
        360..420 => Act::Outage,
        _ => Act::Calm,
    }
}

/// The demo's targets, when its service listens on `addr`.
pub fn targets(addr: SocketAddr) -> Result<Vec<Target>, NameError> {
    let target = |service: &str| {
        let name = Name::new(&format!("demo-{service}"))?;
        let url = format!("http://{addr}/{service}").parse().map_err(|_invalid| NameError::Empty)?;
        Ok(Target { interval: DurationUs::from_secs(2), demo: true, ..Target::new(name, url) })
    };
    ["checkout", "orders", "prices"].into_iter().map(target).collect()
}

/// Serves the demo's endpoints.
pub async fn serve(listener: TcpListener, clock: WallClock, shutdown: CancellationToken) -> std::io::Result<()> {
    let app = Router::new().route("/{service}", get(answer)).with_state(clock);
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn answer(State(clock): State<WallClock>, Path(service): Path<String>) -> (StatusCode, Json<serde_json::Value>) {
    let now = clock();
    // Spread by the clock's low digits: no two answers take the same time, and no dice are needed.
    let jitter_ms = now.0 / 1_000 % 17;
    let (status, delay_ms) = match (act_at(now), service.as_str()) {
        (Act::Slow, "prices") => (StatusCode::OK, 40 + jitter_ms),
        (Act::Slow, _) => (StatusCode::OK, 220 + jitter_ms * 12),
        (Act::Errors, "checkout") if jitter_ms % 3 != 0 => (StatusCode::INTERNAL_SERVER_ERROR, 15 + jitter_ms),
        (Act::Outage, "orders" | "checkout") => (StatusCode::SERVICE_UNAVAILABLE, 2),
        _ => (StatusCode::OK, 4 + jitter_ms),
    };
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    (status, Json(json!({ "demo": true, "service": service })))
}

/// Publishes a portfolio and strategies, marked as demo, until `shutdown`.
pub async fn trade(writer: Arc<EventWriter>, clock: WallClock, shutdown: CancellationToken) {
    while tokio::time::timeout(TRADING_EVERY, shutdown.cancelled()).await.is_err() {
        let Ok(events) = trading_events(clock()) else { return };
        if let Err(error) = writer.write(events).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the demo's portfolio was not written");
        }
    }
}

fn trading_events(now: TimeNs) -> Result<Vec<Event>, NameError> {
    let swing = now.0 / TimeNs::SECOND % SCRIPT_S;
    let position = |symbol: &str, quantity: &str, average_price: &str, value: u64| Position {
        symbol: symbol.to_owned(),
        quantity: quantity.to_owned(),
        average_price: average_price.to_owned(),
        value: value.to_string(),
    };
    let (btc, thyao) = (1_240_000 + swing * 35, 312_000 - swing * 4);
    let portfolio = Portfolio {
        at_ns: now,
        account: Name::new("demo")?,
        currency: "TRY".to_owned(),
        equity: (btc + thyao + 250_000).to_string(),
        positions: vec![position("BTCTRY", "0.31", "3950000", btc), position("THYAO", "1000", "309.5", thyao)],
        demo: true,
    };
    let strategy = |name: &str, state: &str, pnl: String, open_orders| {
        let (name, state, currency) = (Name::new(name)?, state.to_owned(), "TRY".to_owned());
        Ok::<Event, NameError>(Strategy { at_ns: now, name, state, pnl, currency, open_orders, demo: true }.into())
    };
    let halted = act_at(now) == Act::Outage;
    Ok(vec![
        portfolio.into(),
        strategy("demo-market-making", if halted { "halted" } else { "running" }, (swing * 3).to_string(), swing % 5)?,
        strategy("demo-pairs", "running", format!("-{}", swing % 90), 1)?,
    ])
}
