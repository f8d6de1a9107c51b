//! The canary's judge: are the candidate's answers worse than the baseline's, beyond chance and by enough to matter?
//!
//! Two questions are asked of each comparison, and both must say yes before anything is held against the candidate. Is it
//! more than chance (a two-sided test at level alpha)? And is it large enough to matter (an effect beyond `_warn` or
//! `_fail`)? With many samples the first alone would fail every release for a microsecond.
//!
//! All arithmetic is on whole numbers, but for Fisher's exact test, which only adds, multiplies and divides: the same
//! samples give the same verdict on every machine, in whatever order they come.

mod checks;
mod proportion;
mod rank;
mod shift;

use spark_schemas::event::CheckResult;

use crate::config::Canary;

/// The version of this arithmetic; recorded with every verdict, so that it can be made again.
pub const SEMANTICS: u32 = 1;

/// A side has no more samples than this: the rank test's whole numbers then fit 128 bits.
pub const SAMPLES_MAX: usize = 200_000;

/// Longer latencies count as this: 36,000 years, in microseconds, so that no difference overflows.
const LATENCY_US_MAX: u64 = 1 << 60;

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// The latency of every observation in microseconds, in order.
    latencies: Vec<u64>,
    failed: u64,
    missed: u64,
}

/// There are more observations than a comparison takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} observations on one side; a comparison takes at most {SAMPLES_MAX}, so choose a shorter range")]
pub struct TooMany(pub usize);

impl Side {
    /// The observations of one side, in any order: latency in microseconds, and whether it failed. A failure's latency
    /// counts, as it does in every window: a timeout is as slow as it was. `missed` is how many slots could not run.
    pub fn new(observations: impl IntoIterator<Item = (u64, bool)>, missed: u64) -> Result<Self, TooMany> {
        let mut failed = 0;
        let observations = observations.into_iter().map(|(latency_us, is_failure)| {
            failed += u64::from(is_failure);
            latency_us.min(LATENCY_US_MAX)
        });
        let mut latencies: Vec<u64> = observations.collect();
        if latencies.len() > SAMPLES_MAX {
            return Err(TooMany(latencies.len()));
        }
        latencies.sort_unstable();
        Ok(Self { latencies, failed, missed })
    }

    /// How many observations there are.
    pub fn count(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// How many of them failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How many slots were missed.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// How many took longer than `limit_us`.
    fn slower_than(&self, limit_us: u64) -> u64 {
        self.count() - self.latencies.partition_point(|latency| *latency <= limit_us) as u64
    }

    /// The share of slots that were observed, in parts per million, rounded down; `None` without slots.
    fn completeness_ppm(&self) -> Option<u64> {
        let observed = u128::from(self.count());
        let share = (observed * 1_000_000).checked_div(observed + u128::from(self.missed))?;
        Some(share as u64)
    }
}

/// Compares the candidate with the baseline: `canary.completeness`, `canary.latency`, `canary.slow`, `canary.errors`.
/// The verdict over them is [`crate::gate::verdict`]'s.
pub fn compare(baseline: &Side, candidate: &Side, settings: &Canary) -> Vec<CheckResult> {
    checks::all(&checks::Comparison { baseline, candidate, settings })
}
