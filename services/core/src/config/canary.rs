//! What a canary's judge is told: how sure it must be, and how large a difference has to be to matter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::judge;
use crate::units::{DurationUs, RatioPpm, as_text};

/// `[canary]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    /// How often each test may call two samples of one distribution different.
    pub alpha: Alpha,
    /// Fewer observations than this on a side are no data.
    pub samples_min: u64,
    /// A smaller share of a side's slots that were observed, rather than missed, is no data.
    pub completeness_min: RatioPpm,
    /// A shift of latency warns from this share of the baseline's median on …
    pub latency_warn: RatioPpm,
    /// … and fails from this one on.
    pub latency_fail: RatioPpm,
    /// A smaller shift of latency never matters, whatever its share.
    pub latency_floor: DurationUs,
    /// More answers that take twice the usual time warn from so many percentage points on …
    pub slow_warn: RatioPpm,
    /// … and fail from so many on.
    pub slow_fail: RatioPpm,
    /// A higher error rate warns from so many percentage points on …
    pub errors_warn: RatioPpm,
    /// … and fails from so many on.
    pub errors_fail: RatioPpm,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            alpha: Alpha::One,
            samples_min: 100,
            completeness_min: RatioPpm(900_000),
            latency_warn: RatioPpm(50_000),
            latency_fail: RatioPpm(200_000),
            latency_floor: DurationUs(100),
            slow_warn: RatioPpm(10_000),
            slow_fail: RatioPpm(50_000),
            errors_warn: RatioPpm(5_000),
            errors_fail: RatioPpm(20_000),
        }
    }
}

impl Canary {
    /// Below this the normal approximation of the rank test is too rough (Mann and Whitney 1947 found it good from 8 on a
    /// side; ties ask for more).
    const SAMPLES_MIN: u64 = 20;
    /// A side never has more.
    const SAMPLES_MAX: u64 = judge::SAMPLES_MAX as u64;

    /// Whether nothing was said about canaries.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The first rule that is broken: the key, and what is wrong with it.
    pub(super) fn broken_rule(&self) -> Option<(&'static str, String)> {
        if !(Self::SAMPLES_MIN..=Self::SAMPLES_MAX).contains(&self.samples_min) {
            let (min, max) = (Self::SAMPLES_MIN, Self::SAMPLES_MAX);
            return Some(("samples_min", format!("samples_min must be from {min} to {max}")));
        }
        let default = Self::default();
        let pairs = [
            ("latency_warn", self.latency_warn, "latency_fail", self.latency_fail, default.latency_fail),
            ("slow_warn", self.slow_warn, "slow_fail", self.slow_fail, default.slow_fail),
            ("errors_warn", self.errors_warn, "errors_fail", self.errors_fail, default.errors_fail),
        ];
        for (warn_key, warn, fail_key, fail, default_fail) in pairs {
            if warn.0 == 0 {
                return Some((warn_key, format!("{warn_key} must be more than 0%: every difference would matter")));
            }
            // Said where somebody wrote something: a limit that is the default was probably not written.
            if fail < warn && fail == default_fail {
                return Some((warn_key, format!("{warn_key} must be at most {fail_key} ({fail})")));
            }
            if fail < warn {
                return Some((fail_key, format!("{fail_key} must be at least {warn_key} ({warn})")));
            }
        }
        None
    }
}

/// How often a test may cry wolf: the levels for which its critical value is in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Alpha {
    Ten,
    Five,
    Two,
    One,
    Half,
    Tenth,
}

impl Alpha {
    /// Each level, its text, and its critical value of chi-square with one degree of freedom in 1/10,000: what z² of a
    /// two-sided normal test must exceed (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4).
    const TABLE: [(Self, &'static str, u64, u128); 6] = [
        (Self::Ten, "10%", 100_000, 27_055),
        (Self::Five, "5%", 50_000, 38_415),
        (Self::Two, "2%", 20_000, 54_119),
        (Self::One, "1%", 10_000, 66_349),
        (Self::Half, "0.5%", 5_000, 78_794),
        (Self::Tenth, "0.1%", 1_000, 108_276),
    ];

    const fn row(self) -> &'static (Self, &'static str, u64, u128) {
        &Self::TABLE[self as usize]
    }

    /// In parts per million.
    pub const fn ppm(self) -> u64 {
        self.row().2
    }

    /// What z² must exceed, in 1/10,000.
    pub(crate) const fn critical_z_squared_e4(self) -> u128 {
        self.row().3
    }
}

/// No such level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no level of significance; there are: 10%, 5%, 2%, 1%, 0.5%, 0.1%")]
pub struct AlphaError(String);

impl fmt::Display for Alpha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

impl FromStr for Alpha {
    type Err = AlphaError;

    fn from_str(text: &str) -> Result<Self, AlphaError> {
        let row = Self::TABLE.iter().find(|(_, name, ..)| *name == text);
        row.map(|(alpha, ..)| *alpha).ok_or_else(|| AlphaError(text.to_owned()))
    }
}

as_text!(Alpha: "a level of significance in quotes, such as \"1%\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_read_back_as_written_and_are_where_they_are_looked_for() {
        for (alpha, text, ppm, _) in Alpha::TABLE {
            assert_eq!((alpha.to_string().as_str(), text.parse(), alpha.ppm()), (text, Ok(alpha), ppm));
        }
        for text in ["", "1", "3%", "1.0%", "100%", "NaN%"] {
            assert!(text.parse::<Alpha>().is_err(), "{text}");
        }
    }
}
