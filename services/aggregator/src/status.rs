//! Where a fold stands, as everybody may ask.

use serde::Serialize;
use spark_schemas::TimeNs;

/// The store failed, so that what is folded upon it may be wrong: nothing of it is shown until the fold has opened the
/// store anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store of partition {partition} is gone: {reason}")]
pub struct StoreGone {
    /// Whose store it is.
    pub partition: u16,
    /// How it showed.
    pub reason: String,
}

/// Where the fold stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", content = "detail", rename_all = "snake_case")]
pub enum Phase {
    /// It reads what is in the log already.
    Replaying {
        /// Position reached.
        folded: u64,
        /// Position the log was at when the replay began.
        of: u64,
    },
    /// It follows the log as it grows.
    Live,
    /// The log can't be read; it keeps trying. The text says why.
    Unreachable(String),
    /// It stopped. The text says why.
    Failed(String),
}

/// Where the fold stands, and how it compares with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoldStatus {
    /// What it is doing.
    pub phase: Phase,
    /// The last sequence number that was folded.
    pub position: u64,
    /// The log's last sequence number as last heard.
    pub log_last_seq: u64,
    /// When the last batch was folded, by the local clock; 0 before the first.
    pub last_batch: TimeNs,
    /// Why the last checkpoint was not made, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_checkpoint: Option<String>,
}
