//! Signs a log's checkpoints, and refuses to sign two histories of one log.
//!
//! In this order, so that a crash at any moment leaves nothing signed that is forgotten: the log is held against what was
//! signed last; the new checkpoint is remembered beside the keys, durably; then it goes to the archive, and out.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use spark_core::merkle::Hash;
use spark_eventlog::archive::{Archive, LoadError, OpenError, PublishError};

use crate::checkpoint::{Checkpoint, CheckpointError, origin};
use crate::keys::{Given, Keys, KeysError};
use crate::note::{Note, NoteError};
use crate::signed::{Memory, MemoryError};

/// Where the keys are; they are read at each signing, so that new ones sign and retired ones don't.
#[derive(Clone)]
pub struct KeyPlace {
    /// Their directory.
    pub dir: PathBuf,
    /// Those that are given from outside.
    pub given: Vec<Given>,
}

impl KeyPlace {
    /// Reads them.
    pub fn load(&self) -> Result<Keys, KeysError> {
        Keys::load(&self.dir, &self.given)
    }
}

/// Why a log is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The log is not what was signed before, gone on.
    #[error(
        "refused to sign: {was} was signed at {signed} leaves, and this archive {now}. It was restored from an older copy, \
         or changed: bring back the newer one, or move the data directory away and begin a new log"
    )]
    Fork {
        /// Which log.
        was: String,
        /// The size that was signed.
        signed: u64,
        /// What the archive has instead.
        now: Instead,
    },
    /// More leaves were to be signed than there are.
    #[error("the log has {size} leaves, not {wanted}")]
    Short {
        /// How many were to be signed.
        wanted: u64,
        /// How many are durable.
        size: u64,
    },
    /// There is no key.
    #[error("no key signs: make one with `spark keys new`")]
    NoKey,
    /// The keys can't be read.
    #[error("the keys can't be used")]
    Keys(#[from] KeysError),
    /// It is not known what was signed before.
    #[error("it is not known what was signed before")]
    Memory(#[from] MemoryError),
    /// The archive can't be opened.
    #[error("the archive can't be opened")]
    Open(#[from] OpenError),
    /// The archive can't be read.
    #[error("the archive can't be read")]
    Load(#[from] LoadError),
    /// The archive can't be written.
    #[error("the checkpoint can't be kept beside the log")]
    Publish(#[from] PublishError),
    /// The origin makes no note.
    #[error("the checkpoint can't be written as a note")]
    Note(#[from] NoteError),
}

/// What an archive has in place of what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Fewer leaves.
    Fewer(u64),
    /// Other leaves.
    OtherLeaves,
}

impl std::fmt::Display for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fewer(size) => write!(f, "has only {size}"),
            Self::OtherLeaves => f.write_str("has other leaves there"),
        }
    }
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note, with every signature.
    pub note: Note,
}

/// Signs the checkpoints of one log.
pub struct LogSigner {
    archive: Archive,
    keys: KeyPlace,
    environment: String,
    memory: Memory,
    /// One signs at a time.
    turn: Mutex<()>,
}

impl LogSigner {
    /// For the log of `archive`, watched in `environment`. Its origin stays what it was when it was first signed.
    pub fn new(archive: Archive, environment: impl Into<String>, keys: KeyPlace) -> Self {
        let memory = Memory::of(&keys.dir, archive.incarnation());
        Self { archive, keys, environment: environment.into(), memory, turn: Mutex::new(()) }
    }

    /// The log.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What was signed last, from memory.
    pub fn last(&self) -> Result<Option<Signed>, SignError> {
        Ok(self.memory.read()?.map(|(checkpoint, note)| Signed { checkpoint, note }))
    }

    /// Signs all durable leaves; `None` when there are none, or what there is was signed already by the same keys. Blocks.
    pub fn sign(&self) -> Result<Option<Signed>, SignError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, root) = self.archive.tree()?;
        let last = self.checked_last(size)?;
        if size == 0 {
            return Ok(None);
        }
        let signed = self.note(last.as_ref(), size, root)?;
        let is_known = last.as_ref() == Some(&signed);
        if is_known && self.archive.checkpoint()?.as_deref() == Some(signed.note.to_string().as_str()) {
            return Ok(None);
        }
        self.keep(last, signed).map(Some)
    }

    /// Signs the first `size` leaves, as of a report. When more was signed before, that stays the newest checkpoint. Blocks.
    pub fn sign_at(&self, size: u64) -> Result<Signed, SignError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, _) = self.archive.tree()?;
        let last = self.checked_last(all)?;
        let Some(root) = self.root(size)? else { return Err(SignError::Short { wanted: size, size: all }) };
        let signed = self.note(last.as_ref(), size, root)?;
        match &last {
            // The log goes on from what was signed last, and so does this beginning of it.
            Some(last) if last.checkpoint.size > size => Ok(signed),
            _ => self.keep(last, signed),
        }
    }

    fn note(&self, last: Option<&Signed>, size: u64, root: Hash) -> Result<Signed, SignError> {
        let own = || origin(&self.environment, self.archive.incarnation());
        let origin = last.map_or_else(own, |last| last.checkpoint.origin.clone());
        let checkpoint = Checkpoint { origin, size, root };
        let keys = self.keys.load()?;
        if keys.active().next().is_none() {
            return Err(SignError::NoKey);
        }
        let note = keys.sign_note(checkpoint.to_string())?;
        Ok(Signed { checkpoint, note })
    }

    fn keep(&self, last: Option<Signed>, signed: Signed) -> Result<Signed, SignError> {
        if last.as_ref() != Some(&signed) {
            self.memory.write(&signed.note)?;
        }
        let before = last.map(|last| last.checkpoint.size);
        self.archive.publish(signed.checkpoint.size, &signed.note.to_string(), before)?;
        Ok(signed)
    }

    /// What was signed last, of which the log of `size` leaves is a continuation. What lies in the archive counts, too:
    /// it is all that is left when the memory was lost.
    fn checked_last(&self, size: u64) -> Result<Option<Signed>, SignError> {
        let remembered = self.last()?;
        let beside = self.archive.checkpoint()?.and_then(|text| text.parse().ok()); // A damaged one is replaced.
        for signed in remembered.iter().chain(&beside) {
            self.refuse_fork(&signed.checkpoint, size)?;
        }
        let is_newer = |one: &Signed, other: &Signed| one.checkpoint.size > other.checkpoint.size;
        Ok(match (remembered, beside) {
            (Some(remembered), Some(beside)) if is_newer(&beside, &remembered) => Some(beside),
            (Some(remembered), _) => Some(remembered),
            (None, beside) => beside,
        })
    }

    fn refuse_fork(&self, signed: &Checkpoint, size: u64) -> Result<(), SignError> {
        let now = match self.root(signed.size)? {
            Some(root) if root == signed.root => return Ok(()),
            Some(_) => Instead::OtherLeaves,
            None => Instead::Fewer(size),
        };
        Err(SignError::Fork { was: signed.origin.clone(), signed: signed.size, now })
    }

    fn root(&self, size: u64) -> Result<Option<Hash>, LoadError> {
        Ok(self.archive.frontier_at(size)?.map(|range| range.root()))
    }
}

/// Why a text is no signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// It is no note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Nothing is verified by reading it.
impl FromStr for Signed {
    type Err = SignedError;

    fn from_str(text: &str) -> Result<Self, SignedError> {
        let note: Note = text.parse()?;
        let checkpoint = note.text().parse()?;
        Ok(Self { checkpoint, note })
    }
}
