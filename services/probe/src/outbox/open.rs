//! Opening the outbox: lock it, read what is there, cut a torn tail, fold what the frames account for.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use spark_schemas::Frame;
use tokio::sync::{Notify, watch};

use super::disk::{self, Doing as _};
use super::record::{self, Found};
use super::state::{AckedFile, State, keep_reserve};
use super::{Inner, Position, Reader, Segment, Shared, Writer, segment_number, segment_path};
use crate::coverage::Coverage;
use crate::error::OutboxError;

const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
const SEGMENTS_WANTED: u64 = 16;

/// An outbox that is ours until all of it is dropped.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) shared: Arc<Shared>,
    /// The partitions that frames wait for, and how many for each.
    pub(crate) waiting: BTreeMap<u16, u64>,
}

/// Opens or creates the outbox in `dir`, which keeps about `bytes_max` bytes at most.
pub(crate) fn open(dir: &Path, bytes_max: u64) -> Result<Opened, OutboxError> {
    fs::create_dir_all(dir).doing("create", dir)?;
    let lock = lock(dir)?;
    let state = State::read(dir)?;
    let (acked_file, acked) = AckedFile::open(dir)?;
    keep_reserve(dir);
    let numbers = segment_numbers(dir)?;
    let (inner, waiting) = (Inner::default(), BTreeMap::new());
    let mut scan = Scan { coverage: state.coverage, covered_to: state.end, acked, inner, waiting };
    for number in &numbers {
        scan.segment(dir, *number)?;
    }
    let last = numbers.last().copied().unwrap_or(0).max(acked.segment).max(state.end.segment);
    let end =
        scan.inner.segments.back().map_or(Position::default(), |s| Position { segment: s.number, offset: s.bytes });
    let inner = Inner { end: end.max(state.end), coverage: scan.coverage, ..scan.inner };
    let shared = Arc::new(Shared {
        dir: dir.to_owned(),
        _lock: lock,
        bytes_max,
        inner: Mutex::new(inner),
        freed: Notify::new(),
        written: watch::Sender::new(0),
    });
    let segment_bytes = (bytes_max / SEGMENTS_WANTED).clamp(1, SEGMENT_BYTES_MAX);
    let writer = Writer::new(Arc::clone(&shared), last + 1, segment_bytes);
    let reader = Reader::new(Arc::clone(&shared), acked_file, acked);
    Ok(Opened { writer, reader, shared, waiting: scan.waiting })
}

fn lock(dir: &Path) -> Result<File, OutboxError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).doing("open", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OutboxError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(source).doing("lock", &path),
    }
}

fn segment_numbers(dir: &Path) -> Result<Vec<u64>, OutboxError> {
    let entries: io::Result<Vec<_>> = fs::read_dir(dir).and_then(Iterator::collect);
    let entries = entries.doing("list", dir)?;
    let mut numbers: Vec<u64> =
        entries.iter().filter_map(|entry| segment_number(&entry.file_name().to_string_lossy())).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

struct Scan {
    coverage: Coverage,
    /// What is before this is in `coverage` already.
    covered_to: Position,
    acked: Position,
    inner: Inner,
    waiting: BTreeMap<u16, u64>,
}

impl Scan {
    fn segment(&mut self, dir: &Path, number: u64) -> Result<(), OutboxError> {
        let path = segment_path(dir, number);
        let bytes = fs::read(&path).doing("read", &path)?;
        let good = self.records(number, &bytes);
        if good == 0 {
            // An empty one is left by a kill right after it was created.
            return disk::remove(&path).doing("delete", &path);
        }
        if good < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - good, "cut a torn tail from the probe's outbox");
            let file = OpenOptions::new().write(true).open(&path).doing("open", &path)?;
            disk::truncate(&file, good as u64).doing("cut", &path)?;
        }
        self.inner.segments.push_back(Segment { number, bytes: good as u64 });
        Ok(())
    }

    /// Goes over a segment's records; returns where the last whole one ends.
    fn records(&mut self, number: u64, bytes: &[u8]) -> usize {
        let mut offset = 0;
        loop {
            let at = Position { segment: number, offset: offset as u64 };
            match record::find(bytes, offset) {
                Found::Frame { frame, end } => {
                    if at >= self.acked {
                        self.inner.frames += 1;
                        *self.waiting.entry(frame.subject.partition).or_default() += 1;
                    }
                    if at >= self.covered_to {
                        self.cover(&frame.payload, at);
                    }
                    offset = end;
                }
                // Counted and logged when the reader gets there.
                Found::Damage { end } => offset = end,
                Found::Nothing => return offset,
            }
        }
    }

    fn cover(&mut self, payload: &[u8], at: Position) {
        match Frame::decode_alone(payload) {
            Ok(frame) => frame.events.iter().for_each(|event| self.coverage.apply(event)),
            Err(error) => tracing::error!(
                segment = at.segment, offset = at.offset, %error,
                "a frame in the probe's outbox can't be read: it is sent as it is"
            ),
        }
    }
}
