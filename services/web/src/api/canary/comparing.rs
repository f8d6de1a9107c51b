//! Comparisons: from a request to a selection, to samples of the log, to a verdict; and the same again from its event.

use std::time::Duration;

use axum::http::StatusCode;
use spark_core::canary::{Circumstances, Samples, Selection, SideOf};
use spark_core::view::{View, rfc3339};
use spark_eventlog::{ReadError, range};
use spark_schemas::TimeNs;
use spark_schemas::event::{CanaryRan, Deployment, StreamPosition, TimeSpan};
use tokio::time::timeout;

use super::request::{Around, CompareRequest};
use crate::api::problem::Problem;
use crate::app::Server;

/// How long the log may take to give the leaves of the time that is compared.
const READING_MAX: Duration = Duration::from_secs(20);

/// Compares what is asked for, as the log is now.
pub(super) async fn compare(
    server: &Server,
    request: CompareRequest,
    circumstances: Circumstances,
) -> Result<CanaryRan, Problem> {
    let (selection, positions) = server.view(circumstances.at, |view| {
        let selection = select(&view, request)?;
        Ok::<_, Problem>((selection, view.parts.iter().map(|part| part.position()).collect::<Vec<_>>()))
    })??;
    let samples = sample(server, &selection, &positions).await?;
    Ok(selection.ran(&samples, positions, circumstances))
}

/// Makes a recorded comparison again. What differs from the recorded run was not made from these leaves, these settings
/// and this arithmetic.
pub(super) async fn again(server: &Server, run: &CanaryRan) -> Result<CanaryRan, Problem> {
    let cannot = |why: String| {
        let detail = format!("Canary {} can't be made again here: {why}.", run.id);
        Problem::new(StatusCode::CONFLICT, "not-reproducible", "The canary can't be made again", detail)
    };
    let Some(comparison) = &run.comparison else {
        return Err(cannot("only comparisons are made from the log".to_owned()));
    };
    let selection = Selection::of(comparison).map_err(|error| cannot(error.to_string()))?;
    let samples = sample(server, &selection, &comparison.positions).await?;
    let circumstances = Circumstances { at: run.at_ns, by: run.by.clone(), build: run.build.clone() };
    Ok(selection.ran(&samples, comparison.positions.clone(), circumstances))
}

fn select(view: &View<'_>, request: CompareRequest) -> Result<Selection, Problem> {
    let side = |target: &str, from_ns: TimeNs, to_ns: TimeNs| {
        let target = view.target(target).ok_or_else(|| Problem::unknown_target(target))?.name.clone();
        let span = TimeSpan { from_ns, to_ns };
        let excluded = view.declarations().left_out(&target, span);
        Ok::<_, Problem>(SideOf { target, span, excluded })
    };
    let settings = view.config().canary.clone();
    match request {
        CompareRequest::Targets { baseline, candidate, window } => {
            let from = view.at.minus_us(window.0);
            let (baseline, candidate) = (side(&baseline, from, view.at)?, side(&candidate, from, view.at)?);
            if baseline.target == candidate.target {
                let detail = "A target can't be compared with itself over the same time.".to_owned();
                return Err(Problem::bad_request(detail));
            }
            Ok(Selection { baseline, candidate, deployment: None, settings })
        }
        CompareRequest::Around { target, around, before, after } => {
            let (at, deployment) = instant(view, around)?;
            let until = at.plus_us(after.0).min(view.at);
            let (baseline, candidate) = (side(&target, at.minus_us(before.0), at)?, side(&target, at, until)?);
            Ok(Selection { baseline, candidate, deployment, settings })
        }
    }
}

fn instant(view: &View<'_>, around: Around) -> Result<(TimeNs, Option<Deployment>), Problem> {
    match around {
        Around::Instant(at) if at > view.at => {
            Err(Problem::bad_request(format!("\"at\" is in the future: {}.", rfc3339(at))))
        }
        Around::Instant(at) => Ok((at, None)),
        Around::Deployment { service, version } => {
            let is_it = |one: &&Deployment| {
                one.service.as_str() == service && version.as_ref().is_none_or(|version| one.version == *version)
            };
            let past = view.declarations().deployments.iter().filter(|one| one.at_ns <= view.at);
            let found = past.filter(is_it).max_by_key(|one| one.at_ns).cloned();
            let found = found.ok_or_else(|| {
                let version = version.map(|version| format!(", version {version:?}")).unwrap_or_default();
                let detail = format!("No deployment of {service:?}{version} is among the latest.");
                Problem::new(StatusCode::NOT_FOUND, "unknown-deployment", "There is no such deployment", detail)
            })?;
            Ok((found.at_ns, Some(found)))
        }
    }
}

/// The selection's samples in the logs, up to the positions.
async fn sample(server: &Server, selection: &Selection, positions: &[StreamPosition]) -> Result<Samples, Problem> {
    let reading = async {
        let mut sampler = selection.sampler();
        for StreamPosition { partition, seq, origin } in positions {
            let number = server.projections.iter().position(|projection| projection.partition() == *partition);
            let log = number.and_then(|number| server.logs.get(number));
            let log =
                log.ok_or_else(|| Problem::log_unreachable(format!("Nobody here reads partition {partition}.")))?;
            let there = log.bounds().await.map_err(|error| unreadable(&error))?.incarnation;
            if there != *origin {
                let detail = format!("The log {origin} is not there any more; {there} took its place.");
                return Err(Problem::new(StatusCode::GONE, "log-replaced", "The log was replaced", detail));
            }
            let take = |frame: &spark_eventlog::Recorded| sampler.take(&frame.to_leaf());
            let read = range::received_within(&**log, selection.received_ns(), *seq, take);
            read.await.map_err(|error| unreadable(&error))?;
        }
        sampler.finish().map_err(|error| Problem::bad_request(format!("{error}.")))
    };
    timeout(READING_MAX, reading).await.unwrap_or_else(|_elapsed| {
        let seconds = READING_MAX.as_secs();
        let detail = format!("The log did not give that time's frames within {seconds} s; choose a shorter range.");
        Err(Problem::log_unreachable(detail))
    })
}

fn unreadable(error: &ReadError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "the log can't be read for a canary");
    Problem::log_unreachable(format!("The samples can't be read: {error}."))
}
