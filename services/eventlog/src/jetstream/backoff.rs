//! How long to wait before the next attempt.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Doubles from 50 ms on: nothing before the first attempt, then up to `max`.
pub(super) fn backoff(failures: usize, max: Duration) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    match u32::try_from(failures).unwrap_or(u32::MAX) {
        0 => Duration::ZERO,
        n => FIRST.saturating_mul(1 << (n - 1).min(16)).min(max),
    }
}

/// Between half of `delay` and all of it, so that a server that comes back does not meet all its clients at once.
pub(super) fn with_jitter(delay: Duration) -> Duration {
    // The standard library seeds its hash maps at random; nothing here needs better chance than that.
    let random = RandomState::new().build_hasher().finish();
    let half_us = u64::try_from(delay.as_micros() / 2).unwrap_or(u64::MAX);
    delay - Duration::from_micros(random.checked_rem(half_us.saturating_add(1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(4);

    #[test]
    fn pauses_grow_up_to_the_limit_and_never_beyond() {
        assert_eq!(backoff(0, LONGEST), Duration::ZERO);
        assert_eq!(backoff(1, LONGEST), Duration::from_millis(50));
        assert_eq!(backoff(3, LONGEST), Duration::from_millis(200));
        assert_eq!(backoff(usize::MAX, LONGEST), LONGEST);
        for failures in 0..20 {
            let delay = backoff(failures, LONGEST);
            let jittered = with_jitter(delay);
            assert!(jittered <= delay && jittered >= delay / 2, "{jittered:?} of {delay:?}");
        }
    }
}
