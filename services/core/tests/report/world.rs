//! A log made by hand, and its reports day by day.

use spark_core::bucket::MemoryBuckets;
use spark_core::config::{Config, Objective, Target};
use spark_core::fold::State;
use spark_core::merkle::{CompactRange, leaf_hash};
use spark_core::report::{Day, Level, Mark, Replay, Report, Rule, Span, TargetRow, U64, closes, day_of};
use spark_core::schedule::Schedule;
use spark_schemas::event::Outcome::{self, Fail, Ok as Passed};
use spark_schemas::event::{ConfigApplied, FailReason, Heartbeat, Maintenance, MaintenanceAction, Observed};
use spark_schemas::{Class, Event, TimeNs};

use crate::support::{MINUTE, Recorded, SECOND, boot, frame, name, observed, target_list};

pub const EVERY: Schedule = Schedule { interval_us: 20_000_000, offset_us: 0 };
pub const AGENT: &str = "ankara";

/// 2026-11-20T00:00:00Z.
pub fn midnight() -> TimeNs {
    "2026-11-20".parse::<Day>().unwrap().start()
}

/// The instant `minutes` after the first midnight.
pub fn at(minutes: u64) -> TimeNs {
    TimeNs(midnight().0 + minutes * MINUTE)
}

pub fn config() -> Config {
    let target =
        |target_name: &str| Target::new(name(target_name), format!("http://{target_name}.example/").parse().unwrap());
    let demo = Target { demo: true, ..target("demo") };
    Config { targets: vec![target("shop"), target("feed"), demo], agents: vec![name(AGENT)], ..Config::default() }
}

pub fn objective() -> Objective {
    let text = "[[target]]\nname = 'shop'\nurl = 'http://shop.example/'\ninterval = '20s'\n\
        [[slo]]\nname = 'taken'\ntargets = ['shop']\nsli = 'availability'\nobjective = '99%'\nwindow = '28d'\n";
    Config::from_toml(text).unwrap().objectives[0].clone()
}

/// A log that grows.
#[derive(Default)]
pub struct World {
    pub log: Vec<Recorded>,
    frames: [u64; 2],
}

impl World {
    /// The configuration is applied and three targets are scheduled from six minutes after midnight on.
    pub fn new() -> Self {
        Self::configured(&config())
    }

    pub fn configured(config: &Config) -> Self {
        let mut world = Self::default();
        world.apply(at(6), config);
        let schedules = [("shop", EVERY), ("feed", EVERY), ("demo", EVERY)];
        world.say(at(6), Class::Obs, vec![target_list(at(0), (0, 1), &schedules)]);
        world
    }

    pub fn apply(&mut self, received: TimeNs, config: &Config) {
        let body = config.canonical_json();
        let applied = ConfigApplied { at_ns: received, digest: config.digest().into(), part: 0, parts: 1, body };
        self.say(received, Class::Ctl, vec![applied.into()]);
    }

    pub fn next_seq(&self) -> u64 {
        self.log.last().map_or(1, |last| last.leaf().next_seq())
    }

    pub fn say(&mut self, received: TimeNs, class: Class, events: Vec<Event>) {
        let number = &mut self.frames[class as usize];
        let frame = frame(AGENT, boot(class as usize, 0), *number, events);
        *number += 1;
        self.log.push(Recorded::of_frame(self.next_seq(), received, class, &frame));
    }

    pub fn control(&mut self, received: TimeNs, event: impl Into<Event>) {
        self.say(received, Class::Ctl, vec![event.into()]);
    }

    pub fn heartbeat(&mut self, received: TimeNs) {
        self.say(received, Class::Obs, vec![Heartbeat { at_ns: received, ..Heartbeat::default() }.into()]);
    }

    /// Each target's three slots of the minute `minute`, received as the minute ends.
    pub fn minute(&mut self, minute: u64, outcome_of: impl Fn(&str) -> Outcome) {
        self.minute_received(minute, at(minute + 1), outcome_of);
    }

    pub fn minute_received(&mut self, minute: u64, received: TimeNs, outcome_of: impl Fn(&str) -> Outcome) {
        let events = ["shop", "feed", "demo"].into_iter().flat_map(|target| {
            let outcome = outcome_of(target);
            (0..3).map(move |n| failing(target, TimeNs(at(minute).0 + n * 20 * SECOND), outcome))
        });
        self.say(received, Class::Obs, events.collect());
    }

    /// Minutes in which all is well.
    pub fn well(&mut self, minutes: std::ops::Range<u64>) {
        minutes.for_each(|minute| self.minute(minute, |_| Passed));
    }

    /// Minutes in which one target fails.
    pub fn down(&mut self, target: &str, minutes: std::ops::Range<u64>) {
        minutes.for_each(|minute| self.minute(minute, |one| if one == target { Fail } else { Passed }));
    }

    /// The reports of all closed days, and of the open one as a draft.
    pub fn reports(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        let (mut state, mut buckets, mut from, mut range) = begin();
        let first = self.log.first().unwrap();
        let mut replay =
            Replay::new(day_of(&state, first.received), std::mem::take(&mut state), std::mem::take(&mut buckets));
        for recorded in &self.log {
            let leaf = recorded.leaf();
            while replay.is_closed_by(&leaf) {
                self.count_anew(&mut replay, &from);
                let to = mark(&replay, &range);
                let day = replay.day().next();
                let finished = replay.finish(span(from, to.clone()), false);
                reports.push(finished.report);
                replay = Replay::new(day, finished.state, finished.buckets);
                from = to;
            }
            replay.leaf(&leaf);
            range.push(leaf_hash(&leaf.encode().unwrap()));
        }
        self.count_anew(&mut replay, &from);
        let to = mark(&replay, &range);
        reports.push(replay.finish(span(from, to), true).report);
        reports
    }

    fn count_anew(&self, replay: &mut Replay, from: &Mark) {
        let last = replay.state().head().position;
        let of_the_day = self.log.iter().filter(|one| one.seq > from.seq.0 && one.seq <= last);
        let read = |take: &mut dyn FnMut(&spark_schemas::Leaf<'_>)| {
            of_the_day.for_each(|one| take(&one.leaf()));
            Ok::<_, std::convert::Infallible>(())
        };
        replay.count_anew(read).unwrap();
    }

    /// The report of the first day, which must be closed.
    pub fn first_day(&mut self) -> Report {
        self.heartbeat(at(24 * 60 + 6));
        let report = self.reports().remove(0);
        assert_eq!((report.date.to_string().as_str(), report.draft), ("2026-11-20", false));
        report
    }
}

fn begin() -> (State, MemoryBuckets, Mark, CompactRange) {
    let range = CompactRange::default();
    let mut state = State::default();
    state.begin("EVENTS@1");
    let from = Mark { size: U64(0), seq: U64(0), root: spark_core::hex(&range.root()) };
    (state, MemoryBuckets::default(), from, range)
}

fn mark(replay: &Replay, range: &CompactRange) -> Mark {
    let seq = replay.state().head().position;
    Mark { size: U64(range.size()), seq: U64(seq), root: spark_core::hex(&range.root()) }
}

fn span(from: Mark, to: Mark) -> Span {
    Span { origin: "spark/test/EVENTS@1".to_owned(), from, to }
}

pub fn failing(target: &str, slot: TimeNs, outcome: Outcome) -> Event {
    let Event::Observed(passed) = observed(target, slot, 7_000, outcome) else { unreachable!() };
    match outcome {
        Passed => passed.into(),
        Fail => {
            Observed { reason: Some(FailReason::Status), detail: Some("status 503, expected 200-299".into()), ..passed }
                .into()
        }
    }
}

pub fn maintenance(id: &str, targets: &[&str], said: u64, minutes: std::ops::Range<u64>) -> Maintenance {
    Maintenance {
        at_ns: at(said),
        id: name(id),
        action: MaintenanceAction::Add,
        targets: targets.iter().map(|target| name(target)).collect(),
        from_ns: at(minutes.start),
        to_ns: at(minutes.end),
        reason: "new disks".to_owned(),
        by: "ece".to_owned(),
    }
}

pub fn rule<'a>(report: &'a Report, id: &str) -> &'a Rule {
    report.risk.rules.iter().find(|rule| rule.id == id).unwrap()
}

pub fn level(report: &Report, id: &str) -> Level {
    rule(report, id).level
}

pub fn row<'a>(report: &'a Report, target: &str) -> &'a TargetRow {
    report.targets.iter().find(|row| row.target.as_str() == target).unwrap()
}

/// Folds the whole log and gives the state; for tests that ask where a day closes.
pub fn closing_leaf(world: &World, day: Day) -> Option<u64> {
    let (mut state, mut buckets, ..) = begin();
    for recorded in &world.log {
        if closes(day, &state, recorded.received) {
            return Some(recorded.seq);
        }
        state.apply(&recorded.leaf(), &mut buckets);
    }
    None
}
