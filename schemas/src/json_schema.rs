//! JSON Schema (2020-12) for everything that is published, generated from the types themselves.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::derived::{AlertMessage, GateMessage, HealthMessage, WindowMessage};
use crate::event::{self, Event};
use crate::{Frame, event::for_each_kind};

/// A file name (without `.schema.json`) and the schema that belongs in it.
pub type NamedSchema = (&'static str, Schema);

fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// The schemas of the frame, of each event kind and of each derived message.
pub fn all() -> Vec<NamedSchema> {
    let mut schemas = vec![
        ("frame", schema_of::<Frame>()),
        ("event", schema_of::<Event>()),
        ("window", schema_of::<WindowMessage>()),
        ("health", schema_of::<HealthMessage>()),
        ("gate", schema_of::<GateMessage>()),
        ("alert", schema_of::<AlertMessage>()),
    ];
    macro_rules! push_kinds {
        ($($variant:ident($payload:ident) = $kind:literal,)+) => {
            $(schemas.push((concat!("event.", $kind), schema_of::<event::$payload>()));)+
        };
    }
    for_each_kind!(push_kinds);
    schemas
}
