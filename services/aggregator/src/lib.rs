//! The aggregator: follows the log, folds it, keeps the projection in a sled store, records the log into the archive
//! behind NATS, and publishes what it derives.
//!
//! The web service reuses [`Projection`] and [`follow`] for its own projection. Only [`store`] knows sled.

pub mod alerts;
mod catch_up;
pub mod daily;
pub mod dead;
pub mod derived;
pub mod duties;
pub mod follow;
mod gaps;
pub mod gauges;
mod projection;
mod projections;
pub mod rebuild;
pub mod recorder;
mod recount;
mod status;
pub mod store;
mod ticks;

pub use projection::{CheckpointError, Projection};
pub use projections::Projections;
pub use status::{FoldStatus, Phase, StoreGone};
