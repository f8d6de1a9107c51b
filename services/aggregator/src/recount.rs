//! Counting anew beside the fold: reads the leaves that a projection's ledgers ask for, and hands it what they hold.

use std::path::PathBuf;
use std::sync::Arc;

use spark_core::ledger::{Recounted, Recounter, Stretch};
use spark_eventlog::archive::View;
use spark_eventlog::{Bounds, EventLog, ReadError, Recorded};
use spark_schemas::LeafError;
use tokio_util::sync::CancellationToken;

use crate::follow::{describe, next_or_proof_of_life, still_is};
use crate::recorder::{Recorder, RecorderError};
use crate::ticks::Ticks;
use crate::{Phase, Projection};

/// Where the leaves of a partition are.
pub(crate) struct Leaves {
    /// The log that is followed.
    pub(crate) log: Arc<dyn EventLog>,
    /// The archives of logs before it; `None` where none are kept.
    pub(crate) archives: Option<PathBuf>,
    /// The partition.
    pub(crate) partition: u16,
    /// Nothing more is read then.
    pub(crate) shutdown: CancellationToken,
}

/// Why leaves were not read. All is tried again.
#[derive(Debug, thiserror::Error)]
enum RecountError {
    #[error("the log can't be read")]
    Log(#[from] ReadError),
    #[error("the archives can't be found")]
    Archives(#[from] RecorderError),
    #[error("an archive can't be opened")]
    Open(#[from] spark_eventlog::archive::OpenError),
    #[error("an archive is damaged")]
    Load(#[from] spark_eventlog::archive::LoadError),
    #[error("a leaf of an archive can't be read")]
    Leaf(#[from] LeafError),
    #[error("counting panicked; this is a bug")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Keeps the objectives in force counted, until `leaves.shutdown`.
pub(crate) async fn keep_counted(projection: Projection, leaves: Leaves) {
    let mut ticks = Ticks::until(leaves.shutdown.clone());
    while ticks.next().await {
        let syncing = projection.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || syncing.sync_objectives()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the objectives are not in force");
        }
        // While it replays, more may come that is to be counted anew.
        if projection.status().phase != Phase::Live {
            continue;
        }
        let Some(recounter) = projection.recounter() else { continue };
        let counted = tokio::select! {
            counted = leaves.count(recounter) => counted,
            () = leaves.shutdown.cancelled() => return,
        };
        let finished = match counted {
            Ok(recounted) => {
                let projection = projection.clone();
                tokio::task::spawn_blocking(move || projection.finish_recount(recounted)).await.map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        match finished {
            Ok(()) => tracing::info!("objectives were counted anew from the log"),
            Err(error) => tracing::warn!(error = describe(&error), "objectives are not counted yet; trying again"),
        }
    }
}

impl Leaves {
    async fn count(&self, mut recounter: Recounter) -> Result<Recounted, RecountError> {
        let mut is_complete = true;
        let bounds = self.log.bounds().await?;
        for stretch in recounter.stretches().to_vec() {
            let is_whole;
            (recounter, is_whole) = if stretch.origin == bounds.incarnation || stretch.origin.is_empty() {
                self.read_log(recounter, &stretch, &bounds).await?
            } else {
                self.read_archive(recounter, stretch).await?
            };
            is_complete &= is_whole;
        }
        Ok(recounter.finish(is_complete))
    }

    /// Reads the stretch from the log `bounds`; says whether all of it was there.
    async fn read_log(
        &self,
        mut recounter: Recounter,
        stretch: &Stretch,
        bounds: &Bounds,
    ) -> Result<(Recounter, bool), RecountError> {
        let (mut reader, is_whole) = match self.log.read(stretch.first_seq).await {
            Err(ReadError::Gone { first_seq, .. }) if first_seq > stretch.last_seq => return Ok((recounter, false)),
            Err(ReadError::Gone { first_seq, .. }) => (self.log.read(first_seq).await?, false),
            reader => (reader?, true),
        };
        // It may have been made anew before the reader was made.
        still_is(bounds, self.log.bounds().await?)?;
        let (log, last_seq) = (stretch.log, stretch.last_seq);
        loop {
            let batch = next_or_proof_of_life(reader.as_mut(), self.log.as_ref(), bounds).await?;
            let Some(batch) = batch else { continue };
            let is_end = batch.last().is_some_and(|frame| frame.seq >= last_seq);
            recounter = tokio::task::spawn_blocking(move || {
                batch
                    .iter()
                    .take_while(|frame| frame.seq <= last_seq)
                    .for_each(|frame| recounter.apply(log, &frame.to_leaf()));
                recounter
            })
            .await?;
            if is_end {
                return Ok((recounter, is_whole));
            }
        }
    }

    /// Reads a stretch of a log that was sealed from its archive; `false` when there is none.
    async fn read_archive(
        &self,
        mut recounter: Recounter,
        stretch: Stretch,
    ) -> Result<(Recounter, bool), RecountError> {
        let Some(dir) = self.archives.clone() else { return Ok((recounter, false)) };
        let (partition, shutdown) = (self.partition, self.shutdown.clone());
        let reading = move || {
            let archives = Recorder::open(dir, partition)?;
            let Some(kept) = archives.kept().iter().find(|kept| kept.origin == stretch.origin) else {
                return Ok((recounter, false));
            };
            for leaf in View::open(&kept.dir)?.leaves(stretch.first_seq)? {
                if shutdown.is_cancelled() {
                    return Err(ReadError::Closed.into()); // A service that ends waits for this.
                }
                let frame = Recorded::from_leaf(&leaf?)?;
                if frame.seq > stretch.last_seq {
                    break;
                }
                recounter.apply(stretch.log, &frame.to_leaf());
            }
            Ok((recounter, true))
        };
        tokio::task::spawn_blocking(reading).await?
    }
}

#[cfg(test)]
mod tests;
