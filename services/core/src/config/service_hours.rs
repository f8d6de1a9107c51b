//! `[[service_hours]]`: the hours in which targets are to work.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spark_schemas::Name;

use super::Config;
use super::objective::utc;
use super::objective_rules::broken_time_zone;
use super::parse::{Broken, Step, first_twice};
use crate::units::as_text;

/// Each is looked at for each target and day.
const NUMBER_MAX: usize = 50;
const DAY_MINUTES: u16 = 24 * 60;

/// `[[service_hours]]`: a time of the day, on some days of the week. What several say of a target adds up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceHours {
    /// Its name.
    pub name: Name,
    /// What it covers. Empty: every target.
    #[serde(default)]
    pub targets: Vec<Name>,
    /// The days on which it begins.
    pub days: Vec<Day>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends: on the day after where that is not later than `from`.
    pub to: TimeOfDay,
    /// The IANA time zone of its days and times, such as `Europe/Istanbul`.
    #[serde(default = "utc")]
    pub time_zone: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a clock shows, in minutes since midnight; 24:00 is the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    minutes: u16,
}

/// The text is no time of the day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of the day; write one such as \"08:30\", or \"24:00\" for the end of the day")]
pub struct TimeOfDayError(String);

impl TimeOfDay {
    /// The hour, up to 24.
    pub const fn hour(self) -> u16 {
        self.minutes / 60
    }

    /// The minute of the hour.
    pub const fn minute(self) -> u16 {
        self.minutes % 60
    }

    /// Whether it is 24:00.
    pub const fn is_end_of_day(self) -> bool {
        self.minutes == DAY_MINUTES
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour(), self.minute())
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let two_digits =
            |part: &str| part.parse::<u16>().ok().filter(|_| part.len() == 2 && !part.starts_with(['+', '-']));
        let read = || {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
            let minutes = hour * 60 + minute;
            (minute < 60 && minutes <= DAY_MINUTES).then_some(Self { minutes })
        };
        read().ok_or_else(|| TimeOfDayError(text.to_owned()))
    }
}

as_text!(TimeOfDay: "a time of the day in quotes, such as \"08:30\"");

impl ServiceHours {
    /// Its days and times in a few words.
    pub fn in_words(&self) -> String {
        let days: Vec<&str> = self.days.iter().map(|day| day.as_str()).collect();
        let next_day = if self.ends_next_day() { " of the next day" } else { "" };
        format!("{}, {} to {}{next_day}, {}", days.join(" "), self.from, self.to, self.time_zone)
    }

    /// Whether it goes on over midnight.
    pub fn ends_next_day(&self) -> bool {
        self.to <= self.from
    }

    fn broken_rule(&self) -> Option<(&'static str, String)> {
        if self.days.is_empty() {
            return Some(("days", "name a day: mon, tue, wed, thu, fri, sat or sun".to_owned()));
        }
        if self.from.is_end_of_day() {
            return Some(("from", "24:00 is an end; write \"00:00\" of the day after".to_owned()));
        }
        if self.from == self.to {
            return Some(("to", "it must end after it begins; a whole day is \"00:00\" to \"24:00\"".to_owned()));
        }
        broken_time_zone(&self.time_zone).map(|message| ("time_zone", message))
    }
}

impl Config {
    pub(super) fn broken_rule_of_service_hours(&self) -> Option<Broken> {
        for (n, hours) in self.service_hours.iter().enumerate() {
            let at = |key| vec![Step::Key("service_hours"), Step::Index(n), Step::Key(key)];
            let in_list = |key, place| at(key).into_iter().chain([Step::Index(place)]).collect();
            let broken = |key, message| Some(Broken { path: at(key), message });
            if n >= NUMBER_MAX {
                return broken("name", format!("there are at most {NUMBER_MAX} service hours"));
            }
            if self.service_hours[..n].iter().any(|earlier| earlier.name == hours.name) {
                let message = format!("service hours {:?} are there twice: names must differ", hours.name.as_str());
                return broken("name", message);
            }
            if let Some((key, message)) = hours.broken_rule() {
                return broken(key, message);
            }
            if let Some((place, message)) = first_twice(&hours.days) {
                return Some(Broken { path: in_list("days", place), message });
            }
            if let Some((place, message)) = first_twice(&hours.targets) {
                return Some(Broken { path: in_list("targets", place), message });
            }
            if let Some(place) = hours.targets.iter().position(|target| self.target(target).is_none()) {
                let message = self.no_target(&hours.targets[place]);
                return Some(Broken { path: in_list("targets", place), message });
            }
        }
        None
    }
}
