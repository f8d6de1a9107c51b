//! What is declared late is counted anew from the leaves, over logs that were sealed too, while the fold goes on.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]
#![allow(dead_code, reason = "of the support, every test file takes what it needs")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use spark_aggregator::Projection;
use spark_aggregator::duties::config_applied;
use spark_aggregator::follow::Follow;
use spark_aggregator::recorder::Recorder;
use spark_core::config::Config;
use spark_core::slo::{Counts, Standing};
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_eventlog::clock::{self, wall_now};
use spark_eventlog::{EventLog, Outgoing};
use spark_schemas::event::{Maintenance, MaintenanceAction, Observed};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};
use support::{OBJECTIVES, declaration};
use tokio_util::sync::CancellationToken;

const SECOND: u64 = TimeNs::SECOND;

/// A log that is an archive, and how many frames each of its agents has.
struct Log {
    archive: Arc<dyn EventLog>,
    next_seq: u64,
}

fn open_log(dir: &Path, incarnation: &str) -> Log {
    let options = ArchiveOptions { incarnation: Some(incarnation.to_owned()), ..ArchiveOptions::default() };
    Log { archive: Arc::new(Archive::open(dir.join(incarnation), options).unwrap().0), next_seq: 0 }
}

impl Log {
    async fn append(&self, class: Class, frame: &Frame) -> u64 {
        let subject = EventSubject { partition: 0, agent: frame.agent.clone(), class };
        let outgoing = Outgoing::new(subject, frame).unwrap();
        self.archive.append(vec![outgoing]).await.unwrap()[0].seq
    }

    /// One observation for each of `slots`, every other one slow; a run of its own for each log.
    async fn observe(&mut self, run: u8, slots: impl Iterator<Item = TimeNs>) -> (u64, Frame) {
        let observed = |(n, slot_ns): (usize, TimeNs)| {
            let latency_us = if n.is_multiple_of(2) { 100_000 } else { 100_001 };
            Observed::passed(Name::new("shop").unwrap(), slot_ns, latency_us).into()
        };
        let frame = Frame {
            v: FRAME_VERSION,
            agent: Name::new("agent").unwrap(),
            boot: Boot([run; 16]),
            seq: self.next_seq,
            clock: Clock::default(),
            events: slots.enumerate().map(observed).collect(),
        };
        self.next_seq += 1;
        (self.append(Class::Obs, &frame).await, frame)
    }
}

/// Follows the log until `look` finds what it looks for.
async fn until<T>(
    projection: &Projection,
    log: &Log,
    recorder: Option<Recorder>,
    mut look: impl FnMut(&Projection) -> Option<T>,
) -> T {
    let (projection, log) = (projection.clone(), Arc::clone(&log.archive));
    let follow = Follow { projection: projection.clone(), log, recorder, dead_letters: None, clock: clock::system() };
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow.run(stop.clone()));
    let found = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(found) = look(&projection) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let found = found.await.expect("within a minute");
    stop.cancel();
    following.await.unwrap().unwrap();
    found
}

/// The counts of the objective `fast` and since when, once it is counted.
fn fast(projection: &Projection, position: u64) -> Option<(Counts, TimeNs)> {
    if projection.position() < position {
        return None;
    }
    let shown = projection.view(wall_now(), |view| {
        let fast = view.objective("fast")?;
        (fast.standing == Standing::Counted).then(|| (fast.counts.unwrap(), fast.counted_from.unwrap()))
    });
    shown.unwrap()
}

fn recorder(home: &Path) -> Option<Recorder> {
    Some(Recorder::open(home.join("copies"), 0).unwrap())
}

fn maintenance(id: &str, from_ns: TimeNs, to_ns: TimeNs, action: MaintenanceAction) -> Event {
    let (id, reason, by) = (Name::new(id).unwrap(), String::new(), String::new());
    Maintenance { at_ns: wall_now(), id, action, targets: Vec::new(), from_ns, to_ns, reason, by }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objective_and_a_maintenance_are_counted_back_into_a_sealed_log() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let now = wall_now();
    let ago = |seconds: u64| TimeNs(now.0 - seconds * SECOND);
    let counts = |good, bad, excluded| Counts { good, bad, events: good + bad, excluded };

    let mut first = open_log(home.path(), "EVENTS@1");
    let (last, frame) = first.observe(1, (0..100).map(|n| ago(2_000 - n))).await;
    let projection = Projection::open_stream(&store, 0).unwrap();
    until(&projection, &first, recorder(home.path()), |one| (one.position() == last).then_some(())).await;
    drop((projection, first));

    // Another log takes its place, and objectives are declared in it. A frame that is in both counts once.
    let mut second = open_log(home.path(), "EVENTS@2");
    second.append(Class::Obs, &frame).await;
    second.observe(2, (0..50).map(|n| ago(1_000 - n))).await;
    let config = Config::from_toml(OBJECTIVES).unwrap();
    let declared = second.append(Class::Ctl, &declaration(0, config_applied(&config, wall_now()))).await;
    let projection = Projection::open_stream(&store, 0).unwrap();
    let (counted, from) = until(&projection, &second, recorder(home.path()), |one| fast(one, declared)).await;
    assert_eq!(counted, counts(75, 75, 0));
    assert!(from <= wall_now() && from >= now, "{from}: when the log began");

    // A maintenance over the end of the first log's slots and the beginning of the second's: by slot, to the edge.
    let add = maintenance("m", ago(1_910), ago(990), MaintenanceAction::Add);
    let declared = second.append(Class::Ctl, &declaration(1, vec![add])).await;
    let (counted, _) = until(&projection, &second, recorder(home.path()), |one| fast(one, declared)).await;
    // Slots from 1,910 s ago: the first log's last ten (1,910 to 1,901); up to but not at 990: the second's first ten.
    assert_eq!(counted, counts(65, 65, 20));

    // Declared while nobody counts, and the process starts again before it was counted: nothing is lost.
    let cancel = maintenance("m", ago(2), ago(1), MaintenanceAction::Cancel);
    let declared = second.append(Class::Ctl, &declaration(2, vec![cancel])).await;
    until(&projection, &second, recorder(home.path()), |one| (one.position() == declared).then_some(())).await;
    drop(projection);
    let projection = Projection::open_stream(&store, 0).unwrap();
    let (last, _) = second.observe(2, (0..10).map(|n| ago(500 - n))).await;
    let (counted, _) = until(&projection, &second, recorder(home.path()), |one| fast(one, last)).await;
    assert_eq!(counted, counts(80, 80, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sealed_logs_copy_counts_begin_with_what_is_there_and_say_so() {
    let home = tempfile::tempdir().unwrap();
    let now = wall_now();
    let ago = |seconds: u64| TimeNs(now.0 - seconds * SECOND);
    let projection = Projection::in_memory(0);
    let mut first = open_log(home.path(), "EVENTS@1");
    let (last, _) = first.observe(1, (0..100).map(|n| ago(2_000 - n))).await;
    until(&projection, &first, None, |one| (one.position() == last).then_some(())).await;

    let mut second = open_log(home.path(), "EVENTS@2");
    let since = wall_now();
    second.observe(2, (0..50).map(|n| ago(1_000 - n))).await;
    let config = Config::from_toml(OBJECTIVES).unwrap();
    let declared = second.append(Class::Ctl, &declaration(0, config_applied(&config, wall_now()))).await;
    let (counted, from) = until(&projection, &second, None, |one| fast(one, declared)).await;
    assert_eq!(counted, Counts { good: 25, bad: 25, events: 50, excluded: 0 });
    assert!(from >= since, "{from}, not before {since}");
}
