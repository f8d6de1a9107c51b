//! `GET /api/healthz`: how Spark is, and the figures that its profile asks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use spark_core::health::{Component, Health, Status};
use spark_core::units::decimal;
use spark_core::view::{Slo, past, rfc3339};
use spark_schemas::TimeNs;

use crate::api::number;
use crate::api::problem::Problem;
use crate::app::{BuildInfo, Server};
use crate::params::Params;

#[derive(Serialize)]
struct Body<'a> {
    status: Status,
    /// Seconds since the service started.
    uptime: u64,
    slo: &'a SloFigures,
    components: &'a [Component],
    reasons: &'a [String],
    profile: &'a str,
    at: String,
    build: &'a BuildInfo,
}

/// The figures of the last five minutes; null without data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SloFigures {
    /// Milliseconds.
    latency_p95: Value,
    /// Percent.
    error_rate: Value,
    /// Seconds.
    staleness: Value,
}

impl SloFigures {
    fn of(slo: &Slo<'_>) -> Self {
        let figure = |value: Option<u64>, places| value.map_or(Value::Null, |value| number(&decimal(value, places)));
        Self {
            latency_p95: figure(slo.figures.latency_p95_us(), 3),
            error_rate: figure(slo.figures.error_rate_ppm(), 4),
            staleness: figure(slo.staleness_us.map(|us| us / 1_000), 3),
        }
    }
}

/// How Spark is at an instant.
pub(crate) struct Reading {
    at: TimeNs,
    slo: SloFigures,
    profile: String,
    components: Vec<Component>,
    health: Health,
}

impl Reading {
    fn take(server: &Server, at: TimeNs, profile: Option<&str>) -> Result<Self, Problem> {
        server.view_or_nothing(at, |view| {
            // Without figures there are no profiles either, and how Spark is has to be said all the same.
            let slo = past::slo(&view, profile.filter(|_| !view.parts.is_empty()))?;
            let (components, health) = server.judge(&slo);
            let profile = slo.profile_name.to_string();
            Ok(Self { at, slo: SloFigures::of(&slo), profile, components, health })
        })
    }
}

/// Answers 200 while Spark itself works, 503 when a part of it is gone.
pub(crate) async fn get(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::strict(&uri, &["profile", "at"])?;
    let now = server.now();
    let profile = params.get("profile");
    let reading = match (params.at(now)?, profile) {
        (None, None) => server.recent.health.get(|| Reading::take(&server, server.now(), None)).await?,
        (at, profile) => Arc::new(Reading::take(&server, at.unwrap_or(now), profile)?),
    };
    let code = if reading.health.status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = Body {
        status: reading.health.status,
        uptime: now.since_us(server.started) / 1_000_000,
        slo: &reading.slo,
        components: &reading.components,
        reasons: &reading.health.reasons,
        profile: &reading.profile,
        at: rfc3339(reading.at),
        build: &server.build,
    };
    Ok((code, Json(body)).into_response())
}
