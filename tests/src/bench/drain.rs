//! How fast a backlog leaves the outbox for JetStream, in frames of many observations and of few, and in which order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use spark_core::config::{Probe, Target};
use spark_core::units::DurationUs;
use spark_eventlog::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError, clock};
use spark_probe::check::CheckContext;
use spark_probe::{ProbeOptions, ProbeSummary};
use spark_schemas::{Boot, Name};
use spark_tests::{NatsServer, World};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::jetstream::fresh_log;
use super::load::{AGENT, target_name};
use super::measure::per_second;
use super::table::{Figure, amount};
use super::{Options, block_on};

/// Refused connections make cheap observations.
const NOBODY: &str = "tcp://127.0.0.1:1";
const PER_SECOND: usize = 4_000;

/// The row: a backlog made without a log, then handed to one.
pub fn run(options: &Options) -> Result<Vec<Figure>> {
    let observations = options.pick(100_000, 10_000);
    let mut figures = Vec::new();
    for (linger, what) in [(DurationUs::from_ms(50), "as probes write them"), (DurationUs(0), "as small as can be")] {
        let world = World::new();
        let server = NatsServer::start(&world);
        let figure = block_on(async {
            let dir = world.path("outbox");
            let made = fill(&dir, linger, observations).await?;
            let log = Arc::new(Watched::new(Some(fresh_log(&server).await?)));
            let took = drain(&dir, &log, made.frames_left).await?;
            ensure!(log.disorder.load(Relaxed) == 0, "frames left the outbox out of their order");
            let rate = format!(
                "{} frames/s, {} observations/s",
                amount(per_second(made.frames_left, took)),
                amount(per_second(made.observations, took))
            );
            let per_frame = made.observations as f64 / made.frames_left as f64;
            Ok(Figure::aside(
                format!("{} observations in frames {what} ({per_frame:.1} each)", made.observations),
                rate,
            ))
        })?;
        figures.push(figure);
    }
    Ok(figures)
}

/// Probes without a log until so many observations wait.
async fn fill(dir: &Path, linger: DurationUs, observations: usize) -> Result<ProbeSummary> {
    let stop = CancellationToken::new();
    let probe = spark_probe::run(probe(dir, linger, PER_SECOND / 10)?, Arc::new(Watched::new(None)), stop.clone());
    let wait = async {
        sleep(Duration::from_secs_f64(observations as f64 / PER_SECOND as f64)).await;
        stop.cancel();
    };
    Ok(tokio::join!(probe, wait).0?)
}

/// Hands what waits in the outbox to `log`, and says how long that took.
async fn drain(dir: &Path, log: &Arc<Watched>, frames: u64) -> Result<Duration> {
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let options = probe(dir, DurationUs::from_ms(50), 0)?;
    let (summary, took) =
        tokio::join!(spark_probe::run(options, Arc::clone(log) as Arc<dyn EventLog>, stop.clone()), async {
            let mut acked = log.acked.subscribe();
            let reached = acked.wait_for(|acked| *acked >= frames).await.map(drop);
            stop.cancel();
            reached.map(|()| begun.elapsed())
        });
    summary?;
    took.context("the log was dropped")
}

fn probe(dir: &Path, linger: DurationUs, targets: usize) -> Result<ProbeOptions> {
    let target = |n| -> Result<Target> {
        let mut target = Target::new(target_name(n), NOBODY.parse()?);
        target.interval = DurationUs::from_ms(100);
        Ok(target)
    };
    let (_sender, targets) = watch::channel(Arc::new((0..targets).map(target).collect::<Result<_>>()?));
    Ok(ProbeOptions {
        agent: Name::new(AGENT)?,
        partition: 0,
        dir: dir.to_owned(),
        clock: clock::system(),
        settings: Probe { linger, ..Probe::default() },
        context: Arc::new(CheckContext::new(|_| None)),
        targets,
    })
}

/// A log, or the lack of one, that looks at the frames' order.
struct Watched {
    log: Option<Arc<dyn EventLog>>,
    next: Mutex<BTreeMap<Boot, u64>>,
    disorder: AtomicU64,
    acked: watch::Sender<u64>,
}

impl Watched {
    fn new(log: Option<Arc<dyn EventLog>>) -> Self {
        Self { log, next: Mutex::default(), disorder: AtomicU64::new(0), acked: watch::Sender::new(0) }
    }
}

#[async_trait]
impl EventLog for Watched {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        let Some(log) = &self.log else { return Err(AppendError::Unavailable("away".into())) };
        let ids: Vec<_> = frames.iter().map(|frame| frame.msg_id).collect();
        let appended = log.append(frames).await?;
        // Positions in the log rise as the frames' numbers do.
        let rises = appended.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        if let Ok(mut next) = self.next.lock() {
            for id in &ids {
                let next = next.entry(id.boot).or_default();
                self.disorder.fetch_add(u64::from(id.seq != *next || !rises), Relaxed);
                *next = id.seq + 1;
            }
        }
        self.acked.send_modify(|acked| *acked += ids.len() as u64);
        Ok(appended)
    }

    async fn read(&self, _from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        Err(ReadError::Closed)
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        Err(ReadError::Closed)
    }
}
