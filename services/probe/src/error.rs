//! Why a probe can't start or go on, each with where it happened and what to do.

use std::io;
use std::path::PathBuf;

use crate::check::PrepareError;

/// Why [`run`](crate::run) ended other than by shutdown.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The outbox can't be opened.
    #[error("open the probe's outbox")]
    Outbox(#[from] OutboxError),
    /// A target can't be checked as it is configured.
    #[error("prepare the probe's targets")]
    Prepare(#[from] PrepareError),
    /// The operating system gives no random bytes, so frames can have no identity.
    #[error("draw the boot identity from the operating system")]
    Random(#[source] getrandom::Error),
    /// A part of the probe panicked: a bug. What was kept in the outbox is sent after a restart.
    #[error("the probe's {part} panicked: restart it, and report this with the log before it")]
    Panicked {
        /// Which part.
        part: &'static str,
        /// The panic.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// What went wrong with the outbox's directory.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Another probe has it.
    #[error("{} is in use by another probe: stop that one, or give this one a directory of its own", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Frames wait for another partition than this probe publishes to: they may be in that one already, so they can't go
    /// to this one.
    #[error(
        "{frames} frames in {} wait for partition {theirs}, and this probe publishes to partition {ours}: start it with \
         the number of partitions that it had before, until they are sent; if that number was never right, move the \
         directory away (its slots become missed ones)", path.display()
    )]
    OtherPartition {
        /// The directory.
        path: PathBuf,
        /// How many frames wait for it.
        frames: u64,
        /// The partition that they wait for.
        theirs: u16,
        /// The probe's.
        ours: u16,
    },
    /// The file system refused.
    #[error("can't {doing} {}: check that the path exists, is writable, and that its disk works and has room", path.display())]
    Io {
        /// What was tried, such as `create`.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}
