//! The leaf: one recorded frame, as the archive stores and hashes it.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};

/// The longest leaf, in bytes: its length must fit the u16 that precedes it in an entry bundle.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// The subject of a gap leaf, which names messages that the stream lost.
pub const GAP_SUBJECT: &str = "gap";

/// `[seq, received_ns, subject, msg_id, payload]`, an array in MessagePack.
///
/// In a gap leaf the subject is [`GAP_SUBJECT`], `seq` the first missing number, `msg_id` the last missing number in
/// decimal, and `payload` the reason in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf<'a> {
    /// The stream's sequence number; it rises by one from leaf to leaf, past a gap's last number after a gap leaf.
    pub seq: u64,
    /// When the log took the frame, in nanoseconds since the epoch.
    pub received_ns: u64,
    /// The subject as published.
    pub subject: &'a str,
    /// The `Nats-Msg-Id` as published; empty when there was none.
    pub msg_id: &'a str,
    /// The frame's bytes as published, never encoded again.
    #[serde(with = "serde_bytes")]
    pub payload: &'a [u8],
}

/// Why bytes are no leaf, or a message can't become one.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// Not MessagePack of the leaf's shape.
    #[error("not a leaf")]
    Decode(#[from] DecodeError),
    /// The bytes decode, but the codec would write them otherwise: not what a recorder wrote.
    #[error("the leaf is not in its canonical encoding")]
    NotCanonical,
    /// Longer than [`LEAF_BYTES_MAX`].
    #[error("a leaf has at most {LEAF_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
}

impl<'a> Leaf<'a> {
    /// The bytes that are stored and hashed.
    pub fn encode(&self) -> Result<Vec<u8>, LeafError> {
        let mut bytes = Vec::with_capacity(self.payload.len() + self.subject.len() + self.msg_id.len() + 32);
        self.serialize(&mut rmp_serde::Serializer::new(&mut bytes)).map_err(|_in_memory| LeafError::NotCanonical)?;
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a leaf; the texts and the payload borrow from `bytes`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, LeafError> {
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong(bytes.len()));
        }
        codec::from_msgpack(bytes).map_err(LeafError::Decode)
    }

    /// As [`Leaf::decode`], and refuses bytes that [`Leaf::encode`] would not have written.
    pub fn decode_canonical(bytes: &'a [u8]) -> Result<Self, LeafError> {
        let leaf = Self::decode(bytes)?;
        if leaf.encode()? != bytes {
            return Err(LeafError::NotCanonical);
        }
        Ok(leaf)
    }

    /// The sequence number that the leaf after this one has: one more, or one past the last that a gap names.
    pub fn next_seq(&self) -> u64 {
        self.gap_last_seq().unwrap_or(self.seq).saturating_add(1)
    }

    /// The last missing sequence number, when this is a well-formed gap leaf.
    pub fn gap_last_seq(&self) -> Option<u64> {
        if self.subject != GAP_SUBJECT {
            return None;
        }
        self.msg_id.parse().ok().filter(|last| *last >= self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf<'static> {
        Leaf {
            seq: 7,
            received_ns: 1_700_000_000_000_000_000,
            subject: "spark.evt.0.a.obs",
            msg_id: "00-1",
            payload: b"xyz",
        }
    }

    #[test]
    fn is_a_messagepack_array_of_five_with_a_binary_payload() {
        let bytes = leaf().encode().unwrap();
        assert_eq!(bytes[0], 0x95, "array of five");
        assert_eq!(bytes[1], 7, "the shortest integer form");
        assert_eq!(&bytes[bytes.len() - 5..], [0xc4, 3, b'x', b'y', b'z'], "bin 8 of three bytes");
        assert_eq!(Leaf::decode_canonical(&bytes).unwrap(), leaf());
    }

    #[test]
    fn other_encodings_of_the_same_values_are_refused() {
        let mut bytes = leaf().encode().unwrap();
        bytes.splice(1..2, [0xcc, 7]); // seq as uint 8 instead of a fixint
        assert_eq!(Leaf::decode(&bytes).unwrap(), leaf());
        assert!(matches!(Leaf::decode_canonical(&bytes), Err(LeafError::NotCanonical)));
        bytes.push(0);
        assert!(matches!(Leaf::decode(&bytes), Err(LeafError::Decode(DecodeError::Trailing))));
    }

    #[test]
    fn a_leaf_longer_than_its_length_prefix_can_say_is_refused() {
        let payload = vec![0; LEAF_BYTES_MAX];
        let long = Leaf { payload: &payload, ..leaf() };
        assert!(matches!(long.encode(), Err(LeafError::TooLong(_))));
        assert!(matches!(Leaf::decode(&payload), Err(LeafError::Decode(_))));
    }

    #[test]
    fn a_gap_leaf_names_its_last_missing_number() {
        let gap = Leaf { subject: GAP_SUBJECT, msg_id: "9", payload: b"removed by the server", ..leaf() };
        assert_eq!(gap.gap_last_seq(), Some(9));
        assert_eq!(Leaf { msg_id: "6", ..gap }.gap_last_seq(), None, "ends before it starts");
        assert_eq!(leaf().gap_last_seq(), None);
    }
}
