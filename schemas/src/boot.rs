//! The identity of one run of one agent's class.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// 16 random bytes drawn when a process starts, one for each class it publishes; frames are numbered from 0 within it.
///
/// Binary in MessagePack, 32 lower-case hex digits in JSON and in message ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boot(pub [u8; 16]);

/// The text is not 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a boot is 32 lower-case hex digits")]
pub struct BootError;

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boot({self})")
    }
}

impl FromStr for Boot {
    type Err = BootError;

    fn from_str(text: &str) -> Result<Self, BootError> {
        fn nibble(digit: u8) -> Option<u8> {
            match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            }
        }
        let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_length| BootError)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]).ok_or(BootError)? << 4 | nibble(pair[1]).ok_or(BootError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Boot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Boot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SixteenBytes;

        impl Visitor<'_> for SixteenBytes {
            type Value = Boot;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("16 bytes, or 32 hex digits")
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Boot, E> {
                value.try_into().map(Boot).map_err(|_length| E::invalid_length(value.len(), &self))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Boot, E> {
                value.parse().map_err(E::custom)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(SixteenBytes)
        } else {
            deserializer.deserialize_bytes(SixteenBytes)
        }
    }
}

impl JsonSchema for Boot {
    fn schema_name() -> Cow<'static, str> {
        "Boot".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "16 bytes (bin) in MessagePack, shown here as in JSON: 32 hex digits",
            "type": "string",
            "pattern": "^[0-9a-f]{32}$"
        })
    }
}
