//! Spark's web service: server-rendered pages, the API, and one stream of live events for each open page.
//!
//! Every figure comes from the projections at an instant; nothing here computes one. A request looks at them
//! once, takes out what it needs, and renders after the lock is released. What is not known is said, never guessed:
//! a panel that can't get its data says why, and a state that is not live is never shown as healthy.

mod api;
mod app;
mod assets;
mod chart;
pub mod evidence;
mod format;
mod guard;
mod live;
mod pages;
mod params;
mod probing;
mod recent;
mod routes;
mod serve;
mod standing;

pub use app::{App, BuildInfo, LogMode, SHARED_AT_MOST};
pub use probing::{NoProbing, Probing, ProbingError};
pub use routes::router;
pub use serve::serve;
