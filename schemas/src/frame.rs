//! A frame: one message, one outbox unit, one leaf; up to 64,000 bytes of events from one run of one agent.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::{Boot, Class, Event, EventSubject, Name, fast};

/// The frame version this crate writes.
pub const FRAME_VERSION: u64 = 1;
/// The longest frame, in bytes, so that its leaf fits an entry bundle.
pub const FRAME_BYTES_MAX: usize = 64_000;

/// Events of one agent, in the order they happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The format's version: 1.
    pub v: u64,
    /// Who speaks; the subject must say the same.
    pub agent: Name,
    /// Which run of the agent.
    pub boot: Boot,
    /// The frame's number in that run, from 0 without gaps.
    pub seq: u64,
    /// Where the agent's time comes from.
    #[serde(default)]
    pub clock: Clock,
    /// What happened.
    pub events: Vec<Event>,
}

/// The time source behind a frame's instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clock {
    /// `system`, or what disciplines it when that is known.
    #[schemars(with = "String")]
    pub source: compact_str::CompactString,
    /// Measured offset from the reference in microseconds, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_us: Option<i64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { source: compact_str::CompactString::const_new("system"), offset_us: None }
    }
}

/// Why a message is not a frame of its subject.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// More than [`FRAME_BYTES_MAX`] bytes.
    #[error("a frame has at most {FRAME_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not MessagePack of a frame's shape.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// A version this build does not know.
    #[error("frame version {0} is unknown here (known: {FRAME_VERSION})")]
    Version(u64),
    /// No events at all.
    #[error("the frame has no events")]
    Empty,
    /// The frame speaks for another agent than its subject.
    #[error("the frame says agent {frame}, its subject says {subject}")]
    Agent {
        /// The agent in the frame.
        frame: Name,
        /// The agent in the subject.
        subject: Name,
    },
    /// An event that the subject's class may not carry.
    #[error("a {kind} event is not allowed in class {class}")]
    Class {
        /// The event's kind.
        kind: &'static str,
        /// The subject's class.
        class: Class,
    },
    /// An event whose figures contradict themselves.
    #[error("{kind}: {reason}")]
    Event {
        /// The event's kind.
        kind: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Frame {
    /// The bytes to publish; refuses what no reader would take.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let bytes = codec::to_msgpack(self);
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a frame and holds it against the subject it came on.
    pub fn decode(bytes: &[u8], subject: &EventSubject) -> Result<Self, FrameError> {
        let frame = Self::decode_alone(bytes)?;
        if frame.agent != subject.agent {
            return Err(FrameError::Agent { frame: frame.agent, subject: subject.agent.clone() });
        }
        match frame.events.iter().find(|event| !event.may_travel_in(subject.class)) {
            Some(event) => Err(FrameError::Class { kind: event.kind(), class: subject.class }),
            None => Ok(frame),
        }
    }

    /// Reads a frame without its subject: size, shape, version and each event's own rules.
    pub fn decode_alone(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let frame = match fast::frame(bytes) {
            Some(frame) => frame,
            None => codec::from_msgpack(bytes)?,
        };
        if frame.v != FRAME_VERSION {
            return Err(FrameError::Version(frame.v));
        }
        if frame.events.is_empty() {
            return Err(FrameError::Empty);
        }
        for event in &frame.events {
            event.check().map_err(|reason| FrameError::Event { kind: event.kind(), reason })?;
        }
        Ok(frame)
    }

    /// The frame's identity.
    pub fn msg_id(&self) -> MsgId {
        MsgId { boot: self.boot, seq: self.seq }
    }
}

/// `<boot hex>-<seq>`: the identity of a frame.
///
/// As `Nats-Msg-Id`, which JetStream's duplicate window compares, it may be followed by `-` and [`SEAL_LEN`] hex digits
/// that only its publisher can know beforehand: nobody else can then take the id away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsgId {
    /// The agent's run.
    pub boot: Boot,
    /// The frame's number in it.
    pub seq: u64,
}

/// How many hex digits a message id's seal has.
pub const SEAL_LEN: usize = 16;

/// The text is neither `<boot hex>-<seq>` nor `<boot hex>-<seq>-<seal>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id is <32 hex digits>-<number>, and -<16 hex digits> when it is sealed")]
pub struct MsgIdError;

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot, self.seq)
    }
}

impl FromStr for MsgId {
    type Err = MsgIdError;

    fn from_str(text: &str) -> Result<Self, MsgIdError> {
        let mut parts = text.split('-');
        let (Some(boot), Some(seq), seal, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(MsgIdError);
        };
        let id =
            Self { boot: boot.parse().map_err(|_form| MsgIdError)?, seq: seq.parse().map_err(|_form| MsgIdError)? };
        let is_hex = |seal: &str| seal.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_sealed_well = seal.is_none_or(|seal| seal.len() == SEAL_LEN && is_hex(seal));
        if is_sealed_well && id.seq.to_string() == seq && id.boot.to_string() == boot {
            Ok(id)
        } else {
            Err(MsgIdError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_has_one_spelling() {
        let id = MsgId { boot: Boot([0xab; 16]), seq: 12 };
        assert_eq!(id.to_string(), "abababababababababababababababab-12");
        assert_eq!(id.to_string().parse(), Ok(id));
        for end in ["", "-", "-01", "-+1", "-1-", "-1-12", "-1-00112233445566EE", "-1-0011223344556677-"] {
            let text = format!("abababababababababababababababab{end}");
            assert_eq!(text.parse::<MsgId>(), Err(MsgIdError), "{text}");
        }
        for text in ["", "-", "ab-1"] {
            assert_eq!(text.parse::<MsgId>(), Err(MsgIdError), "{text}");
        }
    }

    #[test]
    fn a_sealed_message_id_names_the_same_frame() {
        let id = MsgId { boot: Boot([0xab; 16]), seq: 12 };
        assert_eq!(format!("{id}-00112233445566ee").parse(), Ok(id));
    }
}
