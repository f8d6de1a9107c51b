//! A clock that is stepped by an hour under the probe, with libfaketime: the wall clock only, as an operator or a time
//! service does; the steady clock goes on.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::super::Fault;
use super::super::services::ServicesRig;
use crate::random::Random;
use crate::tools::faketime;
use crate::world::World;

const STEP_S: i64 = 3_600;

/// Odd cycles step forward for good, even ones back and, after a while, forward again.
///
/// No slot runs twice, so a probe whose clock went back waits until it is where it was.
pub(in super::super) struct Clock {
    file: PathBuf,
    offset_s: i64,
    cycle: u64,
}

impl Clock {
    /// Starts so far behind this machine's clock that the last of `cycles` steps reaches it.
    pub(in super::super) fn new(world: &World, cycles: u64) -> Self {
        let steps = i64::try_from(cycles.div_ceil(2)).expect("few cycles");
        let clock = Self { file: world.path("clock"), offset_s: -steps * STEP_S, cycle: 0 };
        clock.write();
        clock
    }

    /// What the probe has to find in its environment.
    pub(in super::super) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", faketime().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// One hour forward.
    pub(in super::super) fn step_forward(&mut self) {
        self.offset_s += STEP_S;
        self.write();
    }

    /// How far the probe's clock is ahead now.
    pub(in super::super) fn offset_ns(&self) -> i64 {
        self.offset_s * 1_000_000_000
    }

    /// In one step: half a time must not be read.
    fn write(&self) {
        let aside = self.file.with_extension("new");
        fs::write(&aside, format!("{:+}\n", self.offset_s)).expect("write the clock");
        fs::rename(&aside, &self.file).expect("set the clock");
    }
}

impl Fault<ServicesRig> for Clock {
    fn inject(&mut self, _rig: &mut ServicesRig, _random: &mut Random) {
        self.cycle += 1;
        if self.cycle % 2 == 1 {
            self.step_forward();
        } else {
            self.offset_s -= STEP_S;
            self.write();
        }
    }

    fn hold(&self, random: &mut Random) -> Duration {
        random.millis(1_000, 4_000)
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        if self.cycle.is_multiple_of(2) {
            self.step_forward();
        }
        rig.until_probing();
    }
}
