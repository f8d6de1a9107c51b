//! `/api/tools/status`: the deploy gate. GET previews a decision, POST makes one: an event on the log.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spark_core::gate::{Circumstances, decide, withhold};
use spark_core::view::rfc3339;
use spark_schemas::event::{
    AppliedWaiver, CheckResult, CheckVerdict, ComponentState, GateDecided, StreamPosition, Verdict,
};
use spark_schemas::{Event, TimeNs, metric};

use crate::api::asked::{self, ANONYMOUS, BY_BYTES_MAX};
use crate::api::number;
use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;
use crate::standing::Standing;

/// A decision as scripts read it.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    id: String,
    verdict: Verdict,
    profile: String,
    at: String,
    checks: Vec<Check>,
    /// The waivers that applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waivers: Vec<Waiver>,
    evidence: Evidence,
}

#[derive(Debug, Serialize)]
struct Waiver {
    check: String,
    until: String,
    reason: String,
    by: String,
}

impl From<AppliedWaiver> for Waiver {
    fn from(waiver: AppliedWaiver) -> Self {
        let AppliedWaiver { check, until_ns, reason, by } = waiver;
        Self { check: check.into(), until: rfc3339(until_ns), reason, by }
    }
}

/// A check as scripts read it, of the gate and of canaries.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    id: String,
    verdict: CheckVerdict,
    /// A number for a figure, a text for a state, null when there was none.
    observed: Value,
    threshold: Value,
    samples: u64,
    reason: String,
    unit: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waived: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    positions: Vec<StreamPosition>,
    components: Vec<ComponentState>,
    policy_digest: String,
    state_digest: String,
    semantics: u32,
    build: String,
    /// Whether the decision is an event on the log.
    recorded: bool,
    /// The frame's sequence number on the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl Body {
    fn new(decided: GateDecided, seq: Option<u64>) -> Self {
        Self {
            id: decided.id.into(),
            verdict: decided.verdict,
            profile: decided.profile.to_string(),
            at: rfc3339(decided.at_ns),
            checks: decided.checks.into_iter().map(Check::from).collect(),
            waivers: decided.waivers.into_iter().map(Waiver::from).collect(),
            evidence: Evidence {
                positions: decided.positions,
                components: decided.components,
                policy_digest: decided.policy_digest.into(),
                state_digest: decided.state_digest.into(),
                semantics: decided.semantics,
                build: decided.build,
                recorded: seq.is_some(),
                seq,
            },
        }
    }
}

impl From<CheckResult> for Check {
    fn from(check: CheckResult) -> Self {
        let figure = |text: Option<compact_str::CompactString>| match text {
            None => Value::Null,
            Some(text) if check.unit.is_empty() => Value::from(text.as_str()),
            Some(text) => number(&text),
        };
        Self {
            id: check.id.to_string(),
            verdict: check.verdict,
            observed: figure(check.observed),
            threshold: figure(check.threshold),
            samples: check.samples,
            reason: check.reason,
            unit: check.unit.to_string(),
            waived: check.waived,
        }
    }
}

/// What a request to decide may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    /// Who asks.
    by: Option<String>,
    /// Whose thresholds are asked for.
    profile: Option<String>,
}

/// What the gate would say.
pub(crate) async fn preview(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Body>, Problem> {
    let params = Params::strict(&uri, &["profile", "at"])?;
    let now = server.now();
    let at = params.at(now)?.unwrap_or(now);
    let decided = judge(&server, at, params.get("profile"), ANONYMOUS)?;
    Ok(Json(Body::new(decided, None)))
}

/// Decides, and answers once the decision is on the log. Without the log there is no decision.
pub(crate) async fn decide_now(
    State(server): State<Arc<Server>>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Body>, Problem> {
    let params = Params::strict(&uri, &["profile"])?;
    let request: Request = asked::read_or_default(body, "{\"by\", \"profile\"}")?;
    let profile = request.profile.as_deref().or(params.get("profile"));
    let (decided, seq) = decide_and_record(&server, profile, &asked::by(request.by)?).await?;
    Ok(Json(Body::new(decided, seq)))
}

/// Decides for deployment tools that tell a webhook's answer by its status alone, and send what they like: 200 when it is
/// safe, 412 when a check failed, 503 when nobody can tell.
pub(crate) async fn webhook(
    State(server): State<Arc<Server>>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Body>), Problem> {
    let params = Params::strict(&uri, &["profile", "strict"])?;
    let is_strict = match params.get("strict") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(Problem::bad_request(format!("strict={other:?} is neither true nor false."))),
    };
    let by = who_calls(&body?);
    let (decided, seq) = decide_and_record(&server, params.get("profile"), &by).await?;
    let status = match decided.verdict {
        Verdict::Warn if is_strict => StatusCode::PRECONDITION_FAILED,
        Verdict::Pass | Verdict::Warn => StatusCode::OK,
        Verdict::Fail => StatusCode::PRECONDITION_FAILED,
        Verdict::NoData => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((status, Json(Body::new(decided, seq))))
}

/// What a webhook's body says of who sends it: name, namespace and phase, as Flagger's does.
fn who_calls(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let said = ["namespace", "name", "phase"].into_iter().filter_map(|key| body.get(key)?.as_str());
    let said: Vec<&str> = said.collect();
    let by = if said.is_empty() { "webhook".to_owned() } else { format!("webhook: {}", said.join(" ")) };
    by[..by.floor_char_boundary(BY_BYTES_MAX)].to_owned()
}

/// A decision, and its sequence number on the log: none while Spark reads its log, and no decision at all without it.
async fn decide_and_record(
    server: &Server,
    profile: Option<&str>,
    by: &str,
) -> Result<(GateDecided, Option<u64>), Problem> {
    let standing = server.standing();
    if let Standing::Unreachable(reason) = &standing {
        return Err(Problem::log_unreachable(format!("No decision without the log: {reason}.")));
    }
    let decided = judge(server, server.now(), profile, by)?;
    if matches!(standing, Standing::Replaying { .. }) {
        return Ok((decided, None));
    }
    match server.writer.write(vec![Event::GateDecided(decided.clone())]).await {
        Ok(appended) => {
            metrics::counter!(metric::GATE_DECISIONS, "verdict" => decided.verdict.as_str()).increment(1);
            Ok((decided, Some(appended.seq)))
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a gate decision was not recorded");
            Err(Problem::log_unreachable(format!("The decision could not be recorded, so there is none: {error}.")))
        }
    }
}

/// A decision over one state: its digest and its figures are of the same position.
fn judge(server: &Server, at: TimeNs, profile: Option<&str>, by: &str) -> Result<GateDecided, Problem> {
    let standing = server.standing();
    let components = server.components();
    let build = format!("{} ({})", server.build.version, server.build.id);
    let decided = server.projections.view_with_digest(at, |view, state_digest| {
        let (recounting, by) = (Vec::new(), by.to_owned());
        let decided = decide(&view, profile, Circumstances { state_digest, components, recounting, build, by });
        // Before the first configuration is read nobody can say that there is no such profile.
        decided.map_err(|unknown| match view.declarations().policy {
            None => Problem::not_configured_yet(&unknown),
            Some(_) => unknown.into(),
        })
    })??;
    match standing {
        Standing::Replaying { folded, of } => {
            Ok(withhold(decided, &format!("Spark is still reading its log: {folded} of {of} frames")))
        }
        _ => Ok(decided),
    }
}
