//! The ledgers of objectives: when they are opened, revised and counted anew.

use spark_schemas::TimeNs;
use spark_schemas::event::Observed;

use super::State;
use crate::bucket::{BucketStore, SeriesId};
use crate::ledger::{Book, Known, Ledger, Place, Recounted, Recounter, Spec};
use crate::merkle::Hash;

impl State {
    /// What is declared in this state's own log to be counted; partition 0 alone declares.
    pub fn declared_specs(&self) -> Vec<Spec> {
        Spec::all(&self.head.declarations)
    }

    /// From here on these are counted: as declared in partition 0. A state that declares them itself does it when it
    /// folds the declaration.
    pub fn set_objectives(&mut self, specs: &[Spec], store: &mut dyn BucketStore) {
        self.book.set(specs, self.known(), store);
    }

    /// The ledger of an objective.
    pub fn ledger(&self, objective: &str) -> Option<&Ledger> {
        self.book.ledgers().iter().find(|ledger| ledger.spec().objective.as_str() == objective)
    }

    /// What is counted, in the order of the configuration.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.book.ledgers().iter().map(Ledger::spec)
    }

    /// What counts anew, beside the fold, all that is to be counted anew; `None` when nothing is.
    pub fn recounter(&self) -> Option<Recounter> {
        self.recounter_behind(None)
    }

    /// The same of what begins behind a slot.
    pub(crate) fn recounter_behind(&self, slot: Option<TimeNs>) -> Option<Recounter> {
        let sealed = self.head.sealed.iter().map(|sealed| (sealed.origin.as_str(), sealed.last_seq));
        let logs: Vec<_> = sealed.chain([(self.head.origin.as_str(), self.head.position)]).collect();
        self.book.recounter(&logs, self.head.fold_time, slot)
    }

    /// Adds what was counted anew. What no longer is to be changes nothing.
    pub fn finish_recount(&mut self, recounted: Recounted, store: &mut dyn BucketStore) {
        self.book.finish(recounted, self.known(), store);
    }

    pub(super) fn sync_objectives(&mut self, store: &mut dyn BucketStore) {
        self.set_objectives(&self.declared_specs(), store);
    }

    pub(super) fn count(&mut self, observed: &Observed, store: &mut dyn BucketStore) {
        let (known, is_live) = (self.known(), self.live);
        self.book.count(observed, known, is_live, store);
    }

    fn known(&self) -> Known {
        let head = &self.head;
        let place = Place { log: head.sealed.len() as u32, seq: head.position };
        Known { fold_time: head.fold_time, place, has_no_observation: head.totals.observations == 0 }
    }

    /// The digest over the ledgers, which is no part of the state's; `None` when there was never anything to keep.
    pub fn ledgers_digest(&mut self) -> Option<Hash> {
        (!self.book.is_blank()).then(|| self.book.digest())
    }

    /// Takes the ledgers as the store kept them; `false` when a record is missing or can't be read.
    pub fn load_ledgers(&mut self, record: impl Fn(SeriesId) -> Option<Vec<u8>>, store: &dyn BucketStore) -> bool {
        Book::load(record, store).map(|book| self.book = book).is_some()
    }
}
