//! The sled store: pages of closed buckets, series and the commit record. Disposable by design: any doubt, and it is
//! rebuilt by replay.
//!
//! A checkpoint is atomic although sled's batches stay small, and writes everything once: each page and each series has
//! room for two versions, and a new one never takes the place of the committed one. The commit record, written last,
//! names the checkpoint; a version with a later number was cut short and does not count.
//! Invariant: what [`Store::open`] returns has exactly the digests, of the state and of the ledgers, that its commit record
//! names.

mod disk;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use spark_core::bucket::{BucketStore, SeriesId};
use spark_core::fold::{SEMANTICS, State};
use spark_core::page::Page;
use spark_core::series::Series;
use spark_core::window::Tier;
use spark_schemas::TimeNs;

pub use disk::{Checkpoint, Disk};
use disk::{Commit, Evicted, Key, Pages, Version, page_key, series_key};

/// The layout of the trees; another number is rebuilt.
const FORMAT: u32 = 3;
/// Damaged stores that are kept for somebody to look at.
const ASIDES_MAX: u32 = 8;
/// What a disk that was full must take before the store is opened anew: sled grows its files by half a mebibyte.
const ROOM_BYTES: usize = 4 * 1024 * 1024;

/// Why a store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// sled reported an error.
    #[error("the store {path} failed")]
    Sled {
        /// The store's directory.
        path: PathBuf,
        /// What sled said.
        #[source]
        source: sled::Error,
    },
    /// Another process has it open, and keeps it open.
    #[error("the store {path} is in use: another Spark runs on this data directory")]
    InUse {
        /// The store's directory.
        path: PathBuf,
    },
    /// Its content is not what was committed; the text says how it shows.
    #[error("the store {path} is not as it was committed: {reason}")]
    Doubtful {
        /// The store's directory.
        path: PathBuf,
        /// How it shows.
        reason: String,
    },
    /// The directory can't be set aside.
    #[error("can't set aside {path}")]
    SetAside {
        /// The store's directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
}

/// Pages in sled, with the changes since the last checkpoint in memory.
#[derive(Debug)]
pub struct Store {
    disk: Disk,
    /// The number of the last checkpoint that was committed.
    committed: u64,
    changed: Pages,
    /// What a checkpoint that is under way writes.
    writing: Arc<Pages>,
    evicted: Evicted,
    damage: Damage,
}

/// The first thing that went wrong while reading: reads can't return errors to the fold. Clones are the same one, so that
/// who asks needs no store.
#[derive(Debug, Clone, Default)]
pub struct Damage(Arc<Mutex<Option<String>>>);

impl Damage {
    /// What went wrong, if anything did.
    pub fn get(&self) -> Option<String> {
        self.0.lock().map_or_else(|_| Some("a read panicked".to_owned()), |damage| damage.clone())
    }

    fn note(&self, damage: String) {
        if let Ok(mut noted) = self.0.lock() {
            noted.get_or_insert(damage);
        }
    }
}

impl Store {
    /// Opens the store for the log `incarnation` and loads the committed state, verified against its digest; a store
    /// that gives cause for doubt is renamed aside and an empty one takes its place: the log has everything.
    pub fn open(path: &Path, incarnation: &str) -> Result<(Self, State), StoreError> {
        match Self::open_verified(path, incarnation) {
            Ok(opened) => Ok(opened),
            // Nothing is wrong with it, and its owner needs it where it is; another one would not fit either.
            Err(error) if matches!(error, StoreError::InUse { .. }) || error.is_full() => Err(error),
            Err(doubt) => {
                set_aside(path, &doubt)?;
                Self::open_verified(path, incarnation)
            }
        }
    }

    fn open_verified(path: &Path, incarnation: &str) -> Result<(Self, State), StoreError> {
        // sled panics on some damaged files instead of returning an error.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let disk = Disk::open(path)?;
            let (changed, writing, evicted) = Default::default();
            let mut store = Self { disk, committed: 0, changed, writing, evicted, damage: Damage::default() };
            let state = store.load(incarnation)?;
            Ok((store, state))
        }));
        opened.unwrap_or_else(|_panic| Err(doubt(path, "sled panicked on it")))
    }

    /// The committed state.
    fn load(&mut self, incarnation: &str) -> Result<State, StoreError> {
        let Some(commit) = self.disk.commit()? else {
            // A first checkpoint that was cut short, or a store whose commit record is lost.
            return match self.disk.has_only_the_first_checkpoint()? {
                true => Ok(State::default()),
                false => Err(self.disk.doubt("it has data but no commit record")),
            };
        };
        if (commit.format, commit.semantics) != (FORMAT, SEMANTICS) {
            return Err(self.disk.doubt("another version of Spark wrote it"));
        }
        if commit.incarnation != incarnation {
            let reason = format!("it reflects log {}, the log is {incarnation}", commit.incarnation);
            return Err(self.disk.doubt(reason));
        }
        self.committed = commit.checkpoint;
        let series = (0..commit.series).map(|id| self.load_series(SeriesId(id))).collect::<Result<Vec<_>, _>>()?;
        let mut state = State::load(commit.head, series);
        let digest = spark_core::hex(&state.digest());
        if let Some(damage) = self.damage.get() {
            return Err(self.disk.doubt(damage));
        }
        if digest != commit.digest {
            return Err(self.disk.doubt("its content does not have the digest that was committed"));
        }
        if let Some(committed) = commit.ledgers {
            self.load_ledgers(&mut state, &committed)?;
        }
        Ok(state)
    }

    fn load_ledgers(&self, state: &mut State, committed: &str) -> Result<(), StoreError> {
        let record = |id| {
            let version = self.note(|| self.disk.committed_version(&series_key(id), self.committed))??;
            Some(version.bytes().to_vec())
        };
        let is_loaded = state.load_ledgers(record, self);
        let digest = state.ledgers_digest().map(|digest| spark_core::hex(&digest));
        match is_loaded && self.damage.get().is_none() && digest.as_deref() == Some(committed) {
            true => Ok(()),
            false => Err(self.disk.doubt("its ledgers are not those that were committed")),
        }
    }

    fn load_series(&self, id: SeriesId) -> Result<Series, StoreError> {
        let version = self.disk.committed_version(&series_key(id), self.committed);
        let version = version.map_err(|source| self.disk.failed(source))?;
        let series = version.and_then(|version| Series::load(id, version.bytes(), self));
        series.ok_or_else(|| self.disk.doubt(format!("series {} is missing or can't be read", id.0)))
    }

    /// Takes what a checkpoint of `state` must write. It is written by [`Disk::write`], and settled by [`Store::end`];
    /// there is one at a time.
    pub fn begin(&mut self, state: &mut State, incarnation: &str) -> Result<Checkpoint, StoreError> {
        if let Some(damage) = self.damage.get() {
            return Err(self.disk.doubt(damage));
        }
        let commit = Commit {
            format: FORMAT,
            semantics: SEMANTICS,
            incarnation: incarnation.to_owned(),
            digest: spark_core::hex(&state.digest()),
            series: state.series().len() as u32,
            checkpoint: self.committed + 1,
            head: state.head().clone(),
            ledgers: state.ledgers_digest().map(|digest| spark_core::hex(&digest)),
        };
        self.writing = Arc::new(std::mem::take(&mut self.changed));
        Ok(Checkpoint {
            commit,
            committed: self.committed,
            pages: Arc::clone(&self.writing),
            series: state.take_unsaved(),
            evicted: std::mem::take(&mut self.evicted),
        })
    }

    /// What [`Disk::write`] did is done; or it failed, and the next checkpoint has to write it too.
    pub fn end(&mut self, state: &mut State, checkpoint: Checkpoint, is_written: bool) {
        let pages = std::mem::take(&mut self.writing);
        if is_written {
            self.committed = checkpoint.commit.checkpoint;
            return;
        }
        for (key, page) in pages.iter() {
            self.changed.entry(*key).or_insert_with(|| page.clone());
        }
        for (of, start) in checkpoint.evicted {
            let evicted = self.evicted.entry(of).or_default();
            *evicted = start.max(*evicted);
        }
        state.mark_unsaved(checkpoint.series.into_iter().map(|(id, _)| id));
    }

    /// What checkpoints write to.
    pub fn disk(&self) -> Disk {
        self.disk.clone()
    }

    /// The first thing that went wrong while reading.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// What `read` says, and the first thing that goes wrong with it kept.
    fn note<T>(&self, read: impl FnOnce() -> Result<T, sled::Error>) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(read)) => return Some(read),
            Ok(Err(error)) => self.damage.note(error.to_string()),
            Err(_panic) => self.damage.note("sled panicked on it".to_owned()),
        }
        None
    }

    fn read_page(&self, tier: Tier, version: &Version) -> Option<Page> {
        let page = Page::from_bytes(tier, version.bytes());
        if page.is_none() {
            self.damage.note("a page can't be read".to_owned());
        }
        page
    }
}

impl StoreError {
    /// Whether there was no room for it.
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::Sled { source: sled::Error::Io(error), .. } => matches!(error.kind(), StorageFull | QuotaExceeded),
            _ => false,
        }
    }
}

/// Whether the disk beneath the store has room for a checkpoint or two: found out by writing so much beside it.
pub(crate) fn has_room(path: &Path) -> bool {
    let beside = path.with_extension("room");
    let has_room = std::fs::write(&beside, vec![1; ROOM_BYTES]).is_ok();
    // One that is left behind takes the room that it was to find.
    std::fs::remove_file(&beside).is_ok() && has_room
}

pub(crate) fn doubt(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Doubtful { path: path.to_owned(), reason: reason.into() }
}

/// Renames the store to the first free `<name>.aside-<n>`, so that an empty one takes its place; says why. On a disk that
/// damages one after the other only the first few are kept.
pub(crate) fn set_aside(path: &Path, why: &(dyn std::error::Error + 'static)) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut asides = (0..ASIDES_MAX).map(|n| path.with_file_name(format!("{name}.aside-{n}")));
    let aside = asides.find(|aside| !aside.exists());
    let moved = match &aside {
        Some(aside) => std::fs::rename(path, aside),
        None => std::fs::remove_dir_all(path),
    };
    moved.map_err(|source| StoreError::SetAside { path: path.to_owned(), source })?;
    metrics::counter!(spark_schemas::metric::STORE_REBUILDS).increment(1);
    let kept = aside.map_or_else(|| "nowhere".to_owned(), |aside| aside.display().to_string());
    tracing::warn!(error = why, kept, "the store is rebuilt from the log");
    Ok(())
}

impl BucketStore for Store {
    fn get(&self, series: SeriesId, tier: Tier, start: TimeNs) -> Option<Page> {
        let key = (series, tier, start);
        if let Some(page) = self.changed.get(&key).or_else(|| self.writing.get(&key)) {
            return Some(page.clone());
        }
        let version = self.note(|| self.disk.committed_version(&page_key(key), self.committed))??;
        self.read_page(tier, &version)
    }

    fn range(&self, series: SeriesId, tier: Tier, starts: Range<TimeNs>) -> Vec<(TimeNs, Page)> {
        if starts.is_empty() {
            return Vec::new();
        }
        let keys = (series, tier, starts.start)..(series, tier, starts.end);
        let versions = self.note(|| self.disk.committed_pages(keys.clone(), self.committed)).unwrap_or_default();
        let stored = versions.iter().filter_map(|(start, version)| Some((*start, self.read_page(tier, version)?)));
        let mut pages: BTreeMap<TimeNs, Page> = stored.collect();
        for newer in [&*self.writing, &self.changed] {
            pages.extend(newer.range(keys.clone()).map(|((_, _, start), page)| (*start, page.clone())));
        }
        pages.into_iter().collect()
    }

    fn put(&mut self, series: SeriesId, tier: Tier, start: TimeNs, page: Page) {
        self.changed.insert((series, tier, start), page);
    }

    fn evict_before(&mut self, series: SeriesId, tier: Tier, start: TimeNs) {
        self.evicted.insert((series, tier), start);
        let gone: Vec<Key> =
            self.changed.range((series, tier, TimeNs(0))..(series, tier, start)).map(|(key, _)| *key).collect();
        gone.iter().for_each(|key| drop(self.changed.remove(key)));
    }
}
