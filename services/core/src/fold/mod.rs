//! The fold: `state = fold(state, recorded frame)`. Everything shown comes from here, and nothing else changes it.

mod accept;
mod continuity;
mod declarations;
mod events;
mod instead;
mod ledgers;
mod rejected;
pub mod snapshot;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use spark_schemas::{Boot, Class, EventSubject, Frame, Leaf, Name, TimeNs};

use crate::boots::BootMarks;
use crate::bucket::{BucketStore, SeriesId};
use crate::json;
use crate::ledger::{Book, Place};
use crate::merkle::Hash;
use crate::series::Series;

pub(crate) use accept::{Runs, accept};
pub use continuity::Continuity;
pub use declarations::{Declarations, Policy};
use instead::Instead;
pub use rejected::{RejectedFrames, Unreported};

/// The version of the fold's arithmetic; recorded with every decision, so that old evidence stays verifiable.
pub const SEMANTICS: u32 = 1;

/// An event may be this much ahead of the instant the log received it; beyond, the agent's clock can't be right.
pub const AHEAD_MAX_NS: u64 = 5 * 60 * TimeNs::SECOND;

/// Everything that is known at a log position, but for closed buckets, which are in the store.
#[derive(Debug, Clone, Default)]
pub struct State {
    head: StateHead,
    series: Vec<Series>,
    ids: HashMap<Name, BTreeMap<Name, SeriesId>>,
    book: Book,
    live: bool,
    instead: Option<Box<Instead>>,
}

/// The state without its series; what the store keeps in its commit record.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StateHead {
    /// The log that is folded (`EVENTS@<created>`); empty before the first.
    pub origin: String,
    /// The last sequence number of it that was folded; 0 before the first.
    pub position: u64,
    /// The logs that were folded before it, oldest first: each was deleted, and another made in its place.
    pub sealed: Vec<SealedLog>,
    /// The greatest `received_ns` so far: the fold's time.
    pub fold_time: TimeNs,
    /// The log in which the configuration in force was declared; another than `origin` lacks it.
    pub configured_in: String,
    /// Counts over the whole log.
    pub totals: Totals,
    /// What was seen of each agent's runs.
    agents: Runs,
    /// The latest heartbeat of each agent.
    pub heartbeats: BTreeMap<Name, BTreeMap<Class, spark_schemas::event::Heartbeat>>,
    /// Rejected frames that no `rejected` event in the log reports yet.
    pub unreported: Unreported,
    /// What was declared and decided.
    pub declarations: Declarations,
    /// Parts of long target lists that wait for their other parts, by agent.
    partial_targets: BTreeMap<Name, events::PartialTargets>,
}

/// Counts over the whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Frames counted.
    pub frames: u64,
    /// Observations counted.
    pub observations: u64,
    /// Missed slots reported.
    pub missed: u64,
    /// Frames that had been counted before.
    pub duplicates: u64,
    /// Frames rejected.
    pub rejected: u64,
    /// Sequence numbers that the stream lost, as its gap leaves say.
    pub lost: u64,
    /// Events of kinds that this build does not know.
    pub unknown_kinds: u64,
}

impl std::iter::Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(totals: I) -> Self {
        totals.fold(Self::default(), |sum, one| Self {
            frames: sum.frames + one.frames,
            observations: sum.observations + one.observations,
            missed: sum.missed.saturating_add(one.missed),
            duplicates: sum.duplicates + one.duplicates,
            rejected: sum.rejected + one.rejected,
            lost: sum.lost + one.lost,
            unknown_kinds: sum.unknown_kinds + one.unknown_kinds,
        })
    }
}

/// A log that was folded up to its end, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedLog {
    /// Which log (`EVENTS@<created>`).
    pub origin: String,
    /// The last sequence number that was folded.
    pub last_seq: u64,
}

/// What one leaf did to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Its events were counted.
    Counted {
        /// How many observations it had.
        observations: u64,
    },
    /// The frame had been counted before.
    Duplicate,
    /// No figure counts it.
    Rejected {
        /// What was wrong.
        reason: String,
    },
    /// It named messages that the stream lost.
    Gap,
    /// It was folded before.
    Old,
}

/// One run of one agent, as the log saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentRun<'a> {
    /// The agent.
    pub agent: &'a Name,
    /// The class it published.
    pub class: Class,
    /// The run.
    pub boot: Boot,
    /// What was seen of it.
    pub marks: &'a BootMarks,
}

impl State {
    /// A state as the store kept it.
    pub fn load(head: StateHead, series: Vec<Series>) -> Self {
        let mut ids: HashMap<Name, BTreeMap<Name, SeriesId>> = HashMap::new();
        for one in &series {
            ids.entry(one.head.target.clone()).or_default().insert(one.head.agent.clone(), one.id);
        }
        Self { head, series, ids, book: Book::default(), live: false, instead: None }
    }

    /// Everything but the series.
    pub fn head(&self) -> &StateHead {
        &self.head
    }

    /// Every series, in the order in which the log first mentions them.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The series of one target, by agent.
    pub fn series_of<'a>(&'a self, target: &str) -> impl Iterator<Item = &'a Series> {
        let ids = self.ids.get(target).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.series.get(id.0 as usize))
    }

    /// Every run of every agent.
    pub fn agent_runs(&self) -> impl Iterator<Item = AgentRun<'_>> {
        self.head.agents.iter().flat_map(|(agent, classes)| {
            classes.iter().flat_map(move |(class, boots)| {
                boots.iter().map(move |(boot, marks)| AgentRun { agent, class: *class, boot: *boot, marks })
            })
        })
    }

    /// Makes the rolling sums and keeps them up from here on: after the replay, before serving.
    pub fn go_live(&mut self, store: &dyn BucketStore) {
        self.live = true;
        let fold_time = self.head.fold_time;
        self.series.iter_mut().for_each(|series| series.materialize(fold_time, store));
    }

    /// The record of every series and ledger that changed since the store last took it.
    pub fn take_unsaved(&mut self) -> Vec<(SeriesId, Vec<u8>)> {
        let mut of_ledgers = self.book.take_unsaved();
        let unsaved = self.series.iter_mut().filter(|series| series.is_unsaved());
        let taken = unsaved.map(|series| {
            series.mark_saved(true);
            (series.id, series.record())
        });
        of_ledgers.extend(taken);
        of_ledgers
    }

    /// The store could not keep the records that it took of these series and ledgers.
    pub fn mark_unsaved(&mut self, ids: impl Iterator<Item = SeriesId>) {
        for id in ids {
            match self.series.get_mut(id.0 as usize) {
                Some(series) => series.mark_saved(false),
                None => self.book.mark_unsaved(id),
            }
        }
    }

    /// The leaves that follow are those of the log `origin`, from its first on. Where it takes the place of another,
    /// that one is sealed: figures and marks stay, so a frame that is in both is counted once. Part of the fold's input,
    /// as leaves are.
    pub fn begin(&mut self, origin: &str) {
        let head = &mut self.head;
        if head.origin == origin {
            return;
        }
        let before = std::mem::replace(&mut head.origin, origin.to_owned());
        if !before.is_empty() {
            head.unreported.seal(&before);
            head.sealed.push(SealedLog { origin: before, last_seq: head.position });
            head.position = 0;
        }
    }

    /// Folds one leaf.
    pub fn apply(&mut self, leaf: &Leaf<'_>, store: &mut dyn BucketStore) -> Applied {
        self.apply_seen(leaf, store, |_state, _store, _subject, _frame| ())
    }

    /// The same; `look` sees a frame that is counted just before its events are, and the state as it is without them.
    pub fn apply_seen(
        &mut self,
        leaf: &Leaf<'_>,
        store: &mut dyn BucketStore,
        look: impl FnOnce(&Self, &dyn BucketStore, &EventSubject, &Frame),
    ) -> Applied {
        if leaf.seq <= self.head.position {
            return Applied::Old;
        }
        let is_first = self.head.position == 0 && self.head.sealed.is_empty();
        self.head.fold_time = self.head.fold_time.max(TimeNs(leaf.received_ns));
        self.book.pass(self.head.fold_time, Place { log: self.head.sealed.len() as u32, seq: leaf.seq }, is_first);
        if let Some(last) = leaf.gap_last_seq() {
            self.head.totals.lost += last - leaf.seq + 1;
            self.head.position = last;
            return Applied::Gap;
        }
        self.head.position = leaf.seq;
        match accept(&mut self.head.agents, leaf) {
            Ok(Some((subject, frame))) => {
                let class = subject.class;
                look(self, store, &subject, &frame);
                let observations = self.apply_events(&subject, frame.events, store);
                self.head.totals.frames += 1;
                self.head.totals.observations += observations;
                accept::marks(&mut self.head.agents, subject.agent, class, frame.boot).observations += observations;
                Applied::Counted { observations }
            }
            Ok(None) => {
                self.head.totals.duplicates += 1;
                Applied::Duplicate
            }
            Err(reason) => {
                self.head.totals.rejected += 1;
                self.head.unreported.add(leaf.seq, leaf.subject, &reason);
                Applied::Rejected { reason }
            }
        }
    }

    fn series_mut(&mut self, target: &Name, agent: &Name) -> &mut Series {
        let known = self.ids.get(target).and_then(|agents| agents.get(agent)).copied();
        let id = known.unwrap_or_else(|| {
            let id = SeriesId(self.series.len() as u32);
            self.series.push(Series::new(id, target.clone(), agent.clone()));
            self.ids.entry(target.clone()).or_default().insert(agent.clone(), id);
            id
        });
        &mut self.series[id.0 as usize]
    }

    /// SHA-256 over everything the state holds at its position; computed again only for what changed.
    pub fn digest(&mut self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(json::bytes(&self.head));
        let mut by_name: Vec<usize> = (0..self.series.len()).collect();
        by_name.sort_by(|a, b| {
            let key = |n: &usize| (&self.series[*n].head.target, &self.series[*n].head.agent);
            key(a).cmp(&key(b))
        });
        for n in by_name {
            hasher.update(self.series[n].digest());
        }
        hasher.finalize().into()
    }
}
