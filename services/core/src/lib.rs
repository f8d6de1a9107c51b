//! Spark's pure middle: everything that is ever shown is a function of the log and an instant, and lives here.
//!
//! This crate knows no clock, no I/O, no runtime. Time is an argument. Closed buckets live behind a trait that the
//! aggregator's store implements.

pub mod boots;
pub mod bucket;
pub mod canary;
pub mod config;
pub mod fold;
pub mod gate;
pub mod health;
mod json;
pub mod judge;
pub mod latency;
pub mod ledger;
pub mod maintenance;
pub mod merkle;
pub mod openslo;
pub mod page;
pub mod report;
pub mod schedule;
pub mod series;
pub mod service_hours;
pub mod slo;
pub mod units;
mod varint;
pub mod view;
pub mod window;

use sha2::{Digest as _, Sha256};

/// What an event is known by: the first half of SHA-256 over its content, in hex.
pub(crate) fn identity(content: &[u8]) -> String {
    hex(&Sha256::digest(content)[..16])
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
