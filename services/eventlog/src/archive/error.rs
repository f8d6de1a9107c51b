//! What can go wrong with an archive; every error names the file or directory it is about.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spark_schemas::LeafError;

use crate::{AppendError, ReadError};

/// What is stored is not what was written. Nothing was changed on finding it.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}; nothing was changed, restore the file from a copy of this archive", path.display(), at_leaf(*leaf))]
pub struct Damage {
    /// The file that is wrong or missing.
    pub path: PathBuf,
    /// The number of the leaf, from 0, when it is about one leaf.
    pub leaf: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

fn at_leaf(leaf: Option<u64>) -> String {
    leaf.map(|number| format!(", leaf {number}")).unwrap_or_default()
}

/// What is wrong with a file of the archive.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file is not there.
    #[error("the file is missing")]
    Missing,
    /// The file has another length than its contents allow.
    #[error("the file is cut short or has bytes to spare")]
    Length,
    /// The leaf's bytes do not have the hash that was kept beside them.
    #[error("the leaf does not have the hash that was recorded for it")]
    LeafHash,
    /// The tile's hashes do not add up to the hash one level up; either may be wrong.
    #[error("its hashes do not add up to the one that belongs in {}", above.display())]
    TileHash {
        /// The tile one level up. It is no file yet when it is not full: then it was read from this one when the
        /// archive was opened.
        above: PathBuf,
    },
    /// The tile's hashes are not those of what lies below it.
    #[error("its hashes are not those of the leaves")]
    NotOfLeaves,
    /// The leaf's hash is right, but it is no leaf.
    #[error("the bytes are no leaf ({0})")]
    Leaf(LeafError),
    /// The leaf's sequence number does not follow from the one before.
    #[error("sequence number {found} where {expected} belongs")]
    Sequence {
        /// What would follow.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The file was synced past this place, yet its bytes are wrong.
    #[error("byte {offset} on is not what was written")]
    Bytes {
        /// Where the last good record ends.
        offset: u64,
    },
    /// Leaves between this file and the one before are gone.
    #[error("the leaves before it, from {from} on, are missing")]
    LeavesMissing {
        /// The first leaf that is missing.
        from: u64,
    },
    /// The log ends before a bundle that was sealed: the newest write-ahead segments are gone.
    #[error("the log ends here, yet {} was sealed after it", bundle.display())]
    Unsealed {
        /// The bundle.
        bundle: PathBuf,
    },
    /// The file's name is not one that the archive gives.
    #[error("the archive names no file so")]
    Name,
}

/// Why a part of the archive can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The file system refused.
    #[error("can't read {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl LoadError {
    pub(super) fn damage(path: &Path, leaf: Option<u64>, problem: Problem) -> Self {
        Self::Damaged(Damage { path: path.to_owned(), leaf, problem })
    }

    /// A missing file is damage: the archive only reads files that it has written.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::damage(path, None, Problem::Missing),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}

impl From<LoadError> for ReadError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Damaged(damage) => Self::Damaged(Box::new(damage)),
            LoadError::Io { .. } => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Why an archive can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the archive {} is in use by another Spark: stop that one or use another directory", dir.display())]
    Locked {
        /// The archive.
        dir: PathBuf,
    },
    /// The path is no directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The directory can't be written.
    #[error("no permission to write {}", path.display())]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no room to write {}", path.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// There is no archive here.
    #[error("there is no archive in {}", dir.display())]
    Absent {
        /// The directory.
        dir: PathBuf,
    },
    /// The archive is of another log.
    #[error("{} is the archive of {found}, not of {wanted}", dir.display())]
    Origin {
        /// The archive.
        dir: PathBuf,
        /// The log it is of.
        found: String,
        /// The log that was asked for.
        wanted: String,
    },
    /// What is stored is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The file system refused in another way.
    #[error("can't open {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            _ if is_full(&source) => Self::Full { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path, source },
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Self::NotADirectory { path },
            _ => Self::Io { path, source },
        }
    }
}

impl From<LoadError> for OpenError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Damaged(damage) => Self::Damaged(damage),
            LoadError::Io { path, source } => Self::Io { path, source },
        }
    }
}

/// Why what was signed is not beside the tiles.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There are fewer leaves.
    #[error("the log has {size} leaves, not {wanted}")]
    Short {
        /// How many were asked for.
        wanted: u64,
        /// How many are durable.
        size: u64,
    },
    /// Full tiles are not in their files yet: the disk is full, or the archive closes.
    #[error("the log's full tiles are not on disk yet, because it is full or Spark ends")]
    Unsealed,
    /// A part of the archive can't be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file system refused.
    #[error("can't write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A write failed in a way that leaves unknown what is on disk. What was acknowledged before is safe; the archive takes
/// nothing more until it is opened anew.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the archive stopped when writing {} failed; check the disk and start again", path.display())]
pub struct Stopped {
    /// The file.
    pub path: PathBuf,
    /// What the file system said.
    pub source: Arc<io::Error>,
}

impl Stopped {
    pub(super) fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source: Arc::new(source) }
    }
}

impl From<Stopped> for AppendError {
    fn from(stopped: Stopped) -> Self {
        Self::Unavailable(Box::new(stopped))
    }
}

/// There was no room for the frames; what was there before is untouched.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no room to write {}", path.display())]
pub struct NoRoom {
    /// The file.
    pub path: PathBuf,
    /// What the file system said.
    pub source: Arc<io::Error>,
}

impl From<NoRoom> for AppendError {
    fn from(no_room: NoRoom) -> Self {
        Self::Full(Box::new(no_room))
    }
}

/// Whether the error says that the disk, or the share of it, is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
