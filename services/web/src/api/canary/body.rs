//! A run as scripts read it.

use serde::Serialize;
use serde_json::Value;
use spark_core::view::rfc3339;
use spark_schemas::event::{CanaryComparison, CanaryRan, CanarySide, Deployment, StreamPosition, TimeSpan, Verdict};

use crate::api::gate::Check;

/// A run, with its verdict and its reasons.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    id: String,
    mode: &'static str,
    verdict: Verdict,
    at: String,
    by: String,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    build: String,
    /// Whether the run is an event on the log.
    recorded: bool,
    /// The frame's sequence number on the log, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Comparison {
    baseline: Side,
    candidate: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<Deployed>,
    positions: Vec<StreamPosition>,
    settings: Value,
    semantics: u32,
}

#[derive(Debug, Serialize)]
struct Side {
    target: String,
    from: String,
    to: String,
    excluded: Vec<Span>,
    observed: u64,
    failed: u64,
    missed: u64,
}

#[derive(Debug, Serialize)]
struct Span {
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Deployed {
    service: String,
    version: String,
    at: String,
}

impl Body {
    /// A run that was just made; `seq` is where the log has it.
    pub(super) fn new(run: CanaryRan, seq: Option<u64>) -> Self {
        Self {
            id: run.id.into(),
            mode: run.mode.as_str(),
            verdict: run.verdict,
            at: rfc3339(run.at_ns),
            by: run.by,
            checks: run.checks.into_iter().map(Check::from).collect(),
            comparison: run.comparison.map(|comparison| Comparison::from(*comparison)),
            build: run.build,
            recorded: seq.is_some(),
            seq,
        }
    }

    /// A run that the log has.
    pub(super) fn recorded(run: CanaryRan) -> Self {
        Self { recorded: true, ..Self::new(run, None) }
    }
}

impl From<CanaryComparison> for Comparison {
    fn from(comparison: CanaryComparison) -> Self {
        Self {
            baseline: comparison.baseline.into(),
            candidate: comparison.candidate.into(),
            deployment: comparison.deployment.map(|Deployment { at_ns, service, version, .. }| Deployed {
                service: service.to_string(),
                version,
                at: rfc3339(at_ns),
            }),
            positions: comparison.positions,
            // It was written as JSON; shown as it is if it is none.
            settings: serde_json::from_str(&comparison.settings).unwrap_or(Value::String(comparison.settings)),
            semantics: comparison.semantics,
        }
    }
}

impl From<CanarySide> for Side {
    fn from(side: CanarySide) -> Self {
        let span = |TimeSpan { from_ns, to_ns }| Span { from: rfc3339(from_ns), to: rfc3339(to_ns) };
        Self {
            target: side.target.to_string(),
            from: rfc3339(side.from_ns),
            to: rfc3339(side.to_ns),
            excluded: side.excluded.into_iter().map(span).collect(),
            observed: side.observed,
            failed: side.failed,
            missed: side.missed,
        }
    }
}
