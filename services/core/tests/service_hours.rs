//! `[[service_hours]]`: what is refused and where, what counts and what the gate says outside of them; and windows of a
//! week over the leaps of clocks.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use spark_core::bucket::MemoryBuckets;
use spark_core::config::Config;
use spark_core::fold::State;
use spark_core::gate::{self, Circumstances};
use spark_core::health::{Component, Status};
use spark_core::schedule::Schedule;
use spark_core::slo::Standing;
use spark_core::view::{SLO_WINDOW, View, parse_rfc3339, rfc3339};
use spark_core::window::Window;
use spark_schemas::event::Outcome::{self, Fail, Ok as Passed};
use spark_schemas::event::{CheckResult, CheckVerdict, ConfigApplied, GateDecided, TimeSpan, Verdict};
use spark_schemas::{Class, Event, TimeNs};
use support::{HOUR, MINUTE, Recorded, boot, frame, observed, target_list};

const TARGET: &str = "[[target]]\nname = \"db\"\nurl = \"http://db.example/\"\n";
const GOOD: &str = "name = \"office\"\ntargets = [\"db\"]\ndays = [\"mon\", \"tue\"]\nfrom = \"08:00\"\nto = \"18:00\"\n\
                    time_zone = \"Europe/Berlin\"\n";

/// A configuration with service hours whose keys are those of `lines`, from line 5 on.
fn with(lines: &str) -> String {
    format!("{TARGET}[[service_hours]]\n{lines}")
}

#[test]
fn what_can_not_be_is_refused_with_its_place() {
    let config = Config::from_toml(&with(GOOD)).unwrap();
    assert_eq!(config.service_hours[0].in_words(), "mon tue, 08:00 to 18:00, Europe/Berlin");
    assert_eq!(Config::from_canonical_json(&config.canonical_json()).unwrap(), config);
    assert!(!Config::default().canonical_json().contains("service_hours"), "old configurations keep their digest");
    let night = GOOD.replace("\"18:00\"", "\"00:00\"");
    let night = Config::from_toml(&with(&night)).unwrap();
    assert_eq!(night.service_hours[0].in_words(), "mon tue, 08:00 to 00:00 of the next day, Europe/Berlin");
    let many: String =
        (0..51).map(|n| format!("[[service_hours]]\n{}", GOOD.replace("office", &format!("h{n}")))).collect();
    for (text, place, says) in [
        (GOOD.replace("[\"db\"]", "[\"dv\"]"), (6, 12), "no target \"dv\"; there are: db"),
        (GOOD.replace("[\"db\"]", "[\"db\", \"db\"]"), (6, 18), "\"db\" is there twice"),
        (GOOD.replace("\"tue\"", "\"mon\""), (7, 16), "\"mon\" is there twice"),
        (GOOD.replace("\"tue\"", "\"funday\""), (7, 16), "unknown variant `funday`, expected one of `mon`, `tue`"),
        (GOOD.replace("[\"mon\", \"tue\"]", "[]"), (7, 8), "name a day: mon, tue"),
        (GOOD.replace("[\"mon\", \"tue\"]", "\"mon\""), (7, 8), "a list"),
        (GOOD.replace("days = [\"mon\", \"tue\"]\n", ""), (4, 1), "missing field `days`"),
        (GOOD.replace("\"08:00\"", "\"8:00\""), (8, 8), "is no time of the day; write one such as \"08:30\""),
        (GOOD.replace("\"08:00\"", "\"08:60\""), (8, 8), "is no time of the day"),
        (GOOD.replace("\"08:00\"", "\"+8:00\""), (8, 8), "is no time of the day"),
        (GOOD.replace("\"08:00\"", "\"08:00:00\""), (8, 8), "is no time of the day"),
        (GOOD.replace("\"08:00\"", "08:00:00"), (8, 8), "a time of the day in quotes"),
        (GOOD.replace("\"08:00\"", "\"24:00\""), (8, 8), "24:00 is an end"),
        (GOOD.replace("\"18:00\"", "\"24:01\""), (9, 6), "is no time of the day"),
        (GOOD.replace("\"18:00\"", "\"08:00\""), (9, 6), "a whole day is \"00:00\" to \"24:00\""),
        (GOOD.replace("Europe/Berlin", "europe/berlin"), (10, 13), "did you mean \"Europe/Berlin\"?"),
        (GOOD.replace("Europe/Berlin", "+02:00"), (10, 13), "write an IANA name"),
        (format!("{GOOD}holidays = []\n"), (11, 1), "unknown field `holidays`"),
        (format!("{GOOD}[[service_hours]]\n{GOOD}"), (12, 8), "service hours \"office\" are there twice"),
        (format!("{GOOD}{many}"), (4 + 50 * 7 + 1, 8), "at most 50"),
    ] {
        let error = Config::from_toml(&with(&text)).unwrap_err();
        assert_eq!((error.line, error.column), place, "{error} in\n{text}");
        assert!(error.message.contains(says), "{error}");
    }
}

const EVERY: Schedule = Schedule { interval_us: 60_000_000, offset_us: 0 };
const TARGETS: [&str; 3] = ["ui", "executor", "shop"];

/// A state that is told the time as it passes.
struct World {
    state: State,
    buckets: MemoryBuckets,
    frames: u64,
    now: TimeNs,
}

fn instant(text: &str) -> TimeNs {
    parse_rfc3339(text).unwrap()
}

impl World {
    fn new(config: &str, now: &str) -> Self {
        let now = instant(now);
        let mut world = Self { state: State::default(), buckets: MemoryBuckets::default(), frames: 0, now };
        world.configure(config);
        let schedules = TARGETS.map(|target| (target, EVERY));
        world.record(Class::Obs, vec![target_list(now, (0, 1), &schedules)]);
        world
    }

    fn configure(&mut self, lines: &str) {
        let target =
            |name: &str, more: &str| format!("[[target]]\nname = \"{name}\"\nurl = \"http://{name}.example/\"\n{more}");
        let targets =
            [target("ui", "role = \"ui\"\n"), target("executor", "role = \"executor\"\n"), target("shop", "")];
        let config = Config::from_toml(&(targets.concat() + lines)).unwrap();
        let body = config.canonical_json();
        let applied = ConfigApplied { at_ns: self.now, digest: config.digest().into(), part: 0, parts: 1, body };
        self.record(Class::Ctl, vec![applied.into()]);
    }

    fn record(&mut self, class: Class, events: Vec<Event>) {
        let frame = frame("ankara", boot(class as usize, 0), self.frames, events);
        self.frames += 1;
        let recorded = Recorded::of_frame(self.frames, self.now, class, &frame);
        self.state.apply(&recorded.leaf(), &mut self.buckets);
    }

    /// Time passes up to `to`; every target is observed each minute.
    fn pass(&mut self, to: &str, shop: Outcome) {
        let to = instant(to);
        for slot in (self.now.0.next_multiple_of(MINUTE)..to.0).step_by(MINUTE as usize).map(TimeNs) {
            let of = |(target, outcome)| observed(target, slot, 1_000, outcome);
            let events = [("ui", Passed), ("executor", Passed), ("shop", shop)].map(of);
            self.now = slot;
            self.record(Class::Obs, events.into());
        }
        self.now = to;
    }

    fn view(&self) -> View<'_> {
        View::of_one(&self.state, &self.buckets, self.now)
    }

    fn decide(&self) -> GateDecided {
        let components = vec![Component { name: "log".into(), status: Status::Up, detail: String::new() }];
        let (state_digest, recounting, build, by) = Default::default();
        let circumstances = Circumstances { state_digest, components, recounting, build, by };
        gate::decide(&self.view(), None, circumstances).unwrap()
    }
}

fn check<'a>(decided: &'a GateDecided, id: &str) -> &'a CheckResult {
    decided.checks.iter().find(|check| check.id == id).unwrap()
}

/// The limits of the other tests' pace: a minute between observations.
const PROFILE: &str = "[profiles.dev]\nlatency_p95 = \"1s\"\nerror_rate = \"1%\"\nstaleness = \"5m\"\n\
                       [[profiles.dev.check]]\nname = \"evidence\"\ncompleteness = { window = \"5m\", min = \"50%\" }\n";
const HOURS: &str = "[[service_hours]]\nname = \"office\"\ntargets = [\"shop\"]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \
                     \"fri\"]\nfrom = \"08:00\"\nto = \"18:00\"\ntime_zone = \"Europe/Berlin\"\n";
const SLO: &str =
    "[[slo]]\nname = \"shop\"\ntargets = [\"shop\"]\nsli = \"availability\"\nobjective = \"99%\"\nwindow = \"7d\"\n";

#[test]
fn the_gate_judges_no_target_outside_of_its_hours_and_says_so() {
    // A Friday; 18:00 in Berlin is 16:00 UTC.
    let mut world = World::new(&format!("{PROFILE}{HOURS}"), "2026-05-29T15:30:00Z");
    world.pass("2026-05-29T15:59:30Z", Fail);
    let before = world.decide();
    assert_eq!(before.verdict, Verdict::Fail, "within its hours its failures count");
    assert!(check(&before, "healthz.slo.errorRate").reason.ends_with("is not below its limit"));
    world.pass("2026-05-29T16:01:30Z", Fail);
    let after = world.decide();
    assert_eq!(after.verdict, Verdict::Pass, "{:?}", after.checks);
    let said = "the error rate over the last 5 minutes is below its limit; left out, outside of their service hours: shop \
                (until 2026-06-01T06:00:00Z)";
    assert_eq!(check(&after, "healthz.slo.errorRate").reason, said);
    assert_eq!(check(&after, "evidence").verdict, CheckVerdict::Pass);

    // Everything is closed: nobody can tell, and each check says why.
    world.configure(&format!("{PROFILE}{}", HOURS.replace("targets = [\"shop\"]\n", "")));
    let closed = world.decide();
    assert_eq!(closed.verdict, Verdict::NoData);
    for (id, says) in [
        ("ui.up", "every user interface target is outside of its service hours: ui (until 2026-06-01T06:00:00Z)"),
        ("healthz.slo.staleness", "every target is outside of its service hours: ui (until"),
        ("evidence", "every target is outside of its service hours: ui (until"),
    ] {
        let check = check(&closed, id);
        assert_eq!((check.verdict, check.samples), (CheckVerdict::NoData, 0), "{id}");
        assert!(check.reason.contains(says), "{}", check.reason);
    }

    // Monday, just before and after they begin.
    world.configure(&format!("{PROFILE}{HOURS}"));
    world.now = instant("2026-06-01T05:55:00Z");
    world.pass("2026-06-01T05:59:30Z", Passed);
    let until = |world: &World| world.view().target("shop").unwrap().outside_hours_until.map(rfc3339);
    assert_eq!(until(&world).as_deref(), Some("2026-06-01T06:00:00Z"));
    world.pass("2026-06-01T06:00:30Z", Passed);
    assert_eq!(until(&world), None);
    assert_eq!(world.decide().verdict, Verdict::Pass);
}

#[test]
fn windows_objectives_and_comparisons_leave_the_same_time_out() {
    let mut world = World::new(&format!("{PROFILE}{HOURS}{SLO}"), "2026-05-29T15:00:00Z");
    world.pass("2026-05-29T16:00:00Z", Passed);
    world.pass("2026-05-29T17:00:00Z", Fail);
    let figures = |world: &World, window| world.view().window("shop", window).unwrap();
    let tally = |world: &World, window| (figures(world, window).tally.count(), figures(world, window).tally.failed);
    assert_eq!(tally(&world, Window::H2), (59, 0), "the hour after 18:00 in Berlin is left out");
    assert_eq!(figures(&world, Window::H2).expected, 59);
    assert_eq!(figures(&world, SLO_WINDOW).expected, 0, "nothing is due while it is closed");
    let counts = |world: &World| {
        let view = world.view();
        let objective = view.objective("shop").unwrap();
        assert_eq!(objective.standing, Standing::Counted);
        objective.counts.map(|counts| (counts.good, counts.bad, counts.excluded)).unwrap()
    };
    assert_eq!(counts(&world), (60, 0, 60));
    let span = TimeSpan { from_ns: instant("2026-05-29T15:00:00Z"), to_ns: instant("2026-05-29T17:00:00Z") };
    let closed = TimeSpan { from_ns: instant("2026-05-29T16:00:00Z"), ..span };
    assert_eq!(world.view().declarations().left_out("shop", span), [closed]);
    assert_eq!(world.view().declarations().left_out("ui", span), []);

    // Other hours hold for what was observed already; the ledger is counted anew.
    world.configure(&format!("{PROFILE}{}{SLO}", HOURS.replace("18:00", "18:30")));
    assert_eq!(world.view().objective("shop").unwrap().standing, Standing::Recomputing);
    assert_eq!(tally(&world, Window::H2), (89, 30));
    world.configure(&format!("{PROFILE}{SLO}"));
    assert_eq!(tally(&world, Window::H2), (119, 60), "without hours a target is always to work");
}

#[test]
fn a_week_is_as_long_as_its_clocks_make_it() {
    // Weeks of Berlin around both leaps of 2026, and one without.
    for (monday, next, hours) in [
        ("2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z", 167),
        ("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z", 169),
        ("2026-06-07T22:00:00Z", "2026-06-14T22:00:00Z", 168),
    ] {
        let slo = SLO.replace("\"7d\"", "{ calendar = \"week\", time_zone = \"Europe/Berlin\" }");
        let (from, to) = (instant(monday), instant(next));
        // Six hours of the week before belong to no figure of this one.
        let mut world = World::new(&format!("{PROFILE}{slo}"), &rfc3339(TimeNs(from.0 - 6 * HOUR)));
        while world.now < to {
            let slot = world.now;
            world.record(Class::Obs, vec![observed("shop", slot, 1_000, Passed)]);
            world.now = TimeNs(world.now.0 + HOUR);
        }
        let at = |now: u64| View::of_one(&world.state, &world.buckets, TimeNs(now));
        let view = at(to.0 - 1);
        let objective = view.objective("shop").unwrap();
        assert_eq!((objective.from, objective.to), (from, Some(to)), "{monday}");
        assert_eq!(objective.counts.unwrap().good, hours, "{monday}");
        let view = at(to.0);
        let objective = view.objective("shop").unwrap();
        assert_eq!((objective.from, objective.counts.unwrap().total()), (to, 0), "a week ends with its last hour");
    }
}
