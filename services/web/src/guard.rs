//! What surrounds every request: limits, headers, counting.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use spark_schemas::metric;
use tokio::time::Instant;

use crate::api::problem::Problem;
use crate::app::Server;

/// The longest body that any request may have.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Which build answered.
pub(crate) const BUILD_HEADER: HeaderName = HeaderName::from_static("x-spark-build");

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Headers that every answer has.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Adds the headers that every answer has, and counts it.
pub(crate) async fn every_answer(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |route| route.as_str()).to_owned();
    let mut response = match refusal(request.method(), request.headers()) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    // A report brings a policy of its own: its style is in the page.
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(build) = HeaderValue::from_str(&server.build.id) {
        headers.insert(BUILD_HEADER, build);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16().to_string();
    metrics::counter!(metric::HTTP_REQUESTS, "route" => route.clone(), "status" => status).increment(1);
    metrics::histogram!(metric::HTTP_DURATION, "route" => route).record(began.elapsed().as_secs_f64());
    response
}

/// Why a request is not even looked at.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<Problem> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let length: u64 = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > BODY_BYTES_MAX as u64 {
        let detail = format!("A body may have {BODY_BYTES_MAX} bytes, this one has {length}.");
        return Some(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail));
    }
    if method.is_safe() {
        return None;
    }
    // Another site's page must not decide in the name of whoever looks at it.
    let own_origin = match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, authority)| authority == host),
        (Some(_), None) => false,
    };
    let cross_site = text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site");
    if own_origin && !cross_site {
        return None;
    }
    let detail = "The request comes from another site's page.".to_owned();
    Some(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "The request is refused", detail))
}
