//! Objectives equal an oracle: whatever is declared and whenever, the figures are those of the raw events under what is
//! declared last, as if it had been known from the start; in one partition and in several.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use spark_core::bucket::{MemoryBuckets, SeriesId};
use spark_core::config::{
    Budgeting, BurnAlert, CalendarUnit, CalendarWindow, Config, Day, Objective, ServiceHours, Sli, SloWindow, Target,
    Timeslices,
};
use spark_core::fold::{State, StateHead};
use spark_core::ledger::Recounter;
use spark_core::series::Series;
use spark_core::slo::{Counts, ObjectiveView, Standing};
use spark_core::units::{DurationUs, RatioPpm};
use spark_core::view::{Part, View};
use spark_core::window::Window;
use spark_schemas::event::{ConfigApplied, Maintenance, MaintenanceAction};
use spark_schemas::{Class, Event, TimeNs};
use support::history::{AGENTS, Instant, TARGETS, Told, instants, steps, tell};
use support::oracle::{Observation, Oracle};
use support::{MINUTE, Recorded, SECOND, boot, frame, name};

fn rolling(window: Window) -> SloWindow {
    SloWindow::Rolling(window)
}

fn calendar(calendar: CalendarUnit, time_zone: &str) -> SloWindow {
    SloWindow::Calendar(CalendarWindow { calendar, time_zone: time_zone.to_owned() })
}

fn slices(minutes: u64, ppm: u64) -> Budgeting {
    Budgeting::Timeslices(Timeslices { slice: DurationUs::from_secs(60 * minutes), objective: RatioPpm(ppm) })
}

/// Every objective that may be declared; some differ only in what they count under the same name.
fn objectives() -> Vec<Objective> {
    let latency = |us| Sli::Latency(DurationUs(us));
    let objective = |of: &str, targets: &[&str], sli, window, budgeting| Objective {
        name: name(of),
        description: String::new(),
        service: None,
        targets: targets.iter().map(|target| name(target)).collect(),
        sli,
        objective: RatioPpm(990_000),
        window,
        budgeting,
        alerts: BurnAlert::defaults(),
    };
    use Budgeting::Occurrences;
    vec![
        objective("all", &[], Sli::Availability, rolling(Window::D28), Occurrences),
        objective("all", &[], latency(149_503), rolling(Window::D30), Occurrences),
        objective("fast", &["checkout"], latency(100_000), rolling(Window::D30), Occurrences),
        objective("fast", &["checkout"], latency(100_000), rolling(Window::D7), slices(5, 900_000)),
        objective(
            "berlin",
            &["feed", "login"],
            Sli::Availability,
            calendar(CalendarUnit::Month, "Europe/Berlin"),
            Occurrences,
        ),
        objective("istanbul", &["feed"], latency(256), calendar(CalendarUnit::Month, "Europe/Istanbul"), Occurrences),
        objective("nepal", &[], latency(149_504), calendar(CalendarUnit::Day, "Asia/Kathmandu"), Occurrences),
        objective(
            "howe",
            &[],
            Sli::Availability,
            calendar(CalendarUnit::Week, "Australia/Lord_Howe"),
            slices(15, 500_000),
        ),
        objective("hours", &["login"], Sli::Availability, rolling(Window::D28), slices(60, 1_000_000)),
        objective("minutes", &[], Sli::Availability, rolling(Window::H6), slices(1, 999_000)),
    ]
}

/// Service hours of two targets: by day, and over midnight on some days; what they say of `feed` adds up.
fn service_hours() -> Vec<ServiceHours> {
    use Day::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let hours = |of: &str, targets: &[&str], days: &[Day], from: &str, to: &str, time_zone: &str| ServiceHours {
        name: name(of),
        targets: targets.iter().map(|target| name(target)).collect(),
        days: days.to_vec(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        time_zone: time_zone.to_owned(),
    };
    vec![
        hours("day", &["feed"], &[Mon, Tue, Wed, Thu, Fri, Sat, Sun], "06:10", "20:05", "Europe/Berlin"),
        hours("night", &["feed", "login"], &[Mon, Wed, Sun], "21:00", "04:30", "Australia/Lord_Howe"),
    ]
}

/// Whether a clock says so: the same in another way. No clock is put forward or back in the month of these tests.
fn is_within(hours: &ServiceHours, slot: TimeNs) -> bool {
    let zone = jiff::tz::TimeZone::get(&hours.time_zone).unwrap();
    let clock = jiff::Timestamp::from_nanosecond(i128::from(slot.0)).unwrap().to_zoned(zone);
    let shown = clock.strftime("%H:%M").to_string();
    let is_day = |clock: &jiff::Zoned| {
        let day = clock.strftime("%a").to_string().to_lowercase();
        hours.days.iter().any(|one| one.as_str() == day)
    };
    let (from, to) = (hours.from.to_string(), hours.to.to_string());
    if from < to {
        is_day(&clock) && from <= shown && shown < to
    } else {
        (is_day(&clock) && from <= shown) || (is_day(&clock.yesterday().unwrap()) && shown < to)
    }
}

#[derive(Debug, Clone)]
enum Declared {
    Config { chosen: Vec<usize>, demo: bool, hours: Vec<ServiceHours> },
    Maintenance { id: usize, targets: Vec<usize>, from: Instant, length_ns: u64 },
    Cancel { id: usize },
}

fn declarations() -> impl Strategy<Value = Declared> {
    let chosen = prop::sample::subsequence((0..objectives().len()).collect::<Vec<_>>(), 0..5);
    let hours = prop_oneof![2 => Just(Vec::new()), 1 => prop::sample::subsequence(service_hours(), 1..=2)];
    let config =
        (chosen, any::<bool>(), hours).prop_map(|(chosen, demo, hours)| Declared::Config { chosen, demo, hours });
    let length_ns = prop_oneof![1_u64..30 * MINUTE, Just(15 * MINUTE), 1_u64..40 * 24 * 60 * MINUTE];
    let targets = prop::sample::subsequence(vec![0, 1, 2], 0..3);
    let maintenance = (0_usize..3, targets, instants(), length_ns)
        .prop_map(|(id, targets, from, length_ns)| Declared::Maintenance { id, targets, from, length_ns });
    prop_oneof![3 => config, 4 => maintenance, 1 => (0_usize..3).prop_map(|id| Declared::Cancel { id })]
}

/// What is in force in the end.
#[derive(Debug, Default)]
struct InForce {
    config: Option<Config>,
    maintenances: BTreeMap<usize, Maintenance>,
}

impl InForce {
    fn declare(&mut self, declared: &Declared, now: TimeNs) -> Event {
        match declared {
            Declared::Config { chosen, demo, hours } => {
                let mut by_name = BTreeMap::new();
                for n in chosen {
                    let objective = objectives().swap_remove(*n);
                    by_name.insert(objective.name.clone(), objective);
                }
                let target = |target: &&str| {
                    let url = format!("http://{target}.example/").parse().unwrap();
                    Target { demo: *demo && *target == "login", ..Target::new(name(target), url) }
                };
                let targets = TARGETS.iter().map(target).collect();
                let (objectives, service_hours) = (by_name.into_values().collect(), hours.clone());
                let config = Config { targets, objectives, service_hours, ..Config::default() };
                let (digest, body) = (config.digest().into(), config.canonical_json());
                self.config = Some(config);
                ConfigApplied { at_ns: now, digest, part: 0, parts: 1, body }.into()
            }
            Declared::Maintenance { id, targets, from, length_ns } => {
                let from_ns = from.at(now);
                let maintenance = Maintenance {
                    at_ns: now,
                    id: name(&format!("m{id}")),
                    action: MaintenanceAction::Add,
                    targets: targets.iter().map(|n| name(TARGETS[*n])).collect(),
                    from_ns,
                    to_ns: TimeNs(from_ns.0 + length_ns),
                    reason: String::new(),
                    by: String::new(),
                };
                self.maintenances.insert(*id, maintenance.clone());
                maintenance.into()
            }
            Declared::Cancel { id } => {
                self.maintenances.remove(id);
                Maintenance {
                    at_ns: now,
                    id: name(&format!("m{id}")),
                    action: MaintenanceAction::Cancel,
                    targets: Vec::new(),
                    from_ns: TimeNs(0),
                    to_ns: TimeNs(1),
                    reason: String::new(),
                    by: String::new(),
                }
                .into()
            }
        }
    }

    fn excludes(&self, target: &str, slot: TimeNs) -> bool {
        let is_in_maintenance = self.maintenances.values().any(|one| {
            let concerns = one.targets.is_empty() || one.targets.iter().any(|name| name.as_str() == target);
            concerns && one.from_ns <= slot && slot < one.to_ns
        });
        let hours = self.config.iter().flat_map(|config| &config.service_hours);
        let its: Vec<_> = hours.filter(|hours| hours.targets.iter().any(|name| name.as_str() == target)).collect();
        is_in_maintenance || (!its.is_empty() && !its.iter().any(|hours| is_within(hours, slot)))
    }

    fn selects(&self, objective: &Objective, target: &str) -> bool {
        match objective.targets.as_slice() {
            [] => self.config.as_ref().unwrap().target(target).is_none_or(|target| !target.demo),
            named => named.iter().any(|name| name.as_str() == target),
        }
    }

    /// The objective's counts over the observations that `is_in` takes by their slot.
    fn count(&self, oracle: &Oracle, objective: &Objective, is_in: impl Fn(TimeNs) -> bool) -> Counts {
        let mut counts = Counts::default();
        for ((target, _), facts) in oracle.series.iter().filter(|((target, _), _)| self.selects(objective, target)) {
            for Observation { slot, latency_us, failed } in &facts.observations {
                if !is_in(*slot) {
                    continue;
                }
                if self.excludes(target, *slot) {
                    counts.excluded += 1;
                    continue;
                }
                let slow = matches!(objective.sli, Sli::Latency(limit) if *latency_us > limit.0);
                counts.events += 1;
                if *failed || slow { counts.bad += 1 } else { counts.good += 1 }
            }
        }
        counts
    }

    /// The same by slices that end after `after` and by `at`.
    fn count_slices(&self, oracle: &Oracle, objective: &Objective, after: TimeNs, at: TimeNs) -> Counts {
        let Budgeting::Timeslices(Timeslices { slice, objective: share }) = objective.budgeting else { unreachable!() };
        let slice_ns = slice.0 * 1_000;
        let end_of = |slot: TimeNs| (slot.0 / slice_ns + 1) * slice_ns;
        let slots = oracle.series.values().flat_map(|facts| facts.observations.iter().map(|one| one.slot));
        let mut ends: Vec<u64> = slots.map(end_of).filter(|end| *end > after.0 && *end <= at.0).collect();
        ends.sort_unstable();
        ends.dedup();
        let mut judged = Counts::default();
        for end in ends {
            let counts = self.count(oracle, objective, |slot| end_of(slot) == end);
            judged.events += counts.events;
            judged.excluded += counts.excluded;
            if counts.total() > 0 {
                let is_good = counts.good as f64 / counts.total() as f64 >= share.0 as f64 / 1e6;
                if is_good { judged.good += 1 } else { judged.bad += 1 }
            }
        }
        judged
    }

    fn assert_equal(&self, oracle: &Oracle, view: &ObjectiveView<'_>) {
        let (objective, at) = (view.objective, view.at);
        let before = |window: Window| TimeNs(at.0.saturating_sub(window.length_ns()));
        let rolling = |window: Window| match objective.budgeting {
            Budgeting::Occurrences => {
                let width = window.tier().width_ns();
                self.count(oracle, objective, |slot| {
                    let bucket = slot.0 / width * width;
                    bucket > before(window).0 && bucket <= at.0
                })
            }
            Budgeting::Timeslices(_) => self.count_slices(oracle, objective, before(window), at),
        };
        let wanted = match (&objective.window, &objective.budgeting) {
            (SloWindow::Rolling(window), _) => rolling(*window),
            (SloWindow::Calendar(_), Budgeting::Occurrences) => {
                let last = at.0 / (15 * MINUTE) * 15 * MINUTE + 15 * MINUTE;
                self.count(oracle, objective, |slot| slot >= view.from && slot.0 < last)
            }
            (SloWindow::Calendar(_), Budgeting::Timeslices(_)) => self.count_slices(oracle, objective, view.from, at),
        };
        assert!(view.to.is_none_or(|to| view.from <= at && at < to));
        assert_eq!(view.counts, Some(wanted), "{} at {at}", objective.name);
        for burn in &view.burns {
            assert_eq!(burn.counts, Some(rolling(burn.window)), "{} in {} at {at}", objective.name, burn.window);
        }
        // The figures by floating point, as a second opinion on the whole numbers.
        let (bad, total, allowed) = (wanted.bad as f64, wanted.total() as f64, 0.01);
        let Some(budget) = view.budget else { return assert_eq!(wanted.total(), 0) };
        assert!((budget.total_milli as f64 / 1e3 - total * allowed).abs() < 0.0011);
        assert!((budget.spent_ppm as f64 / 1e6 - bad / (total * allowed)).abs() < 1e-5);
        for burn in view.burns.iter().filter(|burn| burn.rate_milli.is_some()) {
            let counts = burn.counts.unwrap();
            let rate = counts.bad as f64 / counts.total() as f64 / allowed;
            assert!((burn.rate_milli.unwrap() as f64 / 1e3 - rate).abs() < 0.0011);
        }
    }
}

/// A fold of one partition, with its log.
#[derive(Default)]
struct Fold {
    state: State,
    buckets: MemoryBuckets,
    log: Vec<Recorded>,
    records: BTreeMap<SeriesId, Vec<u8>>,
    recounter: Option<Recounter>,
}

impl Fold {
    /// Takes a leaf of the one log, under the next number of this one.
    fn take(&mut self, recorded: &Recorded) {
        let next = self.log.last().map_or(1, |last| last.leaf().next_seq());
        let mut recorded = Recorded { seq: next, ..recorded.clone() };
        if recorded.subject == spark_schemas::GAP_SUBJECT {
            recorded.msg_id = next.to_string();
        }
        self.state.apply(&recorded.leaf(), &mut self.buckets);
        self.log.push(recorded);
    }

    /// Counts anew what is asked for now; what was counted is added the next time, when the fold has gone on.
    fn recount(&mut self) {
        if let Some(recounter) = self.recounter.take() {
            return self.state.finish_recount(recounter.finish(true), &mut self.buckets);
        }
        self.recounter = self.state.recounter();
        let Some(recounter) = &mut self.recounter else { return };
        for stretch in recounter.stretches().to_vec() {
            let leaves = self.log.iter().filter(|one| (stretch.first_seq..=stretch.last_seq).contains(&one.seq));
            leaves.for_each(|one| recounter.apply(stretch.log, &one.leaf()));
        }
    }

    /// Nothing survives but what a store keeps; a recount that was under way is lost.
    fn restart(&mut self) {
        self.records.extend(self.state.take_unsaved());
        let digest = self.state.ledgers_digest();
        let head: StateHead = serde_json::from_slice(&serde_json::to_vec(self.state.head()).unwrap()).unwrap();
        let series = self.records.iter().filter(|(id, _)| !id.is_ledger());
        let series = series.map(|(id, record)| Series::load(*id, record, &self.buckets).unwrap());
        self.state = State::load(head, series.collect());
        if let Some(digest) = digest {
            assert!(self.state.load_ledgers(|id| self.records.get(&id).cloned(), &self.buckets));
            assert_eq!(self.state.ledgers_digest(), Some(digest));
        }
        self.recounter = None;
    }
}

fn view(folds: &[Fold], at: TimeNs) -> View<'_> {
    let parts = folds.iter().enumerate().map(|(n, Fold { state, buckets, .. })| Part {
        partition: n as u16,
        state,
        store: buckets,
    });
    View { parts: parts.collect(), at }
}

/// What a process does at some position of the log.
#[derive(Debug, Clone, Copy)]
enum Chore {
    GoLive,
    Restart,
    Recount,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_figure_equals_a_naive_recomputation_under_what_is_declared_last(
        steps in prop::collection::vec(steps(), 1..70),
        declared in prop::collection::vec((any::<Index>(), declarations()), 1..8),
        chores in prop::collection::vec(
            (any::<Index>(), prop::sample::select(vec![Chore::GoLive, Chore::Restart, Chore::Recount, Chore::Recount])),
            0..12,
        ),
        partitions in 1_usize..3,
        looks in prop::collection::vec(-30_i64..10_000, 1..4),
    ) {
        let log: Vec<Told> = tell(&steps);
        let (mut oracle, mut in_force) = (Oracle::default(), InForce::default());
        let mut folds: Vec<Fold> = (0..partitions).map(|_| Fold::default()).collect();
        let mut said = 0;
        for position in 0..=log.len() {
            for (_, chore) in chores.iter().filter(|(at, _)| at.index(log.len() + 1) == position) {
                let specs = folds[0].state.declared_specs();
                for Fold { state, buckets, .. } in &mut folds {
                    state.set_objectives(&specs, buckets);
                }
                for fold in &mut folds {
                    match chore {
                        Chore::GoLive => fold.state.go_live(&fold.buckets),
                        Chore::Restart => fold.restart(),
                        Chore::Recount => fold.recount(),
                    }
                }
            }
            let now = log[..position].last().map_or(support::START, |told| told.recorded.received);
            for (_, one) in declared.iter().filter(|(at, _)| at.index(log.len() + 1) == position) {
                let event = in_force.declare(one, now);
                let frame = frame("aggregator", boot(9, 0), said, vec![event]);
                folds[0].take(&Recorded::of_frame(0, now, Class::Ctl, &frame));
                said += 1;
            }
            if let Some(told) = log.get(position) {
                oracle.take(told);
                let of = AGENTS.iter().position(|agent| told.recorded.subject.contains(agent)).unwrap_or(0);
                folds[of % partitions].take(&told.recorded);
            }
        }
        let specs = folds[0].state.declared_specs();
        for fold in &mut folds {
            fold.state.set_objectives(&specs, &mut fold.buckets);
            fold.recount();
            while fold.state.recounter().is_some() {
                fold.recount();
            }
        }
        let fold_time = folds.iter().map(|fold| fold.state.head().fold_time).max().unwrap();
        for seconds in looks {
            let at = TimeNs(fold_time.0.saturating_add_signed(seconds * SECOND as i64));
            let view = view(&folds, at);
            let views = view.objectives();
            prop_assert_eq!(views.len(), in_force.config.as_ref().map_or(0, |config| config.objectives.len()));
            for objective in &views {
                prop_assert_eq!(objective.standing, Standing::Counted);
                in_force.assert_equal(&oracle, objective);
            }
        }
        // Ledgers leave the digest alone: a state that never counted anything anew has the same.
        for fold in &mut folds {
            let (mut replayed, mut buckets) = (State::default(), MemoryBuckets::default());
            support::fold(&mut replayed, &fold.log, &mut buckets);
            prop_assert_eq!(fold.state.digest(), replayed.digest());
        }
    }
}
