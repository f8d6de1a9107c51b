//! The digests that decisions named, held against a replay of the leaves: whatever was rebuilt, it was the same state.
//!
//! The one place of the soak that uses Spark's own code, because the digest is defined by it.

use std::collections::BTreeMap;
use std::path::Path;

use spark_core::bucket::MemoryBuckets;
use spark_core::fold::State;
use spark_eventlog::archive::View;
use spark_schemas::Leaf;

/// Replays the archive without a store and compares the state's digest at each position; gives how many were compared.
pub(super) fn assert_digests_replay(archive: &Path, digests: &BTreeMap<u64, String>) -> u64 {
    let (mut state, mut buckets) = (State::default(), MemoryBuckets::default());
    let mut compared = 0;
    let view = View::open(archive).expect("the archive can be read");
    state.begin(view.incarnation());
    for leaf in view.leaves(1).expect("the archive can be read") {
        let leaf = leaf.expect("a leaf");
        state.apply(&Leaf::decode(&leaf).expect("a leaf"), &mut buckets);
        let position = state.head().position;
        if let Some(digest) = digests.get(&position) {
            assert_eq!(*digest, spark_core::hex(&state.digest()), "the state's digest at position {position}");
            compared += 1;
        }
    }
    let asked = digests.keys().filter(|position| **position > 0).count() as u64;
    assert_eq!(compared, asked, "the archive ends at {} and has not every position", state.head().position);
    compared
}
