//! Opening an archive: the lock, a first origin, what is on disk, a torn tail, and the threads.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use spark_core::merkle::TILE_WIDTH;
use spark_schemas::Leaf;

use super::bundle::BundleReader;
use super::error::{LoadError, OpenError};
use super::layout;
use super::recent::{IDS_MAX, Recent, WINDOW_NS};
use super::recover::{self, Contents};
use super::sealer::Sealer;
use super::shared::Shared;
use super::wal::Segment;
use super::writer::{Position, Unsynced, Writer};
use super::{Archive, ArchiveOptions, Inner, Repair};

pub(super) fn open(dir: &Path, options: ArchiveOptions) -> Result<(Archive, Option<Repair>), OpenError> {
    fs::create_dir_all(dir).map_err(|source| OpenError::io(dir, source))?;
    let lock = lock(dir)?;
    let now_ns = (options.clock)().0;
    let contents = match recover::contents(dir)? {
        Some(contents) => contents,
        None => {
            let incarnation = options.incarnation.clone().unwrap_or_else(|| format!("EVENTS@{now_ns}"));
            create(dir, &incarnation)?;
            recover::contents(dir)?.ok_or_else(|| OpenError::Absent { dir: dir.to_owned() })?
        }
    };
    if let Some(wanted) = options.incarnation.filter(|wanted| *wanted != contents.incarnation) {
        return Err(OpenError::Origin { dir: dir.to_owned(), found: contents.incarnation, wanted });
    }
    contents.check_end(dir)?;
    let repair =
        (contents.torn_bytes > 0).then_some(Repair { last_seq: contents.next_seq - 1, bytes_cut: contents.torn_bytes });
    if let Some(Repair { last_seq, bytes_cut }) = repair {
        tracing::warn!(dir = %dir.display(), last_seq, bytes_cut, "cut a torn tail from the archive");
    }
    let last = contents.segments.last().copied().unwrap_or_default();
    let segment = Segment::resume(dir, last, contents.good_bytes)
        .map_err(|source| OpenError::io(&layout::segment(dir, last), source))?;
    let recent = recent(dir, &contents, now_ns)?;
    Ok((start(dir, lock, contents, segment, recent, options.clock)?, repair))
}

pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = layout::lock(dir);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(|source| OpenError::io(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::io(&path, source)),
    }
}

/// Makes an empty archive; its origin comes last, so a crash in between leaves nothing that looks like one.
fn create(dir: &Path, incarnation: &str) -> Result<(), OpenError> {
    let wal = layout::wal(dir);
    fs::create_dir_all(&wal).map_err(|source| OpenError::io(&wal, source))?;
    Segment::create(dir, 0).map_err(|source| OpenError::io(&layout::segment(dir, 0), source))?;
    let origin = layout::origin(dir);
    layout::write_whole(&origin, format!("{incarnation}\n").as_bytes())
        .and_then(|file| file.sync_all())
        .and_then(|()| layout::sync_parents(dir, [origin.as_path()]))
        .map_err(|source| OpenError::io(&origin, source))
}

/// The message ids of the last two minutes, from the newest bundle back.
fn recent(dir: &Path, contents: &Contents, now_ns: u64) -> Result<Recent, LoadError> {
    let oldest_ns = now_ns.saturating_sub(WINDOW_NS);
    let mut bundles = BundleReader::new(dir);
    let mut sealed: Vec<Vec<Bytes>> = Vec::new();
    let mut index = contents.sealed.bundles;
    let first_ns =
        |leaves: &[Bytes]| leaves.first().and_then(|leaf| Leaf::decode(leaf).ok()).map(|leaf| leaf.received_ns);
    let tail: Vec<Bytes> = contents.leaves.iter().map(|(leaf, _)| leaf.clone()).collect();
    let mut reached_ns = first_ns(&tail).unwrap_or(contents.last_received_ns);
    while index > 0 && reached_ns >= oldest_ns && sealed.len() * (TILE_WIDTH as usize) < IDS_MAX {
        index -= 1;
        let leaves = bundles.load(index, &contents.sealed)?;
        reached_ns = first_ns(&leaves).unwrap_or_default();
        sealed.push(leaves);
    }
    let mut recent = Recent::default();
    for bytes in sealed.iter().rev().flatten().chain(&tail) {
        if let Ok(leaf) = Leaf::decode(bytes) {
            recent.insert_leaf(&leaf);
        }
    }
    recent.prune(now_ns);
    Ok(recent)
}

fn start(
    dir: &Path,
    lock: File,
    contents: Contents,
    segment: Segment,
    recent: Recent,
    clock: crate::clock::WallClock,
) -> Result<Archive, OpenError> {
    let size = contents.size();
    let Contents { incarnation, sealed, leaves, segments, next_seq, last_received_ns, .. } = contents;
    let shared = Arc::new(Shared::new(dir.to_owned(), incarnation, sealed, VecDeque::from(segments), next_seq));
    let (to_sealer, filled) = mpsc::channel();
    for bundle in shared.publish(leaves, next_seq) {
        // The receiver is in this function still.
        let _ = to_sealer.send(bundle);
    }
    let written_seq = Arc::new(AtomicU64::new(next_seq));
    let (to_writer, commands) = mpsc::channel();
    #[cfg(test)]
    let faults = segment.faults.clone();
    let writer = Writer {
        shared: Arc::clone(&shared),
        mark_due: segment.len() > 0 && !contents.ends_with_mark,
        segment,
        clock,
        sealer: to_sealer,
        recent,
        position: Position { leaves: size, next_seq, received_ns: last_received_ns },
        written_seq: Arc::clone(&written_seq),
        unsynced: Unsynced::default(),
    };
    let sealer = Sealer::new(Arc::clone(&shared));
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
        spawned.map_err(|source| OpenError::Io { path: dir.to_owned(), source })
    };
    let threads = vec![
        spawn("archive-writer", Box::new(move || writer.run(&commands)))?,
        spawn("archive-sealer", Box::new(move || sealer.run(&filled)))?,
    ];
    let inner = Inner {
        shared,
        commands: to_writer,
        written_seq,
        threads,
        published: Mutex::default(),
        _lock: lock,
        #[cfg(test)]
        faults,
    };
    Ok(Archive(Arc::new(inner)))
}
