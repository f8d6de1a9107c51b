//! The store opens with exactly the committed digest, or empty: never with a wrong figure, whatever happened to its files.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use spark_aggregator::Projection;
use spark_aggregator::store::StoreError;
use spark_eventlog::Bounds;
use support::{INCARNATION, Random, Truth, copy, counts, digest_at, figures, files, log, open};
use tempfile::TempDir;

/// A store with two checkpoints in `dir`; the log goes on a little after the second.
fn store_with_checkpoints(dir: &Path, log: &[spark_eventlog::Recorded]) -> [u64; 2] {
    let positions = [log.len() / 2, log.len() * 9 / 10];
    let projection = open(dir);
    for position in positions {
        projection.apply(&log[..position]);
        projection.checkpoint().unwrap();
    }
    positions.map(|position| position as u64)
}

fn was_set_aside(dir: &Path) -> bool {
    let name = format!("{}.aside-0", dir.file_name().unwrap().to_str().unwrap());
    dir.with_file_name(name).exists()
}

#[test]
fn a_store_reopened_at_any_position_goes_on_as_if_it_had_never_stopped() {
    for seed in 0..6 {
        let (home, log) = (TempDir::new().unwrap(), log(seed, 150));
        let (dir, mut truth, mut random) = (home.path().join("store"), Truth::of(&log), Random(seed));
        let mut projection = open(&dir);
        let (mut committed, mut position) = (0, 0);
        while position < log.len() {
            let next = (position + 1 + random.index(40)).min(log.len());
            projection.apply(&log[position..next]);
            position = next;
            match random.below(4) {
                0 => projection.go_live(),
                1 => {
                    projection.checkpoint().unwrap();
                    committed = position;
                }
                2 => {
                    projection.checkpoint().unwrap();
                    committed = position;
                    drop(projection);
                    projection = open(&dir);
                    let expected = (truth.digest(position as u64), position as u64);
                    assert_eq!(digest_at(&projection), expected, "seed {seed}");
                }
                _ => {
                    // Stopped without a checkpoint: what was folded since the last one is folded again.
                    drop(projection);
                    projection = open(&dir);
                    assert_eq!(projection.position(), committed as u64, "seed {seed}");
                    position = committed;
                }
            }
        }
        truth.assert_holds_and_catches_up(&projection, &format!("seed {seed}"));
        let in_memory = Projection::in_memory(0);
        in_memory.apply(&log);
        assert_eq!(figures(&projection), figures(&in_memory), "seed {seed}");
        assert!(counts(&projection).iter().all(Option::is_some), "seed {seed}");
        assert_eq!(counts(&projection), counts(&in_memory), "seed {seed}");
        assert!(!was_set_aside(&dir), "seed {seed}");
    }
}

#[test]
fn a_store_of_another_log_is_set_aside() {
    let (home, log) = (TempDir::new().unwrap(), log(1, 60));
    let dir = home.path().join("store");
    store_with_checkpoints(&dir, &log);
    let projection = Projection::open(&dir, 0, "EVENTS@2026-02-02T00:00:00Z").unwrap();
    assert_eq!(projection.position(), 0);
    assert!(was_set_aside(&dir));
}

#[test]
fn a_store_ahead_of_its_log_is_set_aside_and_one_that_is_behind_is_kept() {
    let (home, log) = (TempDir::new().unwrap(), log(3, 60));
    let dir = home.path().join("store");
    let [_, committed] = store_with_checkpoints(&dir, &log);
    let ends_at = |last_seq| Bounds { incarnation: INCARNATION.to_owned(), first_seq: 1, last_seq };
    for last_seq in [committed + 1, committed] {
        assert_eq!(Projection::open_for(&dir, 0, &ends_at(last_seq)).unwrap().position(), committed);
        assert!(!was_set_aside(&dir));
    }
    let projection = Projection::open_for(&dir, 0, &ends_at(committed - 1)).unwrap();
    assert_eq!(projection.position(), 0, "what it reflects is no longer in the log");
    assert!(was_set_aside(&dir));
}

#[test]
fn a_store_that_another_has_open_is_left_alone() {
    let (home, log) = (TempDir::new().unwrap(), log(8, 20));
    let dir = home.path().join("store");
    let mine = open(&dir);
    mine.apply(&log);
    let error = Projection::open(&dir, 0, INCARNATION).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(!was_set_aside(&dir));
    mine.checkpoint().unwrap();
    drop(mine);
    assert_eq!(open(&dir).position(), 20);
}

#[test]
fn a_deleted_store_is_rebuilt() {
    let (home, log) = (TempDir::new().unwrap(), log(2, 60));
    let (dir, mut truth) = (home.path().join("store"), Truth::of(&log));
    store_with_checkpoints(&dir, &log);
    for file in files(&dir) {
        let (copied, name) = (home.path().join("copy"), file.strip_prefix(&dir).unwrap());
        copy(&dir, &copied);
        fs::remove_file(copied.join(name)).unwrap();
        truth.assert_holds_and_catches_up(&open(&copied), &format!("{} deleted", name.display()));
        fs::remove_dir_all(&copied).unwrap();
    }
    fs::remove_dir_all(&dir).unwrap();
    let projection = open(&dir);
    assert_eq!(projection.position(), 0);
    truth.assert_holds_and_catches_up(&projection, "all deleted");
}

/// Damages a copy of a good store in one way, opens it, and holds what opens against the truth.
struct Damaged {
    home: TempDir,
    good: PathBuf,
    checkpoints: [u64; 2],
    count: usize,
}

impl Damaged {
    fn new(log: &[spark_eventlog::Recorded]) -> Self {
        let home = TempDir::new().unwrap();
        let good = home.path().join("good");
        let checkpoints = store_with_checkpoints(&good, log);
        Self { home, good, checkpoints, count: 0 }
    }

    fn files(&self) -> Vec<PathBuf> {
        files(&self.good).iter().map(|file| file.strip_prefix(&self.good).unwrap().to_owned()).collect()
    }

    fn assert_never_wrong(&mut self, truth: &mut Truth<'_>, file: &Path, what: &str, damage: impl Fn(&mut Vec<u8>)) {
        let dir = self.home.path().join(format!("copy-{}", self.count));
        self.count += 1;
        copy(&self.good, &dir);
        let mut bytes = fs::read(dir.join(file)).unwrap();
        damage(&mut bytes);
        fs::write(dir.join(file), bytes).unwrap();
        let what = format!("{} {what}", file.display());
        let projection = open(&dir);
        let position = projection.position();
        assert!(position == 0 || self.checkpoints.contains(&position), "{what}: opened at {position}");
        truth.assert_holds_and_catches_up(&projection, &what);
        projection.checkpoint().unwrap();
        drop(projection);
        let (digest, end) = digest_at(&open(&dir));
        assert_eq!((digest, end), (truth.digest(end), truth.log.len() as u64), "{what}: rebuilt and reopened");
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_truncated_store_never_shows_a_wrong_figure() {
    let log = log(3, 60);
    let (mut damaged, mut truth) = (Damaged::new(&log), Truth::of(&log));
    for file in damaged.files() {
        let length = fs::metadata(damaged.good.join(&file)).unwrap().len() as usize;
        for eighth in 0..8 {
            for cut in [length * eighth / 8, (length * eighth / 8 + 7).min(length)] {
                let what = format!("cut to {cut} of {length} bytes");
                damaged.assert_never_wrong(&mut truth, &file, &what, |bytes| bytes.truncate(cut));
            }
        }
        let what = format!("cut by one of {length} bytes");
        damaged.assert_never_wrong(&mut truth, &file, &what, |bytes| bytes.truncate(length.saturating_sub(1)));
    }
}

#[test]
fn flipped_bits_never_show_a_wrong_figure() {
    let log = log(4, 60);
    let (mut damaged, mut truth, mut random) = (Damaged::new(&log), Truth::of(&log), Random(4));
    for file in damaged.files() {
        let good = fs::read(damaged.good.join(&file)).unwrap();
        // Most of sled's segments is room that nothing uses yet.
        let used: Vec<usize> = good.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
        for _ in 0..60.min(used.len()) {
            let (at, bit) = (used[random.index(used.len())], random.below(8));
            damaged.assert_never_wrong(&mut truth, &file, &format!("bit {bit} of byte {at} flipped"), |bytes| {
                bytes[at] ^= 1 << bit;
            });
        }
        for _ in 0..6.min(used.len()) {
            let at = used[random.index(used.len())];
            damaged.assert_never_wrong(&mut truth, &file, &format!("512 bytes from {at} zeroed"), |bytes| {
                let end = (at + 512).min(bytes.len());
                bytes[at..end].fill(0);
            });
        }
    }
}

#[test]
fn a_store_copied_while_it_runs_never_shows_a_wrong_figure() {
    let (home, log) = (TempDir::new().unwrap(), log(5, 400));
    let (dir, mut truth) = (home.path().join("running"), Truth::of(&log));
    let copies: Vec<PathBuf> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let projection = open(&dir);
            for chunk in log.chunks(3) {
                projection.apply(chunk);
                projection.checkpoint().unwrap();
            }
        });
        let mut copies = Vec::new();
        while !writer.is_finished() {
            let to = home.path().join(format!("copy-{}", copies.len()));
            if dir.exists() {
                copy(&dir, &to);
                copies.push(to);
            }
            std::thread::yield_now();
        }
        copies
    });
    // Some dozens, spread over the run.
    for to in copies.iter().step_by(copies.len().div_ceil(24)) {
        truth.assert_holds_and_catches_up(&open(to), &to.display().to_string());
    }
}

/// The store's tree, opened behind its back.
fn tree(dir: &Path) -> (sled::Db, sled::Tree) {
    // sled's threads let go of the lock some time after the store was dropped.
    let db = (0..200).find_map(|_| {
        let opened = sled::open(dir).ok();
        opened.or_else(|| {
            sleep(Duration::from_millis(10));
            None
        })
    });
    let db = db.unwrap();
    let data = db.open_tree("data").unwrap();
    (db, data)
}

/// Brings every `every`th entry of the checkpoint that `later` has made since into `dir`, but not its commit record: as
/// a checkpoint that was cut short leaves it.
fn cut_short(dir: &Path, later: &Path, every: usize) -> usize {
    let (_later_db, later_data) = tree(later);
    let (db, data) = tree(dir);
    let entries = later_data.iter().map(Result::unwrap).filter(|(key, _)| key.as_ref() != b"commit");
    let written = entries.filter(|(key, value)| data.get(key).unwrap().as_ref() != Some(value));
    let mut brought = 0;
    for (key, value) in written.step_by(every) {
        data.insert(key, value).unwrap();
        brought += 1;
    }
    db.flush().unwrap();
    brought
}

#[test]
fn a_checkpoint_cut_short_is_forgotten_wherever_it_was_cut() {
    let (home, log) = (TempDir::new().unwrap(), log(6, 100));
    let (good, later, mut truth) = (home.path().join("good"), home.path().join("later"), Truth::of(&log));
    let [_, committed] = store_with_checkpoints(&good, &log);
    copy(&good, &later);
    {
        let projection = open(&later);
        projection.apply(&log);
        projection.checkpoint().unwrap();
    }
    for every in 1..5 {
        let dir = home.path().join(format!("cut-{every}"));
        copy(&good, &dir);
        assert!(cut_short(&dir, &later, every) > 0, "the third checkpoint wrote something");
        assert_eq!(digest_at(&open(&dir)), (truth.digest(committed), committed), "1 of {every} written");
        let projection = open(&dir);
        truth.assert_holds_and_catches_up(&projection, &format!("after 1 of {every}"));
        projection.checkpoint().unwrap();
        drop(projection);
        assert_eq!(digest_at(&open(&dir)), (truth.digest(100), 100), "checkpointed over what was cut short");
        assert!(!was_set_aside(&dir), "nothing of this is damage");
    }
}

#[test]
fn a_first_checkpoint_cut_short_is_forgotten() {
    let (home, log) = (TempDir::new().unwrap(), log(9, 60));
    let (dir, mut truth) = (home.path().join("store"), Truth::of(&log));
    {
        let projection = open(&dir);
        projection.apply(&log);
        projection.checkpoint().unwrap();
    }
    let (db, data) = tree(&dir);
    data.remove("commit").unwrap();
    db.flush().unwrap();
    drop((db, data));
    let projection = open(&dir);
    assert_eq!(projection.position(), 0);
    assert!(!was_set_aside(&dir), "nothing of this is damage");
    truth.assert_holds_and_catches_up(&projection, "from the start");
    projection.checkpoint().unwrap();
    drop(projection);
    assert_eq!(digest_at(&open(&dir)), (truth.digest(60), 60));
}

#[test]
fn the_fold_goes_on_during_a_checkpoint() {
    let (home, log) = (TempDir::new().unwrap(), log(10, 200));
    let (dir, mut truth) = (home.path().join("store"), Truth::of(&log));
    let projection = open(&dir);
    let in_memory = Projection::in_memory(0);
    std::thread::scope(|scope| {
        let folding = scope.spawn(|| {
            for chunk in log.chunks(2) {
                projection.apply(chunk);
                in_memory.apply(chunk);
                assert_eq!(figures(&projection), figures(&in_memory));
            }
        });
        while !folding.is_finished() {
            projection.checkpoint().unwrap();
        }
    });
    projection.checkpoint().unwrap();
    drop(projection);
    assert_eq!(digest_at(&open(&dir)), (truth.digest(200), 200));
}

/// Removes both versions of the first that there is.
fn remove_first(data: &sled::Tree, prefix: &str) {
    let (first, _) = data.scan_prefix(prefix).next().unwrap().unwrap();
    for slot in [0, 1] {
        data.remove([&first[..first.len() - 1], &[slot]].concat()).unwrap();
    }
}

#[test]
fn a_commit_that_names_what_is_not_there_is_set_aside() {
    type Change = fn(&sled::Tree);
    let changes: [(&str, Change); 5] = [
        ("no commit record", |data| drop(data.remove("commit").unwrap())),
        ("a commit record that can't be read", |data| drop(data.insert("commit", b"{}").unwrap())),
        ("a page missing", |data| remove_first(data, "p")),
        ("a series missing", |data| remove_first(data, "s")),
        ("a page of other content", |data| {
            let mut pages = data.scan_prefix("p").map(Result::unwrap);
            let (key, other) = (pages.next().unwrap().0, pages.next().unwrap().1);
            data.insert(key, other).unwrap();
        }),
    ];
    let log = log(7, 60);
    let mut truth = Truth::of(&log);
    for (what, change) in changes {
        let home = TempDir::new().unwrap();
        let dir = home.path().join("store");
        store_with_checkpoints(&dir, &log);
        let (db, data) = tree(&dir);
        change(&data);
        db.flush().unwrap();
        drop((db, data));
        let projection = Projection::open(&dir, 0, INCARNATION).unwrap();
        assert_eq!(projection.position(), 0, "{what}");
        assert!(was_set_aside(&dir), "{what}");
        truth.assert_holds_and_catches_up(&projection, what);
    }
}
