//! A reader of an open archive: first the sealed bundles, a batch ahead, then the tail in memory, then what comes.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use spark_core::merkle::TILE_WIDTH;
use spark_schemas::Leaf;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::bundle::{BundleReader, Sealed};
use super::error::{LoadError, Problem};
use super::layout;
use super::shared::{End, Found, Progress, Shared};
use crate::{LogReader, ReadError, Recorded};

/// A batch ends after this many frames or, roughly, bytes.
const BATCH_FRAMES_MAX: usize = 4_096;
const BATCH_BYTES_MAX: usize = 8 << 20;

/// A place in an archive that is being read.
pub(super) struct ArchiveReader {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    /// The number of the next leaf.
    next: u64,
    order: Order,
    /// Between reads from disk; a running one has it.
    bundles: Option<BundleReader>,
    /// A read from disk that runs ahead. It is kept when `next_batch` is cancelled.
    ahead: Option<JoinHandle<DiskBatch>>,
}

struct DiskBatch {
    bundles: BundleReader,
    leaves: Result<Vec<Bytes>, LoadError>,
}

impl ArchiveReader {
    /// Reads from sequence number `from` on; blocks while it looks for the place.
    pub fn find(shared: Arc<Shared>, from: u64) -> Result<Self, LoadError> {
        let (sealed, size, next_seq) = {
            let state = shared.state();
            (state.sealed(), state.edge.size(), state.next_seq)
        };
        let mut bundles = BundleReader::new(&shared.dir);
        let next = start_of(&mut bundles, &sealed, size, next_seq, from)?;
        let progress = shared.progress.subscribe();
        let order = Order::new(from);
        Ok(Self { shared, progress, next, order, bundles: Some(bundles), ahead: None })
    }

    /// Starts to read from disk, unless that runs already.
    fn read_ahead(&mut self, sealed: Sealed) {
        let Some(mut bundles) = self.bundles.take() else { return };
        let next = self.next;
        self.ahead = Some(tokio::task::spawn_blocking(move || {
            let leaves = load(&mut bundles, next, &sealed);
            DiskBatch { bundles, leaves }
        }));
    }

    fn take(&mut self, leaves: &[Bytes]) -> Result<Vec<Recorded>, LoadError> {
        let mut frames = Vec::with_capacity(leaves.len());
        for (number, bytes) in (self.next..).zip(leaves) {
            let path = || layout::entries(&self.shared.dir, number / TILE_WIDTH);
            let frame = Recorded::from_leaf(bytes)
                .map_err(|error| LoadError::damage(&path(), Some(number), Problem::Leaf(error)))?;
            if self.order.wants(&frame.to_leaf(), number, path)? {
                frames.push(frame);
            }
        }
        self.next += leaves.len() as u64;
        Ok(frames)
    }
}

#[async_trait]
impl LogReader for ArchiveReader {
    async fn next_batch(&mut self) -> Result<Vec<Recorded>, ReadError> {
        loop {
            // Looked at first, so that a change after the look below wakes the wait.
            let end = self.progress.borrow_and_update().end.clone();
            let frames = if let Some(ahead) = &mut self.ahead {
                let batch = ahead.await;
                self.ahead = None;
                let batch = batch.map_err(|error| {
                    self.bundles = Some(BundleReader::new(&self.shared.dir));
                    ReadError::Unavailable(Box::new(error))
                })?;
                self.bundles = Some(batch.bundles);
                let frames = self.take(&batch.leaves?)?;
                if let Found::Disk(sealed) = self.shared.look(self.next, 0, 0) {
                    self.read_ahead(sealed);
                }
                frames
            } else {
                match self.shared.look(self.next, BATCH_FRAMES_MAX, BATCH_BYTES_MAX) {
                    Found::Disk(sealed) => {
                        self.read_ahead(sealed);
                        continue;
                    }
                    Found::Tail(leaves) => self.take(&leaves)?,
                    Found::Nothing => {
                        match end {
                            Some(End::Stopped(stopped)) => return Err(ReadError::Unavailable(Box::new(stopped))),
                            Some(End::Closed) => return Err(ReadError::Closed),
                            None => self.progress.changed().await.map_err(|_sender_gone| ReadError::Closed)?,
                        }
                        continue;
                    }
                }
            };
            if !frames.is_empty() {
                return Ok(frames);
            }
        }
    }
}

/// The leaves from `next` on: up to a batch, to the end of a bundle.
fn load(bundles: &mut BundleReader, next: u64, sealed: &Sealed) -> Result<Vec<Bytes>, LoadError> {
    let (mut leaves, mut bytes) = (Vec::with_capacity(BATCH_FRAMES_MAX), 0);
    let mut skip = (next % TILE_WIDTH) as usize;
    for index in next / TILE_WIDTH..sealed.bundles {
        let bundle = bundles.load(index, sealed)?;
        bytes += bundle.iter().map(Bytes::len).sum::<usize>();
        leaves.extend(bundle.into_iter().skip(skip));
        skip = 0;
        if leaves.len() + TILE_WIDTH as usize > BATCH_FRAMES_MAX || bytes >= BATCH_BYTES_MAX {
            break;
        }
    }
    Ok(leaves)
}

/// The number of a leaf at or before the one that holds `from`, close to it; at most `size`.
pub(super) fn start_of(
    bundles: &mut BundleReader,
    sealed: &Sealed,
    size: u64,
    next_seq: u64,
    from: u64,
) -> Result<u64, LoadError> {
    if from >= next_seq {
        return Ok(size);
    }
    // Without gaps leaf n has sequence number n + 1.
    if next_seq == size + 1 {
        return Ok(from.saturating_sub(1));
    }
    Ok(bundles.find(from, sealed)? * TILE_WIDTH)
}

/// Checks that sequence numbers follow each other, and leaves out what comes before the wanted one. The first that is
/// left holds the wanted number, since gaps are leaves too: so files that took each other's place are noticed.
#[derive(Debug)]
pub(super) struct Order {
    from: u64,
    expected: Option<u64>,
}

impl Order {
    pub fn new(from: u64) -> Self {
        Self { from, expected: None }
    }

    pub fn wants(&mut self, leaf: &Leaf<'_>, number: u64, path: impl FnOnce() -> PathBuf) -> Result<bool, LoadError> {
        let is_wanted = leaf.next_seq() > self.from;
        let (expected, follows) = match self.expected {
            Some(expected) => (expected, leaf.seq == expected),
            None => (self.from.max(1), !is_wanted || leaf.seq <= self.from.max(1)),
        };
        if !follows {
            let problem = Problem::Sequence { expected, found: leaf.seq };
            return Err(LoadError::damage(&path(), Some(number), problem));
        }
        self.expected = Some(leaf.next_seq());
        Ok(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(order: &mut Order, seq: u64) -> Result<bool, LoadError> {
        let leaf = Leaf { seq, received_ns: 0, subject: "", msg_id: "", payload: &[] };
        order.wants(&leaf, 0, PathBuf::new)
    }

    #[test]
    fn what_is_wanted_comes_in_order_and_begins_with_the_wanted_number() {
        let mut order = Order::new(3);
        let wanted: Vec<bool> = (1..=5).map(|seq| wants(&mut order, seq).unwrap()).collect();
        assert_eq!(wanted, [false, false, true, true, true]);
        assert!(wants(&mut order, 7).is_err(), "6 is missing");
        assert!(wants(&mut Order::new(0), 1).unwrap(), "there is nothing before the first");

        let gap = Leaf { seq: 3, received_ns: 0, subject: "gap", msg_id: "9", payload: &[] };
        assert!(Order::new(5).wants(&gap, 0, PathBuf::new).unwrap(), "the gap that holds it");
    }

    #[test]
    fn files_that_took_each_others_place_are_noticed() {
        // Bundles are as good in another's place, hashes and all, until a tile two levels up is full.
        for (from, first) in [(1, 257), (0, 2), (300, 556)] {
            let error = wants(&mut Order::new(from), first).unwrap_err();
            assert!(error.to_string().contains(&format!("sequence number {first} where {} belongs", from.max(1))));
        }
    }
}
