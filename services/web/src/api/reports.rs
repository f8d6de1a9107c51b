//! `/api/tools/risk-report`: the report of a day, made from the archive on this machine.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use spark_aggregator::daily::{self, ReportError, Wanted};
use spark_aggregator::follow::describe;
use spark_core::report::{Day, Report};

use tokio::sync::OwnedSemaphorePermit;

use super::problem::Problem;
use crate::app::Server;
use crate::params::Params;

/// A report has its style in itself, so that it can be kept as one file; no other is allowed.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(Report::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

#[derive(Debug, Clone, Copy)]
enum Format {
    Json,
    Html,
    Markdown,
    Text,
}

impl Format {
    fn parse(text: Option<&str>) -> Result<Self, Problem> {
        match text {
            None | Some("json") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            Some("markdown") => Ok(Self::Markdown),
            Some("text") => Ok(Self::Text),
            Some(other) => {
                let detail = format!("There is no format {other:?}; there are json, html, markdown and text.");
                Err(Problem::bad_request(detail))
            }
        }
    }
}

/// `GET /api/tools/risk-report?date=&at=&format=`
pub(crate) async fn get(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::strict(&uri, &["date", "at", "format"])?;
    let format = Format::parse(params.get("format"))?;
    let day = params.get("date").map(str::parse::<Day>).transpose();
    let day = day.map_err(|error| Problem::bad_request(format!("date: {error}.")))?;
    let wanted = Wanted { day, at: params.at(server.now())? };
    let Some(data) = server.archive.clone() else {
        let detail = "The log's archive is with the aggregator, not here; ask `spark report` there.".to_owned();
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-archive", "No report is made here", detail));
    };
    let turn = Arc::clone(&server.report_turn).try_acquire_owned().map_err(|_taken| {
        let detail = "Another report is being made; ask again when it is done.".to_owned();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "One report is made at a time", detail)
    })?;
    shown(&make(data, wanted, turn).await?, format)
}

async fn make(data: PathBuf, wanted: Wanted, turn: OwnedSemaphorePermit) -> Result<Report, Problem> {
    let made = tokio::task::spawn_blocking(move || {
        // Kept until it is made, also when whoever asked has left.
        let _turn = turn;
        daily::report(&data, wanted, || ())
    });
    let made = made.await;
    match made {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error @ (ReportError::Rebuild(_) | ReportError::Issued(_)))) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no report could be made");
            Err(unmade(format!("The log could not be folded: {}.", describe(&error))))
        }
        Ok(Err(error)) => {
            let detail = format!("There is no such report: {error}.");
            Err(Problem::new(StatusCode::NOT_FOUND, "no-report", "There is no report of that day", detail))
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "making a report failed");
            Err(unmade("Making it failed; the service's log says why.".to_owned()))
        }
    }
}

fn unmade(detail: String) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-report-made", "The report could not be made", detail)
}

fn shown(report: &Report, format: Format) -> Result<Response, Problem> {
    let (media_type, body) = match format {
        Format::Json => {
            let json = report.to_json().map_err(|error| unmade(format!("It can't be written: {error}.")))?;
            ("application/json", json)
        }
        Format::Html => ("text/html; charset=utf-8", report.to_html().into_bytes()),
        Format::Markdown => ("text/markdown; charset=utf-8", report.to_markdown().into_bytes()),
        Format::Text => ("text/plain; charset=utf-8", report.to_text().into_bytes()),
    };
    let mut response = ([(header::CONTENT_TYPE, media_type)], body).into_response();
    if let (Format::Html, Ok(policy)) = (format, HeaderValue::from_str(&CONTENT_SECURITY_POLICY)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}
