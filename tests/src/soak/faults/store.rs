//! Damage to the store of windows while its owner is stopped: deleted, cut short, bits flipped. It is rebuilt from the
//! log, or opened as it was committed; never a wrong figure.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::super::Fault;
use super::super::services::ServicesRig;
use super::super::up::UpRig;
use super::Part;
use crate::http::Client;
use crate::random::Random;
use crate::wait::{self, LONG};

/// Kills the owner of a store, damages it, starts the owner again.
pub(in super::super) struct DamagedStore {
    part: Part,
    deleted: u64,
    cut: u64,
    flipped: u64,
}

impl DamagedStore {
    /// Of this part; `spark up` has only one store.
    pub(in super::super) fn of(part: Part) -> Self {
        Self { part, deleted: 0, cut: 0, flipped: 0 }
    }

    /// What was done.
    pub(in super::super) fn effect(&self) -> String {
        format!("{} deleted, {} cut short, {} with flipped bits", self.deleted, self.cut, self.flipped)
    }

    fn damage(&mut self, store: &Path, random: &mut Random) {
        if random.below(8) == 0 {
            fs::remove_dir_all(store).expect("delete the store");
            self.deleted += 1;
            return;
        }
        let mut files = files_in(store);
        files.sort();
        let path = &files[random.below(files.len() as u64) as usize];
        let file = OpenOptions::new().write(true).read(true).open(path).expect("open a file of the store");
        let length = file.metadata().expect("its length").len();
        if random.below(3) == 0 {
            file.set_len(random.below(length)).expect("cut it");
            self.cut += 1;
            return;
        }
        for _ in 0..=random.below(8) {
            let (mut byte, at) = ([0], random.below(length));
            file.read_exact_at(&mut byte, at).expect("read a byte");
            file.write_all_at(&[byte[0] ^ (1 << random.below(8))], at).expect("flip a bit");
        }
        self.flipped += 1;
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the store").map(|entry| entry.expect("a file of it").path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_whole = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() > 0);
    dirs.iter().flat_map(|dir| files_in(dir)).chain(files.into_iter().filter(is_whole)).collect()
}

fn until_live(client: &Client, path: &str) {
    wait::until("it is live again", LONG, || client.try_json(path).map(drop));
}

impl Fault<ServicesRig> for DamagedStore {
    fn inject(&mut self, rig: &mut ServicesRig, random: &mut Random) {
        self.part.process(rig).kill();
        let store = if self.part == Part::Web { "services/web/web-store" } else { "services/aggregator/store" };
        self.damage(&rig.world.path(store), random);
    }

    fn heal(&mut self, rig: &mut ServicesRig) {
        self.part.start(rig);
        until_live(&rig.services.api, "/api/v1/log");
        until_live(&rig.services.aggregator_admin, "/healthz");
    }
}

impl Fault<UpRig> for DamagedStore {
    fn inject(&mut self, rig: &mut UpRig, random: &mut Random) {
        rig.process.kill();
        self.damage(&rig.setup.data.join("store"), random);
    }

    fn heal(&mut self, rig: &mut UpRig) {
        rig.process = rig.setup.spawn();
        rig.until_probing();
    }
}
