//! What an administrator can do to the log in NATS: delete the readers' consumers, delete the stream and make it anew.

use std::time::Duration;

use serde_json::Value;

use super::super::Fault;
use super::super::judge::position;
use super::super::services::ServicesRig;
use crate::process::run;
use crate::python::script;
use crate::random::Random;
use crate::services::nats_init;
use crate::wait::{self, LONG};

fn admin(rig: &ServicesRig, what: &str) -> Value {
    let mut command = script("admin.py");
    command.args([what, &rig.services.nats.url()]);
    let done = run(command);
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).expect("the script prints JSON")
}

/// Every consumer of the stream is deleted under its reader.
#[derive(Default)]
pub(in super::super) struct ConsumersDeleted {
    /// How many were.
    pub(in super::super) deleted: u64,
}

impl Fault<ServicesRig> for ConsumersDeleted {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        self.deleted += wait::until("there are consumers to delete", LONG, || {
            let deleted = admin(rig, "delete-consumers")["deleted"].as_u64().unwrap_or_default();
            wait::that(deleted > 0, || "none".to_owned())?;
            Ok(deleted)
        });
    }

    fn heal(&mut self, _rig: &mut ServicesRig) {}
}

/// The stream is deleted and made anew: a new incarnation.
pub(in super::super) struct StreamDeleted {
    /// The administrator waits until both readers have read it all. Otherwise it is deleted at any moment.
    pub(in super::super) is_read: bool,
}

impl StreamDeleted {
    /// Holds the writers, after what they have written was read.
    fn hold_writers(rig: &ServicesRig) {
        rig.services.probe.signal("STOP");
        wait::until("the readers have read it all", LONG, || {
            let end = last_seq(rig)?;
            let health = rig.services.aggregator_admin.try_json("/healthz")?;
            let recorded = health["details"]["position"].as_u64();
            let shown = position(&rig.services.api.try_json("/api/v1/log")?);
            wait::that(end.is_some() && recorded == end && shown == end, || format!("{recorded:?} {shown:?} {end:?}"))?;
            rig.services.aggregator.signal("STOP");
            if last_seq(rig)? == end {
                return Ok(());
            }
            // It had just begun to write.
            rig.services.aggregator.signal("CONT");
            Err("something was written meanwhile".to_owned())
        });
    }
}

impl Fault<ServicesRig> for StreamDeleted {
    fn inject(&mut self, rig: &mut ServicesRig, _random: &mut Random) {
        let known = rig.archives().into_iter().find(|archive| !rig.before.contains(archive));
        rig.before.push(known.expect("the archive of this incarnation"));
        if self.is_read {
            Self::hold_writers(rig);
        }
        admin(rig, "delete-stream");
        if self.is_read {
            rig.services.probe.signal("CONT");
            rig.services.aggregator.signal("CONT");
        }
    }

    fn hold(&self, random: &mut Random) -> Duration {
        random.millis(0, 2_500)
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        let made = run(nats_init(&rig.services.nats.url()));
        assert_eq!(made.code, 0, "{made:?}");
        wait::until("the new incarnation is recorded", LONG, || {
            let archives = rig.archives();
            wait::that(archives.len() > rig.before.len(), || format!("{archives:?}"))
        });
        rig.until_probing();
    }
}

/// Where the log in NATS ends, as the server's own pages say.
fn last_seq(rig: &ServicesRig) -> Result<Option<u64>, String> {
    let facts = rig.services.nats.monitor.try_json("/jsz?streams=true")?;
    Ok(facts["account_details"][0]["stream_detail"][0]["state"]["last_seq"].as_u64())
}
