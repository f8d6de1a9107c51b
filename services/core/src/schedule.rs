//! When slots begin: a pure function of the target's name and interval, the same for every agent and every restart.

use sha2::{Digest as _, Sha256};
use spark_schemas::TimeNs;

/// Slot k begins at `offset_us + k * interval_us` after the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// From one slot to the next; never 0.
    pub interval_us: u64,
    /// The schedule's shift, less than the interval.
    pub offset_us: u64,
}

impl Schedule {
    /// The schedule of `target`: its offset is drawn from its name, which spreads targets over the interval.
    pub fn of_target(target: &str, interval_us: u64) -> Self {
        let digest: [u8; 32] = Sha256::digest(target.as_bytes()).into();
        let draw = digest.iter().take(8).fold(0_u64, |draw, byte| draw << 8 | u64::from(*byte));
        Self { interval_us: interval_us.max(1), offset_us: draw % interval_us.max(1) }
    }

    /// When slot `k` begins.
    pub const fn slot_start(&self, k: u64) -> TimeNs {
        TimeNs(self.offset_us.saturating_add(k.saturating_mul(self.interval_us)).saturating_mul(1_000))
    }

    /// The first slot that begins at or after `at`.
    pub const fn first_slot_from(&self, at: TimeNs) -> u64 {
        let offset_ns = self.offset_us.saturating_mul(1_000);
        at.0.saturating_sub(offset_ns).div_ceil(self.interval_us.saturating_mul(1_000))
    }

    /// How many slots begin in `[from, to)`.
    pub const fn slots_between(&self, from: TimeNs, to: TimeNs) -> u64 {
        self.first_slot_from(to).saturating_sub(self.first_slot_from(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_as_a_loop_would() {
        let schedule = Schedule { interval_us: 7_000_000, offset_us: 3_000_000 };
        let second = TimeNs::SECOND;
        for from_s in 0..30 {
            for to_s in from_s..40 {
                let naive = (from_s..to_s).filter(|s| *s >= 3 && (s - 3) % 7 == 0).count() as u64;
                let counted = schedule.slots_between(TimeNs(from_s * second), TimeNs(to_s * second));
                assert_eq!(counted, naive, "[{from_s}, {to_s})");
            }
        }
    }

    #[test]
    fn the_next_slot_begins_at_or_after_the_instant() {
        let schedule = Schedule::of_target("checkout", 5_000_000);
        let at = TimeNs(1_700_000_000 * TimeNs::SECOND + 123);
        let k = schedule.first_slot_from(at);
        assert!(schedule.slot_start(k) >= at);
        assert!(schedule.slot_start(k - 1) < at);
        assert_eq!(schedule.first_slot_from(schedule.slot_start(k)), k);
    }

    #[test]
    fn offsets_spread_over_the_interval() {
        let offsets = (0..1_000).map(|n| Schedule::of_target(&format!("target-{n}"), 5_000_000).offset_us);
        let (mut tenths, width) = ([0_u32; 10], 500_000);
        offsets.for_each(|offset| tenths[(offset / width) as usize] += 1);
        assert!(tenths.iter().all(|count| (60..140).contains(count)), "{tenths:?}");
    }
}
