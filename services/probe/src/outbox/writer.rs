//! The end of the outbox that takes frames in.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{self, Doing as _};
use super::{Kept, Position, Segment, Shared, record, segment_path};
use crate::error::OutboxError;

/// Appends frames; one for each outbox.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    next_number: u64,
    segment_bytes: u64,
}

#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: File,
    number: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, next_number: u64, segment_bytes: u64) -> Self {
        Self { shared, active: None, next_number, segment_bytes }
    }

    /// Writes `frames` and waits for the disk: all of them are kept when it returns `Ok`, none when not.
    ///
    /// After an error the same frames must come again before others: their message ids may be on the disk already.
    pub(crate) fn write(&mut self, frames: &[Kept]) -> Result<(), OutboxError> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|kept| record::put(&kept.outgoing, &mut bytes));
        let mut active = self.segment_with_room()?;
        let written = disk::write_at(&mut active.file, active.bytes, &bytes).and_then(|()| disk::sync(&active.file));
        if let Err(error) = written.doing("write to", &active.path) {
            let is_cut = disk::truncate(&active.file, active.bytes).is_ok();
            if is_cut && active.bytes == 0 {
                self.active = Some(active);
            } else {
                // Given up, so that it can be deleted once acknowledged: on a full disk nothing else makes room. One that
                // can't be cut back is left as it is, and the reader stops before the rest.
                self.retire();
            }
            return Err(error);
        }
        active.bytes += bytes.len() as u64;
        self.tell(&active, frames);
        self.active = Some(active);
        Ok(())
    }

    fn segment_with_room(&mut self) -> Result<Active, OutboxError> {
        match self.active.take() {
            Some(active) if active.bytes < self.segment_bytes => Ok(active),
            _ => {
                let number = self.next_number;
                let path = segment_path(&self.shared.dir, number);
                // A failure may leave the file behind: the number is never used again.
                self.next_number += 1;
                let file = disk::create_new(&path).doing("create", &path)?;
                disk::sync_dir(&self.shared.dir).doing("sync", &self.shared.dir)?;
                self.shared.inner().active = Some(number);
                Ok(Active { path, file, number, bytes: 0 })
            }
        }
    }

    fn retire(&self) {
        let mut inner = self.shared.inner();
        inner.active = None;
        inner.has_retired = true;
        drop(inner);
        self.shared.written.send_modify(|writes| *writes += 1);
    }

    fn tell(&self, active: &Active, frames: &[Kept]) {
        let mut inner = self.shared.inner();
        match inner.segments.back_mut().filter(|segment| segment.number == active.number) {
            Some(segment) => segment.bytes = active.bytes,
            None => inner.segments.push_back(Segment { number: active.number, bytes: active.bytes }),
        }
        inner.end = Position { segment: active.number, offset: active.bytes };
        inner.frames += frames.len() as u64;
        frames.iter().flat_map(|kept| &kept.events).for_each(|event| inner.coverage.apply(event));
        drop(inner);
        self.shared.written.send_modify(|writes| *writes += 1);
    }
}
