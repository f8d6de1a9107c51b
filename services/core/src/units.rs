//! Durations and ratios as configuration writes them: `150ms`, `5s`, `2%`.

use std::fmt;
use std::str::FromStr;

/// A duration in microseconds; written as a number and `us`, `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationUs(pub u64);

/// A ratio in parts per million; written as a percentage such as `2%` or `0.05%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RatioPpm(pub u64);

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write a whole number and a unit (us, ms, s, m, h or d), such as \"150ms\" or \"5s\"")]
pub struct DurationError(String);

/// The text is no percentage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a percentage: write a number from 0 to 100, at most four decimals, and %, such as \"2%\"")]
pub struct RatioError(String);

const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

impl DurationUs {
    /// So many milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000)
    }

    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000)
    }

    /// As the standard library's type.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0)
    }
}

impl fmt::Display for DurationUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            0 => ("s", 1),
            us => UNITS.into_iter().find(|(_, size)| us % size == 0).unwrap_or(("us", 1)),
        };
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl FromStr for DurationUs {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let parse = || {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at(digits);
            let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
            number.parse::<u64>().ok()?.checked_mul(size)
        };
        parse().map(Self).ok_or_else(|| DurationError(text.to_owned()))
    }
}

impl fmt::Display for RatioPpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal(self.0, 4))
    }
}

impl FromStr for RatioPpm {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let parse =
            || text.strip_suffix('%').and_then(|number| parse_decimal(number, 4)).filter(|ppm| *ppm <= 1_000_000);
        parse().map(Self).ok_or_else(|| RatioError(text.to_owned()))
    }
}

/// `value / 10^places` as a decimal without trailing zeros: exact, and the same on every machine.
pub fn decimal(value: u64, places: u32) -> String {
    let scale = 10_u64.pow(places);
    let (whole, rest) = (value / scale, value % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let rest = format!("{rest:0width$}", width = places as usize);
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

/// What [`decimal`] writes, as a whole number of 10^-places; `None` when it is no decimal, or has more places.
pub(crate) fn parse_decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(decimals) || decimals.len() > places {
        return None;
    }
    format!("{whole}{decimals:0<places$}").parse().ok()
}

/// Serializes types as the texts that they are shown as and read from (`Display`, `FromStr`).
macro_rules! as_text {
    ($($type:ident: $expecting:literal),+) => {$(
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl ::serde::de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: ::serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    )+};
}
pub(crate) use as_text;

as_text!(
    DurationUs: "a duration in quotes, such as \"150ms\" or \"5s\"",
    RatioPpm: "a percentage in quotes, such as \"2%\""
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_written() {
        for (text, us) in [("0s", 0), ("1us", 1), ("150ms", 150_000), ("5s", 5_000_000), ("30d", 2_592_000_000_000)] {
            assert_eq!(text.parse(), Ok(DurationUs(us)));
            assert_eq!(DurationUs(us).to_string(), text);
        }
        assert_eq!(DurationUs(90_000_000).to_string(), "90s");
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "5sec", "99999999999999999999s", "999999999999999d"] {
            assert!(text.parse::<DurationUs>().is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_are_exact_to_one_part_per_million() {
        for (text, ppm) in [("0%", 0), ("2%", 20_000), ("0.05%", 500), ("99.9999%", 999_999), ("100%", 1_000_000)] {
            assert_eq!(text.parse(), Ok(RatioPpm(ppm)));
            assert_eq!(RatioPpm(ppm).to_string(), text);
        }
        for text in ["", "%", "2", "101%", "-1%", "1.%", ".5%", "0.00001%", "NaN%", "1e2%"] {
            assert!(text.parse::<RatioPpm>().is_err(), "{text}");
        }
    }
}
