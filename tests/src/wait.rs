//! Waiting for a condition with a deadline; the one place where tests read a clock.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Long enough for anything that happens at all, also on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Now, to measure with.
#[expect(clippy::disallowed_methods, reason = "tests watch real processes in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Now, in nanoseconds since the epoch.
///
/// # Panics
/// When the machine's clock is before 1970.
#[expect(clippy::disallowed_methods, reason = "tests watch real processes in real time")]
pub fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    u64::try_from(since.as_nanos()).expect("the clock is before 2554")
}

/// Looks until there is a result, for at most `limit`. `Err` says how things stand meanwhile.
///
/// # Panics
/// At the deadline, with what was said last.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(still) if began.elapsed() > limit => panic!("not within {limit:?}: {what}; at last: {still}"),
            Err(_not_yet) => thread::sleep(PAUSE),
        }
    }
}

/// `Ok` when `holds`, to end a wait; `Err` says how things stand.
///
/// # Errors
/// When the condition does not hold yet.
pub fn that(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
