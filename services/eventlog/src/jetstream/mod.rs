//! The event log on NATS JetStream. The only module that knows async-nats.
//!
//! A partition is a stream that never forgets by itself and never answers before the disk has the frame. Nothing here
//! repairs a stream: one that could lose acknowledged frames is refused by [`JetStreamLog::check`], with the reason, and
//! whenever its bounds are asked for, as everybody does who is about to follow it. Nothing makes one either but [`init`],
//! which an operator asks for.
//! What a client can't see is the server's `sync_interval`; see `nats/nats-server.conf`.

mod api;
mod backoff;
mod batch;
mod connect;
mod delivery;
mod feed;
mod log;
mod partition;
mod publish;
mod publisher;
mod reader;
mod rescue;
mod seal;
mod settings;
mod stream;

pub use api::ApiError;
pub use connect::{Client, ConnectError, ConnectOptions, Credentials, NotConnected, connect, connect_when_there};
pub use log::{JetStreamLog, OpenError};
pub use partition::{partition_of, partitions};
pub use publish::AppendFault;
pub use publisher::{PublishError, Publisher};
pub use reader::ReadFault;
pub use settings::{Difference, Differences, Fault, Faults, MESSAGE_BYTES_MAX};
pub use stream::{InitError, InitOptions, Initialised, Outcome, init};
