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

const PER_SECOND: usize = 2_000;
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

/// 2,000 HTTP checks a second through the whole probe: schedule, outbox, log, fold.
pub fn lateness(options: &Options) -> Result<Vec<Figure>> {
    let run_for = options.pick(Duration::from_secs(20), Duration::from_secs(6));
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
        Figure::new(format!("lateness of {PER_SECOND} HTTP checks a second, p99"), ms(p99), "10 ms")
            .reached(p99 <= Duration::from_millis(10), BUSY),
        Figure::new("  their slots", accounted, "no slot unaccounted for")
            .reached(unaccounted == 0, "a slot is neither observed nor missed: a bug"),
        Figure::aside("  check done to visible in gate and page, through outbox, log and fold, p99", ms(visible)),
    ])
}

/// 10,000 observations a second, in frames that linger for 50 ms.
pub fn visible(options: &Options) -> Result<Vec<Figure>> {
    const RATE: u64 = 10_000;
    let run_for = options.pick(Duration::from_secs(10), Duration::from_secs(4));
    let dir = tempfile::tempdir()?;
    let (mut waits, behind) = block_on(async {
        let pipeline = Pipeline::start(dir.path())?;
        let (run, seen) = (pipeline.run(), pipeline.watch());
        let (said, made) = (pipeline.say(RATE, run_for), async {
            let made = said_until_folded(&pipeline, pipeline.say(RATE, run_for)).await;
            pipeline.stop.cancel();
            made
        });
        drop(said);
        let (followed, seen, made) = tokio::join!(run, seen, made);
        followed?;
        let made = made?;
        let behind = made.iter().map(|(_, at)| *at).max();
        let waits: Vec<Duration> = made.iter().map(|(seq, at)| between(*at, seen_at(&seen, *seq))).collect();
        Ok((waits, behind))
    })?;
    let _ = behind;
    let p99 = quantile(&mut waits, 990_000);
    let what = format!("{RATE} observations a second, made to visible in gate and page, p99 of {}", waits.len());
    Ok(vec![
        Figure::new(what, ms(p99), "250 ms").reached(p99 <= Duration::from_millis(250), BUSY),
        Figure::aside("  median", ms(quantile(&mut waits, 500_000))),
    ])
}
