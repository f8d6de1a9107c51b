//! `GET /api/v1/log`: what was counted, and of whom.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Extract;
use axum::http::Uri;
use serde::Serialize;
use spark_core::fold::SealedLog;
use spark_core::view::{DECLARING, Part, View};
use spark_schemas::event::StreamPosition;

use crate::api::problem::Problem;
use crate::app::Server;
use crate::params::Params;

/// Counts over the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LogFacts {
    pub(crate) mode: &'static str,
    pub(crate) partitions: Vec<StreamPosition>,
    /// The log that the positions are of.
    pub(crate) origin: String,
    /// Logs that were followed before it, each deleted and made anew.
    pub(crate) sealed: Vec<SealedLog>,
    pub(crate) frames: u64,
    pub(crate) observations: u64,
    pub(crate) missed: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    /// Frames known to be missing: holes in an agent's numbers, and messages that the stream lost.
    pub(crate) gaps: u64,
    pub(crate) agents: Vec<AgentFacts>,
}

/// One run of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AgentFacts {
    pub(crate) agent: String,
    pub(crate) class: &'static str,
    pub(crate) boot: String,
    pub(crate) next_seq: u64,
    pub(crate) observations: u64,
}

impl LogFacts {
    pub(crate) fn of(server: &Server, view: &View<'_>) -> Self {
        let (totals, runs) = (view.totals(), view.agent_runs());
        let missing: u64 = runs.iter().map(|run| run.marks.missing()).sum();
        let declaring = view.parts.iter().find(|part| part.partition == DECLARING);
        Self {
            mode: server.log_mode.as_str(),
            partitions: view.parts.iter().map(Part::position).collect(),
            origin: declaring.map(|part| part.state.head().origin.clone()).unwrap_or_default(),
            sealed: view.parts.iter().flat_map(|part| part.state.head().sealed.clone()).collect(),
            frames: totals.frames,
            observations: totals.observations,
            missed: totals.missed,
            duplicates: totals.duplicates,
            rejected: totals.rejected,
            gaps: missing + totals.lost,
            agents: runs
                .into_iter()
                .map(|run| AgentFacts {
                    agent: run.agent.to_string(),
                    class: run.class.as_str(),
                    boot: run.boot.to_string(),
                    next_seq: run.marks.next_seq,
                    observations: run.marks.observations,
                })
                .collect(),
        }
    }
}

/// What was counted.
pub(crate) async fn get(Extract(server): Extract<Arc<Server>>, uri: Uri) -> Result<Json<LogFacts>, Problem> {
    Params::strict(&uri, &[])?;
    Ok(Json(server.view(server.now(), |view| LogFacts::of(&server, &view))?))
}
