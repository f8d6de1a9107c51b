//! Reading what travels and what is recorded: frames, leaves, events, derived messages, and the texts beside them.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use spark_schemas::derived::{AlertMessage, GateMessage, HealthMessage, WindowMessage};
use spark_schemas::{
    Class, Event, EventSubject, FRAME_BYTES_MAX, Frame, FrameError, LEAF_BYTES_MAX, Leaf, LeafError, MsgId, Name,
    to_msgpack,
};

/// As deep as the codec lets values nest.
const DEPTH_MAX: usize = 64;

/// Whatever the bytes are read as, they are a value that is written and read back the same, or an error that says
/// something. The short way to read a frame reads what serde reads.
pub fn decoder(bytes: &[u8]) {
    frame(bytes);
    leaf(bytes);
    event(bytes);
    same_again::<WindowMessage>(bytes);
    same_again::<HealthMessage>(bytes);
    same_again::<GateMessage>(bytes);
    same_again::<AlertMessage>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        texts(text);
    }
}

/// What serde alone makes of all the bytes.
fn by_serde<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut deserializer = rmp_serde::Deserializer::new(bytes);
    deserializer.set_max_depth(DEPTH_MAX);
    let value = T::deserialize(&mut deserializer).ok()?;
    deserializer.get_ref().is_empty().then_some(value)
}

fn frame(bytes: &[u8]) {
    let by_serde: Option<Frame> = by_serde(bytes);
    let frame = match Frame::decode_alone(bytes) {
        Ok(frame) => frame,
        Err(error) => {
            says_something(&error);
            let is_read = match error {
                FrameError::TooLong(length) => return assert!(length == bytes.len() && length > FRAME_BYTES_MAX),
                FrameError::Decode(_) => false,
                _ => true,
            };
            return assert_eq!(is_read, by_serde.is_some(), "{error}");
        }
    };
    assert_eq!(by_serde.as_ref(), Some(&frame), "both ways read the same");

    for class in [Class::Obs, Class::Ctl] {
        let subject = EventSubject { partition: 0, agent: frame.agent.clone(), class };
        let may_travel = frame.events.iter().all(|event| event.may_travel_in(class));
        assert_eq!(Frame::decode(bytes, &subject).is_ok(), may_travel, "{class}");
    }

    match frame.encode() {
        Ok(written) => {
            let again = Frame::decode_alone(&written).expect("what was written is read");
            assert_eq!(again, frame);
            assert_eq!(again.encode().unwrap(), written);
        }
        // Others may write the same frame in fewer bytes: fields without their names, events without their fields.
        Err(error) => assert!(matches!(error, FrameError::TooLong(length) if length > bytes.len()), "{error}"),
    }
}

fn leaf(bytes: &[u8]) {
    let leaf = match Leaf::decode(bytes) {
        Ok(leaf) => leaf,
        Err(error) => {
            says_something(&error);
            return assert!(Leaf::decode_canonical(bytes).is_err());
        }
    };
    let is_canonical = match leaf.encode() {
        Ok(written) => {
            assert_eq!(Leaf::decode_canonical(&written).expect("what was written is canonical"), leaf);
            written == bytes
        }
        Err(error) => {
            assert!(matches!(error, LeafError::TooLong(length) if length > LEAF_BYTES_MAX), "{error}");
            false
        }
    };
    assert_eq!(Leaf::decode_canonical(bytes).is_ok(), is_canonical);
    assert!(leaf.next_seq() > leaf.seq || leaf.next_seq() == u64::MAX);
    frame(leaf.payload);
}

fn event(bytes: &[u8]) {
    let from_json = serde_json::from_slice::<Event>(bytes).map_err(|error| says_something(&error)).ok();
    for event in [same_again::<Event>(bytes), from_json].into_iter().flatten() {
        assert_eq!(by_serde::<Event>(&to_msgpack(&event)).as_ref(), Some(&event));
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
        if let Err(reason) = event.check() {
            says_something(&reason);
        }
    }
}

/// Reads a value; it is the same after it was written and read once more.
fn same_again<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = by_serde(bytes)?;
    assert_eq!(by_serde::<T>(&to_msgpack(&value)).as_ref(), Some(&value));
    Some(value)
}

fn texts(text: &str) {
    one_spelling::<Name>(text);
    one_spelling::<EventSubject>(text);
    // A seal is no part of what an id says.
    if let Ok(id) = text.parse::<MsgId>() {
        assert!(text.starts_with(&id.to_string()));
        one_spelling::<MsgId>(&id.to_string());
    }
}

fn one_spelling<T: FromStr<Err: Display> + Display>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string(), text),
        Err(error) => says_something(&error),
    }
}

fn says_something(error: &impl Display) {
    assert!(!error.to_string().is_empty());
}
