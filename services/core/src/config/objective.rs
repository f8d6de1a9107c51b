//! Objectives: what a team promises of its targets over a window, and when burning its error budget alerts.
//!
//! Both the short form in `spark.toml` and OpenSLO documents end as these types; every rule is checked before.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};
use spark_schemas::Name;

use crate::units::{DurationUs, RatioPpm, as_text};
use crate::window::Window;

/// A service level objective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Its name; no two have the same.
    pub name: Name,
    /// What it promises, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// The targets it looks at. Empty: every target that is not demo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Name>,
    /// Which observations are good.
    pub sli: Sli,
    /// The share of events (or of time slices) that is to be good; below 100 %, so that there is a budget.
    pub objective: RatioPpm,
    /// Over which time.
    pub window: SloWindow,
    /// What is counted against the budget.
    #[serde(default, skip_serializing_if = "Budgeting::is_default")]
    pub budgeting: Budgeting,
    /// When the budget burns too fast. The default is Google's four pairs of windows (The Site Reliability Workbook,
    /// chapter 5).
    #[serde(default = "BurnAlert::defaults")]
    pub alerts: Vec<BurnAlert>,
}

/// Which observations are good. A failed one never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sli {
    /// Those that did not fail.
    Availability,
    /// Those that did not fail and took at most so long.
    Latency(DurationUs),
}

/// The time an objective speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SloWindow {
    /// The last so and so long.
    Rolling(Window),
    /// The day, week or month that has begun.
    Calendar(CalendarWindow),
}

impl<'de> Deserialize<'de> for SloWindow {
    /// By hand, because what serde says of an untagged enum ("did not match any variant") teaches nothing.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RollingOrCalendar;

        impl<'de> de::Visitor<'de> for RollingOrCalendar {
            type Value = SloWindow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a window such as \"28d\" or { calendar = \"month\", time_zone = \"Europe/Istanbul\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SloWindow, E> {
                text.parse().map(SloWindow::Rolling).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SloWindow, A::Error> {
                CalendarWindow::deserialize(MapAccessDeserializer::new(map)).map(SloWindow::Calendar)
            }
        }

        deserializer.deserialize_any(RollingOrCalendar)
    }
}

/// A day, week (from Monday) or month, as a time zone's calendar has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarWindow {
    /// Which.
    pub calendar: CalendarUnit,
    /// An IANA time zone, such as `Europe/Istanbul`.
    #[serde(default = "utc")]
    pub time_zone: String,
}

/// The length of a calendar window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CalendarUnit {
    Day,
    Week,
    Month,
}

pub(super) fn utc() -> String {
    "UTC".to_owned()
}

/// What is counted against the error budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budgeting {
    /// Bad events among all events.
    #[default]
    Occurrences,
    /// Bad slices of time among all slices that had events.
    Timeslices(Timeslices),
}

impl Budgeting {
    fn is_default(&self) -> bool {
        *self == Self::Occurrences
    }
}

/// Slices of time, each good or bad as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeslices {
    /// How long a slice is.
    pub slice: DurationUs,
    /// The share of a slice's events that is to be good for the slice to be good.
    pub objective: RatioPpm,
}

/// An alert on two windows: it holds when the budget burns faster than `burn_rate` in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnAlert {
    /// What it asks of people, such as `page` or `ticket`.
    pub severity: Name,
    /// The window that tells how much of the budget is gone.
    pub long: Window,
    /// The window that tells whether it still burns.
    pub short: Window,
    /// How many times faster than the objective allows.
    pub burn_rate: BurnRate,
    /// With fewer events than this in the long window nothing is said.
    #[serde(default = "events_min")]
    pub events_min: u64,
    /// How long it must hold before it fires.
    #[serde(default = "no_time", rename = "for", skip_serializing_if = "is_no_time")]
    pub hold: DurationUs,
}

fn events_min() -> u64 {
    10
}

fn no_time() -> DurationUs {
    DurationUs(0)
}

fn is_no_time(duration: &DurationUs) -> bool {
    duration.0 == 0
}

impl BurnAlert {
    /// An alert that fires as soon as it holds, with the usual minimum of events.
    pub fn new(severity: Name, long: Window, short: Window, burn_rate: BurnRate) -> Self {
        Self { severity, long, short, burn_rate, events_min: events_min(), hold: no_time() }
    }

    /// Google's four pairs: 14.4, 6, 3 and 1.
    #[expect(clippy::expect_used, reason = "the literals are valid names")]
    pub fn defaults() -> Vec<Self> {
        let pair = |severity, long, short, burn_rate_milli| {
            Self::new(Name::new(severity).expect("a valid literal"), long, short, BurnRate(burn_rate_milli))
        };
        vec![
            pair("page", Window::H1, Window::M5, 14_400),
            pair("page", Window::H6, Window::M30, 6_000),
            pair("ticket", Window::D1, Window::H2, 3_000),
            pair("ticket", Window::D3, Window::H6, 1_000),
        ]
    }
}

/// How many times faster than the objective allows a budget burns, in thousandths; written as a decimal such as `14.4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BurnRate(pub u64);

/// The text is no burn rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a burn rate: write a number in quotes, at most three decimals, such as \"14.4\"")]
pub struct BurnRateError(String);

impl fmt::Display for BurnRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::units::decimal(self.0, 3))
    }
}

impl std::str::FromStr for BurnRate {
    type Err = BurnRateError;

    fn from_str(text: &str) -> Result<Self, BurnRateError> {
        crate::units::parse_decimal(text, 3).map(Self).ok_or_else(|| BurnRateError(text.to_owned()))
    }
}

as_text!(BurnRate: "a burn rate in quotes, such as \"14.4\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burn_rates_read_back_as_written() {
        for (text, milli) in [("1", 1_000), ("14.4", 14_400), ("0.001", 1)] {
            assert_eq!(text.parse(), Ok(BurnRate(milli)));
            assert_eq!(BurnRate(milli).to_string(), text);
        }
        for text in ["", ".", "1.", ".5", "-1", "1.0001", "x", "99999999999999999999"] {
            assert!(text.parse::<BurnRate>().is_err(), "{text}");
        }
    }
}
