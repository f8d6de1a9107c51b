//! The recorder: copies of the log on this machine's disk, an archive for each incarnation of the stream.
//!
//! Only the newest is written to. The others are sealed: they stay as they are, and are folded first when the projection
//! has to be made anew.

use std::path::{Path, PathBuf};

use spark_eventlog::archive::{Archive, ArchiveOptions, OpenError, View, directory_name};
use spark_schemas::subject;
use tokio::sync::watch;

/// Why there is no copy of the log.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The directory of the archives can't be listed.
    #[error("can't list the archives in {}", dir.display())]
    List {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// An archive can't be opened.
    #[error("can't open an archive")]
    Open(#[from] OpenError),
    /// The stream is older than what was recorded last: somebody restored it.
    #[error(
        "the log is {found} now, but {newest} was recorded after it: it was restored from a copy; \
         move this data directory away to follow it as it is now"
    )]
    Sealed {
        /// The incarnation of the stream.
        found: String,
        /// The newest archive.
        newest: String,
    },
}

/// An archive on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which log it is of (`EVENTS@<created>`).
    pub origin: String,
    /// Where it is.
    pub dir: PathBuf,
}

/// The archives of one partition; those of others may lie beside them.
#[derive(Debug)]
pub struct Recorder {
    dir: PathBuf,
    stream: String,
    /// Oldest first.
    kept: Vec<Kept>,
    current: Option<Archive>,
    /// The archive that is written to, for those who sign it. It stays open for them until they have seen the next one.
    opened: watch::Sender<Option<Archive>>,
}

impl Recorder {
    /// Finds the archives of `partition` in `dir`, and opens none for writing yet. Blocks.
    pub fn open(dir: impl Into<PathBuf>, partition: u16) -> Result<Self, RecorderError> {
        let dir = dir.into();
        std::fs::create_dir_all(&dir).map_err(|source| RecorderError::List { dir: dir.clone(), source })?;
        let kept = kept_in(&dir, partition)?;
        Ok(Self { dir, stream: subject::stream(partition), kept, current: None, opened: watch::Sender::new(None) })
    }

    /// Where the archives are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The archives, oldest first.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// The archive that is written to, once the log has been seen.
    pub fn current(&self) -> Option<&Archive> {
        self.current.as_ref()
    }

    /// The archive that is written to, now and whenever another takes its place.
    pub fn opened(&self) -> watch::Receiver<Option<Archive>> {
        self.opened.subscribe()
    }

    /// Records the log `origin` from here on; the archive of the one before is closed and sealed. Blocks.
    pub fn begin(&mut self, origin: &str) -> Result<(), RecorderError> {
        if self.current.as_ref().is_some_and(|archive| archive.incarnation() == origin) {
            return Ok(());
        }
        debug_assert!(origin.starts_with(&format!("{}@", self.stream)), "{origin} is of another partition");
        let is_new = self.kept.iter().all(|kept| kept.origin != origin);
        if let Some(newest) = self.kept.last().filter(|newest| newest.origin != origin)
            && (!is_new || created_ns(&newest.origin) > created_ns(origin))
        {
            return Err(RecorderError::Sealed { found: origin.to_owned(), newest: newest.origin.clone() });
        }
        // Dropped first: it makes everything durable and lets go of its lock, unless somebody signs it just now.
        self.current = None;
        let dir = self.dir.join(directory_name(origin));
        let options = ArchiveOptions { incarnation: Some(origin.to_owned()), ..ArchiveOptions::default() };
        // What may be cut here was never acknowledged to anybody: the stream still has it, and it is recorded again.
        let (archive, _torn_tail) = Archive::open(&dir, options)?;
        self.current = Some(archive.clone());
        self.opened.send_replace(Some(archive));
        if is_new {
            if let Some(sealed) = self.kept.last() {
                tracing::warn!(sealed = sealed.origin, origin, "the log was made anew: its copy begins a new archive");
            }
            self.kept.push(Kept { origin: origin.to_owned(), dir });
        }
        Ok(())
    }
}

/// The archives of `partition` in `dir`, oldest first. Blocks, changes nothing.
pub(crate) fn kept_in(dir: &Path, partition: u16) -> Result<Vec<Kept>, RecorderError> {
    let failed = |source| RecorderError::List { dir: dir.to_owned(), source };
    let start = format!("{}@", subject::stream(partition));
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let dir = entry.map_err(failed)?.path();
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if !dir.is_dir() || !name.starts_with(&start) {
            continue;
        }
        match View::open(&dir) {
            Ok(view) => kept.push(Kept { origin: view.incarnation().to_owned(), dir }),
            // A crash before its first leaf left it without an origin.
            Err(OpenError::Absent { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    kept.sort_by_key(|kept| created_ns(&kept.origin));
    Ok(kept)
}

/// When the log `EVENTS@<created>` was made, which orders incarnations; 0 when its name does not say.
pub fn created_ns(origin: &str) -> u64 {
    origin.rsplit_once('@').and_then(|(_, created)| created.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_written_to_and_none_before_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let names = |recorder: &Recorder| recorder.kept().iter().map(|kept| kept.origin.clone()).collect::<Vec<_>>();
        let mut recorder = Recorder::open(dir.path(), 0).unwrap();
        assert_eq!(names(&recorder), [""; 0]);
        // By time, not by text.
        for origin in ["EVENTS@9", "EVENTS@10"] {
            recorder.begin(origin).unwrap();
            assert_eq!(recorder.current().unwrap().incarnation(), origin);
        }
        for older in ["EVENTS@9", "EVENTS@8"] {
            assert!(matches!(recorder.begin(older), Err(RecorderError::Sealed { .. })), "{older}");
        }
        drop(recorder);
        // Another partition's, and a file of somebody else's.
        Recorder::open(dir.path(), 1).unwrap().begin("EVENTS-1@11").unwrap();
        std::fs::write(dir.path().join("EVENTS@notes"), "").unwrap();

        let mut recorder = Recorder::open(dir.path(), 0).unwrap();
        assert_eq!(names(&recorder), ["EVENTS@9", "EVENTS@10"]);
        assert!(matches!(recorder.begin("EVENTS@9"), Err(RecorderError::Sealed { .. })));
        let opened = recorder.opened();
        assert!(opened.borrow().is_none());
        recorder.begin("EVENTS@10").unwrap();
        assert_eq!(recorder.kept().len(), 2);
        assert_eq!(opened.borrow().as_ref().unwrap().incarnation(), "EVENTS@10");
    }
}
