//! Instants as nanoseconds since 1970-01-01T00:00:00Z; never a clock.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Nanoseconds since the Unix epoch, UTC.
///
/// An integer in MessagePack; a decimal string in JSON, where many readers round integers above 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeNs(pub u64);

impl TimeNs {
    /// Nanoseconds in one second.
    pub const SECOND: u64 = 1_000_000_000;

    /// This instant plus `duration_us` microseconds, at most the last representable instant.
    pub const fn plus_us(self, duration_us: u64) -> Self {
        Self(self.0.saturating_add(duration_us.saturating_mul(1_000)))
    }

    /// This instant minus `duration_us` microseconds, at least the epoch.
    pub const fn minus_us(self, duration_us: u64) -> Self {
        Self(self.0.saturating_sub(duration_us.saturating_mul(1_000)))
    }

    /// Microseconds from `earlier` to this instant; 0 when `earlier` is later.
    pub const fn since_us(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

impl fmt::Display for TimeNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for TimeNs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(&self.0) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for TimeNs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nanoseconds;

        impl Visitor<'_> for Nanoseconds {
            type Value = TimeNs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("nanoseconds since the epoch, an unsigned integer or its decimal string")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<TimeNs, E> {
                Ok(TimeNs(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<TimeNs, E> {
                value.parse().map(TimeNs).map_err(|_not_a_number| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Nanoseconds)
        } else {
            deserializer.deserialize_u64(Nanoseconds)
        }
    }
}

impl JsonSchema for TimeNs {
    fn schema_name() -> Cow<'static, str> {
        "TimeNs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Nanoseconds since 1970-01-01T00:00:00Z: an integer in MessagePack, its decimal string in JSON",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^[0-9]{1,20}$"}
            ]
        })
    }
}
