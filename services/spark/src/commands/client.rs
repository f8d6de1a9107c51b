//! Asks a running Spark's API.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use url::Url;

use crate::configuration::beneath;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer of the API.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// What a problem document says, for people.
    pub fn problem(&self) -> String {
        let text = |key| self.body.get(key).and_then(Value::as_str);
        match (text("title"), text("detail")) {
            (Some(title), Some(detail)) => format!("{title}: {detail}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => format!("HTTP status {}", self.status),
        }
    }
}

/// The URL of an API path, with query parameters.
pub fn api_url(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = beneath(base, path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT)).http_status_as_error(false);
    config.build().into()
}

/// `GET url`
pub fn get(url: &Url) -> anyhow::Result<Answer> {
    read(url, agent().get(url.as_str()).call())
}

/// `POST url`, with or without a body in JSON.
pub fn post(url: &Url, body: Option<&Value>) -> anyhow::Result<Answer> {
    let request = agent().post(url.as_str());
    read(
        url,
        match body {
            Some(body) => request.content_type("application/json").send(body.to_string()),
            None => request.send_empty(),
        },
    )
}

/// `DELETE url`
pub fn delete(url: &Url) -> anyhow::Result<Answer> {
    read(url, agent().delete(url.as_str()).call())
}

fn read(url: &Url, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Answer> {
    let mut response = response.map_err(|error| anyhow!(error).context(format!("no answer from {url}")))?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string()?;
    match serde_json::from_str(&text) {
        Ok(body) => Ok(Answer { status, body }),
        Err(error) => Err(anyhow!(error).context(format!("{url} does not answer like Spark (HTTP status {status})"))),
    }
}
