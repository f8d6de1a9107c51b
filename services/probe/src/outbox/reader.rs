//! The end of the outbox that hands frames out, in order, and deletes what the log acknowledged.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use spark_eventlog::Outgoing;

use super::disk::{self, Doing as _};
use super::record::{self, Found};
use super::state::{AckedFile, State, keep_reserve};
use super::{Position, Shared, segment_path};
use crate::error::OutboxError;

const CHUNK_BYTES: u64 = 1024 * 1024;

/// Reads frames; one for each outbox.
#[derive(Debug)]
pub(crate) struct Reader {
    shared: Arc<Shared>,
    acked_file: AckedFile,
    acked: Position,
    open: Option<(u64, File)>,
}

/// Frames in a row.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The frames in the order they were written; empty when nothing waits.
    pub(crate) frames: Vec<Outgoing>,
    /// Where the frames after them begin.
    end: Position,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, acked_file: AckedFile, acked: Position) -> Self {
        Self { shared, acked_file, acked, open: None }
    }

    /// The frames after the last acknowledged one, at most `frames_max` and about a megabyte.
    pub(crate) fn next(&mut self, frames_max: usize) -> Result<Batch, OutboxError> {
        let mut from = self.acked;
        loop {
            let Some((at, end)) = self.place_from(from) else { return Ok(Batch { frames: Vec::new(), end: from }) };
            let batch = self.read(at, end, frames_max)?;
            if !batch.frames.is_empty() {
                return Ok(batch);
            }
            // Nothing but damage: go on behind it.
            from = batch.end;
        }
    }

    /// Where the next bytes are at or after `from`, and where their segment's good part ends.
    fn place_from(&self, from: Position) -> Option<(Position, u64)> {
        let inner = self.shared.inner();
        let mut ahead = inner.segments.iter().filter(|segment| segment.number >= from.segment);
        ahead.find_map(|segment| {
            let offset = if segment.number == from.segment { from.offset } else { 0 };
            (offset < segment.bytes).then_some((Position { segment: segment.number, offset }, segment.bytes))
        })
    }

    fn read(&mut self, at: Position, end: u64, frames_max: usize) -> Result<Batch, OutboxError> {
        let left = end - at.offset;
        let mut asked = left.min(CHUNK_BYTES);
        let mut bytes = self.bytes(at, asked)?;
        if asked < left && !matches!(record::find(&bytes, 0), Found::Frame { .. }) {
            // Damage may be longer than a chunk.
            asked = left;
            bytes = self.bytes(at, asked)?;
        }
        let is_whole = asked == left;
        let (mut frames, mut offset, mut damaged) = (Vec::new(), 0_usize, 0);
        // The good part of a segment is far smaller than an address space.
        let past_end = usize::try_from(left).unwrap_or(usize::MAX);
        while frames.len() < frames_max && offset < past_end {
            match record::find(&bytes, offset) {
                Found::Frame { frame, end } => {
                    frames.push(frame);
                    offset = end;
                }
                // Perhaps only cut off by the chunk.
                _ if !is_whole => break,
                Found::Damage { end } => {
                    damaged += 1;
                    offset = end;
                }
                Found::Nothing => {
                    damaged += 1;
                    offset = past_end;
                }
            }
        }
        if damaged > 0 {
            self.shared.inner().damaged += damaged;
            tracing::error!(
                segment = at.segment,
                from = at.offset,
                records = damaged,
                "damaged records in the probe's outbox are passed over: check its disk"
            );
        }
        Ok(Batch { frames, end: Position { segment: at.segment, offset: at.offset + offset as u64 } })
    }

    fn bytes(&mut self, at: Position, length: u64) -> Result<Vec<u8>, OutboxError> {
        let path = segment_path(&self.shared.dir, at.segment);
        let mut file = match self.open.take() {
            Some((number, file)) if number == at.segment => file,
            _ => File::open(&path).doing("open", &path)?,
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at.offset)).doing("seek in", &path)?;
        file.by_ref().take(length).read_to_end(&mut bytes).doing("read", &path)?;
        self.open = Some((at.segment, file));
        Ok(bytes)
    }

    /// The log has everything up to the end of `batch`: it won't be handed out again, and whole segments are deleted.
    pub(crate) fn acknowledge(&mut self, batch: &Batch) -> Result<(), OutboxError> {
        self.acked = batch.end;
        {
            let mut inner = self.shared.inner();
            inner.frames = inner.frames.saturating_sub(batch.frames.len() as u64);
        }
        let written = self.acked_file.write(self.acked);
        // Also when that failed: an older mark only means that frames are sent again, and deleting makes room.
        self.delete_acknowledged()?;
        written
    }

    /// Deletes the segments that the log has whole and nothing is added to.
    pub(crate) fn delete_acknowledged(&mut self) -> Result<(), OutboxError> {
        let acked = self.acked;
        let (done, state) = {
            let inner = self.shared.inner();
            let is_done = |number: u64, bytes: u64| {
                let is_acked = number < acked.segment || (number == acked.segment && acked.offset >= bytes);
                is_acked && inner.active != Some(number)
            };
            let done: Vec<u64> =
                inner.segments.iter().filter(|s| is_done(s.number, s.bytes)).map(|s| s.number).collect();
            if done.is_empty() {
                return Ok(());
            }
            (done, State { v: State::VERSION, end: inner.end, coverage: inner.coverage.clone() })
        };
        state.write(&self.shared.dir)?;
        self.open = None;
        for number in done {
            let path = segment_path(&self.shared.dir, number);
            disk::remove(&path).doing("delete", &path)?;
            self.shared.inner().segments.retain(|segment| segment.number != number);
        }
        keep_reserve(&self.shared.dir);
        self.shared.freed.notify_one();
        Ok(())
    }
}
