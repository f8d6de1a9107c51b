//! The projection: a state and its store behind one lock, with what readers and the page need to know about the fold.

mod tally;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use spark_core::bucket::{BucketStore, MemoryBuckets};
use spark_core::config::Config;
use spark_core::fold::{Applied, RejectedFrames, State};
use spark_core::ledger::{Recounted, Recounter, Spec};
use spark_core::merkle::Hash;
use spark_core::view::{DECLARING, Part, View};
use spark_eventlog::{Bounds, Recorded};
use spark_schemas::{TimeNs, metric};
use tokio::sync::watch;
use tokio::time::timeout;

use self::tally::BatchTally;
use crate::follow::describe;
use crate::status::{FoldStatus, Phase, StoreGone};
use crate::store::{self, Damage, Store, StoreError};

/// Frames folded under one lock, so that readers wait at most some milliseconds during a replay.
const FRAMES_PER_LOCK: usize = 64;

/// A checkpoint that was not made; the fold goes on, and the next one tries again.
#[derive(Debug, thiserror::Error)]
#[error("no checkpoint was made")]
pub struct CheckpointError(#[from] StoreError);

/// A shared projection; clones are the same one.
#[derive(Clone)]
pub struct Projection(Arc<Shared>);

struct Shared {
    partition: u16,
    /// Where the store is; `None` in memory.
    dir: Option<PathBuf>,
    inner: RwLock<Inner>,
    trouble: Mutex<Trouble>,
    /// Held during a checkpoint.
    checkpoints: Mutex<()>,
    status: Mutex<FoldStatus>,
    position: watch::Sender<u64>,
    /// The projection of partition 0, where this one is of another: it knows what is to be counted.
    declaring: OnceLock<Projection>,
}

pub(crate) struct Inner {
    state: State,
    buckets: Buckets,
    incarnation: String,
}

/// What is wrong with the store. Not behind the lock of what it holds: how Spark is gets asked by who looks at a view, and
/// who takes a read lock again waits for a writer that waits for him.
#[derive(Default)]
struct Trouble {
    /// Why there is no store where there should be one.
    given_up: Option<String>,
    /// What its reads ran into.
    damage: Damage,
}

enum Buckets {
    Memory(MemoryBuckets),
    Stored(Box<Store>),
}

impl Buckets {
    fn as_store(&self) -> &dyn BucketStore {
        match self {
            Self::Memory(buckets) => buckets,
            Self::Stored(store) => store.as_ref(),
        }
    }

    fn as_store_mut(&mut self) -> &mut dyn BucketStore {
        match self {
            Self::Memory(buckets) => buckets,
            Self::Stored(store) => store.as_mut(),
        }
    }
}

impl Inner {
    pub(crate) fn part(&self, partition: u16) -> Part<'_> {
        Part { partition, state: &self.state, store: self.buckets.as_store() }
    }

    pub(crate) fn digest(&mut self) -> Hash {
        self.state.digest()
    }
}

impl Projection {
    /// A projection without a store: for replays, verification and tests.
    pub fn in_memory(partition: u16) -> Self {
        Self::new(partition, None, State::default(), Buckets::Memory(MemoryBuckets::default()), String::new())
    }

    /// The projection kept in `dir`, which reflects the log `incarnation`; empty when there is none that can be trusted.
    pub fn open(dir: &Path, partition: u16, incarnation: &str) -> Result<Self, StoreError> {
        let (store, state) = Store::open(dir, incarnation)?;
        let (dir, buckets) = (Some(dir.to_owned()), Buckets::Stored(Box::new(store)));
        Ok(Self::new(partition, dir, state, buckets, incarnation.to_owned()))
    }

    /// The projection kept in `dir` of a stream that may not be reachable now, and may be deleted and made anew while it
    /// is followed: which incarnation it reflects is in its state.
    pub fn open_stream(dir: &Path, partition: u16) -> Result<Self, StoreError> {
        Self::open(dir, partition, &spark_schemas::subject::stream(partition))
    }

    /// [`Projection::open`] for a log as it is now. A projection that is ahead of its log reflects frames that are gone:
    /// the log was restored from an older copy, and the projection is made anew from it.
    pub fn open_for(dir: &Path, partition: u16, log: &Bounds) -> Result<Self, StoreError> {
        let projection = Self::open(dir, partition, &log.incarnation)?;
        let (position, last_seq) = (projection.position(), log.last_seq);
        if position <= last_seq {
            return Ok(projection);
        }
        drop(projection);
        let why = store::doubt(dir, format!("it reflects position {position}, the log ends at {last_seq}"));
        store::set_aside(dir, &why)?;
        Self::open(dir, partition, &log.incarnation)
    }

    fn new(partition: u16, dir: Option<PathBuf>, state: State, buckets: Buckets, incarnation: String) -> Self {
        let position = state.head().position;
        let damage = match &buckets {
            Buckets::Stored(store) => store.damage().clone(),
            Buckets::Memory(_) => Damage::default(),
        };
        let status = FoldStatus {
            phase: Phase::Replaying { folded: position, of: position },
            position,
            log_last_seq: position,
            last_batch: TimeNs(0),
            no_checkpoint: None,
        };
        Self(Arc::new(Shared {
            partition,
            dir,
            inner: RwLock::new(Inner { state, buckets, incarnation }),
            trouble: Mutex::new(Trouble { given_up: None, damage }),
            checkpoints: Mutex::default(),
            status: Mutex::new(status),
            position: watch::Sender::new(position),
            declaring: OnceLock::new(),
        }))
    }

    /// The partition it reflects.
    pub fn partition(&self) -> u16 {
        self.0.partition
    }

    /// The last sequence number that was folded.
    pub fn position(&self) -> u64 {
        *self.0.position.borrow()
    }

    /// Tells each position reached.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.position.subscribe()
    }

    /// Waits until `seq` is folded, but no longer than `at_most`: for those who wrote it and are to see it next.
    pub async fn folded(&self, seq: u64, at_most: Duration) {
        let mut positions = self.changes();
        let folded = positions.wait_for(|position| *position >= seq);
        let _late_is_harmless = timeout(at_most, folded).await;
    }

    /// Looks at the state from the instant `at`. The fold waits meanwhile: keep it short.
    pub fn view<R>(&self, at: TimeNs, look: impl FnOnce(View<'_>) -> R) -> Result<R, StoreGone> {
        let inner = self.read();
        let seen = look(View { parts: vec![inner.part(self.partition())], at });
        self.store_gone().map(|()| seen)
    }

    /// Whether what is folded can be trusted. What was read under the lock before this says no is good.
    pub fn store_gone(&self) -> Result<(), StoreGone> {
        let trouble = self.trouble();
        let reason = trouble.given_up.clone().or_else(|| trouble.damage.get());
        reason.map_or(Ok(()), |reason| Err(StoreGone { partition: self.partition(), reason }))
    }

    /// Shows nothing more, until the store is opened anew.
    pub fn give_up(&self, reason: impl Into<String>) {
        self.trouble().given_up = Some(reason.into());
    }

    /// Opens the store anew, and goes on from what was committed to it: what was folded since is to be folded again, as
    /// after a restart. Without a store that opens it stays given up. Blocks.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let _no_checkpoint = self.0.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(dir) = &self.0.dir else { return Ok(()) };
        self.trouble().given_up.get_or_insert_with(|| "it is opened anew".to_owned());
        let incarnation = {
            let mut inner = self.write();
            // The store's lock is free only when nobody holds the store any more.
            inner.buckets = Buckets::Memory(MemoryBuckets::default());
            inner.incarnation.clone()
        };
        let (store, state) = Store::open(dir, &incarnation)?;
        let position = state.head().position;
        self.set_status(|status| {
            status.phase = Phase::Replaying { folded: position, of: status.log_last_seq };
            status.no_checkpoint = None;
        });
        {
            let mut inner = self.write();
            let damage = store.damage().clone();
            (inner.state, inner.buckets) = (state, Buckets::Stored(Box::new(store)));
            *self.trouble() = Trouble { given_up: None, damage };
        }
        self.0.position.send_replace(position);
        Ok(())
    }

    /// Whether the store takes no checkpoint any more, and would after [`Projection::reopen`]: its disk has room again.
    pub fn is_worth_reopening(&self) -> bool {
        let has_failed = self.lock_status().no_checkpoint.is_some();
        has_failed && self.0.dir.as_deref().is_some_and(store::has_room)
    }

    /// The state's digest at its position, in hex.
    pub fn digest(&self) -> String {
        spark_core::hex(&self.write().digest())
    }

    /// Rejected frames that the log does not say of yet: at most so many entries.
    pub fn unreported(&self, at_most: usize) -> Vec<RejectedFrames> {
        self.read().state.head().unreported.iter().take(at_most).cloned().collect()
    }

    /// The configuration in force, if it was declared in another log than the one that is followed now.
    pub fn to_declare_again(&self) -> Option<Config> {
        let inner = self.read();
        let head = inner.state.head();
        let policy = head.declarations.policy.as_ref().filter(|_| head.configured_in != head.origin);
        policy.map(|policy| policy.config.clone())
    }

    /// The log that was followed last (`EVENTS@<created>`); empty before the first.
    pub fn origin(&self) -> String {
        self.read().state.head().origin.clone()
    }

    /// Whether the log `origin` was followed once, and another one after it.
    pub fn has_sealed(&self, origin: &str) -> bool {
        self.read().state.head().sealed.iter().any(|sealed| sealed.origin == origin)
    }

    /// What is folded from here on is of the log `origin`, from its first frame.
    pub fn begin(&self, origin: &str) {
        let position = {
            let mut inner = self.write();
            inner.state.begin(origin);
            inner.state.head().position
        };
        if self.0.position.send_replace(position) != position {
            self.set_status(|status| status.log_last_seq = position);
        }
    }

    /// Folds recorded frames in order. Frames that were folded before change nothing. Gives the rejected ones by their
    /// place among `frames`, with the reason.
    pub fn apply(&self, frames: &[Recorded]) -> Vec<(usize, String)> {
        let mut rejected = Vec::new();
        for (first, chunk) in (0..).step_by(FRAMES_PER_LOCK).zip(frames.chunks(FRAMES_PER_LOCK)) {
            let mut tally = BatchTally::default();
            let position = {
                let mut inner = self.write();
                let Inner { state, buckets, .. } = &mut *inner;
                for (place, frame) in (first..).zip(chunk) {
                    let applied = state.apply(&frame.to_leaf(), buckets.as_store_mut());
                    tally.add(&applied);
                    if let Applied::Rejected { reason } = applied {
                        rejected.push((place, reason));
                    }
                }
                let partition = self.0.partition.to_string();
                metrics::gauge!(metric::FOLD_SERIES, "partition" => partition).set(state.series().len() as f64);
                state.head().position
            };
            tally.export();
            self.0.position.send_replace(position);
        }
        rejected
    }

    /// From here on this one counts for the objectives that `declaring` knows of.
    pub(crate) fn count_as_declared_in(&self, declaring: &Self) {
        let _set_before = self.0.declaring.set(declaring.clone());
    }

    /// Makes sure that the objectives in force are counted: as this log declares, or that of partition 0. A declaration in
    /// this one's own log was heeded when it was folded, but for one that an earlier build folded.
    pub(crate) fn sync_objectives(&self) {
        let specs: Vec<Spec> = match (self.0.declaring.get(), self.0.partition) {
            // Its lock is let go before this one's is taken.
            (Some(declaring), _) => declaring.read().state.declared_specs(),
            (None, DECLARING) => self.read().state.declared_specs(),
            (None, _) => return, // Nobody here knows.
        };
        if self.read().state.specs().eq(&specs) {
            return;
        }
        let mut inner = self.write();
        let Inner { state, buckets, .. } = &mut *inner;
        state.set_objectives(&specs, buckets.as_store_mut());
    }

    /// What counts anew, beside the fold, what is to be counted anew; `None` when nothing is.
    pub fn recounter(&self) -> Option<Recounter> {
        self.read().state.recounter()
    }

    /// Adds what was counted anew.
    pub fn finish_recount(&self, recounted: Recounted) {
        let mut inner = self.write();
        let Inner { state, buckets, .. } = &mut *inner;
        state.finish_recount(recounted, buckets.as_store_mut());
    }

    /// Makes rolling sums and keeps them up: after the replay, before serving.
    pub fn go_live(&self) {
        let mut inner = self.write();
        let Inner { state, buckets, .. } = &mut *inner;
        state.go_live(buckets.as_store());
    }

    /// Makes the projection durable as of its position, while the fold goes on; nothing to do for one in memory, nor
    /// after a panic of the fold, which may have left a frame half counted.
    pub fn checkpoint(&self) -> Result<(), CheckpointError> {
        let _one_at_a_time = self.0.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.inner.is_poisoned() {
            return Ok(());
        }
        let (disk, checkpoint) = {
            let mut inner = self.write();
            let Inner { state, buckets, incarnation, .. } = &mut *inner;
            let Buckets::Stored(store) = buckets else { return Ok(()) };
            (store.disk(), store.begin(state, incarnation)?)
        };
        let written = disk.write(&checkpoint);
        let failure = written.as_ref().err().map(|error| describe(error));
        self.set_status(|status| status.no_checkpoint = failure);
        let mut inner = self.write();
        let Inner { state, buckets, .. } = &mut *inner;
        if let Buckets::Stored(store) = buckets {
            store.end(state, checkpoint, written.is_ok());
        }
        Ok(written?)
    }

    /// Where the fold stands. Takes no lock that a view holds.
    pub fn status(&self) -> FoldStatus {
        let noted = self.lock_status().clone();
        let phase = self.store_gone().map_or_else(|gone| Phase::Failed(gone.to_string()), |()| noted.phase);
        FoldStatus { position: self.position(), phase, ..noted }
    }

    /// Notes where the fold stands.
    pub fn set_status(&self, change: impl FnOnce(&mut FoldStatus)) {
        change(&mut self.lock_status());
    }

    // A panic while a lock was held is a bug that the fold's own task reports; readers go on with what there is.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_status(&self) -> MutexGuard<'_, FoldStatus> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
