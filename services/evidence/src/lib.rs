//! What makes the log provable: keys, signed checkpoints, attestations, bundles and their verification.
//!
//! [`keys`] who signs · [`vkey`] whom a verifier trusts · [`note`] signed text (C2SP signed-note) · [`checkpoint`] a log's
//! size and root (C2SP tlog-checkpoint) · [`dsse`] and [`statement`] signed statements (in-toto) · [`bundle`] a day's report
//! with all it follows from · [`verify`] holding a bundle against itself.

pub mod bundle;
pub mod checkpoint;
pub mod dsse;
mod durable;
pub mod keys;
pub mod note;
pub mod statement;
pub mod verify;
pub mod vkey;

pub use checkpoint::Checkpoint;
pub use keys::{Given, Keys, KeysError, Signer};
pub use note::Note;
pub use vkey::{Vkey, keyid};
