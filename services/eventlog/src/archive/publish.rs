//! What readers of the files need beside full tiles and bundles: the checkpoint, and the partial tiles of its size
//! (C2SP tlog-tiles). Those of the checkpoint before it stay too, for whoever is reading by that one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use bytes::Bytes;
use spark_core::merkle::{PartialTile, TILE_WIDTH, partial_tiles};

use super::bundle::{self, BundleReader};
use super::error::{LoadError, PublishError};
use super::{Archive, layout};

/// Checkpoints whose partial tiles stay.
const KEPT: usize = 2;

impl Archive {
    /// Writes the partial tiles of the first `size` leaves, then `checkpoint`, which speaks of them: durably, and the
    /// checkpoint last, so that it never speaks of what is not there. `before` is the size that the checkpoint had. Blocks;
    /// waits for the full tiles before them.
    pub fn publish(&self, size: u64, checkpoint: &str, before: Option<u64>) -> Result<(), PublishError> {
        let durable = self.0.shared.state().edge.size();
        if size > durable {
            return Err(PublishError::Short { wanted: size, size: durable });
        }
        if !self.0.shared.wait_until_sealed(size / TILE_WIDTH) {
            return Err(PublishError::Unsealed);
        }
        let dir = &self.0.shared.dir;
        let mut published = self.0.published.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = before.filter(|before| !published.contains(before)) {
            published.push(before);
        }
        let mut written = Vec::new();
        for (path, bytes) in self.partials(size)? {
            write(&path, &bytes)?;
            written.push(path);
        }
        sync_parents(dir, &written)?;
        let path = layout::checkpoint(dir);
        write(&path, checkpoint.as_bytes())?;
        sync_parents(dir, &[path])?;
        published.retain(|other| *other != size);
        published.push(size);
        let older = published.len().saturating_sub(KEPT);
        let kept = published.split_off(older);
        // Files to spare do no harm; they are deleted at the next checkpoint, or by fsck.
        if let Err(error) = clear(dir, published.iter().chain(&kept).copied(), &kept) {
            tracing::warn!(dir = %dir.display(), %error, "old partial tiles can't be deleted");
        }
        *published = kept;
        Ok(())
    }

    /// The text that was published last.
    pub fn checkpoint(&self) -> Result<Option<String>, LoadError> {
        read_checkpoint(self.dir())
    }

    fn partials(&self, size: u64) -> Result<Vec<(PathBuf, Vec<u8>)>, LoadError> {
        let dir = &self.0.shared.dir;
        let mut bundles = BundleReader::new(dir);
        let mut files = Vec::new();
        for PartialTile { level, index, width } in partial_tiles(size) {
            let hashes = self.prefix(&mut bundles, level, index, width)?;
            files.push((layout::partial_tile(dir, level, index, width), hashes.concat()));
            if level == 0 {
                let leaves = self.leaves_of(&mut bundles, index, width)?;
                files.push((layout::partial_entries(dir, index, width), bundle::join(&leaves)));
            }
        }
        Ok(files)
    }

    fn leaves_of(&self, bundles: &mut BundleReader, index: u64, width: u64) -> Result<Vec<Bytes>, LoadError> {
        let state = self.0.shared.state();
        if let Some(leaves) = state.unsealed(index, width) {
            return Ok(leaves);
        }
        let sealed = state.sealed();
        drop(state);
        let mut leaves = bundles.load(index, &sealed)?;
        leaves.truncate(width as usize);
        Ok(leaves)
    }
}

/// The checkpoint of the archive in `dir`, not verified; `None` when nothing was signed yet.
pub fn read_checkpoint(dir: impl AsRef<Path>) -> Result<Option<String>, LoadError> {
    let path = layout::checkpoint(dir.as_ref());
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LoadError::read(&path, error)),
    }
}

/// Puts a checkpoint that was lost back into an archive that nobody has open.
pub fn publish_checkpoint(dir: &Path, checkpoint: &str) -> Result<(), PublishError> {
    let path = layout::checkpoint(dir);
    write(&path, checkpoint.as_bytes())?;
    sync_parents(dir, &[path])
}

/// Deletes the partial tiles in the directories of `sizes`, but for those of `kept`.
pub(super) fn clear(dir: &Path, sizes: impl Iterator<Item = u64>, kept: &[u64]) -> io::Result<()> {
    let kept: BTreeSet<PathBuf> = kept.iter().flat_map(|size| partial_paths(dir, *size)).collect();
    let dirs: BTreeSet<PathBuf> =
        sizes.flat_map(|size| partial_paths(dir, size)).filter_map(|path| path.parent().map(Path::to_owned)).collect();
    for partial in dirs {
        let entries = match fs::read_dir(&partial) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        let mut is_empty = true;
        for entry in entries {
            let path = entry?.path();
            if kept.contains(&path) {
                is_empty = false;
            } else {
                fs::remove_file(&path)?;
            }
        }
        if is_empty {
            fs::remove_dir(&partial)?;
        }
    }
    Ok(())
}

/// Where the partial tiles and the partial bundle of `size` leaves are.
pub(super) fn partial_paths(dir: &Path, size: u64) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for PartialTile { level, index, width } in partial_tiles(size) {
        paths.push(layout::partial_tile(dir, level, index, width));
        if level == 0 {
            paths.push(layout::partial_entries(dir, index, width));
        }
    }
    paths
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PublishError> {
    let written = layout::write_whole(path, bytes).and_then(|file| file.sync_all());
    written.map_err(|source| PublishError::Io { path: path.to_owned(), source })
}

fn sync_parents(dir: &Path, files: &[PathBuf]) -> Result<(), PublishError> {
    let synced = layout::sync_parents(dir, files.iter().map(PathBuf::as_path));
    synced.map_err(|source| PublishError::Io { path: dir.to_owned(), source })
}
