//! The archive on disk: the event log as an append-only Merkle tree, whose leaves and tiles lie in files (C2SP tlog-tiles).
//!
//! It is the log itself on one machine, and the recorder's copy behind JetStream. A leaf goes into a write-ahead segment
//! and is durable there (`writer`, `wal`); full bundles and tiles are written to files of their own and never again
//! (`sealer`, `layout`); readers verify every leaf against the tree (`reader`, `bundle`, `view`).
//!
//! It gives sizes, roots and frontiers, and others sign them; what they sign is kept beside the tiles, with the partial
//! tiles that its readers need (`publish`). It knows nothing of keys and signatures.

mod bundle;
mod edge;
mod error;
#[cfg(test)]
mod faults;
pub mod fsck;
mod layout;
mod open;
mod publish;
mod reader;
mod recent;
mod recover;
mod sealer;
mod shared;
#[cfg(test)]
mod tests;
mod view;
mod wal;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;
use spark_core::merkle::{CompactRange, Hash, leaf_hash};
use tokio::sync::oneshot;

pub use error::{Damage, LoadError, NoRoom, OpenError, Problem, PublishError, Stopped};
pub use layout::directory_name;
pub use publish::{publish_checkpoint, read_checkpoint};
pub use view::{LeafIter, View, leaves};

use crate::clock::{self, WallClock};
use crate::{AppendError, Appended, Bounds, EventLog, LogReader, Outgoing, ReadError, Recorded};
use bundle::BundleReader;
use edge::frontier;
use reader::ArchiveReader;
use shared::Shared;
use writer::Command;

/// How to open an archive.
#[derive(Clone)]
pub struct ArchiveOptions {
    /// The log that it is of, such as `EVENTS@<created>` of a stream; an archive of another log is refused. `None`
    /// takes whatever is there, and names a new one after the time it is made.
    pub incarnation: Option<String>,
    /// Where `received_ns` comes from.
    pub clock: WallClock,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        Self { incarnation: None, clock: clock::system() }
    }
}

/// What was cut from an archive when it was opened: bytes that were never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// The last whole leaf's sequence number; 0 when there is none.
    pub last_seq: u64,
    /// How many bytes were cut.
    pub bytes_cut: u64,
}

/// An open archive; clones share it. The last one to be dropped makes everything durable, ends the threads and lets go
/// of the lock, for which it blocks shortly.
#[derive(Clone)]
pub struct Archive(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    written_seq: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    /// The sizes whose partial tiles may be on disk.
    published: Mutex<Vec<u64>>,
    /// Held until the threads have ended.
    _lock: File,
    #[cfg(test)]
    faults: faults::Faults,
}

impl Archive {
    /// Opens the archive in `dir`, or makes one, and holds it locked. Blocks while it reads the right edge.
    ///
    /// A torn tail is cut back to the last whole leaf, and said so in the [`Repair`].
    pub fn open(dir: impl AsRef<Path>, options: ArchiveOptions) -> Result<(Self, Option<Repair>), OpenError> {
        open::open(dir.as_ref(), options)
    }

    /// The directory it is in.
    pub fn dir(&self) -> &Path {
        &self.0.shared.dir
    }

    /// Which log it is of (`EVENTS@<created>`).
    pub fn incarnation(&self) -> &str {
        &self.0.shared.incarnation
    }

    /// The sequence number that [`Archive::record`] expects next.
    pub fn next_seq(&self) -> u64 {
        self.0.written_seq.load(Ordering::Acquire)
    }

    /// Keeps frames that another log recorded, as they are. Those that it has are skipped; where numbers are missing, a
    /// gap leaf says so. They are durable, and readers see them, within a second or after [`Archive::sync`].
    pub async fn record(&self, frames: Vec<Recorded>) -> Result<(), AppendError> {
        self.ask(|answer| Command::Record(frames, answer)).await
    }

    /// Makes everything recorded so far durable.
    pub async fn sync(&self) -> Result<(), AppendError> {
        self.ask(Command::Sync).await
    }

    /// The size and root of the tree over all durable leaves.
    pub fn tree(&self) -> Result<(u64, Hash), LoadError> {
        let size = self.0.shared.state().edge.size();
        Ok((size, self.frontier_at(size)?.unwrap_or_default().root()))
    }

    /// The compact range of the first `size` leaves, from which their root follows; `None` when fewer are durable.
    /// Reads at most a few tiles, verified.
    pub fn frontier_at(&self, size: u64) -> Result<Option<CompactRange>, LoadError> {
        let shared = &self.0.shared;
        if size > shared.state().edge.size() {
            return Ok(None);
        }
        let mut bundles = BundleReader::new(&shared.dir);
        let range = frontier(size, |level, tile, width| self.prefix(&mut bundles, level, tile, width))?;
        Ok(Some(range))
    }

    /// The first `width` hashes of a tile.
    fn prefix(&self, bundles: &mut BundleReader, level: usize, tile: u64, width: u64) -> Result<Vec<Hash>, LoadError> {
        let state = self.0.shared.state();
        if let Some(hashes) = state.edge.prefix(level, tile, width) {
            return Ok(hashes.to_vec());
        }
        if level == 0
            && let Some(leaves) = state.unsealed(tile, width)
        {
            return Ok(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
        }
        let sealed = state.sealed();
        drop(state);
        Ok(bundles.tile(level, tile, &sealed)?.iter().take(width as usize).copied().collect())
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, AppendError>>) -> Command,
    ) -> Result<T, AppendError> {
        let (answer, answered) = oneshot::channel();
        self.0.commands.send(command(answer)).map_err(|_writer_gone| AppendError::Closed)?;
        answered.await.map_err(|_writer_gone| AppendError::Closed)?
    }
}

#[async_trait]
impl EventLog for Archive {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        self.ask(|answer| Command::Append(frames, answer)).await
    }

    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        let shared = Arc::clone(&self.0.shared);
        let found = tokio::task::spawn_blocking(move || ArchiveReader::find(shared, from)).await;
        let reader = found.map_err(|error| ReadError::Unavailable(Box::new(error)))??;
        Ok(Box::new(reader))
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        let last_seq = self.0.shared.state().next_seq - 1;
        Ok(Bounds { incarnation: self.incarnation().to_owned(), first_seq: 1, last_seq })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("dir", &self.dir()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // When the writer is gone there is nothing to close.
        let _ = self.commands.send(Command::Close);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(dir = %self.shared.dir.display(), "a thread of the archive panicked");
            }
        }
    }
}
