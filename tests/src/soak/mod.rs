//! The fault matrix: Spark under continuous load while one thing after another is broken, and the account of it from
//! outside. `cargo xtask soak` runs it for long, `cargo xtask test` (`tests/tests/faults.rs`) a short cut of it.
//!
//! A row breaks one thing again and again at random moments ([`faults`]) while real processes probe a real site
//! ([`services`], [`up`]); at the end everything is healed and the judge ([`judge`]) reads the raw frames with software
//! that is not Spark's: what was sent was accepted once or visibly rejected, every slot of every target is there
//! exactly once, and no figure that was ever shown was wrong.

mod disk;
mod faults;
mod judge;
mod network;
mod replay;
mod rows;
mod services;
mod simulated;
mod up;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

pub use judge::Sums;
pub use rows::{ROWS, SABOTAGE};

use crate::random::Random;
use crate::wait;

/// One line of the matrix.
#[derive(Debug)]
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is broken.
    pub what: &'static str,
    /// How often, when nobody says otherwise.
    pub cycles: u64,
    /// How often in the short cut that `cargo xtask test` runs; 0 when it has none.
    pub short: u64,
    run: fn(&Order) -> Sums,
}

/// How a row is to be run.
#[derive(Debug, Clone)]
pub struct Order {
    /// The row.
    pub name: &'static str,
    /// How often to break it.
    pub cycles: u64,
    /// Where random moments come from.
    pub seed: u64,
    /// Faults that last a minute or more last a few seconds instead.
    pub is_short: bool,
}

/// What came of a row.
#[derive(Debug)]
pub struct Outcome {
    /// The row.
    pub name: &'static str,
    /// How often it was asked to break.
    pub cycles: u64,
    /// How long all of it took.
    pub took: Duration,
    /// The sums, or what was wrong.
    pub result: Result<Sums, String>,
}

impl Row {
    /// Runs it; what the judge finds wrong is in the outcome.
    pub fn run(&self, order: &Order) -> Outcome {
        let began = wait::now();
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(order))).map_err(|panic| said(panic.as_ref()));
        Outcome { name: self.name, cycles: order.cycles, took: began.elapsed(), result }
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// What is under load.
trait Rig {
    /// Asks for what it shows now, to be held against the account later.
    fn look(&mut self);
    /// Starts again what ended by itself, as a service manager does, and counts it.
    fn revive(&mut self);
}

/// Something that can be broken.
trait Fault<R> {
    /// How long all is well before.
    fn pause(&self, random: &mut Random) -> Duration {
        random.millis(100, 1_500)
    }
    /// Breaks it.
    fn inject(&mut self, rig: &mut R, random: &mut Random);
    /// For how long.
    fn hold(&self, random: &mut Random) -> Duration {
        random.millis(0, 600)
    }
    /// While it is broken, now and then.
    fn keep(&mut self, _rig: &mut R) {}
    /// Mends it, and asserts that it had been broken.
    fn heal(&mut self, rig: &mut R);
}

/// Breaks and mends at random moments, as often as ordered.
fn drive<R: Rig>(order: &Order, rig: &mut R, fault: &mut dyn Fault<R>) {
    const TELL_EVERY: Duration = Duration::from_secs(10);
    const KEEP_EVERY: Duration = Duration::from_millis(200);
    const LOOK_EVERY: u32 = 5;
    let mut random = Random::seeded(order.seed, order.name);
    let mut told = wait::now();
    for cycle in 1..=order.cycles {
        thread::sleep(fault.pause(&mut random));
        rig.look();
        fault.inject(rig, &mut random);
        let (hold, broken) = (fault.hold(&mut random), wait::now());
        let mut times = 0;
        while let Some(left) = hold.checked_sub(broken.elapsed()) {
            thread::sleep(left.min(KEEP_EVERY));
            fault.keep(rig);
            times += 1;
            // What is shown while something is broken must be true as well.
            if times % LOOK_EVERY == 0 {
                rig.look();
            }
        }
        fault.heal(rig);
        rig.revive();
        if told.elapsed() > TELL_EVERY || cycle == order.cycles {
            told = wait::now();
            eprintln!("{}: cycle {cycle} of {}", order.name, order.cycles);
        }
    }
}
