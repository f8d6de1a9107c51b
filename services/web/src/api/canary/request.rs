//! What a canary is asked for, in JSON: `{"mode": "mock" | "real" | "compare", …}`. Every key has one meaning, and one
//! that the mode does not know is an error.

use serde::Deserialize;
use serde_json::Value;
use spark_core::units::DurationUs;
use spark_core::view::parse_rfc3339;
use spark_schemas::TimeNs;

use crate::api::asked;
use crate::api::problem::Problem;

const WHAT: &str = "what a canary is asked by";
const RUNS_MAX: u32 = 20;
const SPAN_MAX: DurationUs = DurationUs::from_secs(7 * 86_400);
const WINDOW: DurationUs = DurationUs::from_secs(30 * 60);
const BEFORE: DurationUs = DurationUs::from_secs(30 * 60);
const AFTER: DurationUs = DurationUs::from_secs(10 * 60);

/// A request to run a canary.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    /// Who asks.
    pub(super) by: String,
}

/// Which canary.
#[derive(Debug)]
pub(super) enum Kind {
    Mock,
    Real(RealRequest),
    Compare(CompareRequest),
}

/// Check endpoints now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RealRequest {
    /// How often each.
    #[serde(default = "once")]
    pub(super) runs: u32,
    /// Which, by name; by default the profile's.
    pub(super) targets: Option<Vec<String>>,
    /// Whose limit of latency is asked for, and whose targets.
    pub(super) profile: Option<String>,
}

fn once() -> u32 {
    1
}

/// Compare what the log has.
#[derive(Debug)]
pub(super) enum CompareRequest {
    /// Two targets over one time, up to now.
    Targets { baseline: String, candidate: String, window: DurationUs },
    /// One target before and after something.
    Around { target: String, around: Around, before: DurationUs, after: DurationUs },
}

/// What lies between before and after.
#[derive(Debug)]
pub(super) enum Around {
    Instant(TimeNs),
    /// The latest deployment of a service, of that version if one is named.
    Deployment {
        service: String,
        version: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareFields {
    baseline: Option<String>,
    candidate: Option<String>,
    window: Option<DurationUs>,
    target: Option<String>,
    deployment: Option<String>,
    at: Option<String>,
    before: Option<DurationUs>,
    after: Option<DurationUs>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

impl Request {
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut object = asked::object(body, WHAT)?;
        let by = match object.remove("by") {
            None | Some(Value::Null) => asked::by(None)?,
            Some(Value::String(by)) => asked::by(Some(by))?,
            Some(_) => return Err(bad("\"by\" is a text")),
        };
        let mode = object.remove("mode");
        let kind = match mode.as_ref().and_then(Value::as_str) {
            Some("mock") => {
                let NoFields {} = asked::fields(object, WHAT)?;
                Kind::Mock
            }
            Some("real") => {
                let request: RealRequest = asked::fields(object, WHAT)?;
                if !(1..=RUNS_MAX).contains(&request.runs) {
                    return Err(bad(&format!("\"runs\" is from 1 to {RUNS_MAX}")));
                }
                Kind::Real(request)
            }
            Some("compare") => {
                let fields: CompareFields = asked::fields(object, WHAT)?;
                Kind::Compare(fields.request()?)
            }
            _ => return Err(bad("\"mode\" is \"mock\", \"real\" or \"compare\"")),
        };
        Ok(Self { kind, by })
    }
}

impl CompareFields {
    fn request(self) -> Result<CompareRequest, Problem> {
        let Self { baseline, candidate, window, target, deployment, at, before, after } = self;
        let spans = [("window", window), ("before", before), ("after", after)];
        let is_bad = |span: &DurationUs| span.0 == 0 || *span > SPAN_MAX;
        if let Some((name, _)) = spans.into_iter().find(|(_, span)| span.as_ref().is_some_and(is_bad)) {
            return Err(bad(&format!("{name:?} is more than 0s and at most {SPAN_MAX}")));
        }
        let around =
            match (deployment, at) {
                (Some(deployment), None) => Some(Around::deployment(&deployment)),
                (None, Some(at)) => Some(Around::Instant(parse_rfc3339(&at).ok_or_else(|| {
                    bad(&format!("\"at\" is an instant such as 2026-07-30T14:03:00Z, and not {at:?}"))
                })?)),
                (None, None) => None,
                (Some(_), Some(_)) => return Err(forms()),
            };
        match (baseline, candidate, target, around) {
            (Some(baseline), Some(candidate), None, None) if before.is_none() && after.is_none() => {
                Ok(CompareRequest::Targets { baseline, candidate, window: window.unwrap_or(WINDOW) })
            }
            (None, None, Some(target), Some(around)) if window.is_none() => Ok(CompareRequest::Around {
                target,
                around,
                before: before.unwrap_or(BEFORE),
                after: after.unwrap_or(AFTER),
            }),
            _ => Err(forms()),
        }
    }
}

impl Around {
    /// `SERVICE` or `SERVICE@VERSION`; a name has no @, a version may.
    fn deployment(text: &str) -> Self {
        match text.split_once('@') {
            Some((service, version)) => {
                Self::Deployment { service: service.to_owned(), version: Some(version.to_owned()) }
            }
            None => Self::Deployment { service: text.to_owned(), version: None },
        }
    }
}

fn bad(what: &str) -> Problem {
    Problem::bad_request(format!("{what}."))
}

fn forms() -> Problem {
    bad(
        "A comparison has \"baseline\", \"candidate\" and perhaps \"window\"; or \"target\", one of \"deployment\" and \
         \"at\", and perhaps \"before\" and \"after\"",
    )
}
