//! UTC days, and where in the log one ends and the next begins.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use spark_schemas::TimeNs;

use crate::units::{DurationUs, as_text};

const DAY_NS: u64 = 86_400 * TimeNs::SECOND;

/// A day in UTC, written as `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// Days since 1970-01-01.
    number: u64,
}

/// The text is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day; write YYYY-MM-DD, such as \"2026-11-22\", from 1970 to 2500")]
pub struct DayError(String);

impl Day {
    /// The day that `at` falls into.
    pub const fn of(at: TimeNs) -> Self {
        Self { number: at.0 / DAY_NS }
    }

    /// Its first instant.
    pub const fn start(self) -> TimeNs {
        TimeNs(self.number * DAY_NS)
    }

    /// The first instant behind it.
    pub const fn end(self) -> TimeNs {
        TimeNs((self.number + 1) * DAY_NS)
    }

    /// The day after it.
    pub const fn next(self) -> Self {
        Self { number: self.number + 1 }
    }

    /// The day before it; 1970-01-01 has none.
    pub const fn previous(self) -> Option<Self> {
        match self.number.checked_sub(1) {
            Some(number) => Some(Self { number }),
            None => None,
        }
    }

    /// Whether a leaf received at `received` is the first that no longer belongs to the report of this day, or comes after
    /// it: the report waits for the day's end and the grace.
    pub const fn is_closed_by(self, received: TimeNs, grace: DurationUs) -> bool {
        received.0 >= self.end().0.saturating_add(grace.0.saturating_mul(1_000))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.start().0)) {
            Ok(start) => write!(f, "{}", start.to_zoned(TimeZone::UTC).date()),
            Err(_) => write!(f, "day {}", self.number), // Beyond the year 9999, which u64 nanoseconds can't reach.
        }
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let parse = || {
            let date: Date = text.parse().ok()?;
            let start = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond();
            let day = Self::of(TimeNs(u64::try_from(start).ok()?));
            // The parser also takes other ways to write a date; evidence has one.
            ((1970..=2500).contains(&date.year()) && day.to_string() == text).then_some(day)
        };
        parse().ok_or_else(|| DayError(text.to_owned()))
    }
}

as_text!(Day: "a day in quotes, such as \"2026-11-22\"");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::rfc3339;

    #[test]
    fn days_read_back_as_written_and_begin_at_midnight_utc() {
        for text in ["1970-01-01", "2024-02-29", "2026-11-22", "2500-12-31"] {
            let day: Day = text.parse().unwrap();
            assert_eq!(day.to_string(), text);
            assert_eq!(rfc3339(day.start()), format!("{text}T00:00:00Z"));
            assert_eq!((Day::of(day.start()), Day::of(TimeNs(day.end().0 - 1))), (day, day));
            assert_eq!(day.next().previous(), Some(day));
        }
        for text in
            ["", "2026-13-01", "2023-02-29", "1969-12-31", "2501-01-01", "20261122", "2026-11-22T00:00:00", "today"]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_closed_by_the_first_leaf_after_its_end_and_grace() {
        let day: Day = "2026-11-22".parse().unwrap();
        let grace = DurationUs::from_secs(300);
        let edge = day.end().0 + 300 * TimeNs::SECOND;
        assert!(!day.is_closed_by(TimeNs(edge - 1), grace) && day.is_closed_by(TimeNs(edge), grace));
        assert!(day.is_closed_by(day.end(), DurationUs(0)));
    }
}
