//! Tiers of buckets and the rolling windows over them.

use std::fmt;
use std::str::FromStr;

use spark_schemas::TimeNs;

use crate::units::as_text;

const SECOND: u64 = TimeNs::SECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A width of bucket and how long buckets of that width are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 10 s for 1 h.
    Seconds10,
    /// 1 min for 24 h.
    Minute,
    /// 15 min for 32 d.
    Minutes15,
    /// 1 h for 400 d.
    Hour,
}

impl Tier {
    /// Every tier, finest first.
    pub const ALL: [Self; 4] = [Self::Seconds10, Self::Minute, Self::Minutes15, Self::Hour];

    /// The tier's place in [`Tier::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The width of a bucket in nanoseconds.
    pub const fn width_ns(self) -> u64 {
        match self {
            Self::Seconds10 => 10 * SECOND,
            Self::Minute => MINUTE,
            Self::Minutes15 => 15 * MINUTE,
            Self::Hour => HOUR,
        }
    }

    /// How long buckets are kept at least, in nanoseconds.
    pub const fn kept_ns(self) -> u64 {
        match self {
            Self::Seconds10 => HOUR,
            Self::Minute => DAY,
            Self::Minutes15 => 32 * DAY,
            Self::Hour => 400 * DAY,
        }
    }

    /// The start of the bucket that `at` falls into.
    pub const fn bucket_start(self, at: TimeNs) -> TimeNs {
        TimeNs(at.0 - at.0 % self.width_ns())
    }
}

/// A rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Window {
    M5,
    M30,
    H1,
    H2,
    H6,
    D1,
    D3,
    D7,
    D28,
    D30,
}

/// The text names no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no window {0:?}; there are 5m, 30m, 1h, 2h, 6h, 1d, 3d, 7d, 28d, 30d")]
pub struct WindowError(String);

impl Window {
    /// Every window, shortest first.
    pub const ALL: [Self; 10] =
        [Self::M5, Self::M30, Self::H1, Self::H2, Self::H6, Self::D1, Self::D3, Self::D7, Self::D28, Self::D30];

    /// The window's place in [`Window::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its length in nanoseconds.
    pub const fn length_ns(self) -> u64 {
        match self {
            Self::M5 => 5 * MINUTE,
            Self::M30 => 30 * MINUTE,
            Self::H1 => HOUR,
            Self::H2 => 2 * HOUR,
            Self::H6 => 6 * HOUR,
            Self::D1 => DAY,
            Self::D3 => 3 * DAY,
            Self::D7 => 7 * DAY,
            Self::D28 => 28 * DAY,
            Self::D30 => 30 * DAY,
        }
    }

    /// The tier whose buckets it is made of: the finest that is kept long enough.
    pub const fn tier(self) -> Tier {
        match self {
            Self::M5 | Self::M30 | Self::H1 => Tier::Seconds10,
            Self::H2 | Self::H6 | Self::D1 => Tier::Minute,
            Self::D3 | Self::D7 | Self::D28 | Self::D30 => Tier::Minutes15,
        }
    }

    /// The start of the first bucket in the window that ends at `at`: the first that starts after `at` − length.
    pub const fn first_bucket(self, at: TimeNs) -> TimeNs {
        let width = self.tier().width_ns();
        match at.0.checked_sub(self.length_ns()) {
            Some(edge) => TimeNs((edge / width + 1) * width),
            None => TimeNs(0),
        }
    }

    /// Its name, such as `5m`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M5 => "5m",
            Self::M30 => "30m",
            Self::H1 => "1h",
            Self::H2 => "2h",
            Self::H6 => "6h",
            Self::D1 => "1d",
            Self::D3 => "3d",
            Self::D7 => "7d",
            Self::D28 => "28d",
            Self::D30 => "30d",
        }
    }
}

as_text!(Window: "a window in quotes, such as \"5m\" or \"28d\"");

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        Self::ALL.into_iter().find(|window| window.as_str() == text).ok_or_else(|| WindowError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_starts_with_the_first_bucket_after_its_edge() {
        let at = |s: u64| TimeNs(s * SECOND);
        assert_eq!(Window::M5.first_bucket(at(600)), at(310), "a bucket that starts on the edge is out");
        assert_eq!(Window::M5.first_bucket(at(609)), at(310));
        assert_eq!(Window::M5.first_bucket(at(610)), at(320));
        assert_eq!(Window::M5.first_bucket(at(10)), at(0), "before the epoch there is nothing");
    }

    #[test]
    fn every_tier_is_kept_as_long_as_its_windows_need() {
        for window in Window::ALL {
            assert!(window.length_ns() <= window.tier().kept_ns(), "{window}");
            assert_eq!(window.as_str().parse(), Ok(window));
            assert_eq!(Window::ALL[window.index()], window);
        }
        assert!("5min".parse::<Window>().is_err());
    }
}
