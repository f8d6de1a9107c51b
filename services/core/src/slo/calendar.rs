//! The day, week or month that an instant falls into, as a time zone's calendar has it.
//!
//! Every offset in force today is a multiple of 15 minutes, so such a window is made of whole 15-minute buckets. The
//! zones are those bundled with the build (jiff's copy of the IANA database): the same on every machine.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use spark_schemas::TimeNs;

use crate::config::{CalendarUnit, CalendarWindow};

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: TimeNs,
    /// The first instant behind it; `None` where it goes up to the instant that is looked from.
    pub to: Option<TimeNs>,
}

/// The build knows no such time zone, or the instant is beyond its calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no time zone {0:?}")]
pub struct UnknownTimeZone(pub String);

/// The first instant of the window that `at` falls into, and the first one behind it.
///
/// Where a day begins with a leap of the clock, it begins when the leap is made.
pub fn calendar_span(window: &CalendarWindow, at: TimeNs) -> Result<(TimeNs, TimeNs), UnknownTimeZone> {
    let found = || {
        let zone = TimeZone::get(&window.time_zone).ok()?;
        let today = Timestamp::from_nanosecond(i128::from(at.0)).ok()?.to_zoned(zone.clone()).date();
        let (first, next) = match window.calendar {
            CalendarUnit::Day => (today, today.tomorrow().ok()?),
            CalendarUnit::Week => {
                let since_monday = i64::from(today.weekday().since(Weekday::Monday));
                let monday = today.checked_sub(since_monday.days()).ok()?;
                (monday, monday.checked_add(7.days()).ok()?)
            }
            CalendarUnit::Month => (today.first_of_month(), today.last_of_month().tomorrow().ok()?),
        };
        Some((start_of(first, &zone)?, start_of(next, &zone)?))
    };
    found().ok_or_else(|| UnknownTimeZone(window.time_zone.clone()))
}

fn start_of(date: Date, zone: &TimeZone) -> Option<TimeNs> {
    let start = date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    u64::try_from(start.timestamp().as_nanosecond()).ok().map(TimeNs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{parse_rfc3339, rfc3339};
    use crate::window::Tier;

    fn span(calendar: CalendarUnit, time_zone: &str, at: &str) -> (String, String) {
        let window = CalendarWindow { calendar, time_zone: time_zone.to_owned() };
        let (from, to) = calendar_span(&window, parse_rfc3339(at).unwrap()).unwrap();
        (rfc3339(from), rfc3339(to))
    }

    #[test]
    fn windows_by_hand() {
        use CalendarUnit::{Day, Month, Week};
        for (unit, zone, at, from, to) in [
            (Day, "UTC", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"),
            // Berlin: clocks go forward on 2026-03-29, back on 2026-10-25.
            (Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            (Month, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
            (Week, "Europe/Berlin", "2026-03-29T21:59:59.999Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"),
            // Istanbul stays at +3 all year; it went forward for good on 2016-03-27.
            (Month, "Europe/Istanbul", "2026-10-31T21:00:00Z", "2026-10-31T21:00:00Z", "2026-11-30T21:00:00Z"),
            (Month, "Europe/Istanbul", "2016-03-27T12:00:00Z", "2016-02-29T22:00:00Z", "2016-03-31T21:00:00Z"),
            // Kathmandu is at +5:45; Lord Howe's clocks go by half an hour, back on 2026-04-05, from +11 to +10:30.
            (Day, "Asia/Kathmandu", "2026-05-01T18:15:00Z", "2026-05-01T18:15:00Z", "2026-05-02T18:15:00Z"),
            (Month, "Australia/Lord_Howe", "2026-04-20T00:00:00Z", "2026-03-31T13:00:00Z", "2026-04-30T13:30:00Z"),
            // Monday is the first day of a week, and its own.
            (Week, "UTC", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-06-08T00:00:00Z"),
            (Week, "UTC", "2026-05-31T23:59:59Z", "2026-05-25T00:00:00Z", "2026-06-01T00:00:00Z"),
        ] {
            assert_eq!(span(unit, zone, at), (from.to_owned(), to.to_owned()), "{unit:?} {zone} {at}");
        }
    }

    #[test]
    fn every_zone_is_a_multiple_of_a_bucket_off() {
        let at = parse_rfc3339("2026-07-15T10:00:00Z").unwrap();
        let mut zones = 0;
        for zone in jiff::tz::db().available() {
            zones += 1;
            for calendar in [CalendarUnit::Day, CalendarUnit::Week, CalendarUnit::Month] {
                let window = CalendarWindow { calendar, time_zone: zone.to_string() };
                let (from, to) = calendar_span(&window, at).unwrap();
                assert!(from <= at && at < to, "{zone}");
                assert_eq!(from.0 % Tier::Minutes15.width_ns(), 0, "{zone} {calendar:?}");
            }
        }
        assert!(zones > 400, "only {zones}");
    }

    #[test]
    fn an_unknown_zone_is_an_error() {
        let window = CalendarWindow { calendar: CalendarUnit::Day, time_zone: "Mars/Olympus".to_owned() };
        assert_eq!(calendar_span(&window, TimeNs(0)), Err(UnknownTimeZone("Mars/Olympus".to_owned())));
    }
}
