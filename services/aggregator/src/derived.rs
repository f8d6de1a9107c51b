//! Small derived messages for subscribers: windows, changes of health, alerts, gate decisions.
//!
//! They are over all partitions, or not at all: whoever publishes them follows every one.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use spark_core::view::rfc3339;
use spark_core::window::Window;
use spark_eventlog::clock::WallClock;
use spark_schemas::derived::{AlertMessage, GateMessage, HealthMessage, TargetState};
use spark_schemas::{Name, TimeNs, subject, to_msgpack};
use tokio_util::sync::CancellationToken;

use crate::ticks::Ticks;
use crate::{Projections, StoreGone};

const WINDOWS_EVERY: TimeNs = TimeNs(10 * TimeNs::SECOND);
const HEALTH_EVERY: TimeNs = TimeNs(60 * TimeNs::SECOND);

/// Where derived messages go.
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

/// What publishes derived messages.
pub struct Derived {
    /// What it knows: every partition.
    pub projections: Projections,
    /// Where they go.
    pub publisher: Arc<dyn Publish>,
    /// The wall clock.
    pub clock: WallClock,
}

#[derive(Clone, Default)]
struct Published {
    windows: TimeNs,
    health: BTreeMap<Name, (TargetState, TimeNs)>,
    gate: Option<String>,
    alert: Option<String>,
}

impl Derived {
    /// Publishes what is due until `shutdown`. When a message fails, all that were due with it are due again in a second.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut published = Published::default();
        let mut ticks = Ticks::until(shutdown);
        while ticks.next().await {
            if let Err(error) = self.tick(&mut published).await {
                tracing::warn!(error = error.as_ref() as &dyn Error, "derived messages were not published");
            }
        }
    }

    async fn tick(&self, published: &mut Published) -> Result<(), Box<dyn Error + Send + Sync>> {
        if !self.projections.are_live() {
            return Ok(());
        }
        let mut then = published.clone();
        for (subject, payload) in self.due_messages(&mut then, (self.clock)())? {
            self.publisher.publish(subject, payload).await?;
        }
        *published = then;
        Ok(())
    }

    fn due_messages(&self, published: &mut Published, now: TimeNs) -> Result<Vec<(String, Bytes)>, StoreGone> {
        let mut messages = Vec::new();
        let windows_due = now.0.saturating_sub(published.windows.0) >= WINDOWS_EVERY.0;
        self.projections.view(now, |view| {
            for target in view.targets() {
                if windows_due && let Ok(figures) = view.window(target.name, Window::M5) {
                    let message = figures.to_message(target.name, target.staleness_us);
                    push(&mut messages, subject::window(target.name), &message);
                }
                let known = published.health.get(target.name);
                let is_due = known
                    .is_none_or(|(state, at)| *state != target.state || now.0.saturating_sub(at.0) >= HEALTH_EVERY.0);
                if is_due {
                    let (state, at, reason) = (target.state, rfc3339(now), target.reason.to_string());
                    let message = HealthMessage { target: target.name.clone(), state, at, reason };
                    push(&mut messages, subject::health(target.name), &message);
                    published.health.insert(target.name.clone(), (state, now));
                }
            }
            let declared = view.declarations();
            for gate in new_since(&mut published.gate, &declared.gate_decisions, |gate| &gate.id) {
                let (id, profile) = (gate.id.to_string(), gate.profile.clone());
                let message = GateMessage { id, verdict: gate.verdict, profile, at: rfc3339(gate.at_ns) };
                push(&mut messages, subject::GATE.to_owned(), &message);
            }
            for alert in new_since(&mut published.alert, &declared.alerts, |alert| &alert.id) {
                let message = AlertMessage {
                    id: alert.id.to_string(),
                    slo: alert.slo.clone(),
                    state: alert.state,
                    severity: alert.severity.clone(),
                    long: alert.long.to_string(),
                    short: alert.short.to_string(),
                    at: rfc3339(alert.at_ns),
                    reason: alert.reason.clone(),
                };
                push(&mut messages, subject::alert(&alert.slo), &message);
            }
        })?;
        if windows_due {
            published.windows = now;
        }
        Ok(messages)
    }
}

/// Those of `all` after the one whose id is `last`, oldest first, and notes the newest. Those before this start are old
/// news.
fn new_since<'a, T>(
    last: &mut Option<String>,
    all: &'a VecDeque<T>,
    id: impl Fn(&T) -> &str,
) -> impl Iterator<Item = &'a T> {
    let newest = all.back().map(|one| id(one).to_owned());
    let known = last.take().or_else(|| newest.clone()).unwrap_or_default();
    let fresh = all.iter().rev().take_while(|one| id(one) != known).count();
    *last = newest.or(Some(known));
    all.iter().skip(all.len() - fresh)
}

/// The message in MessagePack, and in JSON on the sibling subject.
#[expect(clippy::expect_used, reason = "string keys only, in memory")]
fn push(messages: &mut Vec<(String, Bytes)>, subject: String, message: &impl serde::Serialize) {
    let json = serde_json::to_vec(message).expect("string keys only, in memory");
    messages.push((subject::json_sibling(&subject), json.into()));
    messages.push((subject, to_msgpack(message).into()));
}

#[cfg(test)]
mod tests;
