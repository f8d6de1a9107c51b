//! What declaring a maintenance and marking a deployment have in common: instants, and being on the log and folded before
//! the answer, so that whoever declares sees it in the next answer.

use std::time::Duration;

use spark_core::view::{DECLARING, parse_rfc3339, rfc3339};
use spark_schemas::{Event, Name, TimeNs, metric};

use super::problem::Problem;
use crate::app::Server;
use crate::standing::Standing;

const DAY_NS: u64 = 24 * 3_600 * TimeNs::SECOND;
/// What is declared for longer ago changes no figure any more.
const AGO_NS_MAX: u64 = 32 * DAY_NS;
/// What was written is folded within this, or is seen a little later.
const FOLDED_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn name(key: &str, text: &str) -> Result<Name, Problem> {
    Name::new(text).map_err(|error| Problem::bad_request(format!("\"{key}\": {text:?} is no name: {error}.")))
}

/// An instant of a request: RFC 3339, or `now`.
pub(super) fn instant(key: &str, text: &str, now: TimeNs) -> Result<TimeNs, Problem> {
    if text == "now" {
        return Ok(now);
    }
    parse_rfc3339(text).ok_or_else(|| {
        Problem::bad_request(format!("\"{key}\" is \"now\" or RFC 3339 such as 2026-07-30T14:03:00Z, not {text:?}."))
    })
}

/// Refuses an instant that lies so far back that no figure looks there.
pub(super) fn not_long_ago(key: &str, at: TimeNs, now: TimeNs) -> Result<(), Problem> {
    let earliest = TimeNs(now.0.saturating_sub(AGO_NS_MAX));
    if at >= earliest {
        return Ok(());
    }
    let detail = format!(
        "\"{key}\" is {}, more than 32 days ago: no figure reaches back so far. The earliest is {}.",
        rfc3339(at),
        rfc3339(earliest)
    );
    Err(Problem::bad_request(detail))
}

/// Declarations are judged by those that are known. Where the log is not read to its end, a repeat could not be told.
pub(super) fn require_live(server: &Server) -> Result<(), Problem> {
    match server.standing() {
        Standing::Live | Standing::Stale(_) => Ok(()),
        standing => {
            let why = standing.sentence().unwrap_or_default();
            Err(Problem::log_unreachable(format!("Nothing can be declared now. {why}")))
        }
    }
}

/// Writes the event, counts it, and waits until it is folded; says its number in the log.
pub(super) async fn declare(server: &Server, event: Event, kind: &'static str) -> Result<u64, Problem> {
    let appended = server.writer.write(vec![event]).await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, kind, "a declaration was not recorded");
        let detail =
            format!("It was not recorded, or the log did not say so: {error}. Look at the list before you ask again.");
        Problem::log_unreachable(detail)
    })?;
    metrics::counter!(metric::DECLARATIONS, "kind" => kind).increment(1);
    if let Some(declaring) = server.projections.iter().find(|one| one.partition() == DECLARING) {
        declaring.folded(appended.seq, FOLDED_WITHIN).await;
    }
    Ok(appended.seq)
}
