//! `GET /evidence/…`: what proves the log, as files that anybody may keep (C2SP tlog-tiles): checkpoints, tiles, keys.
//! Which service has them is not decided here.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use spark_core::report::Day;
use tokio_util::io::ReaderStream;

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

/// For what never changes again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For what is to be asked for each time.
const ASK_AGAIN: &str = "no-cache";

/// Has the log's evidence, or knows who does.
#[async_trait]
pub trait Evidence: Send + Sync {
    /// What is at `path` below `/evidence/`.
    async fn get(&self, path: &str) -> Result<Document, NoDocument>;
}

/// A file of evidence.
#[derive(Debug)]
pub enum Document {
    /// Text that may be another the next time: a checkpoint, the keys.
    Text(String),
    /// A list of the logs, in JSON.
    Json(String),
    /// A tile or a bundle, which never changes.
    Tile(Vec<u8>),
    /// A day's evidence, as `.tar.zst`.
    Evidence {
        /// What the file is called.
        name: String,
        /// The file, from its beginning; it has no name on the disk.
        file: std::fs::File,
    },
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDocument {
    /// Nothing is there, and why.
    Absent(String),
    /// Whoever has it can't be asked, or can't read it.
    Unavailable(String),
}

/// For a service that knows of no log's evidence.
pub struct NoEvidence;

#[async_trait]
impl Evidence for NoEvidence {
    async fn get(&self, _path: &str) -> Result<Document, NoDocument> {
        Err(NoDocument::Absent("This service has no evidence.".to_owned()))
    }
}

/// The answer to a request for evidence.
pub fn answer(found: Result<Document, NoDocument>) -> Response {
    let (kind, caching, body) = match found {
        Ok(Document::Text(text)) => ("text/plain; charset=utf-8", ASK_AGAIN, text.into_bytes()),
        Ok(Document::Json(text)) => ("application/json", ASK_AGAIN, text.into_bytes()),
        Ok(Document::Tile(bytes)) => ("application/octet-stream", FOR_EVER, bytes),
        Ok(Document::Evidence { name, file }) => return download(&name, file),
        Err(NoDocument::Absent(detail)) => {
            return Problem::new(StatusCode::NOT_FOUND, "no-evidence", "There is no such evidence", detail)
                .into_response();
        }
        Err(NoDocument::Unavailable(detail)) => {
            let title = "The evidence can't be read now";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "evidence-unavailable", title, detail)
                .into_response();
        }
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching)];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response()
}

/// A file to keep, sent as it is read.
fn download(name: &str, file: std::fs::File) -> Response {
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    let kept_as = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zstd"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(ASK_AGAIN));
    headers.extend(kept_as.ok().map(|kept_as| (header::CONTENT_DISPOSITION, kept_as)));
    response
}

/// `GET /api/tools/evidence?date=`: a day's bundle; without a date, a draft of the day that is not over.
pub(crate) async fn bundle(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::strict(&uri, &["date"])?;
    let day = params.get("date").map(str::parse::<Day>).transpose();
    let day = day.map_err(|error| Problem::bad_request(format!("date: {error}.")))?;
    let path = day.map_or_else(|| "bundles/draft".to_owned(), |day| format!("bundles/{day}"));
    Ok(answer(server.evidence.get(&path).await))
}

/// `GET /evidence/{*path}`
pub(crate) async fn get(State(server): State<Arc<Server>>, Path(path): Path<String>) -> Response {
    answer(server.evidence.get(&path).await)
}
