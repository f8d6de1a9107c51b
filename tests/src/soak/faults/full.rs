//! A full disk: under the NATS server, under the probe's outbox, under a data directory.

use std::time::Duration;

use super::super::Fault;
use super::super::disk::SmallDisk;
use super::super::services::ServicesRig;
use super::super::up::UpRig;
use super::Part;
use crate::random::Random;

/// Fills the rig's small disks and keeps them full for a while.
#[derive(Default)]
pub(in super::super) struct Full {
    /// Who has to be started anew by its operator when there is room again.
    pub(in super::super) restart: Option<Part>,
}

fn fill(disks: &mut [SmallDisk]) {
    for disk in disks {
        disk.fill();
        assert!(disk.is_full(), "{} is full", disk.path().display());
    }
}

fn hold(random: &mut Random) -> Duration {
    random.millis(1_500, 4_000)
}

impl Fault<ServicesRig> for Full {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        fill(&mut rig.disks);
    }

    fn hold(&self, random: &mut Random) -> Duration {
        hold(random)
    }

    fn keep(&mut self, rig: &mut ServicesRig) {
        rig.disks.iter_mut().for_each(SmallDisk::fill);
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        rig.disks.iter_mut().for_each(SmallDisk::free);
        if let Some(part) = self.restart {
            part.process(rig).terminate();
            part.start(rig);
        }
    }
}

impl Fault<UpRig> for Full {
    fn inject(&mut self, rig: &mut UpRig, _random: &mut Random) {
        fill(&mut rig.disks);
    }

    fn hold(&self, random: &mut Random) -> Duration {
        hold(random)
    }

    fn keep(&mut self, rig: &mut UpRig) {
        rig.disks.iter_mut().for_each(SmallDisk::fill);
    }

    fn heal(&mut self, rig: &mut UpRig) {
        rig.disks.iter_mut().for_each(SmallDisk::free);
    }
}
