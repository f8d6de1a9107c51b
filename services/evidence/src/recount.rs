//! Counting anew what objectives lack, from the archives: for whoever folds a log without a service.

use std::path::PathBuf;

use spark_core::bucket::MemoryBuckets;
use spark_core::fold::State;
use spark_core::ledger::Stretch;
use spark_eventlog::archive::{LoadError, OpenError, leaves};
use spark_schemas::{Leaf, LeafError};

/// Counts all that is to be counted anew. `dir_of` says where the archive of a log is; what is nowhere stays uncounted, and
/// the objectives say since when they count.
pub fn count_anew<E>(
    state: &mut State,
    buckets: &mut MemoryBuckets,
    dir_of: impl Fn(&str) -> Option<PathBuf>,
) -> Result<(), E>
where
    E: From<OpenError> + From<LoadError> + From<LeafError>,
{
    while let Some(mut recounter) = state.recounter() {
        let mut is_complete = true;
        for Stretch { origin, log, first_seq, last_seq } in recounter.stretches().to_vec() {
            let Some(dir) = dir_of(&origin) else {
                is_complete = false;
                continue;
            };
            for leaf in leaves(&dir, first_seq)? {
                let bytes = leaf?;
                let leaf = Leaf::decode(&bytes)?;
                if leaf.seq > last_seq {
                    break;
                }
                recounter.apply(log, &leaf);
            }
        }
        state.finish_recount(recounter.finish(is_complete), buckets);
    }
    Ok(())
}
