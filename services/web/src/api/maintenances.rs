//! `/api/v1/maintenances`: GET lists them, POST declares one, `DELETE …/{id}` calls one off. Each is an event on the log.

mod body;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use spark_core::view::{View, rfc3339};
use spark_schemas::TimeNs;
use spark_schemas::event::{Maintenance, MaintenanceAction};

pub(crate) use self::body::{Body, all};
use self::request::Request;
use super::asked::{by, read, text};
use super::declaring::{declare, require_live};
use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

/// So many are remembered at once; each observation is held against those of its objectives.
const REMEMBERED_MAX: usize = 1_000;

/// Every maintenance that is remembered, the latest first, also those that were called off; and the service hours in force.
pub(crate) async fn list(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Value>, Problem> {
    let now = server.now();
    let at = Params::strict(&uri, &["at"])?.at(now)?.unwrap_or(now);
    let (maintenances, hours) = server.view(at, |view| (all(&view), view.declarations().service_hours().to_vec()))?;
    Ok(Json(json!({ "at": rfc3339(at), "maintenances": maintenances, "service_hours": hours })))
}

/// Declares a maintenance, and answers once that is on the log.
pub(crate) async fn add(
    State(server): State<Arc<Server>>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    Params::strict(&uri, &[])?;
    let request: Request = read(body, "a maintenance")?;
    // One at a time: the next request sees what this one declared.
    let _turn = server.declaring_turn.lock().await;
    require_live(&server)?;
    let now = server.now();
    let wanted = server.view(now, |view| {
        let wanted = request.maintenance(&view)?;
        if wanted_already(&view, &wanted)? {
            return Ok(Err(wanted));
        }
        let remembered = view.declarations().maintenances.len();
        if remembered >= REMEMBERED_MAX {
            let detail =
                format!("{remembered} maintenances are remembered, and no more can be; call off some of them.");
            return Err(Problem::new(StatusCode::CONFLICT, "too-many", "There are too many maintenances", detail));
        }
        Ok(Ok(wanted))
    })??;
    match wanted {
        Ok(wanted) => {
            let seq = declare(&server, wanted.clone().into(), "maintenance_add").await?;
            Ok((StatusCode::CREATED, Json(answer(&wanted, now, Some(seq)))))
        }
        Err(known) => Ok((StatusCode::OK, Json(answer(&known, now, None)))),
    }
}

/// Whether exactly this was declared before, as by a request that is sent again. Another of the same id is refused.
fn wanted_already(view: &View<'_>, wanted: &Maintenance) -> Result<bool, Problem> {
    let declarations = view.declarations();
    if declarations.planned_maintenances.contains_key(&wanted.id) {
        return Err(Problem::planned_maintenance(&wanted.id));
    }
    let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, "known-id", "The id is taken", detail);
    if let Some(known) = declarations.maintenances.get(&wanted.id) {
        let is_same = Maintenance { at_ns: wanted.at_ns, ..known.clone() } == *wanted;
        return match is_same {
            true => Ok(true),
            false => Err(conflict(format!(
                "Maintenance {} was declared at {}, and otherwise; call it off first, or choose another id.",
                wanted.id,
                rfc3339(known.at_ns)
            ))),
        };
    }
    match declarations.cancelled_maintenances.iter().any(|one| one.declared.id == wanted.id) {
        true => Err(conflict(format!("Maintenance {} was called off; choose another id.", wanted.id))),
        false => Ok(false),
    }
}

/// Calls a maintenance off, as if it had never been: what was observed meanwhile counts again.
pub(crate) async fn cancel(
    State(server): State<Arc<Server>>,
    uri: Uri,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(id) = id.map_err(|error| Problem::bad_request(format!("The maintenance's id: {error}.")))?;
    let params = Params::strict(&uri, &["by", "reason"])?;
    let by = by(params.get("by").map(str::to_owned))?;
    let reason = text("reason", params.get("reason").unwrap_or_default().to_owned(), request::REASON_BYTES_MAX)?;
    let _turn = server.declaring_turn.lock().await;
    require_live(&server)?;
    let now = server.now();
    let known = server.view(now, |view| {
        let declarations = view.declarations();
        if let Some(known) = declarations.maintenances.get(id.as_str()) {
            return Ok(known.clone());
        }
        if declarations.planned_maintenances.contains_key(id.as_str()) {
            return Err(Problem::planned_maintenance(&id));
        }
        match declarations.cancelled_maintenances.iter().find(|one| one.declared.id.as_str() == id) {
            Some(one) => {
                let (when, who) = (rfc3339(one.cancel.at_ns), &one.cancel.by);
                let detail = format!("Maintenance {id} was called off at {when} by {who:?} already.");
                Err(Problem::new(StatusCode::CONFLICT, "cancelled", "It was called off before", detail))
            }
            None => Err(Problem::unknown_maintenance(&id)),
        }
    })??;
    let cancel = Maintenance { at_ns: now, action: MaintenanceAction::Cancel, reason, by, ..known.clone() };
    let seq = declare(&server, cancel.clone().into(), "maintenance_cancel").await?;
    let mut body = json!(Body::cancelled(&known, &cancel));
    body["seq"] = json!(seq);
    Ok(Json(body))
}

fn answer(declared: &Maintenance, now: TimeNs, seq: Option<u64>) -> Value {
    let mut body = json!(Body::declared(declared, now));
    // Absent when it was declared before.
    match seq {
        Some(seq) => body["seq"] = json!(seq),
        None => body["repeated"] = json!(true),
    }
    body
}
