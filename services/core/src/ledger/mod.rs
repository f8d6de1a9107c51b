//! Ledgers: the good and bad events of each objective, counted as observations are folded.
//!
//! Each partition has one for each objective, kept up live, so that a window's figures need no look at observations. It
//! is no part of the state's digest: what it holds follows from the leaves, the objectives, the maintenances and the
//! service hours, and all but the leaves are declared in partition 0, whose position another partition's digest must not
//! depend on. When they change for time that was counted already, the leaves of that time are counted anew (`recount`).

mod book;
mod left_out;
mod recount;
mod spec;

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spark_schemas::event::Observed;
use spark_schemas::{Name, TimeNs};

use crate::bucket::{BucketStore, SeriesId, Tally};
use crate::merkle::Hash;
use crate::series::NotKept;
use crate::series::rolling::{PerTier, Rolling, head_of};
use crate::slo::Counts;
use crate::window::Tier;

pub use recount::{Place, Recounted, Recounter, Stretch};
pub use spec::Spec;

pub(crate) use book::{Book, Known};

use left_out::LeftOut;
use recount::Recount;
use spec::Verdict;

/// How long buckets are kept: as the tiers have it, but that no window is made of hours.
fn kept_ns(spec: &Spec) -> PerTier<u64> {
    let mut kept_ns = Tier::ALL.map(Tier::kept_ns);
    kept_ns[Tier::Hour.index()] = 0;
    if let Some(tier) = spec.slice_tier() {
        // A slice is judged by its events, which may come late, so they are kept as long as it is.
        kept_ns[tier.index()] = Tier::Minutes15.kept_ns();
    }
    kept_ns
}

/// The counts of one objective in one partition.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) id: SeriesId,
    head: LedgerHead,
    rolling: Rolling,
    /// What its specification leaves out, of the targets seen so far.
    left_out: HashMap<Name, LeftOut>,
    unsaved: bool,
    digest: Option<Hash>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LedgerHead {
    spec: Spec,
    /// The latest slot that was counted.
    latest_slot: TimeNs,
    /// Nothing before this instant is counted.
    counted_from: TimeNs,
    kept_from: PerTier<TimeNs>,
    /// What is to be counted anew.
    recount: Option<Recount>,
}

impl Ledger {
    fn new(id: SeriesId, spec: Spec, counted_from: TimeNs) -> Self {
        let rolling = Rolling::new(id, kept_ns(&spec));
        let (latest_slot, kept_from) = Default::default();
        let head = LedgerHead { spec, latest_slot, counted_from, kept_from, recount: None };
        Self { id, head, rolling, left_out: HashMap::new(), unsaved: true, digest: None }
    }

    /// A ledger as the store kept it; `None` when the record is none.
    fn load(id: SeriesId, record: &[u8], store: &dyn BucketStore) -> Option<Self> {
        let (head, newest) = head_of::<LedgerHead>(record)?;
        let rolling = Rolling::load(id, kept_ns(&head.spec), head.kept_from, newest, store)?;
        Some(Self { id, head, rolling, left_out: HashMap::new(), unsaved: false, digest: None })
    }

    /// What the store keeps beside its pages.
    fn record(&self) -> Vec<u8> {
        self.rolling.record(&self.head)
    }

    fn digest(&mut self) -> Hash {
        *self.digest.get_or_insert_with(|| self.rolling.digest(&self.head))
    }

    fn touch(&mut self) {
        self.unsaved = true;
        self.digest = None;
    }

    /// From here on `spec` says what is counted.
    fn follow(&mut self, spec: &Spec) {
        self.touch();
        self.left_out.clear();
        self.head.spec = spec.clone();
    }

    fn judge(&mut self, observed: &Observed) -> Verdict {
        let spec = &self.head.spec;
        if spec.leaves_out() {
            if !self.left_out.contains_key(&observed.target) {
                self.left_out.insert(observed.target.clone(), LeftOut::default());
            }
            let left_out = self.left_out.get_mut(&observed.target);
            if left_out.is_some_and(|left_out| left_out.has(spec, &observed.target, observed.slot_ns)) {
                return Verdict::Excluded;
            }
        }
        spec.judge(observed)
    }

    /// Counts an observation of one of its targets.
    fn count(&mut self, observed: &Observed, fold_time: TimeNs, store: &mut dyn BucketStore) {
        let (verdict, slot) = (self.judge(observed), observed.slot_ns);
        self.touch();
        self.head.latest_slot = self.head.latest_slot.max(slot);
        if self.rolling.advance(fold_time, store) {
            self.head.kept_from = self.rolling.kept_from();
        }
        for tier in self.rolling.tiers() {
            self.rolling.add(tier, tier.bucket_start(slot), |tally| verdict.add_to(tally), store);
        }
    }

    /// What it counts.
    pub fn spec(&self) -> &Spec {
        &self.head.spec
    }

    /// Whether some of it is still to be counted anew.
    pub fn is_recounting(&self) -> bool {
        self.head.recount.is_some()
    }

    /// Nothing before this instant is counted.
    pub fn counted_from(&self) -> TimeNs {
        self.head.counted_from
    }

    /// Its buckets: bad events are counted as failed, excluded ones as missed ([`counts_of`]).
    pub(crate) fn rolling(&self) -> &Rolling {
        &self.rolling
    }

    /// Gives `look` what was counted in each bucket of `tier` that starts in `starts`, in order.
    pub(crate) fn visit(
        &self,
        tier: Tier,
        starts: Range<TimeNs>,
        store: &dyn BucketStore,
        mut look: impl FnMut(TimeNs, Counts),
    ) -> Result<(), NotKept> {
        let kept_from = self.rolling.kept_from()[tier.index()];
        if starts.start < kept_from {
            return Err(NotKept { kept_from });
        }
        let mut tally = Tally::default();
        self.rolling.visit(tier, starts, store, |start, part| {
            tally.clear();
            part.add_to(&mut tally);
            look(start, counts_of(&tally));
        });
        Ok(())
    }
}

/// A ledger's tally as counts of events.
pub(crate) fn counts_of(tally: &Tally) -> Counts {
    let events = tally.count();
    Counts { good: events - tally.failed.min(events), bad: tally.failed, events, excluded: tally.missed }
}
