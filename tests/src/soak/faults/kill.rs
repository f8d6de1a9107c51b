//! kill -9: a process ends between any two instructions.

use std::time::Duration;

use super::super::Fault;
use super::super::services::ServicesRig;
use super::super::up::UpRig;
use super::Part;
use crate::random::Random;

/// SIGKILL, and a new start after a while.
pub(in super::super) struct Kill(pub(in super::super) Part);

/// Some of the kills meet a start, most meet work.
fn pause(random: &mut Random) -> Duration {
    random.millis(50, 4_000)
}

impl Fault<ServicesRig> for Kill {
    fn pause(&self, random: &mut Random) -> Duration {
        pause(random)
    }

    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        self.0.process(rig).kill();
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        self.0.start(rig);
    }
}

impl Fault<UpRig> for Kill {
    fn pause(&self, random: &mut Random) -> Duration {
        pause(random)
    }

    fn inject(&mut self, rig: &mut UpRig, _random: &mut Random) {
        rig.process.kill();
    }

    fn heal(&mut self, rig: &mut UpRig) {
        rig.process = rig.setup.spawn();
    }
}
