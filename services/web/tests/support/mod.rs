//! A world for the tests and the look-around example: a projection filled with frames, and the service over it.
#![allow(dead_code, reason = "each user takes what it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the report")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use spark_aggregator::{Phase, Projection};
use spark_core::canary::{MockRuns, ProbedTarget, Run};
use spark_core::config::{Config, Target};
use spark_eventlog::writer::EventWriter;
use spark_eventlog::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError, Recorded};
use spark_schemas::event::{ConfigApplied, FailReason, Heartbeat, Observed, Outcome, Phases, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};
use spark_web::evidence::{Document, Evidence, NoDocument};
use spark_web::{App, BuildInfo, LogMode, Probing, ProbingError};
use tokio_util::sync::CancellationToken;

/// The instant at which the tests' world stands: 2026-07-30T12:00:00Z.
pub const NOON: TimeNs = TimeNs(1_785_412_800 * TimeNs::SECOND);
/// The build the tests' service says it is.
pub const BUILD: &str = "0123abcd";

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The instant `secs` seconds before `at`.
pub fn before(at: TimeNs, secs: u64) -> TimeNs {
    TimeNs(at.0 - secs * TimeNs::SECOND)
}

/// A log that the test writes by hand.
pub struct World {
    pub projection: Projection,
    /// Every frame, as the log has it.
    pub recorded: Vec<Recorded>,
    last_seq: u64,
    runs: BTreeMap<(String, Class), (Boot, u64)>,
}

impl World {
    pub fn new() -> Self {
        Self { projection: Projection::in_memory(0), recorded: Vec::new(), last_seq: 0, runs: BTreeMap::new() }
    }

    /// One frame of `agent`, received at `at`.
    pub fn say(&mut self, agent: &str, class: Class, at: TimeNs, events: Vec<Event>) {
        let runs = self.runs.len() as u8;
        let (boot, seq) = self.runs.entry((agent.to_owned(), class)).or_insert((Boot([runs + 1; 16]), 0));
        let frame =
            Frame { v: FRAME_VERSION, agent: name(agent), boot: *boot, seq: *seq, clock: Clock::default(), events };
        *seq += 1;
        let subject = EventSubject { partition: 0, agent: name(agent), class };
        self.take(Outgoing::new(subject, &frame).unwrap(), at);
    }

    /// Records a frame as the log would.
    pub fn take(&mut self, outgoing: Outgoing, at: TimeNs) {
        self.last_seq += 1;
        let recorded = Recorded {
            seq: self.last_seq,
            received_ns: at.0,
            subject: outgoing.subject.to_string(),
            msg_id: outgoing.msg_id.to_string(),
            payload: outgoing.payload,
        };
        self.projection.apply(std::slice::from_ref(&recorded));
        self.recorded.push(recorded);
        let last_seq = self.last_seq;
        self.projection.set_status(|status| {
            status.log_last_seq = last_seq;
            status.last_batch = at;
        });
    }

    /// Brings `toml` into force.
    pub fn configure(&mut self, toml: &str, at: TimeNs) {
        let config = Config::from_toml(toml).unwrap();
        let applied = ConfigApplied {
            at_ns: at,
            digest: config.digest().into(),
            part: 0,
            parts: 1,
            body: config.canonical_json(),
        };
        self.say("aggregator", Class::Ctl, at, vec![applied.into()]);
    }

    /// `agent` probes these from `at` on, at multiples of the interval.
    pub fn probe(&mut self, agent: &str, targets: &[&str], interval_s: u64, at: TimeNs) {
        let schedule =
            |target: &&str| TargetSchedule { target: name(target), interval_us: interval_s * 1_000_000, offset_us: 0 };
        let targets = Targets { from_ns: at, part: 0, parts: 1, targets: targets.iter().map(schedule).collect() };
        self.say(agent, Class::Obs, at, vec![targets.into()]);
    }

    pub fn heartbeat(&mut self, agent: &str, class: Class, at: TimeNs, queue: u64) {
        let heartbeat = Heartbeat { at_ns: at, queue, dropped: 0, clock_offset_us: None, ..Heartbeat::default() };
        self.say(agent, class, at, vec![heartbeat.into()]);
    }

    /// The fold follows the log.
    pub fn live(&self) {
        self.projection.go_live();
        self.projection.set_status(|status| status.phase = Phase::Live);
    }
}

/// A check that passed.
pub fn passed(target: &str, slot: TimeNs, latency_us: u64) -> Observed {
    let phases = Phases {
        dns_us: Some(latency_us / 20),
        connect_us: Some(latency_us / 8),
        tls_us: None,
        first_byte_us: Some(latency_us / 2),
    };
    Observed { status: Some(200), phases, ..Observed::passed(name(target), slot, latency_us) }
}

/// A check that failed with status 503.
pub fn failed(target: &str, slot: TimeNs, latency_us: u64) -> Observed {
    Observed {
        outcome: Outcome::Fail,
        reason: Some(FailReason::Status),
        detail: Some("status 503, expected 200-299".into()),
        status: Some(503),
        ..passed(target, slot, latency_us)
    }
}

/// The configuration of most tests.
pub const CONFIG: &str = r#"
[[target]]
name = "shop"
url = "https://shop.example/health"
interval = "10s"
role = "ui"

[[target]]
name = "executor"
url = "http://127.0.0.1:4001/health"
interval = "10s"
role = "executor"

[[target]]
name = "toy"
url = "http://127.0.0.1:4555/"
interval = "10s"
demo = true
"#;

/// Ten minutes of three targets up to noon: two that are well, and a demo that always fails.
pub fn calm_world() -> World {
    let mut world = World::new();
    let start = before(NOON, 600);
    world.configure(CONFIG, start);
    world.probe("ist-1", &["shop", "executor", "toy"], 10, start);
    for n in 0..60 {
        let slot = TimeNs(start.0 + n * 10 * TimeNs::SECOND);
        let events = vec![
            passed("shop", slot, 20_000 + n * 100).into(),
            passed("executor", slot, 3_000 + n * 10).into(),
            failed("toy", slot, 900_000).into(),
        ];
        world.say("ist-1", Class::Obs, TimeNs(slot.0 + TimeNs::SECOND), events);
    }
    world.heartbeat("ist-1", Class::Obs, before(NOON, 2), 0);
    world.heartbeat("aggregator", Class::Ctl, before(NOON, 1), 0);
    world.live();
    world
}

/// Takes appended frames into the world, unless told to be gone.
pub struct HandLog {
    pub world: Arc<Mutex<World>>,
    pub gone: AtomicBool,
    pub at: Arc<dyn Fn() -> TimeNs + Send + Sync>,
}

#[async_trait]
impl EventLog for HandLog {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(AppendError::Unavailable("nobody there".into()));
        }
        let mut world = self.world.lock().unwrap();
        let mut appended = Vec::new();
        for frame in frames {
            world.take(frame, (self.at)());
            appended.push(Appended { seq: world.last_seq, duplicate: false });
        }
        Ok(appended)
    }

    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        let recorded = self.world.lock().unwrap().recorded.clone();
        Ok(Box::new(HandReader(recorded.into_iter().filter(|frame| frame.seq >= from).collect())))
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(ReadError::Unavailable("nobody there".into()));
        }
        let world = self.world.lock().unwrap();
        Ok(Bounds { incarnation: world.projection.origin(), first_seq: 1, last_seq: world.last_seq })
    }
}

/// What was in the log when reading began, a few frames at a time.
struct HandReader(std::collections::VecDeque<Recorded>);

#[async_trait]
impl LogReader for HandReader {
    async fn next_batch(&mut self) -> Result<Vec<Recorded>, ReadError> {
        match self.0.len() {
            0 => Err(ReadError::Closed),
            len => Ok(self.0.drain(..len.min(7)).collect()),
        }
    }
}

/// Probes by what the test says of each target.
pub struct HandProbing;

/// Evidence of three kinds, and none of others.
pub struct HandEvidence;

#[async_trait]
impl Evidence for HandEvidence {
    async fn get(&self, path: &str) -> Result<Document, NoDocument> {
        match path {
            "checkpoint" => Ok(Document::Text("spark/test/EVENTS@1\n".to_owned())),
            "logs" => Ok(Document::Json("{\"logs\":[]}".to_owned())),
            "tile/0/x001/000.p/3" => Ok(Document::Tile(vec![0, 255])),
            "tile/0/001" => Err(NoDocument::Unavailable("The disk does not answer.".to_owned())),
            other => Err(NoDocument::Absent(format!("No {other}."))),
        }
    }
}

#[async_trait]
impl Probing for HandProbing {
    async fn real(&self, targets: Vec<Target>, runs: u32) -> Vec<ProbedTarget> {
        let run = |failure: Option<&str>| Run { latency_us: 20_000, failure: failure.map(str::to_owned) };
        let probed = |target: Target| {
            let runs = match target.name.as_str() {
                "toy" => vec![run(Some("status 503, expected 200-299")); runs as usize],
                _ => vec![run(None); runs as usize],
            };
            ProbedTarget { target: target.name, runs: Ok(runs) }
        };
        targets.into_iter().map(probed).collect()
    }

    async fn mock(&self) -> Result<MockRuns, ProbingError> {
        let run = |n: u64, latency_us: u64, each: u64| Run {
            latency_us: latency_us + n % 9,
            failure: (each > 0 && n.is_multiple_of(each)).then(|| "status 503".to_owned()),
        };
        let runs = |latency_us, each| (0..100).map(|n| run(n, latency_us, each)).collect();
        Ok(MockRuns { baseline: runs(5_000, 0), healthy: runs(5_000, 0), sick: runs(15_000, 5) })
    }
}

/// The service over a world, on a port of its own.
pub struct Service {
    pub address: SocketAddr,
    pub world: Arc<Mutex<World>>,
    pub log: Arc<HandLog>,
    pub shutdown: CancellationToken,
    pub task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Starts the service at a standing clock.
pub async fn start(world: World) -> Service {
    start_at(world, "127.0.0.1:0", Arc::new(|| NOON), before(NOON, 60), false).await
}

pub async fn start_at(
    world: World,
    listen: &str,
    clock: Arc<dyn Fn() -> TimeNs + Send + Sync>,
    started: TimeNs,
    stand_in: bool,
) -> Service {
    let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let projection = world.projection.clone();
    let world = Arc::new(Mutex::new(world));
    let log = Arc::new(HandLog { world: Arc::clone(&world), gone: AtomicBool::new(false), at: Arc::clone(&clock) });
    let subject = EventSubject { partition: 0, agent: name("web"), class: Class::Ctl };
    let app = App {
        projections: projection.into(),
        log_mode: LogMode::Archive,
        logs: vec![Arc::clone(&log) as Arc<dyn EventLog>],
        archive: None,
        probing: Arc::new(HandProbing),
        evidence: Arc::new(HandEvidence),
        writer: Arc::new(EventWriter::new(Arc::clone(&log) as Arc<dyn EventLog>, subject, || Boot([0xee; 16]))),
        clock,
        build: BuildInfo { version: "0.1.0".to_owned(), id: BUILD.to_owned() },
        started,
        stand_in,
        self_base: address,
        shared_at_most: std::time::Duration::ZERO,
        metrics_render: Box::new(|| "# TYPE spark_build_info gauge\nspark_build_info 1\n".to_owned()),
    };
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(spark_web::serve(listener, Arc::new(app), shutdown.clone()));
    Service { address, world, log, shutdown, task }
}
