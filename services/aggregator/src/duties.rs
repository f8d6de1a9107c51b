//! What the aggregator says of its own, in the log of the partition that it says it of: its heartbeat, the frames that
//! were rejected, and in partition 0 the configuration.

use std::error::Error;
use std::sync::Arc;

use spark_core::config::Config;
use spark_core::fold::RejectedFrames;
use spark_core::view::DECLARING;
use spark_eventlog::clock::WallClock;
use spark_eventlog::writer::{EventWriter, WriteError};
use spark_schemas::event::{ConfigApplied, Heartbeat, Rejected};
use spark_schemas::{Event, TimeNs};
use tokio_util::sync::CancellationToken;

use crate::ticks::{TICK, Ticks};
use crate::{Phase, Projection};

const HEARTBEAT_EVERY: TimeNs = TimeNs(10 * TimeNs::SECOND);
/// Rejections reported in one frame, and frames of them in a tick: together as many as the fold keeps.
const REJECTED_PER_FRAME: usize = 80;
const REJECTED_FRAMES_PER_TICK: usize = 4;
/// A part of a long configuration; with the rest of its event it fits a frame.
const CONFIG_PART_BYTES: usize = 48_000;

/// The aggregator's own duties in one partition.
pub struct Duties {
    /// What it knows of it.
    pub projection: Projection,
    /// Where it writes its events.
    pub writer: Arc<EventWriter>,
    /// The wall clock.
    pub clock: WallClock,
}

/// The events by which `config` comes into force at `at`, one for each part.
pub fn config_applied(config: &Config, at: TimeNs) -> Vec<Event> {
    let (body, digest) = (config.canonical_json(), config.digest());
    let mut parts = Vec::new();
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.floor_char_boundary(CONFIG_PART_BYTES));
        parts.push(part.to_owned());
        rest = after;
    }
    let count = parts.len() as u32;
    let event =
        |(part, body)| ConfigApplied { at_ns: at, digest: digest.as_str().into(), part, parts: count, body }.into();
    (0..).zip(parts).map(event).collect()
}

impl Duties {
    /// Brings `config` into force, unless it is already and no other was refused since.
    pub async fn apply_config(&self, config: &Config) -> Result<(), WriteError> {
        let in_force = self.projection.view((self.clock)(), |view| {
            let declared = view.declarations();
            let policy = declared.policy.as_ref().filter(|_| declared.config_rejected.is_none());
            policy.is_some_and(|policy| policy.digest == config.digest())
        });
        // Saying it once more changes nothing.
        if in_force.unwrap_or(false) {
            return Ok(());
        }
        for event in config_applied(config, (self.clock)()) {
            self.writer.write(vec![event]).await?;
        }
        Ok(())
    }

    /// Does its duties until `shutdown`. What fails is done again in a second.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut last_heartbeat = TimeNs(0);
        let mut ticks = Ticks::until(shutdown);
        while ticks.next().await {
            if let Err(error) = self.tick(&mut last_heartbeat).await {
                tracing::warn!(error = error.as_ref() as &dyn Error, "trying again");
            }
        }
    }

    async fn tick(&self, last_heartbeat: &mut TimeNs) -> Result<(), Box<dyn Error + Send + Sync>> {
        let now = (self.clock)();
        if let Phase::Unreachable(_) = self.projection.status().phase {
            return Ok(()); // The fold says so already, and goes on as soon as there is a log to write to.
        }
        if now.0.saturating_sub(last_heartbeat.0) >= HEARTBEAT_EVERY.0 {
            self.writer
                .write(vec![
                    Heartbeat { at_ns: now, queue: 0, dropped: 0, clock_offset_us: None, ..Heartbeat::default() }
                        .into(),
                ])
                .await?;
            *last_heartbeat = now;
        }
        if self.projection.status().phase != Phase::Live {
            return Ok(());
        }
        if self.projection.partition() == DECLARING {
            self.declare_again(now).await?;
        }
        self.report_rejected(now).await
    }

    /// A log that was made anew has none of what was declared before. The configuration in force is written into it, for
    /// those who know no other.
    async fn declare_again(&self, now: TimeNs) -> Result<(), WriteError> {
        let config = self.projection.to_declare_again();
        for event in config.iter().flat_map(|config| config_applied(config, now)) {
            self.writer.write(vec![event]).await?;
        }
        Ok(())
    }

    /// Reports rejected frames: the fold forgets them when it sees the report.
    async fn report_rejected(&self, now: TimeNs) -> Result<(), Box<dyn Error + Send + Sync>> {
        let partition = self.projection.partition();
        for _ in 0..REJECTED_FRAMES_PER_TICK {
            let entries = self.projection.unreported(REJECTED_PER_FRAME);
            if entries.is_empty() {
                return Ok(());
            }
            let frames: u64 = entries.iter().map(|entry| entry.frames).sum();
            tracing::warn!(frames, "rejected frames are reported in the log");
            let report = |entry: RejectedFrames| {
                let RejectedFrames { seq, last_seq, frames, subject, reason } = entry;
                let last_seq = (last_seq > seq).then_some(last_seq);
                Rejected { at_ns: now, partition, seq, last_seq, frames, subject, reason }.into()
            };
            let appended = self.writer.write(entries.into_iter().map(report).collect()).await?;
            // Until the report is folded the same frames would be reported again.
            self.projection.folded(appended.seq, TICK).await;
        }
        Ok(())
    }
}
