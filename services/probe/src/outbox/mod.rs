//! Frames on disk until the log has them: segments that are only appended to, deleted whole once acknowledged.
//!
//! The directory holds `lock`, numbered segments of records (`record`), `acked` (how far the log acknowledged),
//! `state.json` (how far slots are accounted for, written before the segments it was read from go) and `reserve`, bytes
//! kept so that a full disk can still take that state: without it nothing could be deleted, and the disk stayed full. A kill at any moment
//! leaves at most a torn last record, and one `acked` behind: its frames are sent again, under the same message ids.
//! Every write is on the disk (`fdatasync`) before the frame may be sent: else a power failure could take back, here, a
//! slot that the log already has, and the next start would call it missed.

mod disk;
mod open;
mod reader;
mod record;
mod state;
mod writer;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::gauge;
use serde::{Deserialize, Serialize};
use spark_eventlog::Outgoing;
use spark_schemas::{Event, metric};
use tokio::sync::{Notify, watch};

use crate::coverage::Coverage;

pub(crate) use open::{Opened, open};
pub(crate) use reader::{Batch, Reader};
pub(crate) use record::RECORD_OVERHEAD_MAX;
pub(crate) use writer::Writer;

/// A place in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The segment's number, from 1.
    pub(crate) segment: u64,
    /// Bytes from its start.
    pub(crate) offset: u64,
}

/// A frame on its way into the outbox, with what it says.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The encoded frame.
    pub(crate) outgoing: Outgoing,
    /// Its events, for the coverage.
    pub(crate) events: Vec<Event>,
}

/// What writer and reader both know.
#[derive(Debug)]
pub(crate) struct Shared {
    dir: PathBuf,
    /// Held as long as anyone can write or delete.
    _lock: File,
    bytes_max: u64,
    inner: Mutex<Inner>,
    /// Told when segments were deleted.
    pub(crate) freed: Notify,
    /// Counts writes.
    pub(crate) written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The files that are there, by rising number.
    segments: VecDeque<Segment>,
    /// The one that may still grow: it is not deleted.
    active: Option<u64>,
    /// A segment was given up before it was full, perhaps after its last acknowledgement.
    has_retired: bool,
    frames: u64,
    damaged: u64,
    /// The end of the last write, and what is accounted for up to there.
    end: Position,
    coverage: Coverage,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    /// The length up to which its records are good.
    bytes: u64,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.inner().segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Bytes that may still be written.
    pub(crate) fn room(&self) -> u64 {
        self.bytes_max.saturating_sub(self.bytes())
    }

    /// Frames that wait for the log.
    pub(crate) fn frames(&self) -> u64 {
        self.inner().frames
    }

    /// Whether a segment was given up early since this was last asked.
    pub(crate) fn take_retired(&self) -> bool {
        std::mem::take(&mut self.inner().has_retired)
    }

    /// Shows how full it is.
    pub(crate) fn set_gauges(&self) {
        gauge!(metric::OUTBOX_FRAMES).set(self.frames() as f64);
        gauge!(metric::OUTBOX_BYTES).set(self.bytes() as f64);
        gauge!(metric::OUTBOX_BYTES_MAX).set(self.bytes_max as f64);
    }

    /// Records that were damaged and passed over since the start.
    pub(crate) fn damaged(&self) -> u64 {
        self.inner().damaged
    }

    /// What the frames on disk account for.
    pub(crate) fn coverage(&self) -> Coverage {
        self.inner().coverage.clone()
    }
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.seg"))
}

/// The number of a segment's file name; `None` for other files.
fn segment_number(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".seg")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
