//! What makes the log provable: keys, signed checkpoints, attestations, bundles and their verification.
//!
//! [`keys`] who signs · [`vkey`] whom a verifier trusts · [`note`] signed text (C2SP signed-note) · [`checkpoint`] a log's
//! size and root (C2SP tlog-checkpoint).

pub mod checkpoint;
mod durable;
pub mod keys;
pub mod note;
pub mod vkey;

pub use checkpoint::Checkpoint;
pub use keys::{Given, Keys, KeysError, Signer};
pub use note::Note;
pub use vkey::{Vkey, keyid};
