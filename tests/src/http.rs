//! A tiny client of JSON over HTTP.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// Asks one server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    agent: Agent,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Client {
    /// Asks the server at `base`, such as `http://127.0.0.1:3003`.
    pub fn new(base: &str) -> Self {
        Self::with_patience(base, Duration::from_secs(30))
    }

    /// Gives up on an answer that takes longer than `patience`.
    pub fn with_patience(base: &str, patience: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(patience))
            .http_status_as_error(false)
            // A server that was killed and started anew must not be asked on an old connection.
            .max_idle_connections(0);
        Self { base: base.trim_end_matches('/').to_owned(), agent: config.build().into() }
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET path`
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        read(self.agent.get(format!("{}{path}", self.base)).call())
    }

    /// `POST path` with a body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        read(request.send(body.to_string()))
    }

    /// `DELETE path`
    ///
    /// # Errors
    /// When there is no answer.
    pub fn delete(&self, path: &str) -> Result<Answer, String> {
        read(self.agent.delete(format!("{}{path}", self.base)).call())
    }

    /// The JSON that `GET path` answers with status 200.
    ///
    /// # Errors
    /// When there is no answer or another status.
    pub fn try_json(&self, path: &str) -> Result<Value, String> {
        let answer = self.get(path)?;
        match answer.status {
            200 => serde_json::from_str(&answer.text).map_err(|error| format!("{error} in {answer:?}")),
            _ => Err(format!("{path}: {answer:?}")),
        }
    }

    /// The JSON that `GET path` answers with status 200.
    ///
    /// # Panics
    /// When there is no answer or another status.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        self.try_json(path).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn read(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, String> {
    let mut response = response.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string();
    Ok(Answer { status, text: text.map_err(|error| error.to_string())? })
}
