//! What the writer, the sealer and the readers share: the durable tail in memory and the right edge.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use spark_core::merkle::{Hash, TILE_WIDTH};
use tokio::sync::watch;

use super::bundle::Sealed;
use super::edge::{Edge, FullTile};
use super::error::{NoRoom, Stopped};

/// How much may wait to be sealed before appends wait. It bounds memory, and the time that closing and opening take.
const UNSEALED_BYTES_MAX: usize = 32 << 20;
const UNSEALED_LEAVES_MAX: usize = 256 * TILE_WIDTH as usize;
/// How long the sealer waits for room on the disk before it looks again.
const FULL_DISK_RETRY: Duration = Duration::from_secs(1);

/// A bundle that became full, to be written to its files.
#[derive(Debug)]
pub(super) struct Filled {
    pub index: u64,
    pub leaves: Vec<Bytes>,
    pub tiles: Vec<FullTile>,
}

/// How far the log is, for those who wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// How many leaves are durable.
    pub size: u64,
    /// Nothing comes any more, and why.
    pub end: Option<End>,
}

/// Why nothing comes any more.
#[derive(Debug, Clone)]
pub(super) enum End {
    Closed,
    Stopped(Stopped),
}

/// What a reader finds at a place in the log.
pub(super) enum Found {
    /// It is in a sealed bundle.
    Disk(Sealed),
    /// These leaves.
    Tail(Vec<Bytes>),
    /// Nothing yet.
    Nothing,
}

pub(super) struct Shared {
    pub dir: PathBuf,
    pub incarnation: String,
    state: Mutex<State>,
    /// A bundle was sealed, room was found, or the end has come.
    changed: Condvar,
    pub progress: watch::Sender<Progress>,
}

pub(super) struct State {
    /// The durable leaves from `sealed_bundles` on.
    tail: VecDeque<Bytes>,
    tail_bytes: usize,
    sealed_bundles: u64,
    /// The edge over all durable leaves.
    pub edge: Edge,
    /// The sequence number after the last durable leaf.
    pub next_seq: u64,
    /// The first leaves of the write-ahead segments.
    pub segments: VecDeque<u64>,
    /// The sealer waits for room.
    pub no_room: Option<NoRoom>,
    pub is_closing: bool,
    stopped: Option<Stopped>,
}

impl Shared {
    pub fn new(dir: PathBuf, incarnation: String, sealed: Sealed, segments: VecDeque<u64>, next_seq: u64) -> Self {
        let progress = Progress { size: sealed.edge.size(), end: None };
        let state = State {
            tail: VecDeque::new(),
            tail_bytes: 0,
            sealed_bundles: sealed.bundles,
            edge: sealed.edge,
            next_seq,
            segments,
            no_room: None,
            is_closing: false,
            stopped: None,
        };
        Self {
            dir,
            incarnation,
            state: Mutex::new(state),
            changed: Condvar::new(),
            progress: watch::Sender::new(progress),
        }
    }

    /// The state is whole between any two statements that change it, so a panic elsewhere does not spoil it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable leaves visible; gives the bundles that they fill.
    pub fn publish(&self, leaves: impl IntoIterator<Item = (Bytes, Hash)>, next_seq: u64) -> Vec<Filled> {
        let mut filled = Vec::new();
        let mut state = self.state();
        for (leaf, hash) in leaves {
            let mut tiles = Vec::new();
            state.tail_bytes += leaf.len();
            state.tail.push_back(leaf);
            state.edge.push(hash, &mut tiles);
            if let Some(tile) = tiles.first() {
                let index = tile.index;
                let start = (index - state.sealed_bundles) * TILE_WIDTH;
                let leaves = state.tail.iter().skip(start as usize).cloned().collect();
                filled.push(Filled { index, leaves, tiles });
            }
        }
        state.next_seq = next_seq;
        let size = state.edge.size();
        drop(state);
        self.progress.send_modify(|progress| progress.size = size);
        filled
    }

    /// A bundle's files are written: readers find it there.
    pub fn sealed(&self, bundle: &Filled) {
        let mut state = self.state();
        let freed: usize = state.tail.drain(..bundle.leaves.len()).map(|leaf| leaf.len()).sum();
        state.tail_bytes -= freed;
        state.sealed_bundles += 1;
        state.no_room = None;
        self.changed.notify_all();
    }

    /// Waits until the sealer is not too far behind.
    pub fn wait_for_sealer(&self) -> Result<(), NoRoom> {
        let mut state = self.state();
        let is_behind = |state: &State| {
            let is_much = state.tail_bytes > UNSEALED_BYTES_MAX || state.tail.len() > UNSEALED_LEAVES_MAX;
            // Less than a bundle can't be sealed, however long its leaves are.
            is_much && state.tail.len() as u64 >= TILE_WIDTH && state.stopped.is_none()
        };
        while is_behind(&state) {
            if let Some(no_room) = &state.no_room {
                return Err(no_room.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until the first `bundles` bundles are in their files; false when that will not be soon.
    pub fn wait_until_sealed(&self, bundles: u64) -> bool {
        let mut state = self.state();
        while state.sealed_bundles < bundles {
            if state.no_room.is_some() || state.is_closing || state.stopped.is_some() {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// The sealer found the disk full: waits a while. False when there is no time left, because the archive closes.
    pub fn wait_for_room(&self, no_room: NoRoom) -> bool {
        let mut state = self.state();
        state.no_room = Some(no_room);
        self.changed.notify_all();
        let closing = |state: &mut State| !state.is_closing;
        let waited = self.changed.wait_timeout_while(state, FULL_DISK_RETRY, closing);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_closing
    }

    /// The archive closes: nobody needs to wait for room any more.
    pub fn close(&self) {
        self.state().is_closing = true;
        self.changed.notify_all();
        self.progress.send_modify(|progress| progress.end = progress.end.take().or(Some(End::Closed)));
    }

    /// A write failed for good.
    pub fn stop(&self, stopped: Stopped) {
        tracing::error!(error = %stopped, cause = %stopped.source, "the archive takes no more frames");
        self.state().stopped.get_or_insert(stopped.clone());
        self.changed.notify_all();
        self.progress.send_modify(|progress| progress.end = Some(End::Stopped(stopped)));
    }

    /// Why nothing may be written any more.
    pub fn stopped(&self) -> Option<Stopped> {
        self.state().stopped.clone()
    }

    /// What is at leaf `next`: at most `leaves_max` leaves, and not many more than `bytes_max` bytes.
    pub fn look(&self, next: u64, leaves_max: usize, bytes_max: usize) -> Found {
        let state = self.state();
        let Some(start) = next.checked_sub(state.sealed_bundles * TILE_WIDTH) else {
            return Found::Disk(state.sealed());
        };
        let mut bytes = 0;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let leaves = state.tail.iter().skip(start).take(leaves_max).take_while(|leaf| {
            let is_room = bytes < bytes_max;
            bytes += leaf.len();
            is_room
        });
        match leaves.cloned().collect::<Vec<_>>() {
            none if none.is_empty() => Found::Nothing,
            some => Found::Tail(some),
        }
    }
}

impl State {
    /// The sealed bundles, and the edge to hold them against.
    pub fn sealed(&self) -> Sealed {
        Sealed { bundles: self.sealed_bundles, edge: self.edge.clone() }
    }

    /// The leaves of the unsealed bundle `index`, up to `width`.
    pub fn unsealed(&self, index: u64, width: u64) -> Option<Vec<Bytes>> {
        let start = (index.checked_sub(self.sealed_bundles)? * TILE_WIDTH) as usize;
        let leaves: Vec<_> = self.tail.iter().skip(start).take(width as usize).cloned().collect();
        (leaves.len() as u64 == width).then_some(leaves)
    }
}
