//! The archive's files: reopening, crashes, damage, and the tree against an independent one.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod archive_support;
mod log_suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archive_support::{open, options};
use log_suite::{assert_same, frames, read_all};
use spark_core::merkle::{Hash, empty_root, leaf_hash, node_hash, tile_index_path};
use spark_eventlog::archive::fsck::{Examination, Trust, examine};
use spark_eventlog::archive::{
    Archive, ArchiveOptions, Damage, LoadError, OpenError, Problem, PublishError, Repair, View, leaves, read_checkpoint,
};
use spark_eventlog::{EventLog, ReadError};
use spark_schemas::TimeNs;
use tempfile::TempDir;

fn all_leaves(dir: &Path) -> Vec<bytes::Bytes> {
    leaves(dir, 1).unwrap().map(Result::unwrap).collect()
}

/// The Merkle tree hash as RFC 6962 section 2.1 defines it, recursively.
fn tree_hash(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().div_ceil(2).next_power_of_two());
            node_hash(&tree_hash(left), &tree_hash(right))
        }
    }
}

/// The files below `dir`, without the lock.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| !path.ends_with("lock"));
    found.sort();
    found
}

fn copy(from: &Path, files: &[PathBuf], to: &Path) {
    for path in files {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

fn only_segment(dir: &Path) -> PathBuf {
    dir.join(format!("wal/{:020}", 0))
}

#[tokio::test]
async fn it_opens_at_every_size() {
    let dir = TempDir::new().unwrap();
    let frames = frames(0, 600);
    for (size, frame) in frames.iter().enumerate() {
        let archive = open(dir.path());
        assert_eq!(archive.bounds().await.unwrap().last_seq, size as u64);
        assert_eq!(archive.next_seq(), size as u64 + 1);
        let appended = archive.append(vec![frame.clone()]).await.unwrap();
        assert_eq!(appended[0].seq, size as u64 + 1);
    }
    let archive = open(dir.path());
    assert_same(&read_all(&archive, 1).await, &frames, 1);
}

#[tokio::test]
async fn roots_are_those_of_an_independent_tree_at_every_size() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    archive.append(frames(0, 1_100)).await.unwrap();
    let hashes: Vec<_> = all_leaves(dir.path()).iter().map(|leaf| leaf_hash(leaf)).collect();
    assert_eq!(archive.tree().unwrap(), (1_100, tree_hash(&hashes)));
    let view = View::open(dir.path()).unwrap();
    for size in 0..=1_100 {
        let root = tree_hash(&hashes[..size]);
        assert_eq!(archive.frontier_at(size as u64).unwrap().unwrap().root(), root, "size {size}");
        assert_eq!(view.frontier_at(size as u64).unwrap().unwrap().root(), root, "size {size}");
    }
    assert!(archive.frontier_at(1_101).unwrap().is_none());
    assert!(view.frontier_at(1_101).unwrap().is_none());
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_is_cut_back_to_the_last_whole_leaf() {
    let dir = TempDir::new().unwrap();
    let frames: Vec<_> = (0..7).map(|seq| log_suite::frame(1, seq, vec![seq as u8; 10])).collect();
    let mut ends = Vec::new();
    {
        let archive = open(dir.path());
        for frame in &frames[..5] {
            archive.append(vec![frame.clone()]).await.unwrap();
            ends.push(fs::metadata(only_segment(dir.path())).unwrap().len());
        }
    }
    let whole = fs::read(only_segment(dir.path())).unwrap();
    for len in ends[2]..whole.len() as u64 {
        for garbage in [0, 4_000] {
            let torn = TempDir::new().unwrap();
            copy(dir.path(), &files(dir.path()), torn.path());
            let mut bytes = whole[..len as usize].to_vec();
            bytes.resize(bytes.len() + garbage, 0);
            fs::write(only_segment(torn.path()), bytes).unwrap();

            let (archive, repair) = Archive::open(torn.path(), options()).unwrap();
            let left = ends.iter().filter(|end| **end <= len).count();
            match repair {
                Some(Repair { last_seq, bytes_cut }) => {
                    assert_eq!(last_seq, left as u64);
                    assert!((1..=len - ends[left - 1] + garbage as u64).contains(&bytes_cut));
                }
                // A cut between a leaf and the mark after it tears nothing.
                None => assert_eq!(garbage, 0, "{len}"),
            }
            archive.append(frames[5..].to_vec()).await.unwrap();
            let kept: Vec<_> = [&frames[..left], &frames[5..]].concat();
            assert_same(&read_all(&archive, 1).await, &kept, 1);
            drop(archive);
            assert_eq!(all_leaves(torn.path()).len(), left + 2);
        }
    }
}

/// An archive with two levels of full tiles, which no write-ahead segment covers any more.
async fn large_archive() -> TempDir {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    for start in (0..92_000).step_by(2_000) {
        let frames = (start..start + 2_000).map(|seq| log_suite::frame(1, seq, seq.to_be_bytes().to_vec())).collect();
        archive.append(frames).await.unwrap();
    }
    dir
}

fn damage_of(error: &ReadError) -> &Damage {
    let ReadError::Damaged(damage) = error else { panic!("{error:?}") };
    damage.downcast_ref().unwrap()
}

/// The file that is damaged, or of two that do not agree the upper one.
fn culprit(damage: &Damage) -> PathBuf {
    match &damage.problem {
        Problem::TileHash { above } if above.exists() => above.clone(),
        _ => damage.path.clone(),
    }
}

/// Every leaf of the archive is read through an open archive and through a view; the first damage either finds.
async fn check(dir: &Path) -> Result<(), Vec<PathBuf>> {
    let mut found = Vec::new();
    // Much later: no bundle is read at open for its message ids.
    let later = ArchiveOptions { clock: Arc::new(|| TimeNs(1_800_000_000_000_000_000)), ..options() };
    match Archive::open(dir, later) {
        Err(OpenError::Damaged(damage)) => found.push(culprit(&damage)),
        Err(error) => panic!("{error:?}"),
        Ok((archive, _)) => {
            let mut reader = archive.read(1).await.unwrap();
            let mut next = 1;
            let last = archive.bounds().await.unwrap().last_seq;
            while next <= last {
                match reader.next_batch().await {
                    Ok(frames) => next += frames.len() as u64,
                    Err(error) => {
                        found.push(culprit(damage_of(&error)));
                        break;
                    }
                }
            }
        }
    }
    match leaves(dir, 1).map(|mut leaves| leaves.find_map(Result::err)) {
        Ok(None) => {}
        Ok(Some(LoadError::Damaged(damage))) | Err(OpenError::Damaged(damage)) => found.push(culprit(&damage)),
        error => panic!("{error:?}"),
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// A copy of the archive with one file replaced, or left out. Bundles and tiles are linked: nobody changes them in place.
fn copy_with(dir: &Path, victim: &Path, contents: Option<&[u8]>) -> TempDir {
    let changed = TempDir::new().unwrap();
    for path in files(dir) {
        let target = changed.path().join(path.strip_prefix(dir).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if path == victim {
            contents.iter().for_each(|bytes| fs::write(&target, bytes).unwrap());
        } else if path.starts_with(dir.join("tile")) {
            fs::hard_link(path, target).unwrap();
        } else {
            fs::copy(path, target).unwrap();
        }
    }
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_or_a_missing_file_is_found_in_every_kind_of_file() {
    let dir = large_archive().await;
    let wal = dir.path().join("wal");
    let segments: Vec<_> = files(dir.path()).into_iter().filter(|path| path.starts_with(&wal)).collect();
    assert!(!segments.contains(&only_segment(dir.path())), "the first segment is sealed and gone: {segments:?}");

    let tile = |path: &str| dir.path().join("tile").join(path);
    let victims = [tile("entries/013"), tile("0/007"), tile("1/000")];
    for victim in victims.iter().chain(segments.first()).chain(segments.last()) {
        let good = fs::read(victim).unwrap();
        let flipped = [1, good.len() / 2, good.len() - 1].map(|place| {
            let mut bad = good.clone();
            bad[place] ^= 0x10;
            Some(bad)
        });
        let cut_short = Some(good[..good.len() - 1].to_vec());
        for (number, contents) in flipped.into_iter().chain([cut_short, None]).enumerate() {
            let case = format!("case {number} of {}", victim.display());
            let changed = copy_with(dir.path(), victim, contents.as_deref());
            match check(changed.path()).await {
                Ok(()) => {
                    // The last mark only says that the leaves before it are durable: without it no leaf is lost. And
                    // the leaves of the first segment are all in bundles: only a crash of the machine could need it.
                    let is_mark = Some(victim) == segments.last() && (2..4).contains(&number);
                    let is_spare = Some(victim) == segments.first() && number == 4;
                    assert!(is_mark || is_spare, "{case}");
                    assert_eq!(View::open(changed.path()).unwrap().size(), 92_000, "{case}");
                }
                Err(found) => {
                    assert_eq!(found.len(), 2, "both ways of reading find it: {case}: {found:?}");
                    let in_copy = |path: &Path| changed.path().join(path.strip_prefix(dir.path()).unwrap());
                    let mut named = vec![in_copy(victim)];
                    if victim.starts_with(tile("0")) {
                        named.push(in_copy(&tile("1/000")));
                    }
                    if contents.is_none() && victim.starts_with(&wal) {
                        // A hole is seen at the segment after it; a lost end at the directory.
                        named.extend(segments.iter().map(|path| in_copy(path)));
                        named.push(in_copy(&wal));
                    }
                    assert!(found.iter().all(|path| named.contains(path)), "{case}: {found:?}");
                }
            }
        }
    }
    assert_eq!(check(dir.path()).await, Ok(()));
}

#[tokio::test]
async fn what_a_crash_left_of_files_that_were_not_synced_is_written_again() {
    let dir = TempDir::new().unwrap();
    let frames = frames(0, 600);
    open(dir.path()).append(frames.clone()).await.unwrap();
    let tile = |path: &str| dir.path().join("tile").join(path);
    let good = fs::read(tile("entries/001")).unwrap();
    fs::write(tile("entries/001"), b"").unwrap();
    fs::write(tile("0/000"), vec![0; 8_192]).unwrap();
    fs::remove_file(tile("0/001")).unwrap();
    let archive = open(dir.path());
    assert_same(&read_all(&archive, 1).await, &frames, 1);
    drop(archive);
    assert_eq!(check(dir.path()).await, Ok(()));
    assert_eq!(fs::read(tile("entries/001")).unwrap(), good);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_at_any_moment_opens_and_has_all_that_was_acknowledged() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let appending = {
        let (archive, acknowledged) = (archive.clone(), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            let mut seq = 0;
            while seq < 60_000 {
                let frames = (seq..seq + 1 + seq % 700).map(|seq| log_suite::frame(1, seq, vec![seq as u8; 30]));
                let appended = archive.append(frames.collect()).await.unwrap();
                seq = appended.last().unwrap().seq;
                acknowledged.store(seq, Ordering::SeqCst);
            }
        })
    };
    let mut copies = 0;
    while !appending.is_finished() || copies == 0 {
        let at_least = acknowledged.load(Ordering::SeqCst);
        let crashed = TempDir::new().unwrap();
        // What a crash leaves is of one moment. So: files that have these names already, with what the segments then
        // hold, unless a segment comes or goes meanwhile.
        let wal = dir.path().join("wal");
        let segments = files(&wal);
        let sealed = files(&dir.path().join("tile"));
        copy_if_there(dir.path(), &segments, crashed.path());
        if files(&wal) != segments {
            continue;
        }
        copy_if_there(dir.path(), &sealed, crashed.path());
        copy_if_there(dir.path(), &[dir.path().join("origin")], crashed.path());
        let (copied, _repair) = Archive::open(crashed.path(), options()).unwrap();
        let seen = read_all(&copied, 1).await;
        assert!(seen.len() as u64 >= at_least, "{} of {at_least}", seen.len());
        for (seq, frame) in (1..).zip(&seen) {
            assert_eq!((frame.seq, &frame.payload[..]), (seq, &[(seq - 1) as u8; 30][..]));
        }
        copies += 1;
    }
    appending.await.unwrap();
    assert!(copies > 0);
}

fn copy_if_there(from: &Path, files: &[PathBuf], to: &Path) {
    for path in files {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let _gone_meanwhile = fs::copy(path, target);
    }
}

#[tokio::test]
async fn a_second_opener_is_told_which_directory_is_in_use() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path());
    let error = Archive::open(dir.path(), options()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    let clone = first.clone();
    drop(first);
    assert!(matches!(Archive::open(dir.path(), options()), Err(OpenError::Locked { .. })));
    drop(clone);
    open(dir.path());
}

#[tokio::test]
async fn what_is_no_directory_or_another_log_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = Archive::open(&path, options()).unwrap_err();
        assert!(matches!(error, OpenError::NotADirectory { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert!(matches!(View::open(dir.path()), Err(OpenError::Absent { .. })));

    let wanted = |name: &str| ArchiveOptions { incarnation: Some(name.to_owned()), ..options() };
    let (archive, _) = Archive::open(dir.path().join("log"), wanted("EVENTS@5")).unwrap();
    assert_eq!(archive.bounds().await.unwrap().incarnation, "EVENTS@5");
    drop(archive);
    assert_eq!(open(&dir.path().join("log")).incarnation(), "EVENTS@5");
    let error = Archive::open(dir.path().join("log"), wanted("EVENTS@6")).unwrap_err();
    assert!(matches!(error, OpenError::Origin { .. }), "{error:?}");
    assert!(error.to_string().contains("EVENTS@5") && error.to_string().contains("EVENTS@6"), "{error}");
}

#[tokio::test]
async fn an_archive_without_its_origin_is_not_taken_for_an_empty_one() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).append(frames(0, 3)).await.unwrap();
    fs::remove_file(dir.path().join("origin")).unwrap();
    let error = Archive::open(dir.path(), options()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
    assert!(error.to_string().contains("origin"), "{error}");
}

/// What a reader of the files has for a tree of `size` leaves: every hash and leaf, by the paths of C2SP tlog-tiles alone.
fn read_as_tlog_tiles(dir: &Path, size: u64) -> Vec<Vec<u8>> {
    let file = |kind: &str, index: u64, width: u64| {
        let full = dir.join("tile").join(kind).join(tile_index_path(index));
        let partial = full.with_file_name(format!("{}.p/{width}", full.file_name().unwrap().to_str().unwrap()));
        fs::read(if width == 256 { &full } else { &partial })
            .unwrap_or_else(|error| panic!("{error}: {full:?} {width}"))
    };
    let mut leaves = Vec::new();
    for level in 0..8 {
        let hashes = size >> (8 * level);
        for index in 0..hashes.div_ceil(256) {
            let width = (hashes - 256 * index).min(256);
            assert_eq!(file(&level.to_string(), index, width).len() as u64, 32 * width);
            if level == 0 {
                let mut rest = &file("entries", index, width)[..];
                while !rest.is_empty() {
                    let (leaf, after) = rest[2..].split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
                    leaves.push(leaf.to_vec());
                    rest = after;
                }
            }
        }
    }
    leaves
}

fn partials(dir: &Path) -> Vec<String> {
    let relative = |path: PathBuf| path.strip_prefix(dir.join("tile")).unwrap().to_str().unwrap().to_owned();
    files(&dir.join("tile")).into_iter().map(relative).filter(|path| path.contains(".p/")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_has_every_tile_that_a_reader_of_the_files_needs() {
    let dir = TempDir::new().unwrap();
    let archive = open(dir.path());
    let (mut before, mut seq) = (None, 0);
    for size in [1, 2, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_793, 70_000] {
        while seq < size {
            let until = size.min(seq + 2_000);
            let frames = (seq..until).map(|seq| log_suite::frame(1, seq, seq.to_be_bytes().to_vec())).collect();
            archive.append(frames).await.unwrap();
            seq = until;
        }
        let (publisher, text) = (archive.clone(), format!("checkpoint {size}"));
        tokio::task::spawn_blocking(move || publisher.publish(size, &text, before)).await.unwrap().unwrap();
        assert_eq!(archive.checkpoint().unwrap().unwrap(), format!("checkpoint {size}"));
        // The one before can be read still.
        for readable in before.into_iter().chain([size]) {
            let leaves = read_as_tlog_tiles(dir.path(), readable);
            let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            assert_eq!(tree_hash(&hashes), archive.frontier_at(readable).unwrap().unwrap().root(), "{readable}");
        }
        before = Some(size);
    }
    assert_eq!(
        partials(dir.path()),
        ["0/257.p/1", "0/273.p/112", "1/001.p/1", "1/001.p/17", "2/000.p/1", "entries/257.p/1", "entries/273.p/112",],
        "none of older checkpoints"
    );
    let error = archive.publish(70_001, "", None).unwrap_err();
    assert!(matches!(error, PublishError::Short { wanted: 70_001, size: 70_000 }), "{error:?}");

    drop(archive);
    let archive = open(dir.path());
    archive.publish(70_000, "again", Some(69_999)).unwrap();
    assert_eq!(read_as_tlog_tiles(dir.path(), 70_000).len(), 70_000);
    assert_eq!(View::open(dir.path()).unwrap().size(), 70_000);
    assert_eq!(read_checkpoint(dir.path()).unwrap().as_deref(), Some("again"));
}

/// The file of `changed` that stands for `path` of `dir`.
fn in_copy(dir: &Path, changed: &Path, path: &Path) -> PathBuf {
    changed.join(path.strip_prefix(dir).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fsck_writes_again_what_follows_from_the_leaves_and_names_the_leaf_that_is_lost() {
    let dir = large_archive().await;
    let size = 92_000;
    {
        let archive = open(dir.path());
        tokio::task::spawn_blocking(move || archive.publish(size, "checkpoint", None)).await.unwrap().unwrap();
    }
    let root = View::open(dir.path()).unwrap().frontier_at(size).unwrap().unwrap().root();
    let how =
        Examination { published: Some(size), sizes: [0, 256, 70_000, size, size + 1].into(), ..Default::default() };
    let look = |dir: &Path, repair| examine(dir, &Examination { repair, ..how.clone() }, || {}).unwrap();
    let sound = look(dir.path(), false);
    assert!(sound.flaws.is_empty() && sound.spare_files == 0 && sound.torn_bytes == 0, "{sound:?}");
    assert_eq!((sound.size, sound.next_seq), (size, size + 1));
    assert_eq!(sound.roots.keys().copied().collect::<Vec<_>>(), [0, 256, 70_000, size]);
    assert_eq!(sound.roots[&size], root);
    assert_eq!(sound.roots[&70_000], View::open(dir.path()).unwrap().frontier_at(70_000).unwrap().unwrap().root());

    let tile = |path: &str| dir.path().join("tile").join(path);
    for victim in ["0/007", "1/000", "1/001.p/103", "0/359.p/96", "entries/359.p/96", "2/000.p/1"].map(tile) {
        let good = fs::read(&victim).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 4;
        for bad in [Some(&flipped[..]), Some(&good[1..]), Some(&[]), None] {
            let changed = copy_with(dir.path(), &victim, bad);
            let path = in_copy(dir.path(), changed.path(), &victim);
            for (repair, left) in [(false, bad), (true, Some(&good[..]))] {
                let found = look(changed.path(), repair);
                assert_eq!(found.roots[&size], root, "{victim:?}");
                let [flaw] = &found.flaws[..] else { panic!("{victim:?}: {:?}", found.flaws) };
                assert_eq!((&flaw.path, flaw.is_mendable, flaw.is_mended), (&path, true, repair), "{flaw:?}");
                assert_eq!(fs::read(&path).ok().as_deref(), left, "{victim:?}");
            }
            assert!(look(changed.path(), false).flaws.is_empty(), "{victim:?}");
        }
    }

    let entries = tile("entries/013");
    let good = fs::read(&entries).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bad, leaf) in [(Some(&flipped[..]), Some(13 * 256 + 255)), (Some(&good[..900]), None), (None, None)] {
        let changed = copy_with(dir.path(), &entries, bad);
        let found = look(changed.path(), true);
        let [flaw] = &found.flaws[..] else { panic!("{:?}", found.flaws) };
        assert_eq!((flaw.leaf, flaw.is_mendable, flaw.is_mended), (leaf, false, false), "{flaw:?}");
        assert_eq!(found.roots[&size], root, "the tile stands for the leaves");
        assert_eq!(fs::read(&flaw.path).ok().as_deref(), bad, "it is left as it is");
    }
    // Leaf and tile differ, and no full tile is above: what was signed tells.
    let tile_at_the_edge = tile("0/270");
    let mut bad = fs::read(&tile_at_the_edge).unwrap();
    bad[100] ^= 1;
    let changed = copy_with(dir.path(), &tile_at_the_edge, Some(&bad));
    let believed = look(changed.path(), false);
    assert!(believed.flaws.iter().any(|flaw| flaw.is_doubtful) && believed.roots[&size] != root, "{believed:?}");
    let other = Examination { trust: Trust::Leaves, repair: true, ..how.clone() };
    assert_eq!(examine(changed.path(), &other, || {}).unwrap().roots[&size], root);
    assert!(look(changed.path(), false).flaws.is_empty());

    // Both gone: nothing after them can be told.
    let changed = copy_with(dir.path(), &entries, None);
    fs::remove_file(in_copy(dir.path(), changed.path(), &tile("0/013"))).unwrap();
    let lost = look(changed.path(), true);
    assert_eq!((lost.flaws.len(), lost.size), (2, 13 * 256));
    assert!(!lost.roots.contains_key(&size));

    let archive = open(dir.path());
    let how = Examination { repair: true, ..Examination::default() };
    assert!(matches!(examine(dir.path(), &how, || {}), Err(OpenError::Locked { .. })), "not beside a service");
    drop(archive);
}
