//! What must hold of any bytes whatever: one property for each fuzz target.
//!
//! The fuzzer calls them with what it makes up (`cargo xtask fuzz`), a test with the seeds that are kept. A property
//! that does not hold panics and says why. None of them judges time: the fuzzer stops an input that takes too long.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod archive;
mod condition;
mod config;
mod decoder;

pub use archive::archive;
pub use condition::condition;
pub use config::config;
pub use decoder::decoder;

/// A property and its name, which is also that of its target and of its folder of seeds.
pub type Target = (&'static str, fn(&[u8]));

/// All properties.
pub const TARGETS: [Target; 4] =
    [("archive", archive), ("condition", condition), ("config", config), ("decoder", decoder)];
