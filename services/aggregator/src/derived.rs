//! Small derived messages for subscribers: windows, changes of health, alerts, gate decisions.
//!
//! They are over all partitions, or not at all: whoever publishes them follows every one.

use std::collections::BTreeMap;
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

#[derive(Default)]
struct Published {
    windows: TimeNs,
    health: BTreeMap<Name, (TargetState, TimeNs)>,
    gate: Option<String>,
    alert: Option<String>,
}

impl Derived {
    /// Publishes what is due until `shutdown`. What fails is due again later.
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
        for (subject, payload) in self.due_messages(published, (self.clock)())? {
            self.publisher.publish(subject, payload).await?;
        }
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
            let decisions = &view.declarations().gate_decisions;
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
            let alerts = &view.declarations().alerts;
            let known = published
                .alert
                .get_or_insert_with(|| alerts.back().map(|alert| alert.id.to_string()).unwrap_or_default());
            let fresh = alerts.iter().rev().take_while(|alert| alert.id.as_str() != known.as_str());
            for alert in fresh.collect::<Vec<_>>().into_iter().rev() {
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
                published.alert = Some(alert.id.to_string());
            }
        })?;
        if windows_due {
            published.windows = now;
        }
        Ok(messages)
    }
}

/// The message in MessagePack, and in JSON on the sibling subject.
#[expect(clippy::expect_used, reason = "string keys only, in memory")]
fn push(messages: &mut Vec<(String, Bytes)>, subject: String, message: &impl serde::Serialize) {
    let json = serde_json::to_vec(message).expect("string keys only, in memory");
    messages.push((subject::json_sibling(&subject), json.into()));
    messages.push((subject, to_msgpack(message).into()));
}
