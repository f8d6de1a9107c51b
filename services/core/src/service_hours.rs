//! When a target is outside of its service hours. That time is left out of figures as a maintenance is.
//!
//! Days and times are those that a clock in the zone shows, whatever summer time does to it. An edge that the clock leaps
//! over is at the leap. Of an edge that it shows twice, hours begin with the first and end with the last: rather an
//! observation that counts than one that nobody said should not.

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use spark_schemas::TimeNs;
use spark_schemas::event::TimeSpan;

use crate::config::{Day, ServiceHours, TimeOfDay};

/// Hours come again within a week, and another day for those that go on over midnight.
const AGAIN_NS: u64 = 9 * 24 * 3_600 * TimeNs::SECOND;

impl ServiceHours {
    /// Whether they are those of a target.
    pub fn covers(&self, target: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|name| name.as_str() == target)
    }

    /// The times in `span` that are within these hours, in order. Times that this build can't tell are all within: it
    /// leaves nothing out that it is not sure of.
    fn open_in(&self, span: TimeSpan) -> Vec<TimeSpan> {
        self.opened(span).unwrap_or_else(|| vec![span])
    }

    fn opened(&self, span: TimeSpan) -> Option<Vec<TimeSpan>> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let date_of = |at: TimeNs| Some(Zoned::new(timestamp(at)?, zone.clone()).date());
        // Those of the day before may go on over midnight.
        let (mut date, last) = (date_of(span.from_ns)?.yesterday().ok()?, date_of(span.to_ns)?);
        let mut open = Vec::new();
        while date <= last {
            if self.days.contains(&day_of(date)) {
                let end_date = if self.ends_next_day() { date.tomorrow().ok()? } else { date };
                let from_ns = edge(date, self.from, &zone, Shown::First)?.max(span.from_ns);
                let to_ns = edge(end_date, self.to, &zone, Shown::Last)?.min(span.to_ns);
                if from_ns < to_ns {
                    open.push(TimeSpan { from_ns, to_ns });
                }
            }
            date = date.tomorrow().ok()?;
        }
        Some(open)
    }
}

/// The times in `span` at which a target is outside of all its service hours, apart and in order. A target without any is
/// always to work.
pub fn outside(hours: &[ServiceHours], target: &str, span: TimeSpan) -> Vec<TimeSpan> {
    let mut its = hours.iter().filter(|one| one.covers(target)).peekable();
    if its.peek().is_none() {
        return Vec::new();
    }
    let mut open: Vec<TimeSpan> = its.flat_map(|one| one.open_in(span)).collect();
    open.sort_unstable();
    let (mut outside, mut from_ns) = (Vec::new(), span.from_ns);
    for one in open {
        if from_ns < one.from_ns {
            outside.push(TimeSpan { from_ns, to_ns: one.from_ns });
        }
        from_ns = from_ns.max(one.to_ns);
    }
    if from_ns < span.to_ns {
        outside.push(TimeSpan { from_ns, to_ns: span.to_ns });
    }
    outside
}

/// Until when a target is outside of its service hours: the first instant at which they begin again. `None` while it is
/// within them, or has none.
pub fn outside_until(hours: &[ServiceHours], target: &str, at: TimeNs) -> Option<TimeNs> {
    let span = |length_ns| TimeSpan { from_ns: at, to_ns: TimeNs(at.0.saturating_add(length_ns)) };
    // Most targets are within theirs, which is known sooner than when the next ones begin.
    outside(hours, target, span(1)).first()?;
    outside(hours, target, span(AGAIN_NS)).first().map(|first| first.to_ns)
}

/// Which instant is meant where the clock is put back over a time.
#[derive(Clone, Copy)]
enum Shown {
    First,
    Last,
}

fn edge(date: Date, time: TimeOfDay, zone: &TimeZone, shown: Shown) -> Option<TimeNs> {
    let date = if time.is_end_of_day() { date.tomorrow().ok()? } else { date };
    let (hour, minute) = (i8::try_from(time.hour() % 24).ok()?, i8::try_from(time.minute()).ok()?);
    let clock = date.at(hour, minute, 0, 0);
    let instant = match zone.to_ambiguous_timestamp(clock).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(clock).ok()?,
        AmbiguousOffset::Gap { after, .. } => {
            let before_the_leap = after.to_timestamp(clock).ok()?;
            zone.following(before_the_leap).next()?.timestamp()
        }
        AmbiguousOffset::Fold { before, after } => {
            let offset = match shown {
                Shown::First => before,
                Shown::Last => after,
            };
            offset.to_timestamp(clock).ok()?
        }
    };
    // What is before 1970 is before everything.
    Some(TimeNs(u64::try_from(instant.as_nanosecond()).unwrap_or(0)))
}

fn timestamp(at: TimeNs) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(at.0)).ok()
}

fn day_of(date: Date) -> Day {
    match date.weekday() {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{parse_rfc3339, rfc3339};

    fn hours(targets: &[&str], days: &[Day], from: &str, to: &str, time_zone: &str) -> ServiceHours {
        ServiceHours {
            name: "office".parse().unwrap(),
            targets: targets.iter().map(|name| name.parse().unwrap()).collect(),
            days: days.to_vec(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            time_zone: time_zone.to_owned(),
        }
    }

    fn span(from: &str, to: &str) -> TimeSpan {
        TimeSpan { from_ns: parse_rfc3339(from).unwrap(), to_ns: parse_rfc3339(to).unwrap() }
    }

    const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
    const OFFICE: [Day; 5] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];

    #[test]
    fn hours_by_hand_also_when_clocks_leap() {
        for (from, to, zone, at, open) in [
            // Berlin leaps from 02:00 to 03:00 on Sunday 2026-03-29 and goes back from 03:00 to 02:00 on 2026-10-25.
            ("08:00", "18:00", "Europe/Berlin", "2026-03-28", ("2026-03-28T07:00:00Z", "2026-03-28T17:00:00Z")),
            ("08:00", "18:00", "Europe/Berlin", "2026-03-29", ("2026-03-29T06:00:00Z", "2026-03-29T16:00:00Z")),
            ("00:00", "24:00", "Europe/Berlin", "2026-03-29", ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")),
            ("00:00", "24:00", "Europe/Berlin", "2026-10-25", ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")),
            // An edge in the hour that is not there, and in the one that is there twice.
            ("02:30", "05:00", "Europe/Berlin", "2026-03-29", ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z")),
            ("01:00", "02:30", "Europe/Berlin", "2026-03-29", ("2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z")),
            ("02:30", "05:00", "Europe/Berlin", "2026-10-25", ("2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z")),
            ("01:00", "02:30", "Europe/Berlin", "2026-10-25", ("2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z")),
            // Over midnight, and over the leap.
            ("22:00", "06:00", "Europe/Berlin", "2026-03-28", ("2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z")),
            ("18:00", "00:00", "Europe/Berlin", "2026-06-01", ("2026-06-01T16:00:00Z", "2026-06-01T22:00:00Z")),
            // Istanbul has no summer time; Kathmandu is at +5:45; Lord Howe leaps by half an hour.
            ("09:00", "18:00", "Europe/Istanbul", "2026-03-29", ("2026-03-29T06:00:00Z", "2026-03-29T15:00:00Z")),
            ("09:00", "18:00", "Asia/Kathmandu", "2026-05-01", ("2026-05-01T03:15:00Z", "2026-05-01T12:15:00Z")),
            ("02:15", "12:00", "Australia/Lord_Howe", "2026-10-04", ("2026-10-03T15:30:00Z", "2026-10-04T01:00:00Z")),
        ] {
            let date: Date = at.parse().unwrap();
            let of_that_day = hours(&[], &[day_of(date)], from, to, zone);
            let around = span(
                &format!("{}T00:00:00Z", date.yesterday().unwrap()),
                &format!("{}T23:59:59Z", date.tomorrow().unwrap()),
            );
            let found: Vec<_> =
                of_that_day.open_in(around).iter().map(|one| (rfc3339(one.from_ns), rfc3339(one.to_ns))).collect();
            assert_eq!(found, [(open.0.to_owned(), open.1.to_owned())], "{from} to {to} in {zone} on {at}");
        }
        // Both edges in the hour that is not there: it never opens.
        let nothing = hours(&[], &[Day::Sun], "02:10", "02:50", "Europe/Berlin");
        assert_eq!(nothing.open_in(span("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z")), []);
    }

    #[test]
    fn several_hours_of_a_target_add_up_and_none_means_always() {
        let all = [
            hours(&["shop"], &OFFICE, "08:00", "12:00", "UTC"),
            hours(&["shop", "feed"], &OFFICE, "11:00", "18:00", "UTC"),
            hours(&["shop"], &[Day::Sat], "10:00", "14:00", "UTC"),
        ];
        // Friday 2026-05-29 to Monday 2026-06-01.
        let week_end = span("2026-05-29T00:00:00Z", "2026-06-01T09:00:00Z");
        let wanted = [
            span("2026-05-29T00:00:00Z", "2026-05-29T08:00:00Z"),
            span("2026-05-29T18:00:00Z", "2026-05-30T10:00:00Z"),
            span("2026-05-30T14:00:00Z", "2026-06-01T08:00:00Z"),
        ];
        assert_eq!(outside(&all, "shop", week_end), wanted);
        assert_eq!(outside(&all, "bank", week_end), []);
        let until = |target, at| outside_until(&all, target, parse_rfc3339(at).unwrap()).map(rfc3339);
        assert_eq!(until("shop", "2026-05-30T14:00:00Z").as_deref(), Some("2026-06-01T08:00:00Z"));
        assert_eq!(until("feed", "2026-05-29T18:00:00Z").as_deref(), Some("2026-06-01T11:00:00Z"));
        assert_eq!(until("shop", "2026-05-30T13:59:59.999Z"), None);
        assert_eq!(until("bank", "2026-05-30T14:00:00Z"), None);
    }

    /// The same by asking a clock at each quarter of an hour: a year in zones of all kinds.
    #[test]
    fn what_is_outside_is_what_a_clock_says_at_each_quarter_of_an_hour() {
        for (zone, from, to) in [
            ("Europe/Berlin", "08:00", "18:00"),
            ("America/New_York", "22:00", "06:00"),
            ("Australia/Lord_Howe", "09:15", "17:45"),
            ("Africa/Casablanca", "00:00", "12:00"),
        ] {
            let all = [hours(&[], &OFFICE, from, to, zone)];
            let year = span("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
            let left_out = outside(&all, "shop", year);
            let (from, to): (TimeOfDay, TimeOfDay) = (from.parse().unwrap(), to.parse().unwrap());
            let minutes = |time: TimeOfDay| i16::try_from(time.hour() * 60 + time.minute()).unwrap();
            let zone = TimeZone::get(zone).unwrap();
            for at in (year.from_ns.0..year.to_ns.0).step_by(900 * TimeNs::SECOND as usize).map(TimeNs) {
                let clock = Zoned::new(timestamp(at).unwrap(), zone.clone());
                let shown = i16::from(clock.hour()) * 60 + i16::from(clock.minute());
                let is_day = |date: Date| OFFICE.contains(&day_of(date));
                let today = is_day(clock.date());
                let is_open = if from < to {
                    today && (minutes(from)..minutes(to)).contains(&shown)
                } else {
                    let since_yesterday = is_day(clock.date().yesterday().unwrap()) && shown < minutes(to);
                    since_yesterday || (today && shown >= minutes(from))
                };
                let is_left_out = left_out.iter().any(|one| (one.from_ns..one.to_ns).contains(&at));
                assert_eq!(is_left_out, !is_open, "{clock}");
            }
        }
        let always = [hours(&[], &ALL, "00:00", "24:00", "Europe/Berlin")];
        assert_eq!(outside(&always, "shop", span("2026-03-01T00:00:00Z", "2026-04-20T00:00:00Z")), []);
    }
}
