//! `/api/v1/deployments`: GET lists the latest, POST marks one. Each is an event on the log.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use spark_core::view::rfc3339;
use spark_schemas::event::Deployment;

use super::asked::{by, read, text};
use super::declaring::{declare, instant, name, not_long_ago, require_live};
use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

const VERSION_BYTES_MAX: usize = 200;
/// Clocks differ: an instant this little ahead of ours is now.
const AHEAD_US_MAX: u64 = 5_000_000;

/// What a deployment is marked by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    service: String,
    version: String,
    /// When it went out; by default now.
    at: Option<String>,
    by: Option<String>,
}

/// The latest deployments, the one that went out last first.
pub(crate) async fn list(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Value>, Problem> {
    let now = server.now();
    let at = Params::strict(&uri, &["at"])?.at(now)?.unwrap_or(now);
    let deployments: Vec<Value> = server.view(at, |view| {
        let known = view.declarations().deployments.iter().filter(|one| one.at_ns <= at);
        let mut known: Vec<&Deployment> = known.collect();
        known.sort_by_key(|one| std::cmp::Reverse(one.at_ns));
        known.into_iter().map(body).collect()
    })?;
    Ok(Json(json!({ "at": rfc3339(at), "deployments": deployments })))
}

/// Marks a deployment, and answers once that is on the log.
pub(crate) async fn mark(
    State(server): State<Arc<Server>>,
    uri: Uri,
    body_read: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    Params::strict(&uri, &[])?;
    let request: Request = read(body_read, "a deployment")?;
    let _turn = server.declaring_turn.lock().await;
    require_live(&server)?;
    let now = server.now();
    let at_ns = request.at.as_deref().map_or(Ok(now), |text| instant("at", text, now))?;
    if at_ns > now.plus_us(AHEAD_US_MAX) {
        let detail = format!("\"at\" is in the future: {}; mark a deployment when it goes out.", rfc3339(at_ns));
        return Err(Problem::bad_request(detail));
    }
    not_long_ago("at", at_ns, now)?;
    let version = text("version", request.version, VERSION_BYTES_MAX)?;
    if version.trim().is_empty() {
        return Err(Problem::bad_request("\"version\" says nothing; name it as your team does.".to_owned()));
    }
    let deployment = Deployment { at_ns, service: name("service", &request.service)?, version, by: by(request.by)? };
    let key = |one: &Deployment| (one.at_ns, one.service.clone(), one.version.clone());
    let known = server
        .view(now, |view| view.declarations().deployments.iter().find(|one| key(one) == key(&deployment)).cloned())?;
    if let Some(known) = known {
        // The same request sent again, as after a broken connection.
        let mut answer = body(&known);
        answer["repeated"] = json!(true);
        return Ok((StatusCode::OK, Json(answer)));
    }
    let seq = declare(&server, deployment.clone().into(), "deployment").await?;
    let mut answer = body(&deployment);
    answer["seq"] = json!(seq);
    Ok((StatusCode::CREATED, Json(answer)))
}

fn body(one: &Deployment) -> Value {
    json!({ "service": one.service, "version": one.version, "at": rfc3339(one.at_ns), "by": one.by })
}
