//! Counts what became of frames, for the metrics of the fold.

use spark_core::fold::Applied;
use spark_schemas::metric;

/// What came of the frames of a batch.
#[derive(Default)]
pub(super) struct BatchTally {
    frames: u64,
    observations: u64,
    duplicates: u64,
    rejected: u64,
}

impl BatchTally {
    pub(super) fn add(&mut self, applied: &Applied) {
        match applied {
            Applied::Counted { observations } => {
                self.frames += 1;
                self.observations += observations;
            }
            Applied::Duplicate => self.duplicates += 1,
            Applied::Rejected { .. } => self.rejected += 1,
            Applied::Gap | Applied::Old => {}
        }
    }

    pub(super) fn export(&self) {
        metrics::counter!(metric::FOLD_FRAMES).increment(self.frames);
        metrics::counter!(metric::FOLD_OBSERVATIONS).increment(self.observations);
        metrics::counter!(metric::FOLD_DUPLICATES).increment(self.duplicates);
        metrics::counter!(metric::FOLD_REJECTED).increment(self.rejected);
    }
}
