//! The two small files beside the segments: `acked`, how far the log has the frames, and `state.json`, which slots the
//! deleted segments accounted for.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Position;
use super::disk::{self, Doing as _};
use crate::coverage::Coverage;
use crate::error::OutboxError;

const ACKED_BYTES: usize = 24;

/// What is accounted for up to a position.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) v: u32,
    pub(super) end: Position,
    pub(super) coverage: Coverage,
}

impl State {
    pub(super) const VERSION: u32 = 1;

    fn path(dir: &Path) -> PathBuf {
        dir.join("state.json")
    }

    /// Writes it; on a full disk in the room of the reserve, which segments that are deleted next make again.
    pub(super) fn write(&self, dir: &Path) -> Result<(), OutboxError> {
        let path = Self::path(dir);
        let json = serde_json::to_vec(self).map_err(io::Error::other).doing("write", &path)?;
        let written = disk::replace(&path, &json).or_else(|error| match fs::remove_file(reserve_path(dir)) {
            Ok(()) => disk::replace(&path, &json),
            Err(_no_reserve) => Err(error),
        });
        written.doing("write", &path)
    }

    /// The state last written; an empty one when there is none. One that can't be read is set aside, loudly.
    pub(super) fn read(dir: &Path) -> Result<Self, OutboxError> {
        let path = Self::path(dir);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).doing("read", &path),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(state) if state.v == Self::VERSION => Ok(state),
            result => {
                let aside = path.with_extension("damaged");
                tracing::error!(
                    path = %path.display(), set_aside = %aside.display(), error = ?result.err(),
                    "the probe's state can't be read: slots missed before this start may be left unsaid"
                );
                fs::rename(&path, &aside).doing("rename", &path)?;
                Ok(Self::default())
            }
        }
    }
}

/// So that the next state can be written whatever else fills the disk, with room for twice the targets.
const RESERVE_BYTES_MIN: usize = 64 * 1024;

fn reserve_path(dir: &Path) -> PathBuf {
    dir.join("reserve")
}

/// Lays the reserve again if it is not there, or too small for the state that is now. On a full disk it has to wait.
pub(super) fn keep_reserve(dir: &Path) {
    let path = reserve_path(dir);
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let wanted = length(&State::path(dir)).saturating_mul(2).max(RESERVE_BYTES_MIN as u64);
    if length(&path) >= wanted {
        return;
    }
    let zeros = vec![0; usize::try_from(wanted).unwrap_or(RESERVE_BYTES_MIN)];
    if let Err(error) = fs::write(&path, zeros) {
        // Half a reserve is better left to the observations.
        let _gone_or_not = fs::remove_file(&path);
        tracing::debug!(path = %path.display(), %error, "no room for the outbox's reserve");
    }
}

/// The file that says how far the log acknowledged; overwritten in place, so never trusted without its hash.
#[derive(Debug)]
pub(super) struct AckedFile {
    path: PathBuf,
    file: File,
}

impl AckedFile {
    pub(super) fn open(dir: &Path) -> Result<(Self, Position), OutboxError> {
        let path = dir.join("acked");
        let acked = fs::read(&path).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).doing("open", &path)?;
        let mut acked_file = Self { path, file };
        // Its bytes exist from now on, also should the disk be full when the next acknowledgement comes.
        acked_file.write(acked)?;
        Ok((acked_file, acked))
    }

    /// Not synced: after a power failure an older one only means that frames are sent again.
    pub(super) fn write(&mut self, acked: Position) -> Result<(), OutboxError> {
        disk::write_at(&mut self.file, 0, &encode(acked)).doing("write", &self.path)
    }
}

fn encode(acked: Position) -> [u8; ACKED_BYTES] {
    let mut bytes = [0; ACKED_BYTES];
    bytes[..8].copy_from_slice(&acked.segment.to_le_bytes());
    bytes[8..16].copy_from_slice(&acked.offset.to_le_bytes());
    let digest: [u8; 32] = Sha256::digest(&bytes[..16]).into();
    bytes[16..].copy_from_slice(&digest[..8]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Position> {
    let (segment, rest) = bytes.split_first_chunk::<8>()?;
    let (offset, _hash) = rest.split_first_chunk::<8>()?;
    let acked = Position { segment: u64::from_le_bytes(*segment), offset: u64::from_le_bytes(*offset) };
    (encode(acked) == bytes).then_some(acked)
}
