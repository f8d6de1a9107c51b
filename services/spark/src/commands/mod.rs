//! Commands that ask a running Spark, or look at a file, and end.

mod check;
mod client;
mod gate;
mod smoke;

pub use check::check;
pub use gate::gate;
pub use smoke::smoke;
