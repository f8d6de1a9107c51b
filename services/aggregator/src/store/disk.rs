//! sled beneath the store: keys, versions, and how a checkpoint is written.
//!
//! The only module that knows sled. It decides nothing: which version counts is said by the checkpoint that its caller
//! names.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spark_core::bucket::SeriesId;
use spark_core::fold::StateHead;
use spark_core::page::Page;
use spark_core::window::Tier;
use spark_schemas::TimeNs;

use super::{StoreError, doubt};

/// The most operations in one batch: larger ones leaked memory in sled 0.34.7 when measured.
const BATCH_OPS_MAX: usize = 500;
/// sled's page cache. The store is read in the background; its speed is not worth memory.
const CACHE_BYTES: u64 = 2 * 1024 * 1024;
/// How often, and how long in between, a store that is locked is tried again: two seconds.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// What a commit names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Commit {
    pub(super) format: u32,
    pub(super) semantics: u32,
    /// The log incarnation that was folded.
    pub(super) incarnation: String,
    /// The state digest at this commit, in hex.
    pub(super) digest: String,
    /// How many series there are.
    pub(super) series: u32,
    /// The number of the checkpoint.
    pub(super) checkpoint: u64,
    pub(super) head: StateHead,
    /// The digest over the ledgers, in hex; a store of a build that kept none has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ledgers: Option<String>,
}

pub(super) type Key = (SeriesId, Tier, TimeNs);
pub(super) type Pages = BTreeMap<Key, Page>;
pub(super) type Evicted = BTreeMap<(SeriesId, Tier), TimeNs>;

/// sled, for a checkpoint to write to while the fold goes on.
#[derive(Debug, Clone)]
pub struct Disk {
    path: PathBuf,
    db: sled::Db,
    data: sled::Tree,
}

/// A checkpoint between [`Store::begin`] and [`Store::end`].
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) commit: Commit,
    /// The checkpoint before, whose versions must stay.
    pub(super) committed: u64,
    pub(super) pages: Arc<Pages>,
    pub(super) series: Vec<(SeriesId, Vec<u8>)>,
    pub(super) evicted: Evicted,
}

/// Without the version's slot.
pub(super) fn page_key((series, tier, start): Key) -> Vec<u8> {
    let mut key = vec![b'p'];
    key.extend(series.0.to_be_bytes());
    key.push(tier.index() as u8);
    key.extend(start.0.to_be_bytes());
    key
}

/// Without the version's slot.
pub(super) fn series_key(id: SeriesId) -> Vec<u8> {
    let mut key = vec![b's'];
    key.extend(id.0.to_be_bytes());
    key
}

fn page_start_of(key: &[u8]) -> Option<TimeNs> {
    key.get(6..14)?.try_into().ok().map(u64::from_be_bytes).map(TimeNs)
}

const COMMIT: &[u8] = b"commit";

/// A value in sled: the number of the checkpoint that wrote it, then what it wrote.
pub(super) struct Version(sled::IVec);

const VERSION_BYTES: usize = 8;

impl Version {
    pub(super) fn encode(checkpoint: u64, bytes: &[u8]) -> Vec<u8> {
        [&checkpoint.to_be_bytes(), bytes].concat()
    }

    /// Its checkpoint; a value too short to be a version is of none that was ever committed.
    pub(super) fn checkpoint(&self) -> u64 {
        self.0.first_chunk().map_or(u64::MAX, |number| u64::from_be_bytes(*number))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[VERSION_BYTES.min(self.0.len())..]
    }
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = open_sled(path)?;
        let data = db.open_tree("data").map_err(|source| StoreError::Sled { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), db, data })
    }

    pub(super) fn commit(&self) -> Result<Option<Commit>, StoreError> {
        let Some(bytes) = self.data.get(COMMIT).map_err(|source| self.failed(source))? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(commit) => Ok(Some(commit)),
            Err(error) => Err(self.doubt(format!("the commit record can't be read: {error}"))),
        }
    }

    /// Whether nothing here is of a later checkpoint than the first.
    pub(super) fn has_only_the_first_checkpoint(&self) -> Result<bool, StoreError> {
        for value in self.data.iter().values() {
            if Version(value.map_err(|source| self.failed(source))?).checkpoint() != 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The version under `key` that the checkpoint `committed` left.
    pub(super) fn committed_version(&self, key: &[u8], committed: u64) -> Result<Option<Version>, sled::Error> {
        Ok(self
            .versions(key)?
            .into_iter()
            .flatten()
            .filter(|version| version.checkpoint() <= committed)
            .max_by_key(Version::checkpoint))
    }

    /// The version of each page in `keys` that the checkpoint `committed` left.
    pub(super) fn committed_pages(
        &self,
        keys: Range<Key>,
        committed: u64,
    ) -> Result<BTreeMap<TimeNs, Version>, sled::Error> {
        let mut pages = BTreeMap::<TimeNs, Version>::new();
        for stored in self.data.range(page_key(keys.start)..page_key(keys.end)) {
            let (key, value) = stored?;
            let (Some(start), version) = (page_start_of(&key), Version(value)) else { continue };
            let is_newer = |known: &Version| known.checkpoint() < version.checkpoint();
            if version.checkpoint() <= committed && pages.get(&start).is_none_or(is_newer) {
                pages.insert(start, version);
            }
        }
        Ok(pages)
    }

    fn versions(&self, key: &[u8]) -> Result<[Option<Version>; 2], sled::Error> {
        let version = |slot: u8| self.data.get([key, &[slot]].concat()).map(|value| value.map(Version));
        Ok([version(0)?, version(1)?])
    }

    /// `key` with the slot in which no version is that counts.
    fn free_slot(&self, mut key: Vec<u8>, committed: u64) -> Result<Vec<u8>, sled::Error> {
        let [first, second] = self.versions(&key)?;
        let number = |version: Option<Version>| {
            version.map(|version| version.checkpoint()).filter(|number| *number <= committed).unwrap_or(0)
        };
        key.push(u8::from(number(first) > number(second)));
        Ok(key)
    }

    /// Writes a checkpoint: everything it changed, then the commit record, then what may go.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let written = catch_unwind(AssertUnwindSafe(|| self.try_write(checkpoint)));
        written.unwrap_or_else(|_panic| Err(self.doubt("sled panicked on it")))
    }

    fn try_write(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let Checkpoint { commit, committed, pages, series, evicted } = checkpoint;
        let pages = pages.iter().map(|(key, page)| (page_key(*key), page.as_bytes()));
        let series = series.iter().map(|(id, record)| (series_key(*id), record.as_slice()));
        let changes = pages.chain(series).map(|(key, bytes)| {
            Ok((self.free_slot(key, *committed)?, Some(Version::encode(commit.checkpoint, bytes))))
        });
        apply_in_batches(&self.data, changes)
            .and_then(|()| self.db.flush())
            .and_then(|_bytes| self.data.insert(COMMIT, to_json(commit)))
            .and_then(|_before| self.db.flush())
            .map_err(|source| self.failed(source))?;
        tracing::trace!(position = commit.head.position, "checkpoint");
        self.delete(evicted).map_err(|source| self.failed(source))
    }

    /// Only after the commit: until then the state committed before may need them again.
    fn delete(&self, evicted: &Evicted) -> Result<(), sled::Error> {
        for ((series, tier), kept_from) in evicted {
            let range = page_key((*series, *tier, TimeNs(0)))..page_key((*series, *tier, *kept_from));
            apply_in_batches(&self.data, self.data.range(range).keys().map(|key| Ok((key?.to_vec(), None))))?;
        }
        Ok(())
    }

    /// Every page, stored again as one that can't be read.
    #[cfg(test)]
    pub(crate) fn spoil_pages(&self) {
        for entry in self.data.scan_prefix("p") {
            let (key, value) = entry.unwrap();
            self.data.insert(key, Version::encode(Version(value).checkpoint(), &[0xff])).unwrap();
        }
    }

    pub(super) fn failed(&self, source: sled::Error) -> StoreError {
        StoreError::Sled { path: self.path.clone(), source }
    }

    pub(super) fn doubt(&self, reason: impl Into<String>) -> StoreError {
        doubt(&self.path, reason)
    }
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

#[expect(clippy::expect_used, reason = "string keys only, in memory")]
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys only, in memory")
}

/// Inserts (`Some`) and removes (`None`) in batches that sled keeps without leaking.
fn apply_in_batches(
    tree: &sled::Tree,
    changes: impl Iterator<Item = Result<(Vec<u8>, Option<Vec<u8>>), sled::Error>>,
) -> Result<(), sled::Error> {
    let mut changes = changes.peekable();
    while changes.peek().is_some() {
        let mut batch = sled::Batch::default();
        for change in changes.by_ref().take(BATCH_OPS_MAX) {
            match change? {
                (key, Some(value)) => batch.insert(key, value),
                (key, None) => batch.remove(key),
            }
        }
        tree.apply_batch(batch)?;
    }
    Ok(())
}
