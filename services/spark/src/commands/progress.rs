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
    /// `what` is done with `of` leaves at most; 0 when it is not known how many there are.
    pub fn new(what: &'static str, of: u64) -> Self {
        Self { what, of, counted: 0 }
    }

    /// One more.
    pub fn count(&mut self) {
        self.counted += 1;
        if self.counted.is_multiple_of(EVERY) {
            match self.of {
                0 => complain!("{} {} leaves", self.what, self.counted),
                of => complain!("{} {} of at most {of} leaves", self.what, self.counted),
            }
        }
    }

    /// How many there were.
    pub fn counted(&self) -> u64 {
        self.counted
    }
}
