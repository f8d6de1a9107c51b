//! The event log: append frames, read them back in order, for ever. One trait, two implementations, one test suite.
//!
//! [`archive`] is the Merkle log on disk: the log itself on one machine, the recorder's copy behind NATS.
//! [`jetstream`] is NATS JetStream; it is the only place that knows async-nats.

pub mod archive;
pub mod clock;
pub mod jetstream;
pub mod range;
pub mod writer;

use async_trait::async_trait;
use bytes::Bytes;
use spark_schemas::{EventSubject, Frame, FrameError, GAP_SUBJECT, Leaf, LeafError, MsgId};

/// A frame on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it is published.
    pub subject: EventSubject,
    /// Its identity.
    pub msg_id: MsgId,
    /// The encoded frame.
    pub payload: Bytes,
}

impl Outgoing {
    /// Encodes `frame` for `subject`.
    pub fn new(subject: EventSubject, frame: &Frame) -> Result<Self, FrameError> {
        Ok(Self { subject, msg_id: frame.msg_id(), payload: frame.encode()?.into() })
    }
}

/// Where the log put a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence number, from 1.
    pub seq: u64,
    /// The log had this message id already, and kept the first.
    pub duplicate: bool,
}

/// A frame as the log recorded it; the fields are those of [`Leaf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The sequence number, from 1.
    pub seq: u64,
    /// When the log took it, in nanoseconds since the epoch.
    pub received_ns: u64,
    /// The subject as published.
    pub subject: String,
    /// The message id as published; empty when there was none.
    pub msg_id: String,
    /// The payload as published.
    pub payload: Bytes,
}

impl Recorded {
    /// The leaf that the archive stores and hashes.
    pub fn to_leaf(&self) -> Leaf<'_> {
        let Self { seq, received_ns, subject, msg_id, payload } = self;
        Leaf { seq: *seq, received_ns: *received_ns, subject, msg_id, payload }
    }

    /// The leaf that says: the stream has nothing from `first_seq` to `last_seq`. It is as old as the frame after it, so
    /// that every reader of the stream makes the same one.
    pub fn gap(first_seq: u64, last_seq: u64, received_ns: u64) -> Self {
        Self {
            seq: first_seq,
            received_ns,
            subject: GAP_SUBJECT.to_owned(),
            msg_id: last_seq.to_string(),
            payload: Bytes::from_static(GAP_REASON),
        }
    }

    /// As [`Leaf::next_seq`].
    pub fn next_seq(&self) -> u64 {
        self.to_leaf().next_seq()
    }

    /// Reads back a leaf's bytes; the payload shares them.
    pub fn from_leaf(bytes: &Bytes) -> Result<Self, LeafError> {
        let leaf = Leaf::decode(bytes)?;
        Ok(Self {
            seq: leaf.seq,
            received_ns: leaf.received_ns,
            subject: leaf.subject.to_owned(),
            msg_id: leaf.msg_id.to_owned(),
            payload: bytes.slice_ref(leaf.payload),
        })
    }
}

/// The reason in gap leaves.
const GAP_REASON: &[u8] = b"not in the stream when it was recorded";

/// What a log holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Which log this is: it changes when the log is deleted and made anew (`EVENTS@<created>`).
    pub incarnation: String,
    /// The first sequence number that can be read; one more than `last_seq` when the log is empty.
    pub first_seq: u64,
    /// The last sequence number; 0 when nothing was ever appended.
    pub last_seq: u64,
}

/// Why frames were not appended. None of them counts as appended; trying again with the same message ids is safe.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log can't be reached or did not answer in time: try again.
    #[error("the log does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log has no room.
    #[error("the log is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log refuses this agent or this subject: trying again will not help.
    #[error("the log refused the frames")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Why the log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log can't be reached or did not answer in time: try again.
    #[error("the log does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log no longer holds this position.
    #[error("the log starts at {first_seq}, position {wanted} is gone")]
    Gone {
        /// The position asked for.
        wanted: u64,
        /// The first that is there.
        first_seq: u64,
    },
    /// The log is kept in a way that could lose or change frames: it is not read until that is put right.
    #[error("the log is not safe")]
    Unsafe(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored is not what was written.
    #[error("the log is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// An append-only log of frames.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends `frames` in order and returns their positions; they are durable when it returns.
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError>;

    /// Reads from sequence number `from` on: what is there, then what comes.
    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError>;

    /// What the log holds now.
    async fn bounds(&self) -> Result<Bounds, ReadError>;

    /// When the log took the first frame from sequence number `from` on, which is there; a gap is as old as the frame
    /// after it.
    async fn received_ns(&self, from: u64) -> Result<u64, ReadError> {
        let batch = self.read(from).await?.next_batch().await?;
        batch.first().map(|frame| frame.received_ns).ok_or(ReadError::Closed)
    }
}

/// A place in a log that is being read.
#[async_trait]
pub trait LogReader: Send {
    /// The next frames in order, at least one; waits when there are none yet. Safe to cancel.
    async fn next_batch(&mut self) -> Result<Vec<Recorded>, ReadError>;
}
