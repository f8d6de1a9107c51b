//! Random moments from a seed, so that a failure can be played again.

use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Numbers from a seed (SplitMix64, Steele et al. 2014).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From SPARK_TEST_SEED, or a seed of its own, which is printed.
    ///
    /// # Panics
    /// When SPARK_TEST_SEED is no number.
    pub fn from_environment(what: &str) -> Self {
        let seed = match env::var("SPARK_TEST_SEED") {
            Ok(text) => text.parse().expect("SPARK_TEST_SEED is a number"),
            Err(_not_set) => RandomState::new().hash_one(what),
        };
        eprintln!("{what}: SPARK_TEST_SEED={seed}");
        Self(seed)
    }

    /// From a seed; `what` makes it another sequence than that of others.
    pub fn seeded(seed: u64, what: &str) -> Self {
        let mut random = Self(seed);
        what.bytes().for_each(|byte| random.0 = random.below(u64::MAX) ^ u64::from(byte));
        random
    }

    /// What it begins with.
    pub fn seed(&self) -> u64 {
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end.max(1)
    }

    /// A time between two numbers of milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}
