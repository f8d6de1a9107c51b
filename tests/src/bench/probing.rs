//! The way of an observation from its check until figures show it, and how late checks start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use spark_aggregator::Projection;
use spark_aggregator::follow::Follow;
use spark_core::config::{Probe, Target};
use spark_core::units::DurationUs;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_eventlog::{EventLog, Recorded, clock};
use spark_probe::check::CheckContext;
use spark_probe::{ProbeOptions, ProbeSummary};
use spark_schemas::event::{Missed, Observed};
use spark_schemas::{Event, Frame, Name, TimeNs};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::load::{self, AGENT, Load, target_name};
use super::measure::quantile;
use super::table::{Figure, ms};
use super::{Options, block_on, checks};

const TARGETS: usize = 10_000;
const INTERVAL: DurationUs = DurationUs::from_secs(5);
const PER_SECOND: usize = TARGETS / 5;
/// At the start connections, caches and the store are cold; the design speaks of a Spark that runs.
const WARM_UP: TimeNs = TimeNs(2 * TimeNs::SECOND);
const LINGER: Duration = Duration::from_millis(50);
const BUSY: &str = "the checks, their server and the fold share two cores with whatever else runs";

/// When the projection had folded a position.
type Seen = Vec<(u64, TimeNs)>;

/// A log on disk that is folded into a store, as in `spark up`.
struct Pipeline {
    log: Arc<Archive>,
    projection: Projection,
    stop: CancellationToken,
}

/// 10,000 targets every 5 s are 2,000 HTTP checks a second, through the whole probe: schedule, outbox, log, fold.
pub fn lateness(options: &Options) -> Result<Vec<Figure>> {
    let run_for = options.pick(Duration::from_secs(32), Duration::from_secs(12));
    let dir = tempfile::tempdir()?;
    let (frames, seen, summary) = block_on(probe(dir.path(), run_for))?;
    let events: Vec<(u64, Event)> = decoded(&frames)?;
    let begun = events.iter().find_map(|(_, event)| match event {
        Event::Targets(targets) => Some(targets.from_ns),
        _ => None,
    });
    let warm = TimeNs(begun.context("the probe declared no targets")?.0 + WARM_UP.0);
    let observed = || events.iter().filter_map(|(seq, event)| as_observed(event).map(|observed| (*seq, observed)));
    let warmed = || observed().filter(|(_, observed)| observed.slot_ns >= warm);
    let mut late: Vec<Duration> =
        warmed().map(|(_, observed)| between(observed.slot_ns, observed.started_ns)).collect();
    let mut shown: Vec<Duration> = warmed()
        .map(|(seq, observed)| between(observed.started_ns.plus_us(observed.latency_us), seen_at(&seen, seq)))
        .collect();
    let unaccounted = slots_unaccounted_for(events.iter().map(|(_, event)| event));
    let p99 = quantile(&mut late, 990_000);
    let visible = quantile(&mut shown, 990_000);
    let accounted = format!(
        "{} observed, {} of them failed, {} missed, {unaccounted} unaccounted for",
        summary.observations, summary.failed, summary.missed_slots
    );
    Ok(vec![
        Figure::new(
            format!("lateness of {PER_SECOND} HTTP checks a second of {TARGETS} targets, p99"),
            ms(p99),
            "10 ms",
        )
        .reached(p99 <= Duration::from_millis(10), BUSY),
        Figure::new("  their slots", accounted, "no slot unaccounted for")
            .reached(unaccounted == 0, "a slot is neither observed nor missed: a bug"),
        Figure::aside("  check done to visible in gate and page, through outbox, log and fold, p99", ms(visible)),
    ])
}

/// 10,000 observations a second, in frames that linger for 50 ms.
pub fn visible(options: &Options) -> Result<Vec<Figure>> {
    let run_for = options.pick(Duration::from_secs(10), Duration::from_secs(4));
    let dir = tempfile::tempdir()?;
    let mut waits = block_on(async {
        let pipeline = Pipeline::start(dir.path())?;
        let (folded, seen, made) = tokio::join!(pipeline.fold(), pipeline.watch(), async {
            let made = pipeline.feed(run_for).await;
            pipeline.stop.cancel();
            made
        });
        folded?;
        Ok(made?.into_iter().map(|(seq, at)| between(at, seen_at(&seen, seq))).collect::<Vec<_>>())
    })?;
    let p99 = quantile(&mut waits, 990_000);
    let what = format!("10,000 observations a second, made to visible in gate and page, p99 of {}", waits.len());
    Ok(vec![
        Figure::new(what, ms(p99), "250 ms").reached(p99 <= Duration::from_millis(250), BUSY),
        Figure::aside("  the median", ms(quantile(&mut waits, 500_000))),
    ])
}

impl Pipeline {
    fn start(dir: &Path) -> Result<Self> {
        let (log, _) = Archive::open(dir.join("archive"), ArchiveOptions::default())?;
        let projection = Projection::open(&dir.join("store"), 0, log.incarnation())?;
        Ok(Self { log: Arc::new(log), projection, stop: CancellationToken::new() })
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::<Archive>::clone(&self.log)
    }

    /// Folds the log until stopped.
    async fn fold(&self) -> Result<()> {
        let (projection, log) = (self.projection.clone(), self.log());
        Ok(Follow { projection, log, recorder: None, dead_letters: None, clock: clock::system() }
            .run(self.stop.clone())
            .await?)
    }

    /// Notes when each position was folded, until stopped.
    async fn watch(&self) -> Seen {
        let mut positions = self.projection.changes();
        let mut seen = Seen::new();
        while let Some(Ok(())) = self.stop.run_until_cancelled(positions.changed()).await {
            seen.push((*positions.borrow_and_update(), clock::wall_now()));
        }
        seen
    }

    /// Appends 10,000 observations a second; says in which frame each went, and when it was made.
    async fn feed(&self, run_for: Duration) -> Result<Vec<(u64, TimeNs)>> {
        let mut load = Load::new(1, 2_000, 200);
        let subject = load.subject();
        let mut made = Vec::new();
        let mut ticks = interval(LINGER);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begun = clock::wall_now();
        let mut said_to = begun;
        while between(begun, said_to) < run_for {
            ticks.tick().await;
            let now = clock::wall_now();
            let frames: Vec<Frame> = load.frames(said_to, now, 300).collect();
            said_to = now;
            let outgoing = frames.iter().map(|frame| load::outgoing(frame, &subject)).collect::<Result<_>>()?;
            let appended = self.log.append(outgoing).await?;
            for (frame, appended) in frames.iter().zip(appended) {
                made.extend(frame.events.iter().filter_map(as_observed).map(|one| (appended.seq, one.slot_ns)));
            }
        }
        let last = made.last().context("nothing was said")?.0;
        self.projection.changes().wait_for(|position| *position >= last).await?;
        Ok(made)
    }
}

/// Probes for a while; gives what the log has then, and when it was folded.
async fn probe(dir: &Path, run_for: Duration) -> Result<(Vec<Recorded>, Seen, ProbeSummary)> {
    let pipeline = Pipeline::start(dir)?;
    let address = checks::serve()?;
    let target = |n| -> Result<Target> {
        let mut target = Target::new(target_name(n), format!("http://{address}/").parse()?);
        target.interval = INTERVAL;
        Ok(target)
    };
    let (_sender, targets) = watch::channel(Arc::new((0..TARGETS).map(target).collect::<Result<_>>()?));
    let options = ProbeOptions {
        agent: Name::new(AGENT)?,
        partition: 0,
        dir: dir.join("outbox"),
        clock: clock::system(),
        settings: Probe::default(),
        context: Arc::new(CheckContext::new(|_| None)),
        targets,
    };
    let stop_probe = CancellationToken::new();
    let (folded, seen, summary, ()) = tokio::join!(
        pipeline.fold(),
        pipeline.watch(),
        async {
            let summary = spark_probe::run(options, pipeline.log(), stop_probe.clone()).await;
            pipeline.stop.cancel();
            summary
        },
        async {
            sleep(run_for).await;
            stop_probe.cancel();
        },
    );
    folded?;
    let last = pipeline.log.bounds().await?.last_seq;
    let (mut reader, mut frames) = (pipeline.log.read(1).await?, Vec::new());
    while (frames.len() as u64) < last {
        frames.extend(reader.next_batch().await?);
    }
    Ok((frames, seen, summary?))
}

fn decoded(frames: &[Recorded]) -> Result<Vec<(u64, Event)>> {
    let mut events = Vec::new();
    for recorded in frames {
        let frame = Frame::decode_alone(&recorded.payload)?;
        events.extend(frame.events.into_iter().map(|event| (recorded.seq, event)));
    }
    Ok(events)
}

fn as_observed(event: &Event) -> Option<&Observed> {
    if let Event::Observed(observed) = event { Some(observed) } else { None }
}

/// When the frame at `seq` was folded; never, when the fold was stopped before.
fn seen_at(seen: &Seen, seq: u64) -> TimeNs {
    let first = seen.partition_point(|(position, _)| *position < seq);
    seen.get(first).map_or(TimeNs(u64::MAX), |(_, at)| *at)
}

fn between(earlier: TimeNs, later: TimeNs) -> Duration {
    Duration::from_micros(later.since_us(earlier))
}

/// Slots from each target's first to its last that are neither observed nor missed, or are so twice.
fn slots_unaccounted_for<'a>(events: impl Iterator<Item = &'a Event>) -> u64 {
    let interval_ns = INTERVAL.0 * 1_000;
    let mut targets: BTreeMap<&Name, (u64, TimeNs, TimeNs)> = BTreeMap::new();
    for event in events {
        let (target, first, slots) = match event {
            Event::Observed(Observed { target, slot_ns, .. }) => (target, *slot_ns, 1),
            Event::Missed(Missed { target, first_slot_ns, slots, .. }) => (target, *first_slot_ns, *slots),
            _ => continue,
        };
        let last = TimeNs(first.0 + (slots - 1) * interval_ns);
        let known = targets.entry(target).or_insert((0, first, last));
        *known = (known.0 + slots, known.1.min(first), known.2.max(last));
    }
    let off = |(slots, first, last): &(u64, TimeNs, TimeNs)| slots.abs_diff((last.0 - first.0) / interval_ns + 1);
    targets.values().map(off).sum()
}
