//! A full disk: under the NATS server, under the probe's outbox, under a data directory.
//!
//! It stays full until who works on it has said so in its log.

use std::thread;
use std::time::Duration;

use super::super::disk::SmallDisk;
use super::super::services::ServicesRig;
use super::super::up::UpRig;
use super::super::{Fault, Rig};
use super::Part;
use crate::process::Process;
use crate::random::Random;
use crate::wait::{self, LONG};

/// Fills the rig's small disks and keeps them full for a while.
pub(in super::super) struct Full {
    /// Who works on them.
    part: Part,
    /// What it then logs.
    words: &'static str,
    /// It has to be started anew by its operator when there is room again.
    needs_restart: bool,
    said_before: usize,
}

impl Full {
    /// `part` works on the disk, and logs `words` when it is full.
    pub(in super::super) fn under(part: Part, words: &'static str) -> Self {
        Self { part, words, needs_restart: false, said_before: 0 }
    }

    /// The same with a program that must be started anew afterwards.
    pub(in super::super) fn and_restart(self) -> Self {
        Self { needs_restart: true, ..self }
    }

    fn fill(&mut self, disks: &mut [SmallDisk], process: &Process) {
        self.said_before = self.said(process);
        for disk in disks {
            disk.fill();
            assert!(disk.is_full(), "{} is full", disk.path().display());
        }
    }

    fn said(&self, process: &Process) -> usize {
        process.stderr().lines().filter(|line| line.contains(self.words)).count()
    }

    /// Whether it was noticed; an error says how things stand.
    fn has_said(&self, process: &Process) -> Result<(), String> {
        wait::that(self.said(process) > self.said_before, || {
            process.stderr().lines().last().unwrap_or_default().to_owned()
        })
    }
}

fn hold(random: &mut Random) -> Duration {
    random.millis(500, 3_000)
}

impl Fault<ServicesRig> for Full {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        let mut disks = std::mem::take(&mut rig.disks);
        self.fill(&mut disks, self.part.process(rig));
        rig.disks = disks;
    }

    fn hold(&self, random: &mut Random) -> Duration {
        hold(random)
    }

    fn keep(&mut self, rig: &mut ServicesRig) {
        rig.disks.iter_mut().for_each(SmallDisk::fill);
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        wait::until("the full disk is noticed", LONG, || {
            self.keep(rig);
            self.has_said(self.part.process(rig))
        });
        rig.disks.iter_mut().for_each(SmallDisk::free);
        if self.needs_restart {
            self.part.process(rig).terminate();
            self.part.start(rig);
            rig.services.until_up();
        }
    }
}

impl Fault<UpRig> for Full {
    fn inject(&mut self, rig: &mut UpRig, _random: &mut Random) {
        self.fill(&mut rig.disks, &rig.process);
    }

    fn hold(&self, random: &mut Random) -> Duration {
        hold(random)
    }

    fn keep(&mut self, rig: &mut UpRig) {
        rig.disks.iter_mut().for_each(SmallDisk::fill);
    }

    fn heal(&mut self, rig: &mut UpRig) {
        wait::until("the full disk is noticed", LONG, || {
            self.keep(rig);
            self.has_said(&rig.process)
        });
        rig.disks.iter_mut().for_each(SmallDisk::free);
        // The next one is to be noticed by a program that works again.
        thread::sleep(Duration::from_millis(1_500));
        rig.look();
    }
}
