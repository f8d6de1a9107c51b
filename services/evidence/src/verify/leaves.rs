//! The leaves of a bundle: with the hashes before them they have the signed root, and none is missing.

use std::fs;
use std::ops::Range;

use spark_core::bucket::MemoryBuckets;
use spark_core::fold::snapshot::{self, SnapshotError};
use spark_core::fold::{Continuity, State};
use spark_core::merkle::{CompactRange, Hash, leaf_hash};
use spark_schemas::Leaf;

use super::{Bundle, Fault, Listener, Refused, Step, tampered};
use crate::bundle::attest::{Attested, verdicts_of};
use crate::bundle::entries::Leaves;
use crate::bundle::{FRONTIER_FROM, STATE_FROM};
use crate::checkpoint::Checkpoint;

/// The roots that were asked for, of sizes that the leaves reach.
pub(super) struct Roots {
    pub(super) asked: Vec<(u64, Hash)>,
    pub(super) last: Hash,
}

impl Roots {
    pub(super) fn at(&self, size: u64) -> Option<Hash> {
        self.asked.iter().find(|(asked, _)| *asked == size).map(|(_, root)| *root)
    }
}

/// What the leaves hold.
pub(super) struct Found {
    pub(super) state: (State, MemoryBuckets),
    pub(super) continuity: Continuity,
    pub(super) verdicts: Vec<Attested>,
}

pub(super) fn frontier(dir: &std::path::Path, from: Option<&Checkpoint>, size: u64) -> Result<CompactRange, Refused> {
    let Some(from) = from else { return Ok(CompactRange::default()) };
    let refuse = tampered(Step::Frontier);
    let bytes = fs::read(dir.join(FRONTIER_FROM)).map_err(|error| refuse(error.to_string()))?;
    let (hashes, rest) = bytes.as_chunks();
    let range = CompactRange::from_parts(size, hashes.to_vec()).filter(|_| rest.is_empty());
    let range = range.ok_or_else(|| refuse(format!("{FRONTIER_FROM} has not one hash for each 1 bit of {size}")))?;
    match range.root() == from.root {
        true => Ok(range),
        false => Err(refuse(format!("its root is not that of size {size}"))),
    }
}

pub(super) fn leaves(
    bundle: &Bundle<'_>,
    frontier: CompactRange,
    range: &Range<u64>,
    witnesses: &[Checkpoint],
    listener: &mut dyn Listener,
) -> Result<(Roots, Found), Refused> {
    let refuse = tampered(Step::Leaves);
    let (state, buckets) = state_from(bundle).map_err(&refuse)?;
    let (mut continuity, mut verdicts) = (Continuity::after(&state), Vec::new());
    let mut tree = frontier;
    let mut asked = Vec::new();
    let mut note = |tree: &CompactRange| {
        if witnesses.iter().any(|witness| witness.size == tree.size()) {
            asked.push((tree.size(), tree.root()));
        }
    };
    note(&tree);
    let mut seq = bundle.report.log.from.seq.0;
    for bytes in Leaves::of(bundle.dir, range.clone()) {
        let bytes = bytes.map_err(|error| refuse(error.to_string()))?;
        tree.push(leaf_hash(&bytes));
        note(&tree);
        let number = tree.size() - 1;
        let leaf = Leaf::decode(&bytes).map_err(|error| refuse(format!("leaf {number}: {error}")))?;
        if leaf.seq != seq + 1 {
            let reason = format!("leaf {number} has sequence number {} where {} belongs", leaf.seq, seq + 1);
            return Err(Refused { step: Step::Continuity, fault: Fault::Incomplete, reason });
        }
        seq = leaf.next_seq() - 1;
        if let Some((subject, frame)) = continuity.take(&leaf) {
            verdicts.extend(verdicts_of(&bytes, &subject, frame));
        }
        listener.leaf(Step::Leaves, range.end - range.start);
    }
    if seq != bundle.report.log.to.seq.0 {
        return Err(refuse(format!("they end with sequence number {seq}, and the report with another")));
    }
    Ok((Roots { asked, last: tree.root() }, Found { state: (state, buckets), continuity, verdicts }))
}

fn state_from(bundle: &Bundle<'_>) -> Result<(State, MemoryBuckets), String> {
    if bundle.sums.get(STATE_FROM).is_none() {
        return Ok((State::default(), MemoryBuckets::default()));
    }
    let bytes = fs::read(bundle.dir.join(STATE_FROM)).map_err(|error| format!("{STATE_FROM}: {error}"))?;
    let (mut state, buckets) =
        snapshot::decode(&bytes).map_err(|error: SnapshotError| format!("{STATE_FROM}: {error}"))?;
    let log = bundle.report.log.origin.rsplit('/').next().unwrap_or_default();
    state.begin(log);
    match spark_core::hex(&state.digest()) == bundle.report.state.from {
        true => Ok((state, buckets)),
        false => Err(format!("{STATE_FROM} is not the state that the report begins with")),
    }
}

pub(super) fn continuous(continuity: &Continuity) -> Result<(), Refused> {
    let (missing, declared) = (continuity.missing(), continuity.declared());
    if missing <= declared {
        return Ok(());
    }
    let reason =
        format!("{missing} frames are missing by their agents' numbers, and the log declares {declared} lost messages");
    Err(Refused { step: Step::Continuity, fault: Fault::Incomplete, reason })
}
