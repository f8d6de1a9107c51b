//! What the aggregator says of its own: its heartbeat, the configuration it applies, the frames it rejected, and the
//! small derived messages for subscribers.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use spark_core::config::Config;
use spark_core::fold::RejectedFrames;
use spark_core::view::rfc3339;
use spark_core::window::Window;
use spark_eventlog::clock::WallClock;
use spark_eventlog::writer::{EventWriter, WriteError};
use spark_schemas::derived::{GateMessage, HealthMessage, TargetState};
use spark_schemas::event::{ConfigApplied, Heartbeat, Rejected};
use spark_schemas::{Event, Name, TimeNs, subject, to_msgpack};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{Phase, Projection};

const HEARTBEAT_EVERY: TimeNs = TimeNs(10 * TimeNs::SECOND);
/// How often derived messages are published and rejected frames reported.
const TICK: Duration = Duration::from_secs(1);
const WINDOWS_EVERY: TimeNs = TimeNs(10 * TimeNs::SECOND);
const HEALTH_EVERY: TimeNs = TimeNs(60 * TimeNs::SECOND);
/// Rejections reported in one frame, and frames of them in a tick: together as many as the fold keeps.
const REJECTED_PER_FRAME: usize = 80;
const REJECTED_FRAMES_PER_TICK: usize = 4;
/// A part of a long configuration; with the rest of its event it fits a frame.
const CONFIG_PART_BYTES: usize = 48_000;

/// Where derived messages go. On one machine there are no subscribers.
#[async_trait]
pub trait Publish: Send + Sync {
    /// Publishes a message that nobody has to receive.
    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// As [`Publish::publish`], with headers: names and values of one line each.
    async fn publish_with_headers(
        &self,
        subject: String,
        headers: Vec<(&'static str, String)>,
        payload: Bytes,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// The aggregator's own duties.
pub struct Duties {
    /// What it knows.
    pub projection: Projection,
    /// Where it writes its events.
    pub writer: Arc<EventWriter>,
    /// Where derived messages go, if anywhere.
    pub publisher: Option<Arc<dyn Publish>>,
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

#[derive(Default)]
struct Published {
    heartbeat: TimeNs,
    windows: TimeNs,
    health: BTreeMap<Name, (TargetState, TimeNs)>,
    gate: Option<String>,
}

impl Duties {
    /// Brings `config` into force, unless it is already and no other was refused since.
    pub async fn apply_config(&self, config: &Config) -> Result<(), WriteError> {
        let in_force = self.projection.view((self.clock)(), |view| {
            let declared = &view.state.head().declarations;
            let policy = declared.policy.as_ref().filter(|_| declared.config_rejected.is_none());
            policy.is_some_and(|policy| policy.digest == config.digest())
        });
        if in_force {
            return Ok(());
        }
        for event in config_applied(config, (self.clock)()) {
            self.writer.write(vec![event]).await?;
        }
        Ok(())
    }

    /// Does its duties until `shutdown`. What fails is done again in a second.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut published = Published::default();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.tick(&mut published).await {
                tracing::warn!(error = error.as_ref() as &dyn Error, "trying again");
            }
        }
    }

    async fn tick(&self, published: &mut Published) -> Result<(), Box<dyn Error + Send + Sync>> {
        let now = (self.clock)();
        if let Phase::Unreachable(_) = self.projection.status().phase {
            return Ok(()); // The fold says so already, and goes on as soon as there is a log to write to.
        }
        if now.0.saturating_sub(published.heartbeat.0) >= HEARTBEAT_EVERY.0 {
            self.writer
                .write(vec![Heartbeat { at_ns: now, queue: 0, dropped: 0, clock_offset_us: None }.into()])
                .await?;
            published.heartbeat = now;
        }
        if self.projection.status().phase != Phase::Live {
            return Ok(());
        }
        self.declare_again(now).await?;
        if let Some(publisher) = &self.publisher {
            for (subject, payload) in self.due_messages(published, now) {
                publisher.publish(subject, payload).await?;
            }
        }
        self.report_rejected(now).await
    }

    /// A log that was made anew has none of what was declared before. The configuration in force is written into it, for
    /// those who know no other.
    async fn declare_again(&self, now: TimeNs) -> Result<(), WriteError> {
        let config = self.projection.view(now, |view| {
            let head = view.state.head();
            let policy = head.declarations.policy.as_ref().filter(|_| head.configured_in != head.origin);
            policy.map(|policy| policy.config.clone())
        });
        for event in config.iter().flat_map(|config| config_applied(config, now)) {
            self.writer.write(vec![event]).await?;
        }
        Ok(())
    }

    /// Reports rejected frames: the fold forgets them when it sees the report.
    async fn report_rejected(&self, now: TimeNs) -> Result<(), Box<dyn Error + Send + Sync>> {
        let partition = self.projection.partition();
        for _ in 0..REJECTED_FRAMES_PER_TICK {
            let entries: Vec<RejectedFrames> = self
                .projection
                .view(now, |view| view.state.head().unreported.iter().take(REJECTED_PER_FRAME).cloned().collect());
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
            let mut positions = self.projection.changes();
            let folded = positions.wait_for(|position| *position >= appended.seq);
            let _late_is_harmless = tokio::time::timeout(TICK, folded).await;
        }
        Ok(())
    }

    fn due_messages(&self, published: &mut Published, now: TimeNs) -> Vec<(String, Bytes)> {
        let mut messages = Vec::new();
        let windows_due = now.0.saturating_sub(published.windows.0) >= WINDOWS_EVERY.0;
        self.projection.view(now, |view| {
            for target in view.targets() {
                if windows_due && let Ok(figures) = view.window(target.name, Window::M5) {
                    let message = figures.to_message(target.name, target.staleness_us);
                    push(&mut messages, subject::window(target.name), &message);
                }
                let known = published.health.get(target.name);
                let is_due = known
                    .is_none_or(|(state, at)| *state != target.state || now.0.saturating_sub(at.0) >= HEALTH_EVERY.0);
                if is_due {
                    let (state, at, reason) = (target.state, rfc3339(now), target.reason.clone());
                    let message = HealthMessage { target: target.name.clone(), state, at, reason };
                    push(&mut messages, subject::health(target.name), &message);
                    published.health.insert(target.name.clone(), (state, now));
                }
            }
            let decisions = &view.state.head().declarations.gate_decisions;
            let known = published.gate.get_or_insert_with(|| {
                decisions.back().map(|gate| gate.id.to_string()).unwrap_or_default() // Those before this start are old news.
            });
            let fresh = decisions.iter().rev().take_while(|gate| gate.id.as_str() != known.as_str());
            for gate in fresh.collect::<Vec<_>>().into_iter().rev() {
                let (id, profile) = (gate.id.to_string(), gate.profile.clone());
                let message = GateMessage { id, verdict: gate.verdict, profile, at: rfc3339(gate.at_ns) };
                push(&mut messages, subject::GATE.to_owned(), &message);
                published.gate = Some(gate.id.to_string());
            }
        });
        if windows_due {
            published.windows = now;
        }
        messages
    }
}

/// The message in MessagePack, and in JSON on the sibling subject.
#[expect(clippy::expect_used, reason = "string keys only, in memory")]
fn push(messages: &mut Vec<(String, Bytes)>, subject: String, message: &impl serde::Serialize) {
    let json = serde_json::to_vec(message).expect("string keys only, in memory");
    messages.push((subject::json_sibling(&subject), json.into()));
    messages.push((subject, to_msgpack(message).into()));
}
