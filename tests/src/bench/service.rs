//! A web service with a past: it and its projection run in this process on a store on disk, and the fold goes on
//! meanwhile: each target gets an observation every 15 s.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use spark_aggregator::duties::config_applied;
use spark_aggregator::{Phase, Projection};
use spark_core::config::{Config, Target};
use spark_core::units::DurationUs;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_eventlog::writer::EventWriter;
use spark_eventlog::{Recorded, clock};
use spark_schemas::{Boot, Class, Clock, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};
use spark_web::evidence::NoEvidence;
use spark_web::{App, BuildInfo, LogMode, NoProbing, SHARED_AT_MOST};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::load::{self, Load, target_name};

/// How many targets it has, each one series.
pub const TARGETS: usize = 1_000;
const HOUR: u64 = 3_600 * TimeNs::SECOND;
const DAY: u64 = 24 * HOUR;
/// Before this, one observation fills each 15-minute bucket; after it, the targets are observed every 15 s.
const FINE_FOR: u64 = HOUR / 2;

/// A running web service with a past.
pub struct Service {
    runtime: Runtime,
    address: SocketAddr,
    stop: CancellationToken,
    feed: Arc<Feed>,
    changes_between: AtomicU64,
    _dir: tempfile::TempDir,
}

/// What keeps the projection up to now.
struct Feed {
    projection: Projection,
    said: tokio::sync::Mutex<Said>,
}

struct Said {
    load: Load,
    next_seq: u64,
    to: TimeNs,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Service {
    /// One whose targets were observed for so many days, under what `policy` says beside the targets.
    pub fn start(days: u64, policy: Config) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let now = clock::wall_now();
        let feed = Arc::new(Feed::with_a_past(&dir.path().join("store"), days, now, policy)?);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (archive, _) =
            runtime.block_on(async { Archive::open(dir.path().join("archive"), ArchiveOptions::default()) })?;
        let subject = EventSubject { partition: 0, agent: Name::new("bench")?, class: Class::Ctl };
        let app = Arc::new(App {
            projections: feed.projection.clone().into(),
            log_mode: LogMode::Archive,
            logs: Vec::new(),
            archive: None,
            probing: Arc::new(NoProbing),
            evidence: Arc::new(NoEvidence),
            writer: Arc::new(EventWriter::new(Arc::new(archive), subject, || Boot([9; 16]))),
            clock: clock::system(),
            build: BuildInfo { version: "bench".to_owned(), id: "bench".to_owned() },
            started: now,
            stand_in: false,
            self_base: address,
            shared_at_most: SHARED_AT_MOST,
            metrics_render: Box::new(String::new),
        });
        let stop = CancellationToken::new();
        runtime.spawn(spark_web::serve(listener, app, stop.clone()));
        let feeding = Arc::clone(&feed);
        runtime.spawn(stop.clone().run_until_cancelled_owned(async move { feeding.go_on().await }));
        Ok(Self { runtime, address, stop, feed, changes_between: AtomicU64::new(0), _dir: dir })
    }

    /// From here on every series gets an observation before each question.
    pub fn observe_all_between_asks(&self) {
        self.changes_between.store(1, Ordering::Relaxed);
    }

    /// How long each of so many answers takes on one connection, after a few that warm up.
    pub fn ask(&self, path: &str, times: usize) -> Result<Vec<Duration>> {
        let mut connection = Connection::open(&self.address.to_string())?;
        let mut took = Vec::with_capacity(times);
        for n in 0..times + 5 {
            if self.changes_between.load(Ordering::Relaxed) > 0 {
                self.runtime.block_on(self.feed.observe_all())?;
            }
            let begun = Instant::now();
            connection.get(path)?;
            if n >= 5 {
                took.push(begun.elapsed());
            }
        }
        Ok(took)
    }
}

impl Feed {
    fn with_a_past(store: &Path, days: u64, now: TimeNs, policy: Config) -> Result<Self> {
        let projection = Projection::open(store, 0, "bench")?;
        let (from, fine) = (TimeNs(now.0 - days * DAY), TimeNs(now.0 - FINE_FOR));
        let mut next_seq = declare_config(&projection, from, policy)?;
        let mut coarse = Load::new(1, TARGETS, 900_000);
        next_seq = fold(&projection, &mut coarse, next_seq, from, fine)?;
        let mut load = Load::new(2, TARGETS, 15_000);
        next_seq = fold(&projection, &mut load, next_seq, fine, now)?;
        projection.checkpoint()?;
        projection.go_live();
        let feed = Self { projection, said: tokio::sync::Mutex::new(Said { load, next_seq, to: now }) };
        feed.say_live(next_seq);
        Ok(feed)
    }

    fn say_live(&self, next_seq: u64) {
        self.projection.set_status(|status| {
            status.phase = Phase::Live;
            status.log_last_seq = next_seq - 1;
            status.last_batch = clock::wall_now();
        });
    }

    /// Folds what happens, four times a second, until dropped.
    async fn go_on(&self) -> Result<()> {
        let mut ticks = interval(Duration::from_millis(250));
        loop {
            ticks.tick().await;
            self.up_to(clock::wall_now()).await?;
        }
    }

    /// Every series gets its next observation, somewhat ahead of time.
    async fn observe_all(&self) -> Result<()> {
        let to = self.said.lock().await.to.plus_us(15_000_000);
        // Not more than the log would take from a clock that is ahead.
        let limit = clock::wall_now().plus_us(240_000_000);
        self.up_to(to.min(limit)).await
    }

    async fn up_to(&self, to: TimeNs) -> Result<()> {
        let mut said = self.said.lock().await;
        let Said { load, next_seq, to: from } = &mut *said;
        if to > *from {
            *next_seq = fold(&self.projection, load, *next_seq, *from, to)?;
            *from = to;
        }
        self.say_live(*next_seq);
        Ok(())
    }
}

/// Brings a configuration with all targets into force; gives the sequence number that follows.
fn declare_config(projection: &Projection, at: TimeNs, policy: Config) -> Result<u64> {
    let target = |n| -> Result<Target> {
        let mut target = Target::new(target_name(n), "http://127.0.0.1:1/".parse()?);
        target.interval = DurationUs::from_secs(15);
        Ok(target)
    };
    let config = Config { targets: (0..TARGETS).map(target).collect::<Result<_>>()?, ..policy };
    let subject = EventSubject { partition: 0, agent: Name::new("aggregator")?, class: Class::Ctl };
    let mut next_seq = 1;
    for (seq, event) in (0..).zip(config_applied(&config, at)) {
        let (agent, clock) = (subject.agent.clone(), Clock::default());
        let frame = Frame { v: FRAME_VERSION, agent, boot: Boot([3; 16]), seq, clock, events: vec![event] };
        let recorded = load::recorded(&frame, &subject, next_seq)?;
        projection.apply(&[Recorded { received_ns: at.0, ..recorded }]);
        next_seq += 1;
    }
    Ok(next_seq)
}

/// Folds what `load` says of `[from, to)`, its declaration first if it has not said anything yet.
fn fold(projection: &Projection, load: &mut Load, first_seq: u64, from: TimeNs, to: TimeNs) -> Result<u64> {
    let (subject, mut seq) = (load.subject(), first_seq);
    let declared = if load.is_fresh() { load.declaration(from) } else { Vec::new() };
    for frame in declared.into_iter().chain(load.frames(from, to, 250)) {
        projection.apply(&[load::recorded(&frame, &subject, seq)?]);
        seq += 1;
        if seq % 1_000 == 0 {
            projection.checkpoint()?;
        }
    }
    Ok(seq)
}
