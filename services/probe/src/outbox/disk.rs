//! The outbox's few calls into the file system, each a step at which a test can pull the plug.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::error::OutboxError;

/// Adds to an error what was tried, and on what.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, OutboxError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, OutboxError> {
        self.map_err(|source| OutboxError::Io { doing, path: PathBuf::from(path), source })
    }
}

pub(super) fn create_new(path: &Path) -> io::Result<File> {
    step()?;
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Writes at `offset`; may have written a part when it fails.
pub(super) fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    let whole = bytes.len();
    // In a test the plug may be pulled in the middle.
    if let Err(error) = step() {
        file.write_all(&bytes[..whole / 2])?;
        return Err(error);
    }
    file.write_all(bytes)
}

pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    flush(file)
}

/// Tests kill processes, not machines: there it would only cost time.
fn flush(file: &File) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { file.sync_data() }
}

pub(super) fn truncate(file: &File, length: u64) -> io::Result<()> {
    step()?;
    file.set_len(length)?;
    flush(file)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    step()?;
    fs::remove_file(path)
}

/// Puts `bytes` at `path` so that there is either the old content or the new, also after a power failure.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    step()?;
    let mut file = File::create(&new)?;
    write_at(&mut file, 0, bytes)?;
    flush(&file)?;
    step()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes names in a directory durable.
#[cfg(unix)]
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    step()?;
    flush(&File::open(dir)?)
}

/// Other systems offer no such call, and order names with their files.
#[cfg(not(unix))]
pub(super) fn sync_dir(_dir: &Path) -> io::Result<()> {
    step()
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails on demand")]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
fn step() -> io::Result<()> {
    plug::step()
}

/// Pulls the plug on this thread after so many steps: that step and all after it fail.
#[cfg(test)]
pub(super) mod plug {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static STEPS_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// `None`: never.
    pub(in crate::outbox) fn pull_after(steps: Option<u32>) {
        STEPS_LEFT.set(steps);
    }

    /// Whether the plug has been pulled.
    pub(in crate::outbox) fn is_pulled() -> bool {
        STEPS_LEFT.get() == Some(0)
    }

    pub(super) fn step() -> io::Result<()> {
        match STEPS_LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the plug is pulled")),
            Some(left) => {
                STEPS_LEFT.set(Some(left - 1));
                if left == 1 { Err(io::Error::other("the plug is pulled")) } else { Ok(()) }
            }
        }
    }
}
