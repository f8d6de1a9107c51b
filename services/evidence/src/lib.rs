//! What makes the log provable: keys, signed checkpoints, attestations, bundles and their verification.
//!
//! [`keys`] who signs · [`vkey`] whom a verifier trusts · [`note`] signed text (C2SP signed-note) · [`checkpoint`] a log's
//! size and root (C2SP tlog-checkpoint) · [`signer`] signs a log's checkpoints, and no second history of it ·
//! [`tiles`] what is served of a log (C2SP tlog-tiles) · [`dsse`] and [`statement`] signed statements (in-toto) ·
//! [`bundle`] a day's report with all that it follows from · [`verify`] holding a bundle against itself.

pub mod bundle;
pub mod checkpoint;
pub mod dsse;
mod durable;
pub mod keys;
pub mod note;
pub mod recount;
mod signed;
pub mod signer;
pub mod statement;
pub mod tiles;
pub mod verify;
pub mod vkey;

pub use checkpoint::Checkpoint;
pub use keys::{Given, Keys, KeysError, Signer};
pub use note::Note;
pub use signed::{MemoryError, remembered};
pub use signer::{KeyPlace, LogSigner, SignError, Signed};
pub use vkey::{Vkey, keyid};
