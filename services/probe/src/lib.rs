//! The probe agent: runs checks on a drift-free schedule and gets every result into the log, or says which slot has none.
//!
//! The way of an observation through this crate: `slots` says when a check is due, `runner` runs it ([`check`] does the
//! work), `recorder` puts it into a frame, `outbox` keeps the frame on disk, `sender` hands it to the log and deletes it
//! once the log acknowledged it. `coverage` knows which slots are accounted for, also across a restart.
//!
//! Invariants:
//! - Each slot of a target gives exactly one `observed`, or is part of exactly one `missed`, in the order of slots.
//! - Nothing is deleted from the outbox that the log did not acknowledge.
//! - Nothing here reads the wall clock or the environment: both are arguments.

pub mod check;
mod clock;
mod coverage;
mod error;
mod fleet;
mod outbox;
mod recorder;
mod runner;
mod sender;
mod slots;
mod supervisor;

#[cfg(test)]
mod simulation;

pub use error::{OutboxError, ProbeError};
pub use supervisor::{ProbeOptions, ProbeSummary, run};
