//! Durations and windows of documents, as windows that Spark keeps.

use jiff::civil::{DateTime, Time, Weekday};

use super::fields::Fields;
use super::yaml::Node;
use super::{Refused, shown};
use crate::config::objective_rules::broken_time_zone;
use crate::config::{CalendarUnit, CalendarWindow, SloWindow};
use crate::units::DurationUs;
use crate::window::Window;

/// OpenSLO's duration shorthand: a whole number and a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shorthand {
    count: u64,
    unit: char,
}

impl Shorthand {
    pub fn read(node: &Node, what: &str) -> Result<Self, Refused> {
        let text = node.text(what)?;
        let parse = || {
            let unit = text.chars().last().filter(|unit| "mhdwMQY".contains(*unit))?;
            let digits = text.strip_suffix(unit)?;
            let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            Some(Self { count: digits.parse().ok().filter(|_| is_whole)?, unit })
        };
        parse().ok_or_else(|| {
            let units = "a whole number and one of m, h, d, w, M, Q, Y";
            node.at.refused(format!("{what} {} is not a duration: write {units}, such as 5m or 4w", shown(text)))
        })
    }

    /// `None` for what has no fixed length (M, Q, Y), and for more than fits.
    pub fn duration(self) -> Option<DurationUs> {
        let unit_s = match self.unit {
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        self.count.checked_mul(unit_s * 1_000_000).map(DurationUs)
    }

    pub fn window(self) -> Option<Window> {
        let length_ns = self.duration()?.0.checked_mul(1_000)?;
        Window::ALL.into_iter().find(|window| window.length_ns() == length_ns)
    }
}

/// A window that Spark keeps, such as a burn rate's.
pub(super) fn window(node: &Node, what: &str) -> Result<Window, Refused> {
    Shorthand::read(node, what)?.window().ok_or_else(|| {
        let windows: Vec<&str> = Window::ALL.iter().map(|window| window.as_str()).collect();
        let text = node.text(what).unwrap_or_default();
        node.at.refused(format!("{what} {}: Spark has no such window; there are {}", shown(text), windows.join(", ")))
    })
}

/// A plain length of time.
pub(super) fn duration(node: &Node, what: &str) -> Result<DurationUs, Refused> {
    Shorthand::read(node, what)?
        .duration()
        .ok_or_else(|| node.at.refused(format!("{what} must have a fixed length: minutes, hours, days or weeks")))
}

/// The one item of `timeWindow`.
pub(super) fn time_window(node: &Node) -> Result<SloWindow, Refused> {
    let item = node.only_item("timeWindow")?;
    let fields = Fields::of(item, "timeWindow", &["duration", "isRolling", "calendar"])?;
    let length = fields.need("duration")?;
    let is_rolling = fields.get("isRolling").map(|node| node.boolean("isRolling")).transpose()?;
    match (is_rolling, fields.get("calendar")) {
        (Some(true), None) => window(length, "duration").map(SloWindow::Rolling),
        (Some(false) | None, Some(calendar)) => calendar_window(length, calendar).map(SloWindow::Calendar),
        (Some(true), Some(calendar)) => Err(calendar.at.refused("a rolling window has no calendar")),
        (Some(false) | None, None) => {
            Err(item.at.refused("timeWindow needs isRolling: true, or a calendar with startTime and timeZone"))
        }
    }
}

fn calendar_window(length: &Node, calendar: &Node) -> Result<CalendarWindow, Refused> {
    let unit = match Shorthand::read(length, "duration")? {
        Shorthand { count: 1, unit: 'd' } => CalendarUnit::Day,
        Shorthand { count: 1, unit: 'w' } => CalendarUnit::Week,
        Shorthand { count: 1, unit: 'M' } => CalendarUnit::Month,
        Shorthand { count: 1, unit: 'm' } => {
            return Err(length.at.refused("duration 1m is a minute: a calendar month is 1M"));
        }
        _ => return Err(length.at.refused("Spark's calendar windows are a day, a week or a month: 1d, 1w or 1M")),
    };
    let fields = Fields::of(calendar, "calendar", &["startTime", "timeZone"])?;
    let zone = fields.need("timeZone")?;
    let time_zone = zone.text("timeZone")?;
    if let Some(message) = broken_time_zone(time_zone) {
        return Err(zone.at.refused(message));
    }
    let start = fields.need("startTime")?;
    let text = start.text("startTime")?;
    // The parser takes more forms than OpenSLO has.
    let starts_at = text.parse::<DateTime>().ok().filter(|_| text.len() == "2026-01-01 00:00:00".len());
    let Some(starts_at) = starts_at else {
        return Err(start.at.refused("startTime must be a date and time such as 2026-01-01 00:00:00"));
    };
    let (is_aligned, begins) = match unit {
        CalendarUnit::Day => (true, "days begin"),
        CalendarUnit::Week => (starts_at.date().weekday() == Weekday::Monday, "weeks begin on Monday"),
        CalendarUnit::Month => (starts_at.day() == 1, "months begin on the 1st"),
    };
    if !is_aligned || starts_at.time() != Time::midnight() {
        let message = format!("startTime {}: Spark's {begins} at midnight (00:00:00)", shown(text));
        return Err(start.at.refused(message));
    }
    Ok(CalendarWindow { calendar: unit, time_zone: time_zone.to_owned() })
}
