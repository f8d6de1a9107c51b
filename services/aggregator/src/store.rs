//! The sled store: closed buckets, series and the commit record. Disposable by design: any doubt, and it is rebuilt by
//! replay.
//!
//! A checkpoint is atomic although sled's batches stay small: its changes go into a redo tree first, then the commit
//! record names them, then they are moved to their place. A store that was cut short is finished or forgotten at open.
//! Invariant: what [`Store::open`] returns has exactly the state digest that its commit record names.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spark_core::bucket::{Bucket, BucketStore, SeriesId};
use spark_core::fold::{SEMANTICS, State, StateHead};
use spark_core::series::{Series, SeriesHead};
use spark_core::window::Tier;
use spark_schemas::TimeNs;

/// The most operations in one batch: larger ones leaked memory in sled 0.34.7 when measured.
const BATCH_OPS_MAX: usize = 500;
/// sled's page cache. The store is read in the background; its speed is not worth memory.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// How often, and how long in between, a store that is locked is tried again: two seconds.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The layout of the trees; another number is rebuilt.
const FORMAT: u32 = 1;

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

/// What a commit names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Commit {
    format: u32,
    semantics: u32,
    /// The log incarnation that was folded.
    incarnation: String,
    /// The state digest at this commit, in hex.
    digest: String,
    /// How many series there are.
    series: u32,
    /// The checkpoint's changes are whole in the redo tree and must be moved to their place.
    redo: bool,
    head: StateHead,
}

type Key = (SeriesId, Tier, TimeNs);

/// Closed buckets in sled, with the changes since the last checkpoint in memory.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    db: sled::Db,
    data: sled::Tree,
    redo: sled::Tree,
    changed: BTreeMap<Key, Bucket>,
    evicted: BTreeMap<(SeriesId, Tier), TimeNs>,
    /// The first thing that went wrong while reading; reads can't return errors to the fold.
    damage: Mutex<Option<String>>,
}

fn bucket_key((series, tier, start): Key) -> [u8; 14] {
    let mut key = [0; 14];
    key[0] = b'b';
    key[1..5].copy_from_slice(&series.0.to_be_bytes());
    key[5] = tier.index() as u8;
    key[6..].copy_from_slice(&start.0.to_be_bytes());
    key
}

fn series_key(id: SeriesId) -> [u8; 5] {
    let mut key = [b's', 0, 0, 0, 0];
    key[1..].copy_from_slice(&id.0.to_be_bytes());
    key
}

const COMMIT: &[u8] = b"commit";

impl Store {
    /// Opens the store for the log `incarnation` and loads the committed state, verified against its digest; a store
    /// that gives cause for doubt is renamed aside and an empty one takes its place: the log has everything.
    pub fn open(path: &Path, incarnation: &str) -> Result<(Self, State), StoreError> {
        match Self::open_verified(path, incarnation) {
            Ok(opened) => Ok(opened),
            // Nothing is wrong with it, and its owner needs it where it is.
            Err(in_use @ StoreError::InUse { .. }) => Err(in_use),
            Err(doubt) => {
                set_aside(path, &doubt)?;
                Self::open_verified(path, incarnation)
            }
        }
    }

    fn open_verified(path: &Path, incarnation: &str) -> Result<(Self, State), StoreError> {
        // sled panics on some damaged files instead of returning an error.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let store = Self::open_unverified(path)?;
            let state = store.load(incarnation)?;
            Ok((store, state))
        }));
        opened.unwrap_or_else(|_panic| Err(doubt(path, "sled panicked on it")))
    }

    fn open_unverified(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Sled { path: path.to_owned(), source };
        let db = Self::open_sled(path)?;
        let data = db.open_tree("data").map_err(failed)?;
        let redo = db.open_tree("redo").map_err(failed)?;
        let damage = Mutex::default();
        Ok(Self { path: path.to_owned(), db, data, redo, changed: BTreeMap::new(), evicted: BTreeMap::new(), damage })
    }

    /// Opens sled; waits a little for its lock, which its threads let go some time after the store was dropped.
    fn open_sled(path: &Path) -> Result<sled::Db, StoreError> {
        let config =
            sled::Config::new().path(path).cache_capacity(CACHE_BYTES).mode(sled::Mode::LowSpace).flush_every_ms(None);
        for _ in 0..LOCK_TRIES {
            match config.open() {
                // sled has no variant for this.
                Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                opened => return opened.map_err(|source| StoreError::Sled { path: path.to_owned(), source }),
            }
        }
        Err(StoreError::InUse { path: path.to_owned() })
    }

    /// The committed state, after finishing or forgetting a checkpoint that was cut short.
    fn load(&self, incarnation: &str) -> Result<State, StoreError> {
        let Some(mut commit) = self.commit()? else {
            self.redo.clear().map_err(|source| self.failed(source))?;
            return match self.data.is_empty() {
                true => Ok(State::default()),
                false => Err(self.doubt("it has data but no commit record")),
            };
        };
        if (commit.format, commit.semantics) != (FORMAT, SEMANTICS) {
            return Err(self.doubt("another version of Spark wrote it"));
        }
        if commit.incarnation != incarnation {
            return Err(self.doubt(format!("it reflects log {}, the log is {incarnation}", commit.incarnation)));
        }
        if commit.redo {
            self.move_redo_to_place(&commit)?;
            // Said before the next checkpoint fills the redo tree again: cut short, that one must be forgotten.
            commit.redo = false;
            self.write_commit(&commit)?;
        } else {
            self.redo.clear().map_err(|source| self.failed(source))?;
        }
        let series = (0..commit.series).map(|id| self.load_series(SeriesId(id))).collect::<Result<Vec<_>, _>>()?;
        let mut state = State::load(commit.head, series);
        let digest = spark_core::hex(&state.digest(self));
        if let Some(damage) = self.damage() {
            return Err(self.doubt(damage));
        }
        if digest != commit.digest {
            return Err(self.doubt("its content does not have the digest that was committed"));
        }
        Ok(state)
    }

    fn commit(&self) -> Result<Option<Commit>, StoreError> {
        let Some(bytes) = self.data.get(COMMIT).map_err(|source| self.failed(source))? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(commit) => Ok(Some(commit)),
            Err(error) => Err(self.doubt(format!("the commit record can't be read: {error}"))),
        }
    }

    fn load_series(&self, id: SeriesId) -> Result<Series, StoreError> {
        let bytes = self.data.get(series_key(id)).map_err(|source| self.failed(source))?;
        let bytes = bytes.ok_or_else(|| self.doubt(format!("series {} is missing", id.0)))?;
        let head: SeriesHead = serde_json::from_slice(&bytes)
            .map_err(|error| self.doubt(format!("series {} can't be read: {error}", id.0)))?;
        Ok(Series::load(id, head, self))
    }

    /// Makes the state durable as of its position.
    pub fn checkpoint(&mut self, state: &mut State, incarnation: &str) -> Result<(), StoreError> {
        state.flush(self);
        let digest = spark_core::hex(&state.digest(self));
        if let Some(damage) = self.damage() {
            return Err(self.doubt(damage));
        }
        let buckets = self.changed.iter().map(|(key, bucket)| (bucket_key(*key).to_vec(), bucket.to_bytes()));
        let heads = state
            .series()
            .iter()
            .filter(|series| series.is_unsaved())
            .map(|series| (series_key(series.id).to_vec(), to_json(&series.head)));
        apply_in_batches(&self.redo, buckets.chain(heads).map(|(key, value)| (key, Some(value))))
            .and_then(|()| self.db.flush())
            .map_err(|source| self.failed(source))?;

        let mut commit = Commit {
            format: FORMAT,
            semantics: SEMANTICS,
            incarnation: incarnation.to_owned(),
            digest,
            series: state.series().len() as u32,
            redo: true,
            head: state.head().clone(),
        };
        self.write_commit(&commit)?;
        self.move_redo_to_place(&commit)?;
        commit.redo = false;
        self.write_commit(&commit)?;
        self.delete_evicted()?;
        self.changed.clear();
        state.mark_saved();
        Ok(())
    }

    fn write_commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let written = self.data.insert(COMMIT, to_json(commit)).and_then(|_before| self.db.flush());
        written.map(drop).map_err(|source| self.failed(source))
    }

    /// Idempotent: it may be cut short and done again.
    fn move_redo_to_place(&self, commit: &Commit) -> Result<(), StoreError> {
        let entries = self.redo.iter().map(|entry| entry.map(|(key, value)| (key.to_vec(), Some(value.to_vec()))));
        let moved = entries.collect::<Result<Vec<_>, _>>().and_then(|entries| {
            apply_in_batches(&self.data, entries.into_iter())?;
            self.db.flush()?;
            self.redo.clear()
        });
        moved.map_err(|source| self.failed(source))?;
        tracing::trace!(position = commit.head.position, "checkpoint");
        Ok(())
    }

    /// Only after the commit: until then the committed state may need them again.
    fn delete_evicted(&mut self) -> Result<(), StoreError> {
        for ((series, tier), kept_from) in std::mem::take(&mut self.evicted) {
            let range = bucket_key((series, tier, TimeNs(0)))..bucket_key((series, tier, kept_from));
            let keys = self.data.range(range).keys().map(|key| key.map(|key| (key.to_vec(), None)));
            let deleted =
                keys.collect::<Result<Vec<_>, _>>().and_then(|gone| apply_in_batches(&self.data, gone.into_iter()));
            deleted.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: sled::Error) -> StoreError {
        StoreError::Sled { path: self.path.clone(), source }
    }

    fn doubt(&self, reason: impl Into<String>) -> StoreError {
        doubt(&self.path, reason)
    }

    fn damage(&self) -> Option<String> {
        self.damage.lock().map_or_else(|_| Some("a read panicked".to_owned()), |damage| damage.clone())
    }

    fn read(&self, entry: Result<Option<sled::IVec>, sled::Error>) -> Option<Bucket> {
        let problem = match entry {
            Ok(None) => return None,
            Ok(Some(bytes)) => match Bucket::from_bytes(&bytes) {
                Some(bucket) => return Some(bucket),
                None => "a bucket can't be read".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        if let Ok(mut damage) = self.damage.lock() {
            damage.get_or_insert(problem);
        }
        None
    }
}

#[expect(clippy::expect_used, reason = "string keys only, in memory")]
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys only, in memory")
}

pub(crate) fn doubt(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Doubtful { path: path.to_owned(), reason: reason.into() }
}

/// Inserts (`Some`) and removes (`None`) in batches that sled keeps without leaking.
fn apply_in_batches(
    tree: &sled::Tree,
    changes: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
) -> Result<(), sled::Error> {
    let mut changes = changes.peekable();
    while changes.peek().is_some() {
        let mut batch = sled::Batch::default();
        for (key, value) in changes.by_ref().take(BATCH_OPS_MAX) {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        tree.apply_batch(batch)?;
    }
    Ok(())
}

/// Renames the store to the first free `<name>.aside-<n>`, so that an empty one takes its place; says why.
pub(crate) fn set_aside(path: &Path, why: &(dyn std::error::Error + 'static)) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let free = (0_u32..).map(|n| path.with_file_name(format!("{name}.aside-{n}"))).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.with_file_name(format!("{name}.aside")));
    if let Err(source) = std::fs::rename(path, &aside) {
        return Err(StoreError::SetAside { path: path.to_owned(), source });
    }
    metrics::counter!(spark_schemas::metric::STORE_REBUILDS).increment(1);
    tracing::warn!(error = why, kept = %aside.display(), "the store is rebuilt from the log");
    Ok(())
}

impl BucketStore for Store {
    fn get(&self, series: SeriesId, tier: Tier, start: TimeNs) -> Option<Bucket> {
        let key = (series, tier, start);
        match self.changed.get(&key) {
            Some(bucket) => Some(bucket.clone()),
            None => self.read(self.data.get(bucket_key(key))),
        }
    }

    fn range(&self, series: SeriesId, tier: Tier, starts: Range<TimeNs>) -> Vec<Bucket> {
        if starts.is_empty() {
            return Vec::new();
        }
        let keys = (series, tier, starts.start)..(series, tier, starts.end);
        let stored = self.data.range(bucket_key(keys.start)..bucket_key(keys.end));
        let stored = stored.values().filter_map(|value| self.read(value.map(Some)));
        let mut buckets: BTreeMap<TimeNs, Bucket> = stored.map(|bucket| (bucket.start, bucket)).collect();
        buckets.extend(self.changed.range(keys).map(|((_, _, start), bucket)| (*start, bucket.clone())));
        buckets.into_values().collect()
    }

    fn put(&mut self, series: SeriesId, tier: Tier, bucket: Bucket) {
        self.changed.insert((series, tier, bucket.start), bucket);
    }

    fn evict_before(&mut self, series: SeriesId, tier: Tier, start: TimeNs) {
        self.evicted.insert((series, tier), start);
        let gone: Vec<Key> =
            self.changed.range((series, tier, TimeNs(0))..(series, tier, start)).map(|(key, _)| *key).collect();
        gone.iter().for_each(|key| drop(self.changed.remove(key)));
    }
}
