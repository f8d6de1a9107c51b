//! What an answer must be: status, headers, body. The body is read no further than its bound.

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::response::Parts;
use spark_core::config::{HeaderCondition, JsonCondition, Pattern, StatusRanges, Target, contains};
use spark_schemas::event::FailReason;

use super::super::Failure;
use super::exchange::broken;

/// The conditions of a target, in the order in which they are judged.
pub(super) struct Conditions {
    status: StatusRanges,
    headers: Vec<HeaderCondition>,
    body: Option<String>,
    body_matches: Option<Pattern>,
    json: Vec<JsonCondition>,
    body_bytes_max: usize,
}

/// What was read of a body.
struct Body {
    /// Kept only when a condition looks at it.
    bytes: Vec<u8>,
    is_whole: bool,
}

/// What an answer came to.
pub(super) struct Judged {
    /// It was read to its end, so another request can follow.
    pub(super) is_whole: bool,
    /// What it should have been.
    pub(super) result: Result<(), Failure>,
}

impl Conditions {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            status: target.expect_status.clone(),
            headers: target.expect_headers.clone(),
            body: target.expect_body.clone(),
            body_matches: target.expect_body_matches.clone(),
            json: target.expect_json.clone(),
            body_bytes_max: usize::try_from(target.body_bytes_max).unwrap_or(usize::MAX),
        }
    }

    /// Reads the answer, then judges it; the body's end is part of what is measured.
    pub(super) async fn judge(&self, response: Response<Incoming>) -> Result<Judged, Failure> {
        let (head, incoming) = response.into_parts();
        let body = self.read(incoming).await?;
        Ok(Judged { is_whole: body.is_whole, result: self.hold(&head, &body) })
    }

    fn hold(&self, head: &Parts, body: &Body) -> Result<(), Failure> {
        let status = head.status.as_u16();
        if !self.status.contains(status) {
            let detail = format_args!("status {status}, expected {}", self.status);
            return Err(Failure::new(FailReason::Status, detail));
        }
        for condition in &self.headers {
            let values = head.headers.get_all(condition.name.as_str());
            if let Some(sentence) = condition.broken(values.iter().map(hyper::http::HeaderValue::as_bytes)) {
                return Err(Failure::new(FailReason::Header, sentence));
            }
        }
        let broken = self.broken_text(body).or_else(|| self.broken_json(body));
        broken.map_or(Ok(()), |sentence| Err(Failure::new(FailReason::Body, sentence)))
    }

    async fn read(&self, mut incoming: Incoming) -> Result<Body, Failure> {
        let is_kept = self.body.is_some() || self.body_matches.is_some() || !self.json.is_empty();
        let mut body = Body { bytes: Vec::new(), is_whole: true };
        let mut length = 0_usize;
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Some(data) = frame.data_ref() else { continue };
            if is_kept {
                let room = self.body_bytes_max - body.bytes.len();
                body.bytes.extend_from_slice(&data[..data.len().min(room)]);
            }
            length = length.saturating_add(data.len());
            if length > self.body_bytes_max {
                body.is_whole = false;
                break;
            }
        }
        Ok(body)
    }

    fn broken_text(&self, body: &Body) -> Option<String> {
        let place = || match body.is_whole {
            true => "the body".to_owned(),
            false => format!("the body's first {} bytes", self.body_bytes_max),
        };
        let missing = self.body.as_ref().filter(|wanted| !contains(&body.bytes, wanted.as_bytes()));
        if let Some(wanted) = missing {
            return Some(format!("{} does not contain {wanted:?}", place()));
        }
        let unmatched = self.body_matches.as_ref().filter(|pattern| !pattern.is_in(&body.bytes));
        unmatched.map(|pattern| format!("{} does not match {:?}", place(), pattern.as_str()))
    }

    fn broken_json(&self, body: &Body) -> Option<String> {
        if self.json.is_empty() {
            return None;
        }
        if !body.is_whole {
            let limit = self.body_bytes_max;
            return Some(format!("the body is longer than body_bytes_max ({limit}): JSON can't be read in part"));
        }
        match serde_json::from_slice(&body.bytes) {
            Ok(value) => self.json.iter().find_map(|condition| condition.broken(&value)),
            Err(error) => Some(format!("the body is not JSON: {error}")),
        }
    }
}
