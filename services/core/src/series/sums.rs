//! Rolling sums: each window's tally, moved along as buckets enter and leave.

use std::ops::Range;

use spark_schemas::TimeNs;

use crate::bucket::{Bucket, Tally};
use crate::window::{Tier, Window};

/// The tally of every window at one instant. Buckets that start after that instant are in the sums as well.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub(super) at: TimeNs,
    windows: [(Tally, TimeNs); Window::ALL.len()],
}

impl Sums {
    pub(super) fn new(at: TimeNs, buckets: impl Fn(Tier, Range<TimeNs>) -> Vec<Bucket>) -> Self {
        let windows = Window::ALL.map(|window| {
            let first = window.first_bucket(at);
            let mut tally = Tally::default();
            buckets(window.tier(), first..TimeNs(u64::MAX)).iter().for_each(|bucket| tally.add(&bucket.tally));
            (tally, first)
        });
        Self { at, windows }
    }

    /// The window's tally, and the start of the first bucket in it.
    pub(super) fn of(&self, window: Window) -> (&Tally, TimeNs) {
        let (tally, first) = &self.windows[window.index()];
        (tally, *first)
    }

    /// Adds to every window of `tier` that holds the bucket at `start`.
    pub(super) fn add(&mut self, tier: Tier, start: TimeNs, add_to: impl Fn(&mut Tally)) {
        for window in Window::ALL.into_iter().filter(|window| window.tier() == tier) {
            let (tally, first) = &mut self.windows[window.index()];
            if start >= *first {
                add_to(tally);
            }
        }
    }

    /// Moves on to `at`: takes away the buckets that have left each window.
    pub(super) fn advance(&mut self, at: TimeNs, buckets: impl Fn(Tier, Range<TimeNs>) -> Vec<Bucket>) {
        if at <= self.at {
            return;
        }
        for window in Window::ALL {
            let (tally, first) = &mut self.windows[window.index()];
            let new_first = window.first_bucket(at);
            if new_first > *first {
                buckets(window.tier(), *first..new_first).iter().for_each(|bucket| tally.subtract(&bucket.tally));
                *first = new_first;
            }
        }
        self.at = at;
    }
}
