//! What a maintenance is declared by, and the rules that it keeps.

use axum::http::StatusCode;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use spark_core::units::DurationUs;
use spark_core::view::{View, rfc3339};
use spark_schemas::event::{Maintenance, MaintenanceAction};
use spark_schemas::{Name, TimeNs};

use super::super::asked::{by, text};
use super::super::declaring::{instant, name, not_long_ago};
use crate::api::problem::Problem;

pub(super) const REASON_BYTES_MAX: usize = 500;
const TARGETS_MAX: usize = 100;
const DAY_NS: u64 = 24 * 3_600 * TimeNs::SECOND;
/// Longer is no maintenance: a target that is away for a month is better taken out of the objectives.
const LENGTH_NS_MAX: u64 = 30 * DAY_NS;
const AHEAD_NS_MAX: u64 = 366 * DAY_NS;

/// What a maintenance is declared by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// Its identity; made from the rest by default.
    id: Option<String>,
    /// What it covers; by default every target.
    #[serde(default)]
    targets: Vec<String>,
    /// When it begins; by default now.
    from: Option<String>,
    /// When it ends …
    to: Option<String>,
    /// … or how long it takes.
    #[serde(rename = "for")]
    length: Option<DurationUs>,
    reason: String,
    by: Option<String>,
}

impl Request {
    /// The maintenance that is asked for, if it keeps the rules.
    pub(super) fn maintenance(self, view: &View<'_>) -> Result<Maintenance, Problem> {
        let now = view.at;
        let bad = |detail: String| Err(Problem::bad_request(detail));
        let from_ns = self.from.as_deref().map_or(Ok(now), |text| instant("from", text, now))?;
        let to_ns = match (&self.to, self.length) {
            (Some(to), None) => instant("to", to, now)?,
            (None, Some(length)) => from_ns.plus_us(length.0),
            _ => return bad("Say when it ends: either \"to\" or \"for\", such as \"30m\".".to_owned()),
        };
        if to_ns <= from_ns {
            return bad(format!(
                "It ends at {}, and must end after it begins at {}.",
                rfc3339(to_ns),
                rfc3339(from_ns)
            ));
        }
        if to_ns.0 - from_ns.0 > LENGTH_NS_MAX {
            return bad(
                "A maintenance takes at most 30 days; take the target out of the objectives instead.".to_owned()
            );
        }
        not_long_ago("from", from_ns, now)?;
        if from_ns.0 > now.0.saturating_add(AHEAD_NS_MAX) {
            return bad(format!("\"from\" is {}, more than a year ahead; is the year right?", rfc3339(from_ns)));
        }
        let reason = text("reason", self.reason.trim().to_owned(), REASON_BYTES_MAX)?;
        if reason.is_empty() {
            return bad("Say why in \"reason\": who looks at the figures later has nothing else.".to_owned());
        }
        let targets = known_targets(view, &self.targets)?;
        let mut declared = Maintenance {
            at_ns: now,
            // Until it is known what to make one from.
            id: name("id", self.id.as_deref().unwrap_or("maintenance"))?,
            action: MaintenanceAction::Add,
            targets,
            from_ns,
            to_ns,
            reason,
            by: by(self.by)?,
        };
        if self.id.is_none() {
            declared.id = made_id(&declared, view)?;
        }
        Ok(declared)
    }
}

/// In the order of their names. Each must be known: a misspelt one would leave the target in the figures.
fn known_targets(view: &View<'_>, wanted: &[String]) -> Result<Vec<Name>, Problem> {
    if wanted.len() > TARGETS_MAX {
        let detail =
            format!("\"targets\" has {} names; at most {TARGETS_MAX}, or none for every target.", wanted.len());
        return Err(Problem::bad_request(detail));
    }
    let mut targets = Vec::with_capacity(wanted.len());
    for text in wanted {
        let known = view.target(text).ok_or_else(|| {
            let mut unknown = Problem::unknown_target(text);
            unknown.status = StatusCode::BAD_REQUEST;
            unknown
        })?;
        targets.push(known.name.clone());
    }
    targets.sort();
    match targets.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Problem::bad_request(format!("Target {:?} is there twice.", pair[0].as_str()))),
        None => Ok(targets),
    }
}

/// An identity that no other has: short, because people type it to call a maintenance off.
fn made_id(declared: &Maintenance, view: &View<'_>) -> Result<Name, Problem> {
    let known = view.declarations();
    for n in 0_u32.. {
        let content = format!("{n} {declared:?}");
        let id = name("id", &format!("m-{}", &spark_core::hex(&Sha256::digest(content))[..8]))?;
        let is_cancelled = known.cancelled_maintenances.iter().any(|one| one.declared.id == id);
        if !is_cancelled && !known.maintenances_in_force().any(|one| one.id == id) {
            return Ok(id);
        }
    }
    Ok(declared.id.clone())
}
