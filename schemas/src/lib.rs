//! What Spark writes and reads: frames of events, the subjects they travel on, the leaf they are recorded as.
//!
//! This crate is the only one that knows MessagePack. It has no clock, no I/O and no runtime: bytes go in, values or
//! errors come out. Decoding is total: any bytes give a value or an error that names what was wrong, never a panic.

mod boot;
mod codec;
pub mod derived;
pub mod event;
mod fast;
mod frame;
pub mod json_schema;
mod leaf;
pub mod metric;
mod name;
pub mod subject;
mod time;

pub use boot::Boot;
pub use codec::{DecodeError, to_msgpack};
pub use event::Event;
pub use frame::{Clock, FRAME_BYTES_MAX, FRAME_VERSION, Frame, FrameError, MsgId, MsgIdError, SEAL_LEN};
pub use leaf::{GAP_SUBJECT, LEAF_BYTES_MAX, Leaf, LeafError};
pub use name::{NAME_LEN_MAX, Name, NameError};
pub use subject::{Class, EventSubject, SubjectError};
pub use time::TimeNs;
