//! Commands that ask a running Spark, or look at a file, and end.

mod archive;
mod canary;
mod check;
mod client;
mod declare;
mod evidence;
mod gate;
mod keys;
mod manual;
mod nats_accounts;
mod nats_keys;
mod progress;
mod report;
mod smoke;
mod verify;

pub use archive::{cat, fsck};
pub use canary::{canary, verify_canary};
pub use check::check;
pub use declare::{deploy, maintenance};
pub use evidence::{export, verify_bundle};
pub use gate::gate;
pub use keys::keys;
pub use manual::{completions, man};
pub use nats_keys::nats_keys;
pub use report::report;
pub use smoke::smoke;
pub use verify::verify_gate;
