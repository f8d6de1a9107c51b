//! Errors as RFC 9457 problem documents.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use spark_aggregator::StoreGone;
use spark_core::series::NotKept;
use spark_core::view::{UnknownProfile, rfc3339};

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The last part of the problem's type.
    kind: &'static str,
    pub(crate) title: &'static str,
    /// What happened, and what would do.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Self {
        Self { status, kind, title, detail }
    }

    pub(crate) fn bad_request(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter can't be understood", detail)
    }

    pub(crate) fn unknown_target(name: &str) -> Self {
        let detail = format!("No target {name:?} is configured or was ever observed; /api/v1/targets lists them.");
        Self::new(StatusCode::NOT_FOUND, "unknown-target", "There is no such target", detail)
    }

    pub(crate) fn unknown_canary(id: &str) -> Self {
        let detail = format!("No canary {id:?} is among the latest; /api/tools/canary lists them.");
        Self::new(StatusCode::NOT_FOUND, "unknown-canary", "There is no such canary", detail)
    }

    pub(crate) fn unknown_maintenance(id: &str) -> Self {
        let detail = format!("No maintenance {id:?} is known; /api/v1/maintenances lists them.");
        Self::new(StatusCode::NOT_FOUND, "unknown-maintenance", "There is no such maintenance", detail)
    }

    pub(crate) fn planned_maintenance(id: &str) -> Self {
        let detail = format!("Maintenance {id:?} is in the configuration; change it there, under [[maintenance]].");
        Self::new(StatusCode::CONFLICT, "planned", "The configuration declares it", detail)
    }

    pub(crate) fn unknown_slo(name: &str) -> Self {
        let detail = format!("No objective {name:?} is configured; /api/v1/slos lists them.");
        Self::new(StatusCode::NOT_FOUND, "unknown-slo", "There is no such objective", detail)
    }

    pub(crate) fn unknown_path(path: &str) -> Self {
        let detail = format!("Nothing answers at {path}.");
        Self::new(StatusCode::NOT_FOUND, "unknown-path", "There is nothing here", detail)
    }

    pub(crate) fn not_configured_yet(unknown: &UnknownProfile) -> Self {
        let detail = format!("The log has no configuration yet, and so {unknown}.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-configured", "There is no configuration yet", detail)
    }

    pub(crate) fn log_unreachable(detail: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "log-unreachable", "The log can't be reached", detail)
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), "bad-body", "The body can't be read", format!("{}.", rejection.body_text()))
    }
}

impl From<UnknownProfile> for Problem {
    fn from(error: UnknownProfile) -> Self {
        let detail = format!("There is {error}.");
        Self::new(StatusCode::BAD_REQUEST, "unknown-profile", "There is no such profile", detail)
    }
}

impl From<StoreGone> for Problem {
    fn from(gone: StoreGone) -> Self {
        let detail = format!("No figure is shown: {gone}. Spark opens it anew, or makes it again from the log.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-gone", "The figures can't be trusted", detail)
    }
}

impl From<NotKept> for Problem {
    fn from(error: NotKept) -> Self {
        let detail = format!(
            "The buckets that this window is made of are kept from {} on; ask for a later instant or a longer window.",
            rfc3339(error.kept_from)
        );
        Self::new(StatusCode::GONE, "not-kept", "That is too long ago for this window", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:spark:problem:{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// The answer to a method that a path does not have.
pub(crate) async fn wrong_method(method: axum::http::Method, uri: Uri) -> Problem {
    let detail = format!("{} does not answer {method}; the Allow header says what it answers.", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "The path has no such method", detail)
}
