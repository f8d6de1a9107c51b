//! What the web service is given, and what it keeps while it runs.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use spark_aggregator::{FoldStatus, Projections, StoreGone};
use spark_core::health::{Component, Health, judge};
use spark_core::view::{Slo, View};
use spark_eventlog::EventLog;
use spark_eventlog::clock::WallClock;
use spark_eventlog::writer::EventWriter;
use spark_schemas::TimeNs;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;
use crate::evidence::Evidence;
use crate::live::LivePages;
use crate::probing::Probing;
use crate::recent::RecentAnswers;
use crate::standing::Standing;

/// How long an answer that took long to make is given again by a service that people use: little beside the 250 ms within
/// which an observation is to show.
pub const SHARED_AT_MOST: Duration = Duration::from_millis(100);

/// Which implementation keeps the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogMode {
    /// The archive on this machine's disk.
    Archive,
    /// NATS JetStream.
    Jetstream,
}

impl LogMode {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Jetstream => "jetstream",
        }
    }
}

/// Which build runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildInfo {
    /// The version, such as `0.1.0`.
    pub version: String,
    /// What tells two builds of one version apart; open pages ask to be reloaded when it changes.
    pub id: String,
}

/// Everything the web service is given.
pub struct App {
    /// Where every figure comes from: each partition.
    pub projections: Projections,
    /// Which log they follow.
    pub log_mode: LogMode,
    /// The logs that they follow, in the same order: where the samples of canaries are read.
    pub logs: Vec<Arc<dyn EventLog>>,
    /// The data directory with the log's archive, where this machine has it: reports are made from it.
    pub archive: Option<PathBuf>,
    /// Checks endpoints for canaries.
    pub probing: Arc<dyn Probing>,
    /// Has the log's checkpoints and tiles.
    pub evidence: Arc<dyn Evidence>,
    /// Writes the decisions that are made here.
    pub writer: Arc<EventWriter>,
    /// The edge's clock.
    pub clock: WallClock,
    /// Which build runs.
    pub build: BuildInfo,
    /// When the service started.
    pub started: TimeNs,
    /// The executor that is watched is the built-in stand-in.
    pub stand_in: bool,
    /// Where the service listens; the smoke test asks itself there.
    pub self_base: SocketAddr,
    /// The longest that an answer which took long to make is given again.
    pub shared_at_most: Duration,
    /// Renders the metrics in Prometheus's text format.
    pub metrics_render: Box<dyn Fn() -> String + Send + Sync>,
}

impl App {
    /// The instant now, by the edge's clock.
    pub(crate) fn now(&self) -> TimeNs {
        (self.clock)()
    }

    /// How far what is shown can be trusted.
    pub(crate) fn standing(&self) -> Standing {
        Standing::of(&self.statuses(), self.now(), self.started)
    }

    /// The parts of Spark and how each is.
    pub(crate) fn components(&self) -> Vec<Component> {
        crate::standing::components(&self.statuses(), self.log_mode, self.now(), self.started)
    }

    /// Spark's health as the figures of `slo` and its own parts say.
    pub(crate) fn judge(&self, slo: &Slo<'_>) -> (Vec<Component>, Health) {
        let components = self.components();
        let health = judge(&components, slo);
        (components, health)
    }

    fn statuses(&self) -> Vec<(u16, FoldStatus)> {
        self.projections.iter().map(|one| (one.partition(), one.status())).collect()
    }

    /// Looks at the projections from `at`.
    pub(crate) fn view<R>(&self, at: TimeNs, look: impl FnOnce(View<'_>) -> R) -> Result<R, StoreGone> {
        self.projections.view(at, look)
    }

    /// The same for what has to be answered always: where figures can't be trusted, there are none.
    pub(crate) fn view_or_nothing<R>(&self, at: TimeNs, look: impl Fn(View<'_>) -> R) -> R {
        self.view(at, &look).unwrap_or_else(|_gone| look(View { parts: Vec::new(), at }))
    }
}

/// The service as its handlers see it.
pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) assets: Assets,
    pub(crate) live: LivePages,
    pub(crate) recent: RecentAnswers,
    /// One canary runs at a time: each asks endpoints or reads the log for a while.
    pub(crate) canary_turn: Semaphore,
    /// One report is made at a time: each is a replay of the log.
    pub(crate) report_turn: Arc<Semaphore>,
    /// One declaration is made at a time: the next one sees it.
    pub(crate) declaring_turn: Mutex<()>,
    /// Ends the streams when the service shuts down.
    pub(crate) shutdown: CancellationToken,
}

impl Server {
    pub(crate) fn new(app: Arc<App>, shutdown: CancellationToken) -> Arc<Self> {
        let recent = RecentAnswers::new(app.shared_at_most);
        Arc::new(Self {
            app,
            assets: Assets::embedded(),
            live: LivePages::default(),
            recent,
            canary_turn: Semaphore::new(1),
            report_turn: Arc::new(Semaphore::new(1)),
            declaring_turn: Mutex::new(()),
            shutdown,
        })
    }
}

impl Deref for Server {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}
