//! The whole probe in a made-up world: a clock that steps, a log that fails, checks that dawdle, kills at any moment.
//!
//! Every run comes from a seed, which a failure prints. Each life has a runtime of its own with paused time; a kill
//! drops it, so that nothing gets to tidy up.

mod world;

use std::sync::Arc;
use std::time::Duration;

use spark_core::config::{Probe as Settings, Target};
use spark_core::units::DurationUs;
use spark_schemas::event::MissedWhy;
use spark_schemas::{Name, TimeNs};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::world::{Dice, FakeCheck, FakeLog, Told, World};
use crate::check::CheckContext;
use crate::runner::Check;
use crate::supervisor::{ProbeOptions, ProbeSummary, run_with};

const SECOND: u64 = TimeNs::SECOND;

fn target(name: &str, interval_ms: u64) -> Target {
    let mut target = Target::new(Name::new(name).unwrap(), "tcp://127.0.0.1:1".parse().unwrap());
    target.interval = DurationUs::from_ms(interval_ms);
    target
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Shutdown,
    Kill,
}

/// Runs a probe in `world` for `length`, with `meanwhile` beside it.
fn live<F, Fut>(
    world: &Arc<World>,
    targets: Vec<Target>,
    length: Duration,
    end: End,
    meanwhile: F,
) -> Option<ProbeSummary>
where
    F: FnOnce(Arc<World>, watch::Sender<Arc<Vec<Target>>>) -> Fut,
    Fut: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let summary = runtime.block_on(async {
        world.begin_life();
        let (list, targets) = watch::channel(Arc::new(targets));
        let (in_checks, in_clock) = (Arc::clone(world), Arc::clone(world));
        let prepare = move |targets: &[Target]| {
            let check = |target: &Target| Arc::new(FakeCheck::new(target, &in_checks)) as Arc<dyn Check>;
            Ok(targets.iter().map(check).collect())
        };
        let options = ProbeOptions {
            agent: Name::new("agent-1").unwrap(),
            partition: 0,
            dir: world.dir.path().to_owned(),
            clock: Arc::new(move || in_clock.now()),
            settings: Settings { outbox_bytes_max: world.outbox_bytes_max, concurrency: 3, ..Settings::default() },
            context: Arc::new(CheckContext::new(|_| None)),
            targets,
        };
        let shutdown = CancellationToken::new();
        let log = Arc::new(FakeLog::new(world));
        let probe = run_with(options, Arc::new(prepare), log, shutdown.clone());
        let life = async {
            tokio::select! {
                () = sleep(length) => {}
                () = async { meanwhile(Arc::clone(world), list).await; std::future::pending().await } => {}
            }
            match end {
                End::Shutdown => shutdown.cancel(),
                End::Kill => return,
            }
            std::future::pending().await
        };
        let summary = tokio::select! {
            summary = probe => Some(summary.unwrap()),
            () = life => None,
        };
        world.end_life();
        summary
    });
    // Not `runtime.shutdown_*`: a disk write that runs comes to its end, as it does in a killed process.
    drop(runtime);
    assert_eq!(summary.is_some(), end == End::Shutdown);
    summary
}

async fn nothing(_: Arc<World>, list: watch::Sender<Arc<Vec<Target>>>) {
    let _kept = list;
    std::future::pending::<()>().await;
}

#[test]
fn each_slot_of_a_calm_minute_is_observed_once() {
    let world = World::new(1);
    let targets = vec![target("a", 1_000), target("b", 250), target("c", 60_000)];
    let summary = live(&world, targets, Duration::from_secs(60), End::Shutdown, nothing).unwrap();
    let told = Told::read(&world);
    assert_eq!((told.observed("a"), told.observed("b"), told.observed("c")), (60, 240, 1));
    assert_eq!((summary.observations, summary.missed_slots, summary.frames_left), (301, 0, 0));
    assert_eq!(summary.frames_acked, summary.frames_written);
    assert!(told.heartbeats >= 7, "{}", told.heartbeats);
}

#[test]
fn a_slow_target_misses_its_own_slots_and_nobody_elses() {
    let world = World::new(2);
    world.set_check_time("slow", 2_500);
    let targets = vec![target("slow", 1_000), target("quick", 1_000)];
    live(&world, targets, Duration::from_secs(60), End::Shutdown, nothing);
    let told = Told::read(&world);
    assert_eq!((told.observed("quick"), told.missed("quick")), (60, 0));
    assert!(told.observed("slow") <= 24 && told.observed("slow") >= 19, "{}", told.observed("slow"));
    assert!(told.missed_because("slow", MissedWhy::Late) >= 33);
    assert!(told.lateness_max_us("quick") <= 2_000, "{}", told.lateness_max_us("quick"));
}

#[test]
fn waiting_for_a_turn_counts_as_lateness() {
    let world = World::new(3);
    // Four checks of 0.9 s each second, and only three may run at once.
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| world.set_check_time(name, 900));
    let targets = names.iter().map(|name| target(name, 1_000)).collect();
    live(&world, targets, Duration::from_secs(100), End::Shutdown, nothing);
    let told = Told::read(&world);
    let observed: u64 = names.iter().map(|name| told.observed(name)).sum();
    let missed: u64 = names.iter().map(|name| told.missed(name)).sum();
    assert!((300..=334).contains(&observed) && (60..=100).contains(&missed), "{observed} {missed}");
}

#[test]
fn a_clock_that_jumps_ahead_misses_what_it_jumped_over() {
    let world = World::new(4);
    live(&world, vec![target("a", 1_000)], Duration::from_secs(60), End::Shutdown, |world, list| async move {
        sleep(Duration::from_millis(20_400)).await;
        world.step_clock(3_600 * i64::try_from(SECOND).unwrap());
        drop(list);
    });
    let told = Told::read(&world);
    assert!((3_598..=3_600).contains(&told.missed_because("a", MissedWhy::ClockStep)), "{told:?}");
    assert_eq!(told.missed("a"), told.missed_because("a", MissedWhy::ClockStep));
    assert_step(&told, 3_600_000_000);
    assert!((59..=61).contains(&told.observed("a")), "{}", told.observed("a"));
}

#[test]
fn a_clock_that_jumps_back_runs_no_slot_twice() {
    let world = World::new(5);
    live(&world, vec![target("a", 1_000)], Duration::from_secs(4_000), End::Shutdown, |world, list| async move {
        sleep(Duration::from_millis(100_400)).await;
        world.step_clock(-3_600 * i64::try_from(SECOND).unwrap());
        drop(list);
    });
    let told = Told::read(&world);
    // 100 s before the jump, an hour that had been, and the 300 s after it.
    assert!((398..=402).contains(&told.observed("a")), "{}", told.observed("a"));
    assert_eq!(told.missed("a"), 0);
    assert_step(&told, -3_600_000_000);
}

/// The heartbeats say that the clock stepped once, and how far.
fn assert_step(told: &Told, us: i64) {
    let (count, last) = told.clock_steps;
    assert!(count == 1 && last.is_some_and(|last| last.abs_diff(us) < 1_000_000), "{:?}", told.clock_steps);
}

#[test]
fn a_clock_that_jumps_to_and_fro_leaves_no_slot_out() {
    let world = World::new(11);
    let hour = 3_600 * i64::try_from(SECOND).unwrap();
    let targets = vec![target("a", 1_000), target("b", 60_000), target("c", 250)];
    live(&world, targets, Duration::from_secs(9_000), End::Shutdown, move |world, list| async move {
        for step in [hour, -hour, -hour, hour] {
            sleep(Duration::from_secs(300)).await;
            world.step_clock(step);
        }
        drop(list);
    });
    // Reading it checks that no slot comes twice and none is left out.
    let told = Told::read(&world);
    assert_eq!(told.clock_steps.0, 4);
    for (name, per_hour) in [("a", 3_600), ("b", 60), ("c", 14_400)] {
        // It jumped over one hour that no later step went back to.
        let missed = told.missed_because(name, MissedWhy::ClockStep);
        assert!(missed <= 2 * per_hour && missed >= per_hour - 1, "{name}: {missed}");
        assert_eq!(told.missed(name), missed);
    }
}

#[test]
fn hours_without_the_log_keep_the_oldest_and_account_for_every_slot() {
    let bound = 300 * 1024;
    let world = World::with_outbox(12, bound);
    world.set_log_away(true);
    let targets = vec![target("a", 1_000), target("b", 5_000)];
    let summary = live(&world, targets, Duration::from_secs(4 * 3_600), End::Shutdown, move |world, list| async move {
        sleep(Duration::from_secs(3 * 3_600)).await;
        assert!(world.outbox_bytes() <= bound, "{}", world.outbox_bytes());
        world.set_log_away(false);
        nothing(world, list).await;
    });
    let (summary, told) = (summary.unwrap(), Told::read(&world));
    for (name, slots) in [("a", 14_400), ("b", 2_880)] {
        assert_eq!(told.observed(name) + told.missed(name), slots, "{name}");
        assert_eq!(told.missed(name), told.missed_because(name, MissedWhy::OutboxFull), "{name}");
        assert!(told.missed(name) > 0, "{name}: the outbox was never full");
    }
    assert_eq!(told.missed("a") + told.missed("b"), summary.dropped);
    assert_eq!(told.dropped_in_heartbeats, summary.dropped);
    let queued = told.queue_bytes_in_heartbeats;
    assert!((bound * 3 / 4..=bound).contains(&queued), "{queued}");
    assert_eq!(summary.frames_left, 0);
}

#[test]
fn a_full_outbox_keeps_the_oldest_and_counts_the_rest() {
    let world = World::with_outbox(6, 64 * 1024);
    world.set_log_away(true);
    let targets = || vec![target("a", 100), target("b", 100)];
    let summary = live(&world, targets(), Duration::from_secs(120), End::Shutdown, |world, list| async move {
        sleep(Duration::from_secs(60)).await;
        assert!(world.outbox_bytes() <= 64 * 1024, "{}", world.outbox_bytes());
        world.set_log_away(false);
        nothing(world, list).await;
    });
    let (summary, told) = (summary.unwrap(), Told::read(&world));
    let dropped = told.missed_because("a", MissedWhy::OutboxFull) + told.missed_because("b", MissedWhy::OutboxFull);
    assert!(dropped > 400 && dropped == summary.dropped && dropped == summary.missed_slots, "{dropped} {summary:?}");
    assert_eq!(told.observed("a") + told.observed("b"), summary.observations);
    assert!(told.dropped_in_heartbeats > 0);
    assert_eq!(summary.frames_left, 0);
}

#[test]
fn targets_come_go_and_change_while_others_go_on() {
    let world = World::new(7);
    world.set_check_time("slow", 30_000);
    let first = vec![target("stays", 500), target("goes", 500), target("changes", 500), target("slow", 40_000)];
    live(&world, first, Duration::from_secs(90), End::Shutdown, |world, list| async move {
        sleep(Duration::from_secs(42)).await;
        list.send(Arc::new(vec![target("stays", 500), target("changes", 1_000), target("comes", 500)])).unwrap();
        nothing(world, list).await;
    });
    let told = Told::read(&world);
    assert_eq!((told.observed("stays"), told.missed("stays")), (180, 0));
    assert!((82..=86).contains(&told.observed("goes")), "{}", told.observed("goes"));
    assert!((124..=134).contains(&told.observed("changes")), "{}", told.observed("changes"));
    assert!((90..=98).contains(&told.observed("comes")), "{}", told.observed("comes"));
    assert_eq!(told.lists, 2);
}

#[test]
fn slots_of_the_time_between_two_runs_are_missed() {
    let world = World::new(8);
    live(&world, vec![target("a", 1_000), target("gone", 1_000)], Duration::from_secs(20), End::Kill, nothing);
    world.pass(Duration::from_secs(100));
    live(&world, vec![target("a", 1_000)], Duration::from_secs(20), End::Shutdown, nothing);
    let told = Told::read(&world);
    for name in ["a", "gone"] {
        let missed = told.missed_because(name, MissedWhy::NotRunning);
        assert!((100..=102).contains(&missed), "{name}: {missed}");
    }
    assert_eq!(told.observed("a") + told.missed("a"), 140);
    assert_eq!(told.observed("gone") + told.missed("gone"), 120);
}

#[test]
fn a_duplicate_on_a_first_attempt_is_an_alarm() {
    let world = World::new(9);
    world.set_foreign_duplicates(true);
    let summary = live(&world, vec![target("a", 1_000)], Duration::from_secs(5), End::Shutdown, nothing).unwrap();
    assert_eq!(summary.foreign_duplicates, summary.frames_written);
}

#[test]
fn a_log_that_refuses_costs_nothing_but_time() {
    let world = World::new(10);
    world.set_refused(true);
    let summary = live(&world, vec![target("a", 1_000)], Duration::from_secs(5), End::Shutdown, nothing).unwrap();
    assert_eq!((summary.frames_acked, summary.frames_left), (0, summary.frames_written));
    world.set_refused(false);
    live(&world, vec![target("a", 1_000)], Duration::from_secs(5), End::Shutdown, nothing).unwrap();
    assert_eq!(Told::read(&world).observed("a"), 10);
}

/// Some lives in a row, each with its own troubles, and a calm one at the end.
fn troubled_lives(seed: u64) {
    let mut dice = Dice::new(seed);
    let world = World::with_outbox(seed, if dice.one_in(3) { 24 * 1024 } else { 1024 * 1024 });
    world.set_troubled(true);
    let pick = |dice: &mut Dice| {
        let intervals = [100, 250, 1_000, 3_000];
        let mut list = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            if dice.one_in(4) {
                continue;
            }
            list.push(target(name, intervals[usize::try_from(dice.below(4)).unwrap()]));
        }
        list
    };
    for _ in 0..dice.below(4) + 1 {
        let length = Duration::from_millis(dice.below(20_000) + 1);
        let end = if dice.one_in(3) { End::Shutdown } else { End::Kill };
        let (targets, mut dice_inside) = (pick(&mut dice), Dice::new(dice.below(u64::MAX)));
        live(&world, targets, length, end, |world, list| async move {
            loop {
                sleep(Duration::from_millis(dice_inside.below(8_000))).await;
                match dice_inside.below(5) {
                    0 => world.step_clock(3_600 * i64::try_from(SECOND).unwrap()),
                    1 => world.step_clock(-3_600 * i64::try_from(SECOND).unwrap()),
                    2 => list.send(Arc::new(pick(&mut dice_inside))).unwrap(),
                    3 => world.set_log_away(dice_inside.one_in(2)),
                    _ => world.step_clock(i64::try_from(dice_inside.below(4 * SECOND)).unwrap() - 2_000_000_000),
                }
            }
        });
        world.pass(Duration::from_millis(dice.below(30_000)));
    }
    world.set_troubled(false);
    world.set_log_away(false);
    let summary = live(&world, vec![target("a", 1_000)], Duration::from_secs(40), End::Shutdown, nothing).unwrap();
    assert_eq!((summary.frames_left, summary.records_damaged), (0, 0));
    // Reading it checks every slot.
    Told::read(&world);
}

#[test]
fn every_slot_is_said_once_whatever_happens() {
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, count) = match number("SPARK_SIMULATION_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("SPARK_SIMULATION_RUNS").unwrap_or(60)),
    };
    for seed in first..first + count {
        let run = std::panic::catch_unwind(|| troubled_lives(seed));
        if let Err(panic) = run {
            println!("failed with SPARK_SIMULATION_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
