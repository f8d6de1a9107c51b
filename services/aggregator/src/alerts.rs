//! Alerts on burn rates: each change of an alert's state is an event in the log of partition 0, once.
//!
//! The state is what the log says last. So it is the same after a crash, and a change that was written twice, because
//! nobody knew whether it was written at all, counts once: both have one identity.

use std::error::Error;
use std::sync::Arc;

use spark_core::slo::due_transitions;
use spark_core::view::DECLARING;
use spark_eventlog::clock::WallClock;
use spark_eventlog::writer::EventWriter;
use spark_schemas::event::AlertState;
use tokio_util::sync::CancellationToken;

use crate::Projections;
use crate::ticks::{TICK, Ticks};

/// Changes written in one frame.
const CHANGES_PER_FRAME: usize = 50;

/// What watches burn rates.
pub struct Alerts {
    /// What it knows: every partition.
    pub projections: Projections,
    /// Where it writes: partition 0.
    pub writer: Arc<EventWriter>,
    /// The wall clock.
    pub clock: WallClock,
}

impl Alerts {
    /// Writes what changes, until `shutdown`. What fails is due again in a second.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = Ticks::until(shutdown);
        while ticks.next().await {
            if let Err(error) = self.tick().await {
                tracing::warn!(error = error.as_ref() as &dyn Error, "alerts: trying again");
            }
        }
    }

    async fn tick(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Some(declaring) = self.projections.iter().find(|one| one.partition() == DECLARING) else { return Ok(()) };
        if !self.projections.are_live() {
            return Ok(()); // What is not known cannot change.
        }
        let now = (self.clock)();
        let mut due = self
            .projections
            .view(now, |view| due_transitions(&view.objectives(), &view.declarations().alert_states, now))?;
        due.truncate(CHANGES_PER_FRAME);
        if due.is_empty() {
            return Ok(());
        }
        for alert in &due {
            let (slo, state, reason) = (alert.slo.as_str(), alert.state, alert.reason.as_str());
            match state {
                AlertState::Firing => tracing::warn!(slo, ?state, reason, "the error budget burns"),
                AlertState::Pending | AlertState::Resolved => tracing::info!(slo, ?state, reason, "alert"),
            }
        }
        let appended = self.writer.write(due.into_iter().map(Into::into).collect()).await?;
        // Until it is folded the same changes are due.
        declaring.folded(appended.seq, TICK).await;
        Ok(())
    }
}
