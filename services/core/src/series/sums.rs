//! Rolling sums: each window's tally, moved along as buckets enter and leave.

use std::ops::Range;

use spark_schemas::TimeNs;

use crate::bucket::Tally;
use crate::window::{Tier, Window};

/// The tally of every window at one instant. Buckets that start after that instant are in the sums as well.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub(super) at: TimeNs,
    windows: [(Tally, TimeNs); Window::ALL.len()],
}

impl Sums {
    /// Sums at `at` that have no bucket yet.
    pub(super) fn none(at: TimeNs) -> Self {
        Self { at, windows: Window::ALL.map(|window| (Tally::default(), window.first_bucket(at))) }
    }

    /// The start of the first bucket of `tier` that is in any window; `None` when no window is made of that tier.
    pub(super) fn first_of(&self, tier: Tier) -> Option<TimeNs> {
        let of_tier = Window::ALL.into_iter().filter(|window| window.tier() == tier);
        of_tier.map(|window| self.windows[window.index()].1).min()
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
    pub(super) fn advance(&mut self, at: TimeNs, mut subtract: impl FnMut(Tier, Range<TimeNs>, &mut Tally)) {
        if at <= self.at {
            return;
        }
        for window in Window::ALL {
            let (tally, first) = &mut self.windows[window.index()];
            let new_first = window.first_bucket(at);
            if new_first > *first {
                subtract(window.tier(), *first..new_first, tally);
                *first = new_first;
            }
        }
        self.at = at;
    }
}
