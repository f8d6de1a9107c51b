//! `spark up` under load, and the account of what it did.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Rig;
use super::disk::SmallDisk;
use super::judge::{Allowed, Seen, Sums, assert_every_slot_once, assert_nothing_ended, assert_told, position, sums};
use super::replay::assert_digests_replay;
use super::services::Load;
use crate::http::Client;
use crate::process::Process;
use crate::python::Account;
use crate::up::Setup;
use crate::wait;
use crate::world::World;

/// The process, what it runs on, and what was seen of it. Fields end in this order.
#[derive(Debug)]
pub(super) struct UpRig {
    pub(super) process: Process,
    pub(super) setup: Setup,
    pub(super) disks: Vec<SmallDisk>,
    pub(super) world: World,
    load: Load,
    api: Client,
    pub(super) seen: Seen,
    /// The last words of what ended by itself.
    ended: Vec<String>,
}

impl UpRig {
    /// Starts it.
    pub(super) fn start(world: World, load: Load, disks: Vec<SmallDisk>) -> Self {
        let setup = Setup::with_config(&world, &load.configuration(&world));
        let api = Client::with_patience(&format!("http://{}", setup.listen), Duration::from_secs(2));
        let process = setup.spawn();
        let rig = Self { process, setup, disks, world, load, api, seen: Seen::default(), ended: Vec::new() };
        rig.until_probing();
        rig
    }

    /// Where it keeps the log.
    pub(super) fn archive(&self) -> PathBuf {
        self.setup.data.join("archive")
    }

    /// Waits until every target was observed a few times more, and that is counted.
    pub(super) fn until_probing(&self) -> Value {
        self.load.until_probing(&self.world, &self.api)
    }

    /// Ends the run and holds everything against the account.
    pub(super) fn settle(mut self, allowed: Allowed) -> Sums {
        let log = self.until_probing();
        self.seen.logs.push(log.clone());
        assert!(self.process.terminate().success());
        let stopped_ns = wait::wall_ns();
        let account = Account::default().at(&self.seen.positions()).of_archive(&self.archive());
        assert_told(&log, &Account::default().until(position(&log)).of_archive(&self.archive()), allowed);
        let looks = self.seen.assert_true_to(&account);
        assert_every_slot_once(&self.world, &account, stopped_ns, allowed);
        let digests = assert_digests_replay(&self.archive(), &self.seen.digests);
        assert_nothing_ended(&self.ended);
        Sums { ended: self.ended.len() as u64, digests, ..sums(&self.world, self.load.targets, &account, looks) }
    }
}

impl Rig for UpRig {
    fn look(&mut self) {
        self.seen.look(&self.api);
    }

    fn revive(&mut self) {
        if self.process.ended().is_some() {
            let last_words = self.process.stderr();
            let text = format!("spark up: {}", last_words.lines().last().unwrap_or_default());
            eprintln!("had ended by itself: {text}");
            self.ended.push(text);
            self.process = self.setup.spawn();
        }
    }
}
