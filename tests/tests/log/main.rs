//! The log in NATS when things go wrong: servers that are away, streams made anew, lost answers, poison.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod faults;
mod following;
mod frames;
mod incarnations;
mod poison;
mod proxy;
mod waiting;
