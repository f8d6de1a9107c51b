//! A log for the store's tests, made from a seed, and what a store must be at each of its positions.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spark_aggregator::duties::config_applied;
use spark_aggregator::{Projection, Projections};
use spark_core::config::Config;
use spark_core::slo::Counts;
use spark_core::window::Window;
use spark_eventlog::Recorded;
use spark_schemas::event::{Missed, MissedWhy, Observed, Outcome, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};

pub const INCARNATION: &str = "EVENTS@2026-01-01T00:00:00Z";
pub const TARGETS: [&str; 3] = ["checkout", "feed", "login"];
const SECOND: u64 = TimeNs::SECOND;

/// A small generator of random numbers whose whole state is one seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn event(random: &mut Random, now: TimeNs) -> Event {
    let target = name(TARGETS[random.index(TARGETS.len())]);
    let slot =
        TimeNs(now.0 - random.below(40) * SECOND - u64::from(random.below(10) == 0) * random.below(86_400) * SECOND);
    match random.below(12) {
        0 => Event::Missed(Missed {
            target,
            first_slot_ns: slot,
            interval_us: 5_000_000,
            slots: 1 + random.below(3),
            why: MissedWhy::Late,
        }),
        1 => {
            let schedule = TargetSchedule { target, interval_us: 5_000_000, offset_us: random.below(5_000_000) };
            Event::Targets(Targets { from_ns: slot, part: 0, parts: 1, targets: vec![schedule] })
        }
        _ => {
            let passed = Observed::passed(target, slot, random.below(200_000));
            let outcome = if random.below(5) == 0 { Outcome::Fail } else { Outcome::Ok };
            Event::Observed(Observed { outcome, ..passed })
        }
    }
}

/// Two objectives over all targets, one of events and one of slices.
pub const OBJECTIVES: &str = r#"
[[slo]]
name = "fast"
sli = { latency = "100ms" }
objective = "99%"
window = "30d"

[[slo]]
name = "up-by-minutes"
sli = "availability"
objective = "90%"
window = "7d"
budgeting = { timeslices = { slice = "1m", objective = "80%" } }
"#;

/// The frame of a service that declares.
pub fn declaration(seq: u64, events: Vec<Event>) -> Frame {
    let (agent, boot) = (name("aggregator"), Boot([9; 16]));
    Frame { v: FRAME_VERSION, agent, boot, seq, clock: Clock::default(), events }
}

/// `frame` as the log has it.
pub fn recorded(seq: u64, received_ns: u64, class: Class, frame: &Frame) -> Recorded {
    let subject = EventSubject { partition: 0, agent: frame.agent.clone(), class };
    Recorded {
        seq,
        received_ns,
        subject: subject.to_string(),
        msg_id: frame.msg_id().to_string(),
        payload: frame.encode().unwrap().into(),
    }
}

/// A log of so many leaves: objectives, then two agents, some repeats, and now and then a day in between, so that buckets are evicted.
pub fn log(seed: u64, leaves: u64) -> Vec<Recorded> {
    let mut random = Random(seed);
    let mut now = TimeNs(1_700_000_000 * SECOND);
    let mut next_seq = [0; 2];
    let config = Config::from_toml(OBJECTIVES).unwrap();
    let declared = declaration(0, config_applied(&config, now));
    let mut log: Vec<Recorded> = vec![recorded(1, now.0, Class::Ctl, &declared)];
    for seq in 2..=leaves {
        now.0 += random.below(20) * SECOND + u64::from(random.below(40) == 0) * 86_400 * SECOND;
        if random.below(10) == 0 {
            let again = log[random.index(log.len())].clone();
            log.push(Recorded { seq, received_ns: now.0, ..again });
            continue;
        }
        let agent = random.index(2);
        let events = (0..=random.below(8)).map(|_| event(&mut random, now)).collect();
        let frame = Frame {
            v: FRAME_VERSION,
            agent: name(["ankara", "berlin"][agent]),
            boot: Boot([agent as u8; 16]),
            seq: next_seq[agent],
            clock: Clock::default(),
            events,
        };
        next_seq[agent] += 1;
        log.push(recorded(seq, now.0, Class::Obs, &frame));
    }
    log
}

/// The digest at each position of a log, by replay in memory.
pub struct Truth<'a> {
    pub log: &'a [Recorded],
    digests: BTreeMap<u64, String>,
}

impl<'a> Truth<'a> {
    pub fn of(log: &'a [Recorded]) -> Self {
        Self { log, digests: BTreeMap::new() }
    }

    pub fn digest(&mut self, position: u64) -> String {
        let log = self.log;
        let replayed = self.digests.entry(position).or_insert_with(|| {
            let projection = Projection::in_memory(0);
            projection.apply(&log[..position as usize]);
            projection.digest()
        });
        replayed.clone()
    }

    /// The projection is exactly what it says it is, and a replay brings it to the log's end.
    pub fn assert_holds_and_catches_up(&mut self, projection: &Projection, what: &str) {
        let (digest, position) = digest_at(projection);
        assert_eq!(digest, self.digest(position), "{what}: opened at position {position}");
        projection.apply(self.log);
        let (digest, position) = digest_at(projection);
        assert_eq!(position, self.log.len() as u64, "{what}");
        assert_eq!(digest, self.digest(position), "{what}: after the replay");
        let replayed = Projection::in_memory(0);
        replayed.apply(self.log);
        assert_eq!(counts(projection), counts(&replayed), "{what}: what objectives count");
    }
}

/// The projection's digest and the position it belongs to.
pub fn digest_at(projection: &Projection) -> (String, u64) {
    Projections::from(projection.clone())
        .view_with_digest(TimeNs(0), |view, digest| (digest, view.parts[0].state.head().position))
        .unwrap()
}

/// Every window of every target, as pages show it.
pub fn figures(projection: &Projection) -> Vec<spark_core::view::Figures> {
    let at = projection.view(TimeNs(0), |view| view.fold_time()).unwrap();
    let figures = projection.view(at, |view| {
        let of_target = |target| Window::ALL.map(|window| view.window(target, window).unwrap());
        TARGETS.into_iter().flat_map(of_target).collect()
    });
    figures.unwrap()
}

/// What each objective counts in its window, and in each whose burn rate is shown.
pub fn counts(projection: &Projection) -> Vec<Option<Counts>> {
    let at = projection.view(TimeNs(0), |view| view.fold_time()).unwrap();
    let counts = projection.view(at, |view| {
        let objectives = view.objectives();
        assert_eq!(objectives.len(), 2);
        let of = |one: &spark_core::slo::ObjectiveView<'_>| {
            let burns = one.burns.iter().map(|burn| burn.counts);
            std::iter::once(one.counts).chain(burns).collect::<Vec<_>>()
        };
        objectives.iter().flat_map(of).collect()
    });
    counts.unwrap()
}

pub fn open(dir: &Path) -> Projection {
    Projection::open(dir, 0, INCARNATION).unwrap()
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            // A file that a running store has just deleted is not there any more.
            let _gone = std::fs::copy(&path, &target);
        }
    }
}

/// Every file below `dir`, in a stable order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
