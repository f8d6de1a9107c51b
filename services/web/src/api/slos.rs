//! `GET /api/v1/slos` and `/api/v1/slos/{name}`: each objective's counts, error budget, burn rates and alerts.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use spark_core::config::{Objective, Sli, SloWindow};
use spark_core::slo::{AlertView, Budget, Burn, Condition, Counts, Exhaustion, ObjectiveView, Standing};
use spark_core::view::{View, past, rfc3339};
use spark_schemas::event::AlertState;

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    at: String,
    slos: Vec<SloFacts>,
}

/// One objective.
#[derive(Debug, Serialize)]
pub(crate) struct SloFacts {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// Empty: every target that is not demo.
    targets: Vec<String>,
    sli: Sli,
    /// In percent, exact.
    objective: String,
    window: SloWindow,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    standing: &'static str,
    recomputing: bool,
    counted_from: Option<String>,
    counts: Option<CountFacts>,
    sli_ppm: Option<u64>,
    budget: Option<BudgetFacts>,
    burn: Vec<BurnFacts>,
    alerts: Vec<AlertFacts>,
}

#[derive(Debug, Serialize)]
struct CountFacts {
    total: u64,
    #[serde(flatten)]
    counts: Counts,
}

/// Bad events in thousandths (`_milli`): few events allow less than one.
#[derive(Debug, Serialize)]
struct BudgetFacts {
    total_milli: u64,
    spent: u64,
    left_milli: i64,
    spent_ppm: u64,
    left_ppm: i64,
    exhaustion: Option<&'static str>,
    exhausted_in_s: Option<u64>,
}

#[derive(Debug, Serialize)]
struct BurnFacts {
    window: String,
    rate_milli: Option<u64>,
    counts: Option<CountFacts>,
}

#[derive(Debug, Serialize)]
struct AlertFacts {
    severity: String,
    long: String,
    short: String,
    burn_rate: String,
    #[serde(rename = "for")]
    hold: String,
    events_min: u64,
    condition: Condition,
    reason: String,
    /// Absent before it was ever on.
    state: Option<AlertState>,
    since: Option<String>,
}

impl From<Counts> for CountFacts {
    fn from(counts: Counts) -> Self {
        Self { total: counts.total(), counts }
    }
}

impl From<Budget> for BudgetFacts {
    fn from(budget: Budget) -> Self {
        let Budget { total_milli, spent, left_milli, spent_ppm, exhaustion } = budget;
        let (word, exhausted_in_s) = match exhaustion {
            Some(Exhaustion::Gone) => (Some("gone"), Some(0)),
            Some(Exhaustion::InSeconds(seconds)) => (Some("in"), Some(seconds)),
            Some(Exhaustion::Never) => (Some("never"), None),
            None => (None, None),
        };
        Self {
            total_milli,
            spent,
            left_milli,
            spent_ppm,
            left_ppm: budget.left_ppm(),
            exhaustion: word,
            exhausted_in_s,
        }
    }
}

impl From<&Burn> for BurnFacts {
    fn from(Burn { window, counts, rate_milli }: &Burn) -> Self {
        Self { window: window.to_string(), rate_milli: *rate_milli, counts: counts.map(Into::into) }
    }
}

impl AlertFacts {
    fn of(view: &View<'_>, alert: &AlertView<'_>) -> Self {
        // What it turned to since tells nothing of then.
        let latest = alert.latest.filter(|latest| !past::is_later(view, latest.at_ns));
        Self {
            severity: alert.alert.severity.to_string(),
            long: alert.alert.long.to_string(),
            short: alert.alert.short.to_string(),
            burn_rate: alert.alert.burn_rate.to_string(),
            hold: alert.alert.hold.to_string(),
            events_min: alert.alert.events_min,
            condition: alert.condition,
            reason: alert.reason.clone(),
            state: latest.map(|latest| latest.state),
            since: latest.map(|latest| rfc3339(latest.at_ns)),
        }
    }
}

impl SloFacts {
    fn of(view: &View<'_>, slo: &ObjectiveView<'_>) -> Self {
        let Objective { name, description, service, targets, sli, objective, window, .. } = slo.objective;
        Self {
            name: name.to_string(),
            description: description.clone(),
            service: service.as_ref().map(ToString::to_string),
            targets: targets.iter().map(ToString::to_string).collect(),
            sli: *sli,
            objective: objective.to_string(),
            window: window.clone(),
            from: rfc3339(slo.from),
            to: slo.to.map(rfc3339),
            standing: slo.standing.as_str(),
            recomputing: slo.standing == Standing::Recomputing,
            counted_from: slo.counted_from.map(rfc3339),
            counts: slo.counts.map(Into::into),
            sli_ppm: slo.sli_ppm,
            budget: slo.budget.map(Into::into),
            burn: slo.burns.iter().map(Into::into).collect(),
            alerts: slo.alerts.iter().map(|alert| AlertFacts::of(view, alert)).collect(),
        }
    }
}

/// Every objective.
pub(crate) async fn list(State(server): State<Arc<Server>>, uri: Uri) -> Result<Json<Listing>, Problem> {
    let now = server.now();
    let at = Params::strict(&uri, &["at"])?.at(now)?.unwrap_or(now);
    let slos = server.view(at, |view| view.objectives().iter().map(|slo| SloFacts::of(&view, slo)).collect())?;
    Ok(Json(Listing { at: rfc3339(at), slos }))
}

/// One objective.
pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<SloFacts>, Problem> {
    let Path(name) = name.map_err(|error| Problem::bad_request(format!("The objective's name: {error}.")))?;
    let now = server.now();
    let at = Params::strict(&uri, &["at"])?.at(now)?.unwrap_or(now);
    let facts = server.view(at, |view| view.objective(&name).map(|slo| SloFacts::of(&view, &slo)))?;
    facts.map(Json).ok_or_else(|| Problem::unknown_slo(&name))
}
