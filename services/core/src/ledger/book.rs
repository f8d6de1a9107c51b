//! All ledgers of a partition.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use spark_schemas::event::Observed;
use spark_schemas::{Name, TimeNs};

use super::recount::{Landmarks, REACH_NS, Recount, Recounted, Recounter};
use super::spec::Difference;
use super::{Ledger, Place, Spec};
use crate::bucket::{BucketStore, SeriesId};
use crate::fold::AHEAD_MAX_NS;
use crate::json;
use crate::merkle::Hash;
use crate::window::Tier;

/// The record of the book itself; no ledger has this number.
const BOOK: SeriesId = SeriesId(u32::MAX);

/// All ledgers of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    head: BookHead,
    ledgers: Vec<Ledger>,
    /// Which ledgers count a target, of the targets seen so far.
    by_target: HashMap<Name, Vec<usize>>,
    unsaved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct BookHead {
    landmarks: Landmarks,
    /// The numbers of the open ledgers.
    open: Vec<u32>,
    next_ledger: u32,
    next_recount: u64,
}

/// What the fold knows when specifications change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) fold_time: TimeNs,
    /// The last leaf that was folded.
    pub(crate) place: Place,
    /// Whether no observation was folded yet, by any rules.
    pub(crate) has_no_observation: bool,
}

impl Book {
    pub(crate) fn ledgers(&self) -> &[Ledger] {
        &self.ledgers
    }

    /// A leaf moved the fold's time.
    pub(crate) fn pass(&mut self, fold_time: TimeNs, place: Place, is_first: bool) {
        if self.head.landmarks.pass(fold_time, place, is_first) {
            self.unsaved = true;
        }
    }

    /// Counts an observation in every ledger that it concerns.
    pub(crate) fn count(&mut self, observed: &Observed, known: Known, is_live: bool, store: &mut dyn BucketStore) {
        if self.ledgers.is_empty() {
            return;
        }
        let Self { ledgers, by_target, .. } = self;
        if !by_target.contains_key(&observed.target) {
            let concerned = (0..ledgers.len()).filter(|n| ledgers[*n].spec().has(&observed.target));
            by_target.insert(observed.target.clone(), concerned.collect());
        }
        for n in by_target.get(&observed.target).into_iter().flatten() {
            let ledger = &mut ledgers[*n];
            if is_live {
                ledger.rolling.materialize(known.fold_time, store);
            }
            ledger.count(observed, known.fold_time, store);
        }
    }

    /// From here on these are counted. Where one is new, or counts otherwise what was counted already, the leaves that
    /// were folded are to be counted anew ([`Book::recounter`]).
    pub(crate) fn set(&mut self, specs: &[Spec], known: Known, store: &mut dyn BucketStore) {
        if self.ledgers.iter().map(Ledger::spec).eq(specs) {
            return;
        }
        let mut before = std::mem::take(&mut self.ledgers);
        for spec in specs {
            let place = before.iter().position(|ledger| ledger.spec().objective == spec.objective);
            let ledger = match place.map(|n| before.swap_remove(n)) {
                None => self.open(spec, known),
                Some(mut ledger) => match spec.difference(ledger.spec()) {
                    Difference::None => ledger,
                    Difference::Slots(slots) => {
                        self.revise(&mut ledger, spec, slots, known, store);
                        ledger
                    }
                    Difference::All => {
                        Self::close(&ledger, store);
                        self.open(spec, known)
                    }
                },
            };
            self.ledgers.push(ledger);
        }
        before.iter().for_each(|ledger| Self::close(ledger, store));
        self.by_target.clear();
        self.head.open = self.ledgers.iter().map(|ledger| ledger.id.0).collect();
        self.unsaved = true;
    }

    fn open(&mut self, spec: &Spec, known: Known) -> Ledger {
        let id = SeriesId::of_ledger(self.head.next_ledger);
        self.head.next_ledger += 1;
        let began = self.head.landmarks.began;
        let mut ledger = Ledger::new(id, spec.clone(), began.unwrap_or(known.fold_time));
        if !known.has_no_observation {
            let from = reach(known.fold_time);
            ledger.head.counted_from = began.unwrap_or_default().max(from);
            ledger.head.recount = Some(self.recount(from..TimeNs(u64::MAX), known));
        }
        ledger
    }

    /// Its pages go; its record stays in the store, where nothing asks for it.
    fn close(ledger: &Ledger, store: &mut dyn BucketStore) {
        for tier in Tier::ALL {
            store.evict_before(ledger.id, tier, TimeNs(u64::MAX));
        }
    }

    /// The ledger counts by `spec` from here on, which differs for events of `slots`.
    fn revise(
        &mut self,
        ledger: &mut Ledger,
        spec: &Spec,
        slots: Range<TimeNs>,
        known: Known,
        store: &mut dyn BucketStore,
    ) {
        ledger.follow(spec);
        // What waits to be counted anew may hold any slot that a leaf could hold.
        let latest = match &ledger.head.recount {
            Some(_) => TimeNs(known.fold_time.0.saturating_add(AHEAD_MAX_NS)),
            None => ledger.head.latest_slot,
        };
        if slots.start > latest {
            return;
        }
        let quarter = Tier::Minutes15;
        let end = quarter.bucket_start(TimeNs(slots.end.0.saturating_add(quarter.width_ns() - 1)));
        let mut slots = quarter.bucket_start(slots.start).max(reach(known.fold_time))..end;
        if slots.is_empty() && ledger.head.recount.is_none() {
            return; // Longer ago than anything is kept.
        }
        if let Some(earlier) = &ledger.head.recount {
            slots = slots.start.min(earlier.slots.start)..slots.end.max(earlier.slots.end);
        }
        ledger.rolling.clear(slots.clone(), store);
        ledger.head.recount = Some(self.recount(slots, known));
    }

    fn recount(&mut self, slots: Range<TimeNs>, known: Known) -> Recount {
        let number = self.head.next_recount;
        self.head.next_recount += 1;
        self.unsaved = true;
        let first = self.head.landmarks.before(TimeNs(slots.start.0.saturating_sub(AHEAD_MAX_NS)));
        Recount { number, slots, first, last: known.place }
    }

    /// What counts anew all that is to be; `None` when nothing is. `logs` are those of the partition, oldest first, each
    /// with its last sequence number. With `after` only what begins behind that slot.
    pub(crate) fn recounter(
        &self,
        logs: &[(&str, u64)],
        fold_time: TimeNs,
        after: Option<TimeNs>,
    ) -> Option<Recounter> {
        let order = |ledger: &Ledger| {
            let recount = ledger.head.recount.clone()?;
            let is_behind = after.is_none_or(|after| recount.slots.start > after);
            is_behind.then(|| (ledger.id, ledger.spec().clone(), recount))
        };
        Recounter::new(self.ledgers.iter().filter_map(order), logs, fold_time)
    }

    /// Adds what was counted anew, of ledgers that still ask for it.
    pub(crate) fn finish(&mut self, recounted: Recounted, known: Known, store: &mut dyn BucketStore) {
        let Recounted { orders, first_received, is_from_the_start } = recounted;
        let began = self.head.landmarks.began;
        for (id, number, counted, buckets) in orders {
            let asks = |ledger: &&mut Ledger| {
                ledger.id == id && ledger.head.recount.as_ref().is_some_and(|recount| recount.number == number)
            };
            let Some(ledger) = self.ledgers.iter_mut().find(asks) else { continue };
            let Some(recount) = ledger.head.recount.take() else { continue };
            ledger.touch();
            if ledger.rolling.advance(known.fold_time, store) {
                ledger.head.kept_from = ledger.rolling.kept_from();
            }
            ledger.rolling.merge(&counted.rolling, &buckets, store);
            let head = &mut ledger.head;
            head.latest_slot = head.latest_slot.max(counted.head.latest_slot);
            let is_whole = recount.slots.end == TimeNs(u64::MAX);
            if !is_from_the_start || (is_whole && began.is_none()) {
                let lost_until = first_received.unwrap_or(recount.slots.end.min(known.fold_time));
                head.counted_from = head.counted_from.max(lost_until);
            }
        }
    }

    /// The records that changed since the store last took them.
    pub(crate) fn take_unsaved(&mut self) -> Vec<(SeriesId, Vec<u8>)> {
        let mut taken = Vec::new();
        for ledger in self.ledgers.iter_mut().filter(|ledger| ledger.unsaved) {
            ledger.unsaved = false;
            taken.push((ledger.id, ledger.record()));
        }
        if std::mem::take(&mut self.unsaved) {
            taken.push((BOOK, json::bytes(&self.head)));
        }
        taken
    }

    /// The record of every open ledger, and that of the book itself.
    pub(crate) fn records(&self) -> impl Iterator<Item = (SeriesId, Vec<u8>)> {
        let of_ledgers = self.ledgers.iter().map(|ledger| (ledger.id, ledger.record()));
        of_ledgers.chain(std::iter::once_with(|| (BOOK, json::bytes(&self.head))))
    }

    /// Every open ledger, and from when on each tier's buckets are kept.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (SeriesId, [TimeNs; Tier::ALL.len()])> {
        self.ledgers.iter().map(|ledger| (ledger.id, ledger.rolling.kept_from()))
    }

    /// The store could not keep this record.
    pub(crate) fn mark_unsaved(&mut self, id: SeriesId) {
        match self.ledgers.iter_mut().find(|ledger| ledger.id == id) {
            Some(ledger) => ledger.unsaved = true,
            None => self.unsaved |= id == BOOK,
        }
    }

    /// A book as the store kept it: `record` gives each record. `None` when one is missing or can't be read.
    pub(crate) fn load(record: impl Fn(SeriesId) -> Option<Vec<u8>>, store: &dyn BucketStore) -> Option<Self> {
        let head: BookHead = serde_json::from_slice(&record(BOOK)?).ok()?;
        let ledgers = head.open.iter().map(|id| Ledger::load(SeriesId(*id), &record(SeriesId(*id))?, store));
        let ledgers = ledgers.collect::<Option<Vec<_>>>()?;
        Some(Self { head, ledgers, ..Self::default() })
    }

    /// Whether anything was ever noted.
    pub(crate) fn is_blank(&self) -> bool {
        self.head == BookHead::default()
    }

    /// SHA-256 over everything it holds.
    pub(crate) fn digest(&mut self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(json::bytes(&self.head));
        for ledger in &mut self.ledgers {
            hasher.update(ledger.digest());
        }
        hasher.finalize().into()
    }
}

/// Events of earlier slots are in no window.
fn reach(fold_time: TimeNs) -> TimeNs {
    Tier::Minutes15.bucket_start(TimeNs(fold_time.0.saturating_sub(REACH_NS)))
}
