//! What makes the log provable: keys, signed checkpoints, attestations, bundles and their verification.
//!
//! [`keys`] who signs · [`vkey`] whom a verifier trusts · [`note`] signed text (C2SP signed-note) · [`checkpoint`] a log's
//! size and root (C2SP tlog-checkpoint) · [`signer`] signs a log's checkpoints, and no second history of it ·
//! [`tiles`] what is served of a log (C2SP tlog-tiles).

pub mod checkpoint;
mod durable;
pub mod keys;
pub mod note;
mod signed;
pub mod signer;
pub mod tiles;
pub mod vkey;

pub use checkpoint::Checkpoint;
pub use keys::{Given, Keys, KeysError, Signer};
pub use note::Note;
pub use signed::{MemoryError, remembered};
pub use signer::{KeyPlace, LogSigner, SignError, Signed};
pub use vkey::{Vkey, keyid};
