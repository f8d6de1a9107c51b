//! Whole numbers as a report's JSON holds them: as texts, since JSON readers round numbers beyond 2^53.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::units::as_text;

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct U64(pub u64);

/// A whole number that may be below 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct I64(pub i64);

impl From<u64> for U64 {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for U64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for I64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for U64 {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl FromStr for I64 {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

as_text!(U64: "a whole number in quotes, such as \"12\"", I64: "a whole number in quotes, such as \"-12\"");
