//! `GET /api/v1/config`: the configuration in force. Secrets are in it by reference only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use spark_core::view::rfc3339;

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

#[derive(Debug, Serialize)]
pub(crate) struct Body {
    digest: String,
    since: String,
    config: Value,
    /// The latest refusal since.
    rejected: Option<Refusal>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    at: String,
    source: String,
    error: String,
}

/// The configuration in force, its digest and since when.
pub(crate) async fn get(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Body>, Problem> {
    Params::strict(&uri, &[])?;
    let (policy, rejected) = server.view(server.now(), |view| {
        let declarations = view.declarations();
        (declarations.policy.clone(), declarations.config_rejected.clone())
    })?;
    let Some(policy) = policy else {
        let detail = "No configuration has come into force yet: the log has none.".to_owned();
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-config", "There is no configuration yet", detail));
    };
    Ok(Json(Body {
        digest: policy.digest,
        since: rfc3339(policy.since),
        config: serde_json::to_value(&policy.config).unwrap_or(Value::Null),
        rejected: rejected.map(|refusal| Refusal {
            at: rfc3339(refusal.at_ns),
            source: refusal.source,
            error: refusal.error,
        }),
    }))
}
