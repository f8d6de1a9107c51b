//! `GET /api/v1/targets` and `/api/v1/targets/{name}`: each target as it is at an instant.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use spark_core::config::Role;
use spark_core::view::{TargetView, View, past, rfc3339};
use spark_schemas::derived::TargetState;
use spark_schemas::event::Observed;

use crate::api::maintenances;
use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    at: String,
    targets: Vec<TargetFacts>,
}

/// One target.
#[derive(Debug, Serialize)]
pub(crate) struct TargetFacts {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    demo: bool,
    state: TargetState,
    reason: String,
    /// While it is in maintenance, no figure over several targets counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance: Option<maintenances::Body>,
    /// The same while it is outside of its service hours: until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    outside_service_hours_until: Option<String>,
    staleness_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    latest: Option<Observed>,
    agents: Vec<SeriesFacts>,
}

/// What one agent saw of it.
#[derive(Debug, Serialize)]
struct SeriesFacts {
    agent: String,
    observations: u64,
    failed: u64,
    missed: u64,
    staleness_ms: Option<u64>,
    latest: Option<Observed>,
}

impl TargetFacts {
    fn of(view: &View<'_>, target: &TargetView<'_>) -> Self {
        let agents = target.series.iter().map(|series| {
            // What was seen since tells nothing of then.
            let latest = series.latest().filter(|latest| !past::is_later(view, latest.slot_ns));
            let staleness_us = latest.and_then(|_| series.staleness_us(view.at));
            SeriesFacts {
                agent: series.agent.to_string(),
                observations: series.observations(),
                failed: series.failed(),
                missed: series.missed(),
                staleness_ms: staleness_us.map(|us| us.div_ceil(1_000)),
                latest: latest.cloned(),
            }
        });
        Self {
            name: target.name.to_string(),
            url: target.config.map(|config| config.url.to_string()),
            role: target.config.and_then(|config| config.role),
            demo: target.is_demo(),
            state: target.state,
            reason: target.reason.to_string(),
            maintenance: target.maintenance.map(|one| maintenances::Body::declared(one, view.at)),
            outside_service_hours_until: target.outside_hours_until.map(rfc3339),
            staleness_ms: target.staleness_us.map(|us| us.div_ceil(1_000)),
            interval: target.config.map(|config| config.interval.to_string()),
            latest: target.latest.cloned(),
            agents: agents.collect(),
        }
    }
}

/// Every target.
pub(crate) async fn list(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Listing>, Problem> {
    let now = server.now();
    let at = Params::strict(&uri, &["at"])?.at(now)?.unwrap_or(now);
    let targets =
        server.view(at, |view| past::targets(&view).iter().map(|target| TargetFacts::of(&view, target)).collect())?;
    Ok(Json(Listing { at: rfc3339(at), targets }))
}

/// One target.
pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<TargetFacts>, Problem> {
    let Path(name) = name.map_err(|error| Problem::bad_request(format!("The target's name: {error}.")))?;
    let now = server.now();
    let at = Params::strict(&uri, &["at"])?.at(now)?.unwrap_or(now);
    let facts = server.view(at, |view| past::target(&view, &name).map(|target| TargetFacts::of(&view, &target)))?;
    facts.map(Json).ok_or_else(|| Problem::unknown_target(&name))
}
