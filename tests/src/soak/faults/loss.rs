//! Sabotage, to see that the judge would notice a loss.

use std::fs;

use super::super::Fault;
use super::super::services::{ServicesRig, metric};
use crate::random::Random;
use crate::wait::{self, LONG};

/// The probe's outbox is deleted with frames in it that no log has yet.
pub(in super::super) struct LostOutbox;

impl Fault<ServicesRig> for LostOutbox {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        rig.services.nats.kill();
        wait::until("frames wait in the outbox", LONG, || {
            let waiting = metric(&rig.services.probe_admin, "spark_outbox_frames")?;
            wait::that(waiting > 5.0, || format!("{waiting} wait"))
        });
        rig.services.probe.kill();
        fs::remove_dir_all(rig.world.path("services/probe/outbox")).expect("delete the outbox");
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        rig.services.nats.start_again();
        rig.services.start_probe();
    }
}
