//! `{kind: {fields}}`: an externally tagged enum that takes kinds it does not know.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::*;

macro_rules! serialize_event {
    ($($variant:ident($payload:ty) = $kind:literal,)+) => {
        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                match self {
                    $(Self::$variant(payload) => map.serialize_entry($kind, payload)?,)+
                    Self::Unknown { kind } => map.serialize_entry(kind, &NoFields {})?,
                }
                map.end()
            }
        }

        impl<'de> Visitor<'de> for OneKind {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of one event kind to its fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let Some(kind) = map.next_key::<Kind>()? else {
                    return Err(A::Error::custom("an event without a kind"));
                };
                let event = match kind {
                    $(Kind::$variant => map.next_value::<$payload>().map(Event::$variant)?,)+
                    Kind::Unknown(kind) => {
                        map.next_value::<IgnoredAny>()?;
                        Event::Unknown { kind }
                    }
                };
                match map.next_key::<IgnoredAny>()? {
                    None => Ok(event),
                    Some(_) => Err(A::Error::custom("an event with more than one kind")),
                }
            }
        }

        enum Kind {
            $($variant,)+
            Unknown(CompactString),
        }

        impl<'de> Deserialize<'de> for Kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct KindName;

                impl Visitor<'_> for KindName {
                    type Value = Kind;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an event kind")
                    }

                    fn visit_str<E: Error>(self, name: &str) -> Result<Kind, E> {
                        Ok(match name {
                            $($kind => Kind::$variant,)+
                            other => Kind::Unknown(other.into()),
                        })
                    }
                }

                deserializer.deserialize_str(KindName)
            }
        }

        impl JsonSchema for Event {
            fn schema_name() -> Cow<'static, str> {
                "Event".into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let mut kinds = serde_json::Map::new();
                $(kinds.insert($kind.into(), generator.subschema_for::<$payload>().into());)+
                json_schema!({
                    "description": "One kind and its fields. A reader passes over kinds it does not know.",
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": kinds,
                    "additionalProperties": {"type": "object"}
                })
            }
        }
    };
}
for_each_kind!(serialize_event);

struct OneKind;

#[derive(Serialize)]
struct NoFields {}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneKind)
    }
}
