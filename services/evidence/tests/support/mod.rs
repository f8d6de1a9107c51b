//! A data directory with a log of two days and a half, signed, and the evidence of its days.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spark_core::config::{Budgeting, BurnAlert, Config, Objective, Sli, SloWindow, Target};
use spark_core::report::Day;
use spark_core::units::RatioPpm;
use spark_core::window::Window;
use spark_eventlog::Recorded;
use spark_eventlog::archive::{Archive, ArchiveOptions, View};
use spark_evidence::bundle::{Before, Days, IssueError, Issued, Log, Making, Until, ship_to};
use spark_evidence::verify::{Listener, Refused, Step, Verifying};
use spark_evidence::{KeyPlace, Keys, LogSigner, Vkey};
use spark_schemas::event::{
    CheckResult, CheckVerdict, ConfigApplied, GateDecided, Observed, Outcome, Phases, TargetSchedule, Targets, Verdict,
};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};
use tempfile::TempDir;

pub const ORIGIN: &str = "EVENTS@5";
pub const MINUTE: u64 = 60 * TimeNs::SECOND;
pub const TARGETS: [&str; 2] = ["checkout", "login"];

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The first day of the log.
pub fn first() -> Day {
    day("2026-11-20")
}

pub struct World {
    pub dir: TempDir,
    pub archive: Archive,
    runtime: tokio::runtime::Runtime,
    next_seq: u64,
    next_frame: [u64; 2],
}

impl World {
    /// An archive without a leaf, and a key.
    pub fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let options = ArchiveOptions { incarnation: Some(ORIGIN.to_owned()), ..ArchiveOptions::default() };
        let archive = Archive::open(dir.path().join("archive"), options).unwrap().0;
        Keys::load_or_make(dir.path().join("keys"), &[]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { dir, archive, runtime, next_seq: 1, next_frame: [0; 2] }
    }

    /// Two days and an hour, a frame of observations every quarter of an hour, an outage on the second, a gate decision
    /// on each.
    pub fn new() -> Self {
        let mut world = Self::empty();
        let start = first().start();
        // What comes within the grace is of the day before.
        world.declare(TimeNs(start.0 + 6 * MINUTE));
        for quarter in 1..2 * 96 + 4 {
            let at = TimeNs(start.0 + quarter * 15 * MINUTE + MINUTE);
            let is_out = (130..134).contains(&quarter);
            world.observe(at, if is_out { Outcome::Fail } else { Outcome::Ok });
            if quarter % 96 == 50 {
                world.decide(at, quarter);
            }
        }
        world
    }

    pub fn declare(&mut self, at: TimeNs) {
        let target = |target: &&str| {
            let url = format!("http://{target}.example/").parse().unwrap();
            Target { interval: spark_core::units::DurationUs::from_secs(60), ..Target::new(name(target), url) }
        };
        let objective = Objective {
            name: name("up"),
            description: String::new(),
            service: None,
            targets: Vec::new(),
            sli: Sli::Availability,
            objective: RatioPpm(990_000),
            window: SloWindow::Rolling(Window::D28),
            budgeting: Budgeting::Occurrences,
            alerts: BurnAlert::defaults(),
        };
        let targets = TARGETS.iter().map(target).collect();
        let config = Config { targets, objectives: vec![objective], ..Config::default() };
        let (digest, body) = (config.digest().into(), config.canonical_json());
        self.say(at, Class::Ctl, vec![ConfigApplied { at_ns: at, digest, part: 0, parts: 1, body }.into()]);
        let schedule = |target: &&str| TargetSchedule { target: name(target), interval_us: 60_000_000, offset_us: 0 };
        let targets = TARGETS.iter().map(schedule).collect();
        self.say(at, Class::Obs, vec![Targets { from_ns: at, part: 0, parts: 1, targets }.into()]);
    }

    /// A quarter of an hour of observations of every target, received at once.
    pub fn observe(&mut self, at: TimeNs, outcome: Outcome) {
        self.observe_late(at, at, outcome);
    }

    /// The same, of the quarter before `at`, received later.
    pub fn observe_late(&mut self, at: TimeNs, received: TimeNs, outcome: Outcome) {
        let slots = (0..15).map(|minute| TimeNs(at.0 - at.0 % MINUTE - minute * MINUTE));
        let observed = |(slot, target): (TimeNs, &str)| {
            Event::Observed(Observed {
                target: name(target),
                slot_ns: slot,
                started_ns: slot,
                latency_us: 2_000 + slot.0 / MINUTE % 700,
                outcome,
                reason: None,
                detail: None,
                status: None,
                phases: Phases::default(),
                certificate_expires_ns: None,
            })
        };
        let events = slots.flat_map(|slot| TARGETS.iter().map(move |target| (slot, *target))).map(observed);
        self.say(received, Class::Obs, events.collect());
    }

    pub fn decide(&mut self, at: TimeNs, number: u64) {
        let check = |id: &str, verdict| CheckResult {
            id: id.into(),
            verdict,
            observed: None,
            threshold: None,
            samples: 1,
            reason: "a test".to_owned(),
            unit: "ppm".into(),
            waived: false,
        };
        let decision = GateDecided {
            id: format!("decision-{number}").into(),
            at_ns: at,
            verdict: Verdict::Warn,
            profile: name("prod"),
            checks: vec![check("errors", CheckVerdict::Pass), check("latency", CheckVerdict::Warn)],
            waivers: Vec::new(),
            components: Vec::new(),
            recounting: Vec::new(),
            positions: Vec::new(),
            policy_digest: "00".repeat(32).into(),
            state_digest: "00".repeat(32).into(),
            semantics: 1,
            build: "test".to_owned(),
            by: "test".to_owned(),
        };
        self.say(at, Class::Ctl, vec![decision.into()]);
    }

    /// A frame of the one agent.
    pub fn say(&mut self, received: TimeNs, class: Class, events: Vec<Event>) {
        let seq = self.next_frame[class as usize];
        self.next_frame[class as usize] += 1;
        let boot = Boot([class as u8 + 1; 16]);
        let frame = Frame { v: FRAME_VERSION, agent: name("ankara"), boot, seq, clock: Clock::default(), events };
        let subject = EventSubject { partition: 0, agent: name("ankara"), class };
        self.record(received, subject.to_string(), frame.msg_id().to_string(), frame.encode().unwrap());
    }

    pub fn record(&mut self, received: TimeNs, subject: String, msg_id: String, payload: Vec<u8>) {
        let payload = payload.into();
        let recorded = Recorded { seq: self.next_seq, received_ns: received.0, subject, msg_id, payload };
        self.next_seq += 1;
        self.runtime.block_on(self.archive.record(vec![recorded])).unwrap();
    }

    /// The stream lost messages: the numbers that follow leave a hole.
    pub fn lose(&mut self, messages: u64) {
        self.next_seq += messages;
    }

    /// A frame that nobody ever sees: its agent's numbers leave a hole, and the log does not.
    pub fn swallow(&mut self) {
        self.next_frame[Class::Obs as usize] += 1;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn keys(&self) -> Keys {
        Keys::load(self.path("keys"), &[]).unwrap()
    }

    pub fn vkeys(&self) -> Vec<Vkey> {
        self.keys().active().map(|signer| signer.vkey().clone()).collect()
    }

    pub fn view(&self) -> View {
        self.runtime.block_on(self.archive.sync()).unwrap();
        View::open(self.archive.dir()).unwrap()
    }

    pub fn signer(&self) -> LogSigner {
        let keys = KeyPlace { dir: self.path("keys"), given: Vec::new() };
        LogSigner::new(self.archive.clone(), "test", keys)
    }

    pub fn log(&self) -> Log {
        Log { incarnation: ORIGIN.to_owned(), dir: self.archive.dir().to_owned() }
    }

    pub fn days(&self) -> Days {
        Days::of(&self.path("evidence"), ORIGIN)
    }

    pub fn replayer() -> Value {
        json!({ "version": "0.0.0", "build": "test" })
    }

    /// Issues the next day, if it is over.
    pub fn issue(&self, day: Day) -> Result<Issued, IssueError> {
        let before = match day.previous().filter(|previous| self.days().issued().unwrap().contains(previous)) {
            Some(previous) => self.days().after(previous).unwrap(),
            None => Before::default(),
        };
        let signer = self.signer();
        let making = Making {
            view: &self.view(),
            logs: &[self.log()],
            day,
            before,
            until: Until::Closed,
            sign: &|size| signer.sign_at(size),
            keys: &self.keys(),
            replayer: &Self::replayer(),
        };
        self.days().issue(making, || ())
    }

    /// How many leaves there are before the first that was received at `at` or later.
    pub fn leaves_before(&self, at: TimeNs) -> u64 {
        let received = |leaf: &bytes::Bytes| spark_schemas::Leaf::decode(leaf).unwrap().received_ns;
        self.view().leaves(1).unwrap().map(Result::unwrap).take_while(|leaf| received(leaf) < at.0).count() as u64
    }

    /// Issues both days that are over.
    pub fn issue_both(&self) -> [Issued; 2] {
        [first(), first().next()].map(|day| self.issue(day).unwrap())
    }

    /// The bundle of an issued day, as a directory beneath `dir`.
    pub fn bundle(&self, day: Day, dir: &Path) -> PathBuf {
        let to = dir.join(format!("bundle-{day}"));
        let before =
            day.previous().and_then(|previous| self.days().after(previous).ok()).and_then(|before| before.state);
        ship_to(&self.days().path(day), before.as_deref(), &self.view(), &to).unwrap();
        to
    }
}

/// Hears what was verified.
#[derive(Default)]
pub struct Heard(pub Vec<(Step, String)>);

impl Listener for Heard {
    fn verified(&mut self, step: Step, found: String) {
        self.0.push((step, found));
    }

    fn leaf(&mut self, _step: Step, _of: u64) {}
}

pub fn verify(bundle: &Path, trusted: Vec<Vkey>) -> Result<Heard, Refused> {
    let mut heard = Heard::default();
    Verifying { trusted, replay: true, ..Verifying::default() }.verify(bundle, &mut heard)?;
    Ok(heard)
}

/// Every file beneath `dir`.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
