//! What was signed of each log, remembered beside the keys: not in the archive, which somebody could restore from an older
//! copy and so make sign another history.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use spark_eventlog::archive::directory_name;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::durable::{self, Readers};
use crate::note::{Note, NoteError};
use crate::signer::Signed;

/// Why it is not known what was signed.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file system refused.
    #[error("can't use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The file is no note.
    #[error("{}, which remembers what was signed, is damaged: restore it from a copy", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: NoteError,
    },
    /// The note is no checkpoint.
    #[error("{}, which remembers what was signed, is damaged: restore it from a copy", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: CheckpointError,
    },
}

/// What was signed last of the log `incarnation`, as it is remembered in the keys' directory.
pub fn remembered(keys: &Path, incarnation: &str) -> Result<Option<Signed>, MemoryError> {
    Ok(Memory::of(keys, incarnation).read()?.map(|(checkpoint, note)| Signed { checkpoint, note }))
}

/// The memory of one log.
pub(crate) struct Memory {
    path: PathBuf,
}

impl Memory {
    /// Of the log `incarnation`, in the keys' directory.
    pub fn of(keys: &Path, incarnation: &str) -> Self {
        Self { path: keys.join("signed").join(directory_name(incarnation)) }
    }

    /// What was signed last.
    pub fn read(&self) -> Result<Option<(Checkpoint, Note)>, MemoryError> {
        let path = || self.path.clone();
        let text = match fs::read(&self.path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MemoryError::Io { path: path(), source }),
        };
        let note: Note = text.parse().map_err(|source| MemoryError::Note { path: path(), source })?;
        let checkpoint = note.text().parse().map_err(|source| MemoryError::Checkpoint { path: path(), source })?;
        Ok(Some((checkpoint, note)))
    }

    /// Remembers `note`, durably when it returns.
    pub fn write(&self, note: &Note) -> Result<(), MemoryError> {
        durable::write(&self.path, note.to_string().as_bytes(), Readers::All)
            .map_err(|source| MemoryError::Io { path: self.path.clone(), source })
    }
}
