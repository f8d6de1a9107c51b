//! Folding what an archive has and the projection lacks, before and between logs.

use spark_eventlog::Recorded;
use spark_eventlog::archive::{LeafIter, LoadError, OpenError, View};
use spark_schemas::LeafError;
use tokio_util::sync::CancellationToken;

use crate::recorder::{Kept, created_ns};
use crate::{Phase, Projection};

/// Leaves that are folded at a time.
const LEAVES: usize = 4_096;

/// Why an archive was not folded.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// It can't be opened.
    #[error("the archive can't be opened")]
    Open(#[from] OpenError),
    /// It is damaged.
    #[error("the archive is damaged")]
    Load(#[from] LoadError),
    /// A leaf that is as it was written, and yet none.
    #[error("a leaf of the archive can't be read")]
    Leaf(#[from] LeafError),
}

/// Folds the leaves of `kept` that `projection` lacks; none when it has sealed that log, or follows a later one. Blocks.
pub(crate) fn fold_archive(
    projection: &Projection,
    kept: &Kept,
    shutdown: &CancellationToken,
) -> Result<(), CatchUpError> {
    let known = projection.origin();
    if projection.has_sealed(&kept.origin) || created_ns(&known) > created_ns(&kept.origin) || shutdown.is_cancelled() {
        return Ok(());
    }
    projection.begin(&kept.origin);
    let view = View::open(&kept.dir)?;
    let last = view.next_seq() - 1;
    if projection.position() >= last {
        return Ok(());
    }
    tracing::info!(origin = kept.origin, from = projection.position() + 1, to = last, "folding the archive");
    let mut leaves = view.leaves(projection.position() + 1)?;
    while !shutdown.is_cancelled() {
        let batch = next_leaves(&mut leaves)?;
        if batch.is_empty() {
            break;
        }
        projection.apply(&batch);
        let folded = projection.position();
        projection.set_status(|status| status.phase = Phase::Replaying { folded, of: last });
    }
    Ok(())
}

fn next_leaves(leaves: &mut LeafIter) -> Result<Vec<Recorded>, CatchUpError> {
    let frames = leaves.take(LEAVES).map(|leaf| Ok(Recorded::from_leaf(&leaf?)?));
    frames.collect()
}
