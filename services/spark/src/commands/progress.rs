//! Says on standard error how far a long command is.

use crate::output::complain;

/// How many leaves between two words.
const EVERY: u64 = 250_000;

/// Counts leaves.
pub struct Progress {
    what: &'static str,
    of: u64,
    counted: u64,
}

impl Progress {
    /// `what` is done with `of` leaves at most.
    pub fn new(what: &'static str, of: u64) -> Self {
        Self { what, of, counted: 0 }
    }

    /// One more.
    pub fn count(&mut self) {
        self.counted += 1;
        if self.counted.is_multiple_of(EVERY) {
            complain!("{} {} of at most {} leaves", self.what, self.counted, self.of);
        }
    }

    /// How many there were.
    pub fn counted(&self) -> u64 {
        self.counted
    }
}
