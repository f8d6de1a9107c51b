//! The sealer: a thread that writes full bundles and tiles to their files, syncs them in batches, and only then deletes
//! the write-ahead segments that they cover.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use spark_core::merkle::TILE_WIDTH;

use super::bundle;
use super::error::{NoRoom, Stopped, is_full};
use super::layout;
use super::shared::{Filled, Shared};

/// Bundles are synced together, after this many or this many bytes.
const SYNC_BUNDLES: u64 = 64;
const SYNC_BYTES: usize = 32 << 20;

pub(super) struct Sealer {
    shared: Arc<Shared>,
    /// Written, not yet synced.
    unsynced: Vec<(PathBuf, File)>,
    unsynced_bytes: usize,
    unsynced_bundles: u64,
}

impl Sealer {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, unsynced: Vec::new(), unsynced_bytes: 0, unsynced_bundles: 0 }
    }

    /// Seals until the writer is gone, a write fails, or the archive closes with a full disk.
    pub fn run(mut self, bundles: &Receiver<Filled>) {
        for bundle in bundles {
            if self.shared.stopped().is_some() || !self.seal(&bundle) {
                return;
            }
            self.shared.sealed(&bundle);
            self.unsynced_bundles += 1;
            if self.unsynced_bundles >= SYNC_BUNDLES || self.unsynced_bytes >= SYNC_BYTES {
                if let Err(stopped) = self.sync() {
                    return self.shared.stop(stopped);
                }
                self.delete_segments((bundle.index + 1) * TILE_WIDTH);
            }
        }
    }

    fn seal(&mut self, bundle: &Filled) -> bool {
        let dir = self.shared.dir.clone();
        // Entries first, then tiles from the leaves up: a tile never speaks of what is not there.
        let entries = (layout::entries(&dir, bundle.index), bundle::join(&bundle.leaves));
        let tiles = bundle.tiles.iter().map(|tile| (layout::tile(&dir, tile.level, tile.index), tile.hashes.concat()));
        std::iter::once(entries).chain(tiles).all(|(path, bytes)| self.write(path, &bytes))
    }

    fn write(&mut self, path: PathBuf, bytes: &[u8]) -> bool {
        loop {
            match write_or_keep(&path, bytes) {
                Ok(file) => {
                    self.unsynced_bytes += bytes.len();
                    self.unsynced.push((path, file));
                    return true;
                }
                Err(error) if is_full(&error) => {
                    let no_room = NoRoom { path: path.clone(), source: Arc::new(error) };
                    if !self.shared.wait_for_room(no_room) {
                        return false;
                    }
                }
                Err(error) => {
                    self.shared.stop(Stopped::new(&path, error));
                    return false;
                }
            }
        }
    }

    fn sync(&mut self) -> Result<(), Stopped> {
        for (path, file) in &self.unsynced {
            file.sync_all().map_err(|error| Stopped::new(path, error))?;
        }
        let paths = self.unsynced.iter().map(|(path, _)| path.as_path());
        layout::sync_parents(&self.shared.dir, paths).map_err(|error| Stopped::new(&self.shared.dir, error))?;
        self.unsynced.clear();
        (self.unsynced_bytes, self.unsynced_bundles) = (0, 0);
        Ok(())
    }

    /// Deletes the segments whose leaves all come before leaf `durable`, oldest first; the newest always stays.
    fn delete_segments(&self, durable: u64) {
        let covered = || {
            let state = self.shared.state();
            let next = state.segments.get(1).filter(|next| **next <= durable);
            next.and(state.segments.front()).copied()
        };
        while let Some(first) = covered() {
            let path = layout::segment(&self.shared.dir, first);
            let deleted =
                fs::remove_file(&path).and_then(|()| layout::sync_parents(&self.shared.dir, [path.as_path()]));
            if let Err(error) = deleted {
                // It does no harm; but those after it must stay too, because segments may have no hole.
                tracing::warn!(path = %path.display(), %error, "can't delete a write-ahead segment that is sealed");
                return;
            }
            self.shared.state().segments.pop_front();
        }
    }
}

/// After a crash a bundle may be there already, whole or not; the leaves of the write-ahead segment decide.
fn write_or_keep(path: &Path, bytes: &[u8]) -> io::Result<File> {
    match fs::read(path) {
        Ok(there) if there == bytes => return OpenOptions::new().write(true).open(path),
        Ok(_other) => tracing::warn!(path = %path.display(), "replacing a file that a crash left unfinished"),
        Err(_absent) => {}
    }
    layout::write_whole(path, bytes)
}
