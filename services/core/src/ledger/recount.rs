//! Counting anew: events of a stretch of time are counted a second time, from the leaves, while the fold goes on.
//!
//! From the moment a recount is wanted the ledger's buckets of that time are empty, and only what is folded from then on
//! is counted in them, by the new rules. What was folded before, up to that position, a [`Recounter`] counts beside the
//! fold. Both are added up when it is done, so the fold never waits, and it does not matter when that is.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spark_schemas::{Event, Leaf, TimeNs};

use super::{Ledger, Spec};
use crate::bucket::{MemoryBuckets, SeriesId};
use crate::fold::{Runs, accept};

/// A leaf's place in the logs of a partition, of which there are several when its stream was made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// How many logs were sealed before the one it is in.
    pub log: u32,
    /// Its sequence number there.
    pub seq: u64,
}

/// What is to be counted anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recount {
    /// Tells it from an earlier one of the same ledger.
    pub(super) number: u64,
    /// Events of these slots: whole buckets of every tier that a window is made of.
    pub(super) slots: Range<TimeNs>,
    /// No earlier leaf can hold one of them.
    pub(super) first: Place,
    /// The last leaf that was folded by other rules.
    pub(super) last: Place,
}

/// Leaves to read, of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Which log (`EVENTS@<created>`); empty where logs have no names.
    pub origin: String,
    /// How many logs were sealed before it.
    pub log: u32,
    /// The first sequence number to read.
    pub first_seq: u64,
    /// The last.
    pub last_seq: u64,
}

/// Counts leaves for some ledgers of one partition.
#[derive(Debug)]
pub struct Recounter {
    stretches: Vec<Stretch>,
    orders: Vec<Order>,
    fold_time: TimeNs,
    runs: Runs,
    /// When the log received the first leaf that was read.
    first_received: Option<TimeNs>,
}

#[derive(Debug)]
struct Order {
    id: SeriesId,
    recount: Recount,
    counted: Ledger,
    buckets: MemoryBuckets,
}

/// What a [`Recounter`] counted.
#[derive(Debug)]
pub struct Recounted {
    pub(super) orders: Vec<(SeriesId, u64, Ledger, MemoryBuckets)>,
    pub(super) first_received: Option<TimeNs>,
    pub(super) is_from_the_start: bool,
}

impl Recounter {
    /// `logs` are the names of all logs, oldest first, each with its last sequence number.
    pub(super) fn new(
        orders: impl Iterator<Item = (SeriesId, Spec, Recount)>,
        logs: &[(&str, u64)],
        fold_time: TimeNs,
    ) -> Option<Self> {
        let order = |(id, spec, recount): (SeriesId, Spec, Recount)| {
            let counted = Ledger::new(SeriesId(0), spec, TimeNs(0));
            Order { id, recount, counted, buckets: MemoryBuckets::default() }
        };
        let orders: Vec<Order> = orders.map(order).collect();
        let first = orders.iter().map(|order| order.recount.first).min()?;
        let last = orders.iter().map(|order| order.recount.last).max()?;
        let stretch = |(log, (origin, last_seq)): (u32, &(&str, u64))| Stretch {
            origin: (*origin).to_owned(),
            log,
            first_seq: if log == first.log { first.seq } else { 1 },
            last_seq: if log == last.log { last.seq } else { *last_seq },
        };
        let wanted =
            |stretch: &Stretch| (first.log..=last.log).contains(&stretch.log) && stretch.first_seq <= stretch.last_seq;
        let stretches = (0..).zip(logs).map(stretch).filter(wanted).collect();
        Some(Self { stretches, orders, fold_time, runs: Runs::default(), first_received: None })
    }

    /// The leaves to read, in order.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Counts the leaf of the log before which `log` were sealed. Leaves come in order; one that is not asked for changes
    /// nothing.
    ///
    /// A frame counts under the rules of the fold: once for each agent, run and number. One whose first copy lies before
    /// the first leaf read holds no slot that is asked for, so a second copy that is read does no harm. Only a run of
    /// thousands of holes is seen in another way than the fold did: its marks begin anew here.
    pub fn apply(&mut self, log: u32, leaf: &Leaf<'_>) {
        if leaf.gap_last_seq().is_some() {
            return;
        }
        self.first_received.get_or_insert(TimeNs(leaf.received_ns));
        let Ok(Some((_subject, frame))) = accept(&mut self.runs, leaf) else { return };
        let place = Place { log, seq: leaf.seq };
        for event in &frame.events {
            let Event::Observed(observed) = event else { continue };
            for Order { recount, counted, buckets, .. } in &mut self.orders {
                let is_asked_for = (recount.first..=recount.last).contains(&place)
                    && recount.slots.contains(&observed.slot_ns)
                    && counted.head.spec.has(&observed.target);
                if is_asked_for {
                    counted.count(observed, self.fold_time, buckets);
                }
            }
        }
    }

    /// What it counted. `is_complete` says whether every leaf that was asked for could be read; if not, counts begin with
    /// the first that was.
    pub fn finish(self, is_complete: bool) -> Recounted {
        let Self { orders, first_received, .. } = self;
        let of = |order: Order| (order.id, order.recount.number, order.counted, order.buckets);
        Recounted { orders: orders.into_iter().map(of).collect(), first_received, is_from_the_start: is_complete }
    }
}

/// What [`super::Book`] finds the place of an instant by: the first leaf with which the fold's time reached each hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Landmarks {
    /// When the first leaf was received; `None` before it, and where it was folded by a build that kept no landmarks.
    pub(super) began: Option<TimeNs>,
    hours: BTreeMap<u64, (u32, u64)>,
    #[serde(skip)]
    next: TimeNs,
}

const START: Place = Place { log: 0, seq: 1 };
const HOUR_NS: u64 = 3_600 * TimeNs::SECOND;
/// Longer than any window, and what comes late to it.
pub(super) const REACH_NS: u64 = 33 * 24 * HOUR_NS;

impl Landmarks {
    /// The leaf at `place`, the first ever or not, moved the fold's time to `fold_time`; says whether that is noted.
    pub(super) fn pass(&mut self, fold_time: TimeNs, place: Place, is_first: bool) -> bool {
        if fold_time < self.next {
            return false;
        }
        let hour = fold_time.0 / HOUR_NS;
        self.next = TimeNs((hour + 1).saturating_mul(HOUR_NS));
        if is_first {
            self.began = Some(fold_time);
        }
        // What a build without landmarks folded may have reached this hour before.
        let place = if self.hours.is_empty() && !is_first { START } else { place };
        self.hours.entry(hour).or_insert((place.log, place.seq));
        let oldest = hour.saturating_sub(REACH_NS / HOUR_NS + 2);
        self.hours = self.hours.split_off(&oldest);
        true
    }

    /// No leaf before this place was received at `instant` or later.
    pub(super) fn before(&self, instant: TimeNs) -> Place {
        let reached = self.hours.range(..=instant.0 / HOUR_NS).next_back();
        // All leaves before that place were received in an earlier hour.
        reached.map_or(START, |(_, (log, seq))| Place { log: *log, seq: *seq })
    }
}
