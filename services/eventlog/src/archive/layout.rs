//! Where things are in an archive's directory (C2SP tlog-tiles, plus `wal`, `origin` and `lock`), and how files get there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use spark_core::merkle::{Hash, TILE_WIDTH, tile_index_path};

use super::error::{LoadError, Problem};

/// Bytes of a full tile: 256 hashes.
pub(super) const TILE_BYTES: usize = TILE_WIDTH as usize * size_of::<Hash>();

/// A log's name (`EVENTS@<created>`) as a file name that every file system takes.
pub fn directory_name(incarnation: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "@-_.".contains(c) { c } else { '_' };
    incarnation.chars().map(safe).collect()
}

/// The file that one opener holds locked.
pub(super) fn lock(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// The file that names the log's incarnation; it is written last when an archive is made.
pub(super) fn origin(dir: &Path) -> PathBuf {
    dir.join("origin")
}

/// The full tile of hashes `index` at `level`.
pub(super) fn tile(dir: &Path, level: usize, index: u64) -> PathBuf {
    dir.join(format!("tile/{level}/{}", tile_index_path(index)))
}

/// The full bundle of leaves `index`.
pub(super) fn entries(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("tile/entries/{}", tile_index_path(index)))
}

/// The first `width` hashes of a tile that is not full yet.
pub(super) fn partial_tile(dir: &Path, level: usize, index: u64, width: u64) -> PathBuf {
    dir.join(format!("tile/{level}/{}.p/{width}", tile_index_path(index)))
}

/// The first `width` leaves of a bundle that is not full yet.
pub(super) fn partial_entries(dir: &Path, index: u64, width: u64) -> PathBuf {
    dir.join(format!("tile/entries/{}.p/{width}", tile_index_path(index)))
}

/// The newest signed statement of the log's size and root.
pub(super) fn checkpoint(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

/// The directory of write-ahead segments.
pub(super) fn wal(dir: &Path) -> PathBuf {
    dir.join("wal")
}

/// The write-ahead segment that starts with leaf `first`.
pub(super) fn segment(dir: &Path, first: u64) -> PathBuf {
    wal(dir).join(format!("{first:020}"))
}

/// The first leaf of every write-ahead segment, in order.
pub(super) fn segments(dir: &Path) -> Result<Vec<u64>, LoadError> {
    let wal = wal(dir);
    let mut firsts = Vec::new();
    for entry in fs::read_dir(&wal).map_err(|source| LoadError::read(&wal, source))? {
        let path = entry.map_err(|source| LoadError::read(&wal, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name.parse::<u64>() {
            Ok(first) if segment(dir, first) == path => firsts.push(first),
            _ => return Err(LoadError::damage(&path, None, Problem::Name)),
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// The hashes of a full tile, not yet held against anything.
pub(super) fn read_tile(dir: &Path, level: usize, index: u64) -> Result<Vec<Hash>, LoadError> {
    let path = tile(dir, level, index);
    let bytes = fs::read(&path).map_err(|source| LoadError::read(&path, source))?;
    let (hashes, rest) = bytes.as_chunks();
    if bytes.len() != TILE_BYTES || !rest.is_empty() {
        return Err(LoadError::damage(&path, None, Problem::Length));
    }
    Ok(hashes.to_vec())
}

/// Writes a file under another name and renames it. Not synced: keep the handle for that.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let temporary = path.with_extension("tmp");
    let open = || OpenOptions::new().write(true).create(true).truncate(true).open(&temporary);
    let mut file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            open()?
        }
        opened => opened?,
    };
    file.write_all(bytes)?;
    fs::rename(&temporary, path)?;
    Ok(file)
}

/// Makes the names in the directories of `files` durable, up to and including `dir`.
pub(super) fn sync_parents<'a>(dir: &Path, files: impl IntoIterator<Item = &'a Path>) -> io::Result<()> {
    let mut parents = BTreeSet::from([dir]);
    for file in files {
        parents.extend(file.ancestors().skip(1).take_while(|parent| parent.starts_with(dir)));
    }
    parents.into_iter().try_for_each(sync_dir)
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Elsewhere a directory can't be opened as a file, and the file system keeps names durable by itself.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}
